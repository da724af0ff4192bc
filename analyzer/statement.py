"""What a statement of a cell does: names bound, read and changed, modules imported, and what cannot be told."""

from __future__ import annotations

from dataclasses import dataclass, replace


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


@dataclass(frozen=True)
class Opaque:
    """A construct that static analysis cannot look into, such as `eval`."""

    what: str
    line: int
    served: bool = True
    """Whether it can work at all in a function that is served outside Jupyter."""
    variable: str | None = None
    """The name that holds the name of the module which it imports."""
    function: int | None = None
    """Line of the innermost function around it."""

    def importing(self, text: str) -> Imported:
        """Return what it imports if its variable holds `text`."""
        return replace(named_import(text, self.line), function=self.function)


@dataclass(frozen=True)
class Mention:
    """A name after a dot, inside a function, that may make a library import something by itself; see `hidden`."""

    name: str
    line: int
    function: int
    """Line of the innermost function around it."""


@dataclass(frozen=True)
class Body:
    """What the bodies of functions read and import when they are called, later than the statement itself."""

    names: frozenset[str] = frozenset()
    imports: tuple[Imported, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    mentions: tuple[Mention, ...] = ()
    files: frozenset[str] = frozenset()
    """What looks like a file's name."""

    def at(self, line: int) -> Body:
        """Return it as if all of it stood in one line."""
        return replace(
            self,
            imports=tuple(replace(imported, line=line) for imported in self.imports),
            opaque=tuple(replace(opaque, line=line) for opaque in self.opaque),
            mentions=tuple(replace(mention, line=line) for mention in self.mentions),
        )


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
    calls: tuple[tuple[str, frozenset[str]], ...] = ()
    """Functions that are called by name, with the names that are handed to them."""
    imports: tuple[Imported, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    files: frozenset[str] = frozenset()
    """What looks like a file's name: such a file may hold what the statement reads, or bring what it binds."""
    conditional: bool = False
    deletes: bool = False
    defines_code: bool = False
    """Whether what it binds is code (a function, class or lambda) and not a computed value."""
    plain_if_builtin: frozenset[str] | None = None
    """If not None, the value holds nothing of what it was computed from, as long as these names are the builtins."""
    text: str | None = None
    """The literal text that it assigns."""

    def at(self, line: int) -> Statement:
        """Return it as if all of it stood in one line: that which runs its file."""
        return replace(
            self,
            line=line,
            imports=tuple(replace(imported, line=line) for imported in self.imports),
            opaque=tuple(replace(opaque, line=line) for opaque in self.opaque),
            body=self.body.at(line),
        )


def named_import(text: str, line: int) -> Imported:
    """Return the import of a module that a string names, with dots before it where it is relative."""
    module = text.lstrip(".")
    return Imported(module, line, level=len(text) - len(module))
