"""What loading a pickle would make: names of modules, objects with their parts, and the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nbslim.analyzer.types import Place

# Calls whose first argument names a module that they import; cloudpickle's `subimport` is told by its name alone,
# because others carry cloudpickle inside (`joblib.externals.cloudpickle.cloudpickle`).
_IMPORTERS = frozenset(
    {("builtins", "__import__"), ("importlib", "__import__"), ("importlib", "import_module")},
)
_CODE_MAKERS = frozenset({"_make_function", "_make_skeleton_class", "_make_skeleton_enum"})
_PICKLES = frozenset({"dump", "dumps", "CloudPickler", "Pickler", "register_pickle_by_value"})
_RUNTIME = "nbslim.runtime."
"""What every image has: effects and batched forms are objects of it."""

DATA = object()
"""Stands for numbers, bytes and whatever else names nothing."""
STATE = object()
"""The key of what an object's state is set from."""


@dataclass(frozen=True)
class Global:
    """A name in a module; without a name, the module itself."""

    module: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.module}.{self.name}" if self.name else self.module

    @property
    def imports(self) -> bool:
        """Whether a call of it imports the module that its first argument names."""
        carried = self.name == "subimport" and "cloudpickle" in self.module.split(".")
        return carried or (self.module, self.name) in _IMPORTERS

    @property
    def is_picklers_own(self) -> bool:
        """Whether pickling alone put it there: that the notebook was pickled says nothing of the notebook."""
        if self.module.startswith(_RUNTIME):
            return True
        return (
            self.module.partition(".")[0] == "cloudpickle" and bool(self.name) and self.name not in _PICKLES
        )

    @property
    def makes_code(self) -> bool:
        """Whether a call of it makes a function or class that the notebook defines."""
        return self.is_picklers_own and self.name in _CODE_MAKERS


class Made:
    """An object that loading makes: `maker` is its class or what else of a library makes it; `parts` lie in it."""

    __slots__ = ("length", "maker", "parts")

    def __init__(self, maker: Global | None = None) -> None:
        self.maker = maker
        self.length = 0
        self.parts: list[tuple[Any, Any]] = []

    def add(self, key: Any, value: Any) -> None:
        """Keep `value` under `key`, unless it is data."""
        if value is not DATA:
            self.parts.append((key, value))

    def get(self, key: Any) -> Any:
        """Return the last value under `key`, or None."""
        return next((value for known, value in reversed(self.parts) if known == key), None)


@dataclass(frozen=True)
class Contents:
    """What a pickle makes, the modules that it imports, and where the notebook's functions start that it carries."""

    root: Any
    modules: frozenset[str]
    functions: frozenset[Place]
    files: frozenset[str]
    """Texts that look like names of files."""
