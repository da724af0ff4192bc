"""Why serving does without a distribution, in a few words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from nbslim.analyzer.names import KERNEL
from nbslim.analyzer.types import Place


@dataclass(frozen=True)
class Dropped:
    """The distributions that serving does without, and what is known of them."""

    names: Collection[str]
    requirers: Mapping[str, Collection[str]]
    """Who requires what in the whole environment."""
    imported: Mapping[str, Place]
    """Those that cells import, with the first place."""
    refuted: Mapping[str, Place]
    """Those that a value's history names and the value does not hold, as execution showed; where they are imported."""
    declared: Collection[str]
    source: str
    """Where the user declared `declared`."""

    def reason(self, name: str) -> str:
        """Tell why `name` is dropped: the first that holds, from what the cells say to what they do not."""
        if name in self.refuted:
            return f"only a value's history names it ({self.refuted[name]}), and the value itself does not hold it"
        if name in self.imported:
            return f"imported ({self.imported[name]}), but nothing that serving reaches uses it"
        if name in self.declared:
            return f"declared ({self.source}), but no cell imports it"
        if name in self._kernel:
            return "brought by Jupyter's kernel"
        if requirers := self._asking(name):
            return f"required only by {', '.join(sorted(requirers))}"
        return "installed, and mentioned nowhere"

    @cached_property
    def _kernel(self) -> set[str]:
        """The kernel, and what is required by nothing but the kernel and what it brings."""
        brought = {KERNEL}.intersection(self.names)
        while more := {name for name in self.names if brought.intersection(self._asking(name))} - brought:
            brought |= more
        # requirements may go in circles, so what others require too is found last
        while shared := {name for name in brought - {KERNEL} if not brought.issuperset(self._asking(name))}:
            brought -= shared
        return brought

    def _asking(self, name: str) -> Collection[str]:
        return self.requirers.get(name, ())
