"""Which changes that cells made are made again when the bundle is loaded, or why that cannot be."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from nbslim.analyzer import NotebookError, ServingEffect


def made_again(notebook: str, effects: Iterable[ServingEffect]) -> tuple[ServingEffect, ...]:
    """Return `effects` in order, those that one statement makes together once.

    Raises NotebookError for a change that cannot be made again alone.
    """
    kept: list[ServingEffect] = []
    for effect in effects:
        if effect.replay is None or _sets_more(effect, effect.replay):
            raise _refused(notebook, effect)
        last = kept[-1] if kept else None
        if last is None or (last.place.cell, last.replay) != (effect.place.cell, effect.replay):
            kept.append(effect)
    return tuple(kept)


def _sets_more(effect: ServingEffect, replay: str) -> bool:
    """Tell whether the change may set variables besides the one that serving reads: those may be secrets."""
    if not effect.changes.startswith(("os.environ", "os.putenv")):
        return False
    whole = ast.parse(replay).body
    alone = len(whole) == 1 and isinstance(whole[0], (ast.Assign, ast.Expr))
    return not alone or effect.changes == "os.environ.update"


def _refused(notebook: str, effect: ServingEffect) -> NotebookError:
    message = (
        f"{notebook}, {effect.place}: {effect.what} changes {effect.changes}, on which serving depends, and the image "
        "cannot make that change without what the statement does besides"
    )
    hint = "make the change inside predictor, in a statement of its own, or in a module beside the notebook"
    return NotebookError(message, hint=hint)
