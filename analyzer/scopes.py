"""Which names a piece of code binds and reads, by Python's own rules."""

from __future__ import annotations

import symtable


class Scope:
    """What `symtable` says of a piece of code: exact where walking nodes would have to repeat Python's rules."""

    def __init__(self, code: str) -> None:
        table = symtable.symtable(code, "<cell>", "exec")
        self.binds = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
        """Names that are bound when the code runs."""
        self.uses = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
        """Names that are read when the code runs."""
        self.deferred: set[str] = set()
        """Names that functions in it read, or bind by `global`, which no pickle of theirs leaves out either."""
        self.global_stores: set[str] = set()
        """Names that functions in it bind by `global`."""
        for child in table.get_children():
            self._descend(child, later=False)

    def _descend(self, table: symtable.SymbolTable, *, later: bool) -> None:
        comprehension = table.get_name() in ("listcomp", "setcomp", "dictcomp", "genexpr")
        later = later or (table.get_type() == "function" and not comprehension)
        for symbol in table.get_symbols():
            if symbol.is_global():
                self._add(symbol, later=later)
            elif table.get_type() == "class" and symbol.is_local() and symbol.is_referenced():
                # In a class's body a name that is not bound yet is the global one: `n = n.copy()`.
                (self.deferred if later else self.uses).add(symbol.get_name())
        for child in table.get_children():
            self._descend(child, later=later)

    def _add(self, symbol: symtable.Symbol, *, later: bool) -> None:
        name = symbol.get_name()
        if symbol.is_assigned() or symbol.is_imported():
            (self.global_stores if later else self.binds).add(name)
        if later:
            self.deferred.add(name)
        elif symbol.is_referenced():
            self.uses.add(name)


def names_in(code: str) -> frozenset[str]:
    """Return the names that `code` reads from outside, at once or later. Raises SyntaxError."""
    scope = Scope(code)
    return frozenset(scope.uses | scope.deferred)
