"""Which changes that cells made are made again when the bundle is loaded, or why that cannot be."""

from __future__ import annotations

from collections.abc import Iterable

from nbslim.analyzer import NotebookError, ServingEffect


def made_again(notebook: str, effects: Iterable[ServingEffect]) -> tuple[ServingEffect, ...]:
    """Return `effects` in order, those that one statement makes together once.

    Raises NotebookError for a change that cannot be made again alone.
    """
    kept: list[ServingEffect] = []
    for effect in effects:
        if effect.replay is None:
            raise _refused(notebook, effect)
        last = kept[-1] if kept else None
        if last is None or (last.place.cell, last.replay) != (effect.place.cell, effect.replay):
            kept.append(effect)
    return tuple(kept)


def _refused(notebook: str, effect: ServingEffect) -> NotebookError:
    message = (
        f"{notebook}, {effect.place}: {effect.what} changes {effect.changes}, on which serving depends, and the image "
        "cannot make that change without what the statement does besides"
    )
    hint = "make the change inside predictor, in a statement of its own, or in a module beside the notebook"
    return NotebookError(message, hint=hint)
