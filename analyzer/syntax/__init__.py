"""Cells become statements: what each binds, reads, updates and imports. The only package that sees libcst."""

from nbslim.analyzer.syntax.reader import Aliases, statements

__all__ = ["Aliases", "statements"]
