"""A pack that was done before is answered from memory, without all that running a notebook takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nbslim.packer.cache import running
from nbslim.packer.environments import cache_folder, environment_before, runtime_before, runtime_requirements
from nbslim.packer.keys import notebook_key, pack_key
from nbslim.packer.options import Options
from nbslim.packer.packed import recall_pack
from nbslim.packer.prepare import Plan, plan
from nbslim.packer.pythons import Python, find_python
from nbslim.packer.receipt import Clock, Receipt
from nbslim.packer.target import Engine, choose_engine

Log = Callable[[str], None]


def packed_before(options: Options, *, log: Log) -> Receipt | None:
    """Leave what the same pack left when it was done before, and return its receipt; None where something changed.

    Raises NotebookError, RequirementsError or BuildError.
    """
    if options.anew or options.base:  # what a base holds is known only inside of it
        return None
    engine, clock, cache = choose_engine(options), Clock(), cache_folder(os.environ)
    with running(cache):
        with clock.step("plan"):
            found = plan(options.notebook, options.python)
        with clock.step("environment"):
            python = find_python(found.python)
            installed = _installed_before(found, python, cache)
        if installed is None:
            return None
        with clock.step("notebook"):
            executed = notebook_key(options, engine, found.notebook, python, installed, cache=cache)
        return receipt_before(executed, options, engine, cache=cache, clock=clock, log=log)


def receipt_before(
    executed: str, options: Options, engine: Engine, *, cache: Path, clock: Clock, log: Log
) -> Receipt | None:
    """Do the same where the key of the executed notebook is known."""
    with clock.step("image"):
        receipt = recall_pack(entry_of(executed, options, cache), options, engine, cache=cache)
    if receipt is None:
        return None
    log(f"{options.notebook.name}: nothing changed since it was packed before")
    return replace(receipt, seconds=clock.seconds)


def entry_of(executed: str, options: Options, cache: Path) -> Path:
    """Return where the pack is remembered, given the key of its executed notebook."""
    return cache / "receipts" / pack_key(executed, options)


def _installed_before(found: Plan, python: Python, cache: Path) -> tuple[Path, Path] | None:
    environment = environment_before(python, found.requirements.specifiers, cache=cache)
    runtime = runtime_before(python, runtime_requirements(), cache=cache)
    return (environment, runtime) if environment and runtime else None
