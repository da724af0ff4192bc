"""What the environment's variables set: one table that is parsed, and that `--help` shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_BYTES = re.compile(r"(\d{1,15})([KMG]i?B?)?", re.IGNORECASE | re.ASCII)
_PREFIX = "NBSLIM_"
_MOST_EDITS = 2
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class SettingsError(Exception):
    """A variable has a value that it cannot have; the message is one line that names both."""


@dataclass(frozen=True)
class Variable:
    """A variable of the environment; `read` raises ValueError, whose message says what the value must be."""

    name: str
    default: str
    read: Callable[[str], object]
    about: str


def _number(low: float, high: float, *, whole: bool = True) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = int(text) if whole else float(text)
        except ValueError:
            number = low - 1
        if not (text.isascii() and text[:1].isdigit() and "_" not in text and low <= number <= high):
            raise ValueError(f"a {'whole ' * whole}number from {low} to {high}")
        return number

    return read


def _bytes(text: str) -> int:
    found = _BYTES.fullmatch(text)
    number = int(found[1]) * _UNITS[(found[2] or "")[:1].upper()] if found else 0
    if not 0 < number <= 1 << 30:
        raise ValueError("a number of bytes up to 1 GiB, such as 500000, 64KiB or 8MiB")
    return number


def _choice(**meanings: object) -> Callable[[str], object]:
    def read(text: str) -> object:
        if text.replace("-", "_") not in meanings:
            raise ValueError(" or ".join(meaning.replace("_", "-") for meaning in meanings))
        return meanings[text.replace("-", "_")]

    return read


_TABLE = {
    "port": Variable("PORT", "8080", _number(1, 65535), "the port to listen on"),
    "host": Variable("NBSLIM_HOST", "0.0.0.0", str, "the address to listen on; :: for IPv6"),
    "bundle": Variable("NBSLIM_BUNDLE", "/app/model", str, "the folder to serve, where no argument names it"),
    "workers": Variable(
        "NBSLIM_WORKERS", "1", _number(1, 256), "processes; they share the loaded model's memory"
    ),
    "threads": Variable(
        "NBSLIM_THREADS", "1", _number(1, 256), "calls of the predictor at a time in each process"
    ),
    "batch_window": Variable(
        "NBSLIM_BATCH_WINDOW_MS",
        "0",
        _number(0, 1000, whole=False),
        "milliseconds for which requests that come together wait for one another, to be scored as one batch; 0: never",
    ),
    "batch_size": Variable("NBSLIM_BATCH_SIZE", "64", _number(1, 10_000), "requests in such a batch at most"),
    "max_body": Variable(
        "NBSLIM_MAX_BODY", "8MiB", _bytes, "bytes of a request's body at most, decompressed; of a line of JSON lines"
    ),
    "max_depth": Variable("NBSLIM_MAX_DEPTH", "100", _number(1, 500), "arrays and objects inside one another at most"),
    "nan": Variable(
        "NBSLIM_NAN", "refuse", _choice(refuse=False, accept=True), "NaN and Infinity in requests: refuse or accept"
    ),
    "like_samples": Variable(
        "NBSLIM_INPUT",
        "any",
        _choice(any=False, like_samples=True),
        "any: the validator decides; like-samples: refuse what does not fit the schema in /openapi.json",
    ),
    "request_timeout": Variable(
        "NBSLIM_REQUEST_TIMEOUT", "30", _number(1, 3600), "seconds that a request may take to arrive whole"
    ),
    "idle_timeout": Variable(
        "NBSLIM_IDLE_TIMEOUT", "120", _number(1, 86400), "seconds that a connection may wait for its next request"
    ),
    "stop_delay": Variable(
        "NBSLIM_STOP_DELAY",
        "0",
        _number(0, 3600),
        "seconds to go on after SIGTERM, not ready any more, until requests are sent elsewhere",
    ),
    "stop_timeout": Variable(
        "NBSLIM_STOP_TIMEOUT", "10", _number(0, 3600), "seconds that running requests then get"
    ),
    "access_log": Variable(
        "NBSLIM_ACCESS_LOG", "on", _choice(on=True, off=False), "a line of JSON on stdout for each request: on or off"
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The settings of a service; times are in seconds, sizes in bytes."""

    port: int
    host: str
    bundle: str
    workers: int
    threads: int
    batch_window: float
    """In milliseconds."""
    batch_size: int
    max_body: int
    max_depth: int
    nan: bool
    like_samples: bool
    request_timeout: float
    idle_timeout: float
    stop_delay: float
    stop_timeout: float
    access_log: bool


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return what `environ` sets, defaults for the rest; an empty value is none.

    Raises SettingsError.
    """
    values = {}
    for field, variable in _TABLE.items():
        text = environ.get(variable.name) or variable.default
        try:
            values[field] = variable.read(text)
        except ValueError as error:
            raise SettingsError(f"{variable.name} must be {error}, not {text!r}") from None
    return Settings(**values)  # type: ignore[arg-type]  # each variable reads its field's type


def misspelt(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the names in `environ` that are almost those of variables, each with the one that may be meant.

    Others are let be: Kubernetes sets many where a service is called nbslim.
    """
    known = {variable.name: variable.name.replace(_PREFIX, "") for variable in _TABLE.values()}
    found = {}
    for name in environ:
        given = name.replace(_PREFIX, "", 1)
        if name.startswith(_PREFIX) and given and name not in known:
            away = {other: 0 if given in text else _edits(given, text) for other, text in known.items()}
            nearest = min(away, key=away.__getitem__)
            if away[nearest] <= _MOST_EDITS:
                found[name] = nearest
    return found


def _edits(one: str, other: str) -> int:
    """Return how many letters are to be added, removed or changed to make `other` of `one` (Levenshtein's distance).

    Not by difflib: each image would hold that for this alone.
    """
    row = list(range(len(other) + 1))
    for letter in one:
        above, row = row, [row[0] + 1]
        for column, wanted in enumerate(other):
            row.append(min(above[column] + (letter != wanted), above[column + 1] + 1, row[column] + 1))
    return row[-1]


def usage() -> str:
    """Return the variables with their defaults and meanings, a line each."""
    width = max(len(f"{variable.name}={variable.default}") for variable in _TABLE.values())
    return "".join(
        f"  {f'{variable.name}={variable.default}':<{width}}  {variable.about}\n"
        for variable in _TABLE.values()
    )


def variables() -> tuple[Variable, ...]:
    """Return all variables, in the order in which they are shown."""
    return tuple(_TABLE.values())
