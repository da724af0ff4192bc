"""What the user asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbslim.packer.oci import source_date

PACKAGES, MODULES = "packages", "modules"

PASSED_ON = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "TZ",
)  # fmt: skip
"""What cells see of the caller's environment unasked: how to reach the network, and the time zone."""


@dataclass(frozen=True)
class Settings:
    """How the user wants the notebook run."""

    entries: tuple[str, ...] = ("predictor", "validator", "predictor_batch")
    variables: Mapping[str, str] | None = None
    timeout: int | None = None
    """Seconds for each cell; None: no limit."""
    network: bool = True
    answers: bool = True
    """Whether samples are recorded and answered; without, any functions may be the entry points."""
    samples: tuple[Any, ...] = ()
    """Samples besides the notebook's own."""


@dataclass(frozen=True)
class Goal:
    """How far to go, and what to leave alone."""

    level: str = MODULES
    strict: bool = False
    """Whether an image of a safer level is an error."""
    keep: tuple[str, ...] = ()
    accelerator: str | None = None


DEFAULTS = Settings()
GOAL = Goal()


@dataclass(frozen=True)
class Options:
    """One pack."""

    notebook: Path
    tag: str | None = None
    engine: str = "auto"
    python: str | None = None
    settings: Settings = DEFAULTS
    output: Path | None = None
    bundle: Path | None = None
    base: str | None = None
    isolation: str | None = None
    goal: Goal = GOAL
    anew: bool = False
    """Whether everything is done again, whatever is remembered of it."""
    created: int = field(default_factory=source_date)
    """What the image says when it was made, in seconds since 1970."""
