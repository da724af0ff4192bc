"""How batches are scored, as the notebook's own samples decide it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Batches:
    """`form` is `derived` from the predictor, `defined` by the notebook, or `looped`; then `reason` says why."""

    form: str = "looped"
    reason: str | None = None
    own: bool = False
    """Whether the notebook defines a form."""

    @property
    def refused(self) -> str | None:
        """What to know where the notebook's own form is not used."""
        if not self.own or self.form == "defined":
            return None
        return f"predictor_batch does not do what predictor does, and is not used: {self.reason}"

    def as_json(self) -> dict[str, str | None]:
        """Return what the receipt tells."""
        return {"form": self.form, "reason": self.reason}


UNSCORED = Batches()
