"""What a statement of a cell does: names bound, read and changed, modules imported, and what cannot be told."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from nbslim.analyzer.constants import Text

ResourceKind = Literal[
    "file", "variable", "program", "metadata", "entry points", "search path", "choice", "path"
]


@dataclass(frozen=True)
class Condition:
    """What depends on it happens if a name is true (or, with `equals`, has that one value), or if it `holds` not."""

    name: str
    equals: tuple[Any, ...] = ()
    holds: bool = True

    def opposite(self) -> Condition:
        """Return the condition that is met when this one is not."""
        return replace(self, holds=not self.holds)

    def met(self, value: Any) -> bool:
        """Tell whether it is met where the name stands for `value`."""
        return (bool(value) if not self.equals else value == self.equals[0]) is self.holds


@dataclass(frozen=True)
class Imported:
    """One name that an import brings, as written; `level` counts the dots of a relative import."""

    module: str
    line: int
    name: str | None = None
    """What `from module import name` takes; `*` for a star import."""
    bound: str | None = None
    """The name that it binds; None for star imports and dynamic ones."""
    level: int = 0
    optional: bool = False
    """Whether the code goes on where the import fails."""
    function: int | None = None
    """Line of the innermost function that imports, None for an import that runs with its statement."""
    instead_of: tuple[str, ...] = ()
    """Modules whose import is tried first; it runs where one of them is missing."""
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Opaque:
    """A construct that static analysis cannot look into, such as `eval`."""

    what: str
    line: int
    served: bool = True
    """Whether it can work at all in a function that is served outside Jupyter."""
    texts: tuple[Text, ...] = ()
    """The names of the modules that it may import, as far as they are spelled out."""
    function: int | None = None
    """Line of the innermost function around it."""
    binds: bool = False
    """Whether it may bind any name of the notebook."""

    def importing(self, text: str) -> Imported:
        """Return what it imports if `text` names the module."""
        return replace(named_import(text, self.line), function=self.function)


@dataclass(frozen=True)
class Mention:
    """A name that may make a library import something by itself when it is called; see `hidden`."""

    name: str
    line: int
    function: int | None = None
    """Line of the innermost function around it."""
    owner: str | None = None
    """The name at which it is reached: `df` in `df.plot`."""
    called: bool = True


@dataclass(frozen=True)
class Resource:
    """Something outside of the program that code names: a file, an environment variable, a program, metadata."""

    kind: ResourceKind
    texts: tuple[Text, ...]
    line: int
    function: int | None = None
    """Line of the innermost function around it."""
    callee: str | None = None
    """The name that is called, where only its import tells that it means what it seems to mean."""


@dataclass(frozen=True)
class Effect:
    """A change of something that is no value of the notebook's, if `root` turns out to be imported."""

    root: str
    """The name at which the changed object is reached: `pd` in `pd.DataFrame.twice = twice`."""
    what: str
    line: int
    kind: Literal["store", "call", "import"]
    chain: str
    """What is changed or called, dotted, as far as it is made of names: `pd.DataFrame.twice`."""
    names: frozenset[str] = frozenset()
    """The names that making the change reads."""
    replay: str | None = None
    """Python that makes the change again; None where that would do more than the change."""
    module: str | None = None
    """The module that `root` is, where it is imported on the spot: `__import__("os")`."""


@dataclass(frozen=True)
class Body:
    """What the bodies of functions read, import and change when they are called, later than the statement itself."""

    names: frozenset[str] = frozenset()
    imports: tuple[Imported, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    mentions: tuple[Mention, ...] = ()
    resources: tuple[Resource, ...] = ()
    effects: tuple[Effect, ...] = ()
    files: frozenset[str] = frozenset()
    """What looks like a file's name."""
    updates: frozenset[str] = frozenset()
    """Global names whose values they may change without binding them."""
    altered: frozenset[str] = frozenset()
    """Those among them that are surely changed, even where they are imported."""
    stores: frozenset[str] = frozenset()
    """Names that they bind by `global`."""
    calls: tuple[tuple[str, frozenset[str]], ...] = ()
    """Functions that they call by name, with the names that are handed over."""
    kept: tuple[tuple[str, frozenset[str]], ...] = ()
    """Containers with the names of what they put into them."""

    def at(self, line: int) -> Body:
        """Return it as if all of it stood in one line."""
        return replace(self, **_moved(self, line))


@dataclass(frozen=True)
class Statement:
    """A module-level statement, compound ones taken apart into header and parts.

    `uses` are read at once; `body` holds what functions and lambdas in it read later. `updates` are names whose
    values the statement may change without binding them.
    """

    line: int
    binds: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    bases: frozenset[str] = frozenset()
    """Base classes of a class: it cannot be loaded without them."""
    body: Body = Body()
    updates: frozenset[str] = frozenset()
    altered: frozenset[str] = frozenset()
    """Those of `updates` that are surely changed, even where they are imported."""
    may_bind: frozenset[str] = frozenset()
    """Those of `binds` that are bound in a part of an expression that may not be evaluated."""
    calls: tuple[tuple[str, frozenset[str]], ...] = ()
    """Functions that are called by name, with the names that are handed to them."""
    imports: tuple[Imported, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    mentions: tuple[Mention, ...] = ()
    """Names that it reads at once; they matter where it assigns them uncalled."""
    resources: tuple[Resource, ...] = ()
    effects: tuple[Effect, ...] = ()
    files: frozenset[str] = frozenset()
    """What looks like a file's name: such a file may hold what the statement reads, or bring what it binds."""
    conditional: bool = False
    conditions: tuple[Condition, ...] = ()
    """Names on whose truth alone it depends; `conditional` says whether it depends on anything else."""
    instead_of: tuple[str, ...] = ()
    """Modules whose import is tried first; it runs where one of them is missing."""
    deletes: bool = False
    augments: bool = False
    """Whether it changes in place, if it can, what it binds (`+=`)."""
    defines_code: bool = False
    """Whether what it binds is code (a function, class or lambda) and not a computed value."""
    keeps_subclasses: bool = False
    """Whether it binds a class that may remember the classes derived from it."""
    plain_if_builtin: frozenset[str] | None = None
    """If not None, the value holds nothing of what it was computed from, as long as these names are the builtins."""
    constant: tuple[Any, ...] = ()
    """The literal value that it assigns, if it assigns one and nothing else."""
    texts: tuple[tuple[str | None, str], ...] = ()
    """The literal texts that the container which it assigns holds, if it holds nothing else, with a table's keys."""
    shares: frozenset[str] = frozenset()
    """Names whose objects the bound names may stand for, in whole or in part."""
    kept: tuple[tuple[str, frozenset[str]], ...] = ()
    """Names of containers with the names of what is put into them: `bag.append(item)`."""
    into: frozenset[str] = frozenset()
    """Names whose objects hold, from then on, what it assigns: `a` in `a.b = ...`."""
    within: frozenset[str] = frozenset()
    """Names in the headers of the `with` blocks around it, which may end it early and go on."""
    alias_of: str | None = None
    """The chain of attributes that is all that it assigns: `a.b.c`."""
    call: str | None = None
    """Its code, if it does nothing but call a function."""

    @property
    def text(self) -> str | None:
        """The literal text that it assigns."""
        return self.constant[0] if self.constant and isinstance(self.constant[0], str) else None

    def at(self, line: int) -> Statement:
        """Return it as if all of it stood in one line: that which runs its file."""
        return replace(self, **_moved(self, line), line=line, body=self.body.at(line))


def named_import(text: str, line: int) -> Imported:
    """Return the import of a module that a string names, with dots before it where it is relative."""
    module = text.lstrip(".")
    return Imported(module, line, level=len(text) - len(module))


def full_name(imported: Imported) -> str:
    """Return module and name together: only the whole may tell which distribution a namespace package means."""
    return imported.module if imported.name in (None, "*") else f"{imported.module}.{imported.name}"


def _moved(whole: Body | Statement, line: int) -> dict[str, Any]:
    """Return the parts of `whole` that have a line, with that line set to `line`."""
    moved = {}
    for part in fields(whole):
        value = getattr(whole, part.name)
        if isinstance(value, tuple) and value and hasattr(value[0], "line"):
            moved[part.name] = tuple(replace(one, line=line) for one in value)
    return moved
