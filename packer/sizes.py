"""Measures what a pack has won."""

from __future__ import annotations

from nbslim.packer.cache import used
from nbslim.packer.distributions import total_bytes
from nbslim.packer.interpreter import assemble_interpreter
from nbslim.packer.job import Job
from nbslim.packer.ladder import Slimmed
from nbslim.packer.libraries import inside
from nbslim.packer.workspace import remove_tree


def full_bytes(job: Job) -> int:
    """Return the bytes of a one-stage image: interpreter and environment as installed."""
    return _interpreter_bytes(job) + total_bytes([job.environment.folder])


def sizes_of(job: Job, slimmed: Slimmed, full: int) -> dict[str, int]:
    """Return the bytes of the full environment, of each rung, and of the image."""
    image = total_bytes([job.workspace.tree])
    return {"full": full, **{rung.level: rung.bytes for rung in slimmed.ladder}, "image": image}


def _interpreter_bytes(job: Job) -> int:
    """Return what the interpreter occupies in a one-stage image; laid down once to be counted, then remembered."""
    real = inside(job.stage.tools.root, job.interpreter.executable).stat()
    kept = job.stage.tools.cache / "full" / f"{job.interpreter.version}-{real.st_ino}-{real.st_mtime_ns}"
    if not used(kept):
        full = job.workspace.folder / "full"
        counted = assemble_interpreter(job.interpreter, full, full=True).bytes
        remove_tree(full)
        kept.parent.mkdir(parents=True, exist_ok=True)
        aside = job.workspace.folder / "counted"
        aside.write_text(str(counted))
        aside.replace(kept)
    return int(kept.read_text())
