"""What decides the test of an `if`: what is known where the image runs, or the values of names."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst
from nbslim.analyzer.statement import Condition
from nbslim.analyzer.syntax.nodes import constant, dotted, elements, last_part, string

Told = tuple["bool | None", tuple[Condition, ...]]
"""Whether a test is known to hold, and else names on whose values alone it depends; (None, ()) cannot be told."""

# What these are where the image runs: Linux, Python 3, and a notebook is no imported module.
_KNOWN: dict[str, str] = {"__name__": "__main__", "os.name": "posix", "sys.platform": "linux"}
_KNOWN_CALLS = {"platform.system": "Linux"}


OLDEST_MINOR = 9
"""Of the Pythons that notebooks use: tests for something older are known to hold, or not to."""


def tested(node: cst.BaseExpression) -> Told:
    """Tell what decides a test."""
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not):
        return negated(tested(node.expression))
    if isinstance(node, cst.BooleanOperation) and isinstance(node.operator, cst.And):
        return _both(tested(node.left), tested(node.right))
    if isinstance(node, cst.Comparison) and len(node.comparisons) == 1:
        return _compared(node.left, node.comparisons[0])
    if isinstance(node, cst.Call):
        return _starts(node), ()
    value = (False,) if last_part(node) == "TYPE_CHECKING" else constant(node)
    if value:
        return bool(value[0]), ()
    return None, (Condition(dotted(node)),) if isinstance(node, cst.Name) else ()


def negated(told: Told) -> Told:
    """Return what decides the opposite of a test."""
    holds, conditions = told
    if len(conditions) > 1:
        return None, ()  # one of them fails, but which?
    return None if holds is None else not holds, tuple(condition.opposite() for condition in conditions)


def _starts(node: cst.Call) -> bool | None:
    if not (isinstance(node.func, cst.Attribute) and node.func.attr.value == "startswith" and node.args):
        return None
    known, prefix = _known(node.func.value), string(node.args[0].value)
    return None if known is None or prefix is None else known.startswith(prefix)


def _both(left: Told, right: Told) -> Told:
    if left[0] is False or right[0] is False:
        return False, ()
    told = [side for side in (left, right) if side[0] is None]
    if not told:
        return True, ()
    if any(not conditions for _, conditions in told):
        return None, ()
    return None, tuple(condition for _, conditions in told for condition in conditions)


def _compared(left: cst.BaseExpression, target: cst.ComparisonTarget) -> Told:
    if not isinstance(target.operator, (cst.Equal, cst.NotEqual, cst.Is, cst.IsNot)):
        return _version_told(left, target), ()
    holds = isinstance(target.operator, (cst.Equal, cst.Is))
    known, value = _known(left), constant(target.comparator)
    if not value:
        return None, ()
    if known is not None:
        return (known == value[0]) is holds, ()
    if isinstance(left, cst.Name):
        return None, (Condition(dotted(left), value, holds=holds),)
    return _version_told(left, target), ()


def _known(node: cst.CSTNode) -> str | None:
    if isinstance(node, cst.Call):
        return _KNOWN_CALLS.get(dotted(node.func))
    return _KNOWN.get(dotted(node))


_ORDER: dict[type, Callable[[int, int], bool]] = {
    cst.GreaterThan: lambda a, b: a > b,
    cst.GreaterThanEqual: lambda a, b: a >= b,
    cst.LessThan: lambda a, b: a < b,
    cst.LessThanEqual: lambda a, b: a <= b,
    cst.Equal: lambda a, b: a == b,
    cst.NotEqual: lambda a, b: a != b,
}


def _version_told(left: cst.BaseExpression, target: cst.ComparisonTarget) -> bool | None:
    """Tell whether a test of Python's major version holds for Python 3; of the minor one, that it is not too old."""
    compare = _ORDER.get(type(target.operator))
    if compare is None:
        return None
    if dotted(left) == "sys.version_info":
        return _whole_version_told(target)
    major = dotted(left) == "sys.version_info.major" or (
        isinstance(left, cst.Subscript) and dotted(left.value) == "sys.version_info" and _first_item(left)
    )
    value = constant(target.comparator)
    return compare(3, value[0]) if major and value and isinstance(value[0], int) else None


def _first_item(node: cst.Subscript) -> bool:
    index = node.slice[0].slice if len(node.slice) == 1 else None
    return isinstance(index, cst.Index) and constant(index.value) == (0,)


def _whole_version_told(target: cst.ComparisonTarget) -> bool | None:
    numbers = [constant(part) for part in elements(target.comparator) or ()]
    if not numbers or not all(len(n) == 1 and isinstance(n[0], int) for n in numbers):
        return None
    major = numbers[0][0]
    if major == 3 and len(numbers) > 1 and numbers[1][0] > OLDEST_MINOR:
        return None
    later = isinstance(target.operator, (cst.GreaterThan, cst.GreaterThanEqual))
    return later if major <= 3 else not later
