"""What a shell line such as `pip install` or `conda install` asks for, as lines of a requirements file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

_PIP = re.compile(r"(?:.*/)?pip[\d.]*")
_CONDA = re.compile(r"(?:.*/)?(?:conda|mamba|micromamba)")
# What may stand before an installer's name: its runner, an option of that, a variable for its environment.
_BEFORE = re.compile(r"sudo|uv|-.+|\w+=.*")
_SEPARATORS = {"&", "&&", ";", "|", "||"}
_REDIRECTION = re.compile(r"#|\d*[<>](?!=)|&>")
_FILE_OPTIONS = {"-r", "--requirement", "--requirements"}
# What stands after these is their value and no requirement.
_VALUE_OPTIONS = (
    _FILE_OPTIONS
    | {"-c", "--constraint", "-e", "--editable", "-f", "--find-links", "-t", "--target", "-p", "--python"}
    | {"-i", "--index-url", "--extra-index-url", "--index", "--default-index", "--trusted-host", "--proxy"}
    | {"--prefix", "--root", "--platform", "--python-version", "--implementation", "--abi", "--no-binary"}
    | {"--only-binary", "--progress-bar", "--timeout", "--retries", "--cert", "--cache-dir"}
)
_CONDA_VALUE_OPTIONS = {"-c", "--channel", "-n", "--name", "-p", "--prefix", "--file"}

# Packages that conda and PyPI call by different names; None for what no distribution brings.
_CONDA_NAMES = {
    "matplotlib-base": "matplotlib",
    "opencv": "opencv-python-headless",
    "pip": None,
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "pytables": "tables",
    "python": None,
    "python-graphviz": "graphviz",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
}


def asked(command: str) -> Iterator[str]:
    """Yield what the installers in a shell line are asked for; an option without its value, which may be secret."""
    for one in _simple_commands(words(command)):
        at = next((i for i, word in enumerate(one) if _PIP.fullmatch(word) or _CONDA.fullmatch(word)), None)
        if at is None or (at and not _BEFORE.fullmatch(one[at - 1])):
            continue
        arguments = iter(one[at + 1 :])
        if next((word for word in arguments if not word.startswith("-")), None) == "install":
            yield from _from_pip(arguments) if _PIP.fullmatch(one[at]) else _from_conda(arguments)


def words(command: str) -> list[str]:
    """Split a line as a shell does, and at blanks where its quotes do not match."""
    try:
        return shlex.split(command)
    except ValueError:  # an apostrophe in a comment
        return [word.strip("'\"") for word in command.split()]


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Join lines that a backslash continues; each has the number of its first."""
    start, joined = 1, ""
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        start = start if joined else number
        # A comment ends with its line, whatever stands at the end of it.
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            joined += line[:-1] + " "
            continue
        yield start, joined + line
        joined = ""


def _simple_commands(line: list[str]) -> Iterator[list[str]]:
    current: list[str] = []
    for word in line:
        if word in _SEPARATORS:
            yield current
            current = []
        elif word.endswith(";"):
            yield [*current, word[:-1]]
            current = []
        else:
            current.append(word)
    yield current


def _from_pip(arguments: Iterator[str]) -> Iterator[str]:
    for word in arguments:
        if _REDIRECTION.match(word):
            return
        option, _, value = word.partition("=")
        if not word.startswith("-"):
            yield word
        elif option in _VALUE_OPTIONS:
            value = value or next(arguments, "")
            yield f"-r {value}" if option in _FILE_OPTIONS else option


def _from_conda(arguments: Iterator[str]) -> Iterator[str]:
    for word in arguments:
        if _REDIRECTION.match(word):
            return
        if word in _CONDA_VALUE_OPTIONS:
            next(arguments, "")
        elif not word.startswith("-") and (requirement := _requirement(word)):
            yield requirement


def _requirement(specification: str) -> str | None:
    """Turn conda's `channel::numpy=1.26` into `numpy==1.26.*`."""
    package = specification.rpartition("::")[2]
    name = re.split(r"[^\w.-]", package, maxsplit=1)[0]
    version = package.removeprefix(name)
    if re.match(r"=[^=]", version):
        version = f"=={version[1:].partition('=')[0].removesuffix('.*')}.*"
    known = _CONDA_NAMES.get(name, name)
    return None if known is None else known + version
