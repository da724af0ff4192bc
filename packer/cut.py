"""Symbols and debug information cut from shared libraries, once for each file of the cache."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from nbslim.packer.cache import used
from nbslim.packer.distributions import link_file, publish_file
from nbslim.packer.elf import is_elf, without_symbols
from nbslim.packer.facts import identity


def place_without_symbols(source: Path, target: Path, cache: Path) -> None:
    """Put the library `source` at `target` without what no loader reads; what is cut is remembered in `cache`."""
    kept = cache / hashlib.sha256(identity(source).encode()).hexdigest()
    if not used(kept):
        data = source.read_bytes()
        short = without_symbols(data) if is_elf(source) else data
        kept.parent.mkdir(parents=True, exist_ok=True)
        aside = kept.with_name(f"{kept.name}.{os.getpid()}")
        aside.write_bytes(short)
        aside.chmod(source.stat().st_mode)
        publish_file(aside, kept)
    link_file(kept, target)
