"""Which names a piece of code binds and reads, by Python's own rules."""

from __future__ import annotations

import symtable


class Scope:
    """What `symtable` says of a piece of code: exact where walking nodes would have to repeat Python's rules."""

    def __init__(self, code: str) -> None:
        self._uses: set[str] = set()
        self._deferred: set[str] = set()
        self._global_stores: set[str] = set()
        table = symtable.symtable(code, "<cell>", "exec")
        self.binds = frozenset(
            s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()
        )
        self._uses |= {s.get_name() for s in table.get_symbols() if s.is_referenced()}
        for child in table.get_children():
            self._descend(child, later=False)
        self.uses, self.deferred = frozenset(self._uses), frozenset(self._deferred)
        self.global_stores = frozenset(self._global_stores)

    def _descend(self, table: symtable.SymbolTable, *, later: bool) -> None:
        comprehension = table.get_name() in ("listcomp", "setcomp", "dictcomp", "genexpr")
        later = later or (table.get_type() == "function" and not comprehension)
        for symbol in table.get_symbols():
            if symbol.is_global():
                if symbol.is_referenced():
                    (self._deferred if later else self._uses).add(symbol.get_name())
                if later and symbol.is_assigned():
                    self._global_stores.add(symbol.get_name())
        for child in table.get_children():
            self._descend(child, later=later)


def names_in(code: str) -> frozenset[str]:
    """Return the names that `code` reads from outside, at once or later. Raises SyntaxError."""
    scope = Scope(code)
    return scope.uses | scope.deferred
