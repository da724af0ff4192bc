"""What values on the command line must be; each raises ArgumentTypeError, whose message says so."""

from __future__ import annotations

import argparse
import os
import re

from nbslim.packer.holdings import KINDS

_REFERENCE = re.compile(
    r"[a-z0-9]+([._/-]+[a-z0-9]+)*(:[0-9]+/[a-z0-9._/-]+)?(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
)


def reference(text: str) -> str:
    """Return `text` if it is a name for an image."""
    if not _REFERENCE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME[:TAG] in lower case, such as kmeans:1")
    return text


def variable(text: str) -> tuple[str, str]:
    """Return a variable and its value, this process' own where none is given."""
    name, given, value = text.partition("=")
    if not given and name not in os.environ:
        raise argparse.ArgumentTypeError(f"{name} is not set here, and no value is given (-e {name}=VALUE)")
    return name, value if given else os.environ[name]


def seconds(text: str) -> int:
    """Return a time limit."""
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds above 0")
    return int(text)


def kind(text: str) -> str:
    """Return `text` if it is a kind of what the cache holds."""
    if text not in KINDS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(KINDS)}")
    return text


def days(text: str) -> int:
    """Return a number of days."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of days")
    return int(text)


def port(text: str) -> int:
    """Return a port."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a number from 1 to 65535")
    return int(text)
