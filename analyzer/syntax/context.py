"""Where a walk over a statement is, and where it puts what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import libcst as cst
from nbslim.analyzer.constants import Text
from nbslim.analyzer.statement import Condition, Imported, Opaque
from nbslim.analyzer.syntax.found import Found
from nbslim.analyzer.syntax.locals import Locals
from nbslim.analyzer.syntax.nodes import dotted
from nbslim.analyzer.syntax.source import Source
from nbslim.analyzer.syntax.surroundings import Surroundings
from nbslim.analyzer.syntax.texts import texts_of


class Context:
    """The scopes and conditions around the node that is visited, and what was found so far."""

    def __init__(self, source: Source, around: Surroundings) -> None:
        self.source = source
        self.aliases = around.aliases
        self.at_once = Found()
        """What happens with the statement itself."""
        self.deferred = Found()
        """What happens when functions in it are called."""
        self.binds: set[str] = set()
        """Names that literal code binds, or that are bound through a namespace."""
        self.may_bind: set[str] = set()
        """Names that are bound in parts of expressions that may not be evaluated."""
        self.locals = Locals(around.texts)
        """The names of the functions and comprehensions around."""
        self.instead_of: tuple[str, ...] = around.instead_of
        """Modules whose import was tried before what is visited runs."""
        self.conditions: tuple[Condition, ...] = ()
        """Those of the `if` statements around that are inside the statement."""
        self._optional = int(around.optional)
        self._pinned: int | None = None

    @property
    def function(self) -> int | None:
        """Line of the innermost function around, None outside of functions."""
        return self.locals.function

    @property
    def found(self) -> Found:
        """Where what is found here belongs."""
        return self.at_once if self.locals.function is None else self.deferred

    def line(self, node: cst.CSTNode) -> int:
        """Return the line of a node, or that of the text in which it stands."""
        return self.source.line(node) if self._pinned is None else self._pinned

    def texts(self, node: cst.CSTNode) -> tuple[Text, ...]:
        """Return the texts that a node may stand for here."""
        return texts_of(node, self.locals.texts)

    def callee(self, node: cst.Call) -> str:
        """Return the name that is called, as functions are known by it."""
        name = dotted(node.func)
        return self.aliases.get(name, name)

    @contextmanager
    def optionally(self, guarded: bool) -> Iterator[None]:  # noqa: FBT001 -- says of what follows what it is
        """Walk a part after which the code goes on, if it is `guarded`, where an import in it fails."""
        self._optional += guarded
        yield
        self._optional -= guarded

    @contextmanager
    def pinned(self, line: int) -> Iterator[None]:
        """Walk code of a text, all of which stands in one line."""
        before, self._pinned = self._pinned, line
        yield
        self._pinned = before

    def add_import(self, imported: Imported) -> None:
        """Note an import, with all that is known of how it comes to run."""
        self.found.imports.append(
            replace(
                imported,
                optional=imported.optional or self._optional > 0,
                function=self.function,
                instead_of=self.instead_of,
                conditions=self.conditions,
            )
        )

    def add_opaque(self, what: str, line: int, *, served: bool = True, binds: bool = False) -> None:
        """Note a construct that cannot be looked into."""
        self.found.opaque.append(Opaque(what, line, served, function=self.function, binds=binds))
