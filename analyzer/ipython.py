"""IPython's own translation of a cell into Python; imported only where it is needed, as IPython takes its time."""

from __future__ import annotations

import warnings

from IPython.core.inputtransformer2 import TransformerManager


def translated(cell: str) -> str:
    """Return `cell` with its magics, shell lines and help requests as calls, each on the line where it stood."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about line ends that are not Python's
        return str(_LineKeeper().transform_cell(cell))  # type: ignore[no-untyped-call, unused-ignore] # untyped in some


class _LineKeeper(TransformerManager):  # type: ignore[misc, unused-ignore] # some releases of IPython ship no types
    """IPython's own transformer, which joins continued lines, with an empty line for each that it took."""

    def do_one_token_transform(self, lines: list[str]) -> tuple[bool, list[str]]:
        """Transform one magic and pad after it."""
        changed, after = super().do_one_token_transform(lines)  # type: ignore[no-untyped-call, unused-ignore]
        taken = len(lines) - len(after)
        if not changed or taken <= 0:
            return changed, after
        at = next((i for i, (old, new) in enumerate(zip(lines, after)) if old != new), len(after) - 1)
        return changed, [*after[: at + 1], *["\n"] * taken, *after[at + 1 :]]
