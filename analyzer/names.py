"""What a module's name alone tells: whether it is Python's own, and how much of it tells its distribution."""

from __future__ import annotations

import sys

# Standard in some Python that notebooks use and not in all; some live on as distributions.
_NOT_ALWAYS = frozenset(
    (  # noqa: SIM905 - a list would take thirty lines
        "aifc asynchat asyncore audioop binhex cgi cgitb chunk compression crypt distutils formatter imghdr imp "
        "lib2to3 mailcap msilib nis nntplib ossaudiodev parser pipes smtpd sndhdr spwd sunau symbol telnetlib tomllib "
        "uu xdrlib"
    ).split()
)
_ALWAYS = (sys.stdlib_module_names - _NOT_ALWAYS) | {"__main__"}

SHARED = ("google.cloud", "google", "azure")
"""Names that many distributions share; only what lies below them tells one from the other."""

KERNEL = "ipykernel"
"""The distribution that runs a notebook's cells."""


def is_standard(module: str, *, in_all: bool = False) -> bool:
    """Tell whether a dotted module is the standard library's, in some supported Python or `in_all`."""
    top = top_of(module)
    return top in _ALWAYS or (top in _NOT_ALWAYS and not in_all)


def top_of(module: str) -> str:
    """Return the first part of a dotted name."""
    return module.partition(".")[0]


def family(module: str) -> str:
    """Return the part of a dotted name that tells its distribution, as far as a name can."""
    shared = next((name for name in SHARED if module.startswith(f"{name}.")), None)
    parts = module.split(".")
    return ".".join(parts[: shared.count(".") + 2]) if shared else parts[0]
