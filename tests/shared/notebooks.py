"""Notebooks that tests write themselves."""

from __future__ import annotations

import json
from pathlib import Path


def write_notebook(path: Path, *cells: str, requirements: tuple[str, ...] = ()) -> Path:
    """Write a notebook of these cells, behind one that declares `requirements`."""
    sources = (f"requirements = {list(requirements)!r}", *cells)
    code = [
        {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for source in sources
    ]
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": code}))
    return path
