"""A Python script, with or without cell markers, becomes what an `.ipynb` file would hold."""

from __future__ import annotations

import io
import re
import tokenize
from typing import Any

from nbslim.analyzer.errors import NotebookError

# `# %%` as jupytext, VS Code and Spyder write it, `# In[1]:` as nbconvert does.
_MARKER = re.compile(r"^[ \t]*#\s*(?:%%+(?:\s|$)|<codecell>\s*$|In\[[\d ]*\]:?\s*$)", re.MULTILINE)
_FRONT_MATTER = re.compile(r"(?:#.*\n)*# ---\s*\n# (?:jupyter|jupytext):")
# VS Code marks magics by one more sign than jupytext.
_VSCODE_MAGIC = re.compile(r"^([ \t]*)#[ \t]*!(?=%)", re.MULTILINE)


def read_script(name: str, content: bytes) -> dict[str, Any]:
    """Return the notebook that a script stands for; without markers and front matter it is one cell.

    Raises NotebookError for what is not text.
    """
    text = _text(name, content)
    marked = _MARKER.search(text)
    if not marked and not _FRONT_MATTER.match(text):
        return {"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code", "source": text}]}
    import jupytext  # noqa: PLC0415 - takes longer than reading a script

    try:
        document: dict[str, Any] = jupytext.reads(
            _VSCODE_MAGIC.sub(r"\1# ", text), fmt="py:percent" if marked else "py"
        )
    except Exception as error:  # it raises whatever it stumbles over
        problem = " ".join(str(error).split())
        raise NotebookError(f"{name}: cannot be read as a notebook: {problem}") from error
    return document


def _text(name: str, content: bytes) -> str:
    """Decode as Python does: UTF-8, or as the first lines say."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = io.TextIOWrapper(io.BytesIO(content), encoding).read()
    except (SyntaxError, ValueError) as error:
        raise NotebookError(f"{name}: is not a Python script: it is not UTF-8 text") from error
    if "\0" in text:
        raise NotebookError(f"{name}: is not a Python script: it holds null bytes")
    return text
