"""What a pack finds out while the notebook runs, since that leaves a processor idle: nothing that the cells decide."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from nbslim.packer.elf import is_elf, read_elf
from nbslim.packer.interpreter import assemble_interpreter
from nbslim.packer.job import Job
from nbslim.packer.sizes import full_bytes
from nbslim.packer.workspace import remove_tree


@contextmanager
def meanwhile(job: Job) -> Iterator[Future[int]]:
    """Begin with what the steps after the notebook need; yields the bytes of the full environment, to be waited for.

    Nothing goes on when the block ends, whether the notebook failed or not.
    """
    with ThreadPoolExecutor(1) as other:
        full = other.submit(full_bytes, job)
        others = [other.submit(_lay_interpreter, job), other.submit(_read_libraries, job)]
        try:
            yield full
        finally:
            for one in others:
                one.cancel()  # what has not begun is done where it is needed


def _lay_interpreter(job: Job) -> None:
    """Have the interpreter in the cache, from where every tree takes it."""
    warm = job.workspace.folder / "warm"
    assemble_interpreter(job.interpreter, warm, bytecode=True, cache=job.cache)
    remove_tree(warm)


def _read_libraries(job: Job) -> None:
    """Know what the environment's shared libraries need."""
    for path in job.environment.site_packages.rglob("*.so*"):
        if is_elf(path):
            read_elf(path)
