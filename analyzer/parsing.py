"""Python's own syntax trees of texts that may be no Python."""

from __future__ import annotations

import ast
import warnings


def parses(python: str) -> bool:
    """Tell whether a text is Python."""
    return parsed(python) is not None


def parsed(python: str | bytes) -> ast.Module | None:
    """Return the syntax tree of a text, or None if it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape sequence is its author's matter
            return ast.parse(python)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
