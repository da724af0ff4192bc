"""The only module that starts uv."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from nbslim.analyzer import errors
from nbslim.packer.errors import BuildError
from uv import find_uv_bin

_UNREACHABLE = re.compile(r"Failed to fetch|error sending request|dns error|network was disabled")
_PREFIX = re.compile(r"^\s*(?:error:|cause:|Caused by:|\N{MULTIPLICATION SIGN}|╰─▶|├─▶)\s*")


class RequirementsError(errors.RequirementsError):
    """The requirements cannot be installed; `specifier` is the first that is at fault, as it was declared."""

    def __init__(self, message: str, *, hint: str | None = None, specifier: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.specifier = specifier


@dataclass(frozen=True)
class Answer:
    """What one call of uv said."""

    code: int
    output: str
    problem: str
    """Its stderr."""
    offline: bool = False
    """Whether no index could be reached, and the answer comes from uv's cache."""

    @property
    def good(self) -> bool:
        """Whether uv did what it was asked to do."""
        return self.code == 0

    @property
    def failed_build(self) -> str | None:
        """The distribution whose build from source failed, if that is the problem."""
        found = re.match(r"Failed to (?:download and )?build `([^`]+)`", "".join(self.causes[:1]))
        return found and found[1]

    @property
    def last_words(self) -> str:
        """The last line before uv's hints, such as the exception that ended a build."""
        return self.problem.partition("\n\nhint:")[0].rstrip().rpartition("\n")[2].strip()

    @property
    def causes(self) -> tuple[str, ...]:
        """The error and its causes, outermost first, one line each, without uv's hints and decoration."""
        causes: list[str] = []
        for line in self.problem.partition("\n\nhint:")[0].splitlines():
            if _PREFIX.match(line) or not causes:
                causes.append(_PREFIX.sub("", line).strip())
            else:
                causes[-1] = f"{causes[-1]} {line.strip(' │')}".strip()
        return tuple(cause for cause in causes if cause)


class Runner(Protocol):
    """Runs uv with these arguments and `text` on its standard input."""

    def __call__(self, *arguments: str, text: str = "") -> Answer:
        """Return what it said, success or not."""


def run_uv(*arguments: str, text: str = "", wrap: Callable[[list[str]], list[str]] = list) -> Answer:
    """Run uv with the user's own settings; when we are interrupted, it ends with all that it started.

    `wrap` turns its command line into the one to execute, such as one that runs it in a container.
    """
    with subprocess.Popen(
        wrap([find_uv_bin(), *arguments]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env=_settings(os.environ),
        start_new_session=True,
    ) as process:
        try:
            output, problem = process.communicate(text)
        except BaseException:
            _kill(process)
            raise
    return Answer(process.returncode, output, problem)


def uv_folder() -> Path:
    """Return the folder that holds uv's program."""
    return Path(find_uv_bin()).parent


def ask(run: Runner, *arguments: str, text: str = "") -> Answer:
    """Run uv, and where no index can be reached once more from uv's cache alone.

    Raises RequirementsError when neither has what is asked for, BuildError when the disk is full.
    """
    answer = run(*arguments, text=text)
    if "No space left on device" in answer.problem:
        message = f"uv {' '.join(arguments[:2])}: no space left on device"
        raise BuildError(message, hint="free some space, or move the caches (NBSLIM_CACHE, UV_CACHE_DIR)")
    if answer.good or not _UNREACHABLE.search(answer.problem):
        return answer
    cached = run(*arguments, "--offline", text=text)
    if cached.good:
        return replace(cached, offline=True)
    message = f"the package index cannot be reached, and uv's cache does not suffice: {_reason(answer)}"
    raise RequirementsError(message, hint="check the network, the proxy and the index settings of uv")


def failed(arguments: Sequence[str], answer: Answer) -> RequirementsError:
    """Return the error for a build that failed; for a failure that nobody foresaw, with the command line."""
    if built := answer.failed_build:
        hint = re.search(r"^hint: (.+)$", answer.problem, re.MULTILINE)
        message = f"{built} cannot be built from source: {answer.last_words}"
        return RequirementsError(message, hint=hint and hint[1].replace("`", ""), specifier=built)
    reason = ": ".join(answer.causes) or "it does not say why"
    return RequirementsError(f"`uv {' '.join(arguments)}` failed with code {answer.code}: {reason[:500]}")


def _kill(process: subprocess.Popen[str]) -> None:
    """End uv with its compilers and build backends, which would go on writing."""
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)


def _reason(answer: Answer) -> str:
    """Return what could not be reached and the innermost cause."""
    fetched = [cause for cause in answer.causes if cause.startswith("Failed to fetch")]
    return ": ".join(dict.fromkeys([*fetched[:1], *answer.causes[-1:]]))


def _settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the user's environment, but no chatter and no fetching of interpreters."""
    noisy = ("RUST_LOG", "FORCE_COLOR", "CLICOLOR_FORCE")
    kept = {name: value for name, value in environ.items() if name not in noisy}
    return {**kept, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
