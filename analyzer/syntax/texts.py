"""Which texts an expression may stand for, where they are put together from literals and names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import libcst as cst
from nbslim.analyzer.constants import Text, Variable, joined
from nbslim.analyzer.syntax.nodes import dotted, elements, last_part, string

Names = Mapping[str, tuple[Text, ...]]
"""Names that stand for texts where the expression is, or, with none, for what cannot be told."""

# A path is the same file however it is spelled; the folder in which the notebook runs is where its files lie.
_SAME_PATH = frozenset({"Path", "PurePath", "abspath", "expanduser", "fspath", "normpath", "realpath", "str"})
_SAME_PATH_METHODS = frozenset({"absolute", "as_posix", "expanduser", "resolve"})
_HERE = frozenset({"cwd", "getcwd"})


def texts_of(node: cst.CSTNode, names: Names) -> tuple[Text, ...]:
    """Return the texts that a node may stand for, with open variables; none where it may be anything."""
    if isinstance(node, cst.Name):
        name = dotted(node)
        return names.get(name, ((Variable(name),),))
    if (literal := string(node)) is not None:
        return ((literal,),)
    if isinstance(node, cst.Subscript) and isinstance(node.value, cst.Name):
        return () if dotted(node.value) in names else ((_item(dotted(node.value), node, names),),)
    if isinstance(node, cst.FormattedString):
        return _joined([_formatted(part, names) for part in node.parts])
    if isinstance(node, cst.BinaryOperation):
        return _combined(node, names)
    return _of_call(node, names) if isinstance(node, cst.Call) else ()


def _joined(parts: Iterable[tuple[Text, ...]], between: str = "") -> tuple[Text, ...]:
    whole: tuple[Text, ...] | None = None
    for part in parts:
        whole = part if whole is None else joined(joined(whole, ((between,),)), part)
    return ((),) if whole is None else whole


def _formatted(part: cst.BaseFormattedStringContent, names: Names) -> tuple[Text, ...]:
    if isinstance(part, cst.FormattedStringText):
        return ((part.value,),)
    if isinstance(part, cst.FormattedStringExpression) and not (part.conversion or part.format_spec):
        return texts_of(part.expression, names)
    return ()


def _combined(node: cst.BinaryOperation, names: Names) -> tuple[Text, ...]:
    if isinstance(node.operator, (cst.Add, cst.Divide)):
        between = "/" if isinstance(node.operator, cst.Divide) else ""
        return _path(_joined([texts_of(node.left, names), texts_of(node.right, names)], between))
    template = string(node.left)
    if (
        isinstance(node.operator, cst.Modulo)
        and template is not None
        and template.count("%") == template.count("%s")
    ):
        right = node.right
        values = [e.value for e in right.elements] if isinstance(right, cst.Tuple) else [right]
        return _filled(template.split("%s"), values, names)
    return ()


def _filled(pieces: list[str], values: list[cst.BaseExpression], names: Names) -> tuple[Text, ...]:
    if len(pieces) != len(values) + 1:
        return ()
    parts = [
        ((pieces[0],),),
        *(part for v, p in zip(values, pieces[1:]) for part in (texts_of(v, names), ((p,),))),
    ]
    return _joined(parts)


def _of_call(node: cst.Call, names: Names) -> tuple[Text, ...]:
    arguments = [argument.value for argument in node.args]
    if isinstance(node.func, cst.Attribute):
        found = _of_method(node.func.value, node.func.attr.value, arguments, names)
        if found is not None:
            return found
    function = last_part(node.func)
    if function in _HERE and not arguments:
        return ((".",),)
    if function in _SAME_PATH and arguments:
        return _path(_joined([texts_of(argument, names) for argument in arguments], "/"))
    return ()


def _of_method(
    base: cst.BaseExpression, method: str, arguments: list[cst.BaseExpression], names: Names
) -> tuple[Text, ...] | None:
    """Return the texts that a method gives; None for one that is not known to give any."""
    template = string(base)
    if template is not None:
        return _of_template(template, method, arguments, names)
    if method in _SAME_PATH_METHODS and not arguments:
        return texts_of(base, names)
    if method == "joinpath":
        return _path(_joined([texts_of(part, names) for part in (base, *arguments)], "/"))
    if method == "join" and last_part(base) == "path":
        return _path(_joined([texts_of(part, names) for part in arguments], "/"))
    return None


def _of_template(
    template: str, method: str, arguments: list[cst.BaseExpression], names: Names
) -> tuple[Text, ...] | None:
    if method == "format" and template.count("{") == template.count("{}"):
        return _filled(template.split("{}"), arguments, names)
    items = elements(arguments[0]) if method == "join" and len(arguments) == 1 else None
    return None if items is None else _joined([texts_of(item, names) for item in items], template)


def _path(texts: tuple[Text, ...]) -> tuple[Text, ...]:
    """Take the dot away that says "here" at the start of a path."""
    return tuple(text[2:] if text[:2] == (".", "/") else text for text in texts)


def _item(name: str, node: cst.Subscript, names: Names) -> Variable:
    index = node.slice[0].slice if len(node.slice) == 1 else None
    keys = texts_of(index.value, names) if isinstance(index, cst.Index) else ()
    return Variable(name, inside=True, key=keys[0] if len(keys) == 1 else ())


def texts_inside(node: cst.CSTNode) -> tuple[tuple[str | None, str], ...]:
    """Return the texts that a literal container holds, if it holds nothing else, with the keys of a table."""
    pairs: list[tuple[cst.CSTNode | None, cst.CSTNode]] = [(None, value) for value in elements(node) or ()]
    if isinstance(node, cst.Dict):
        pairs = [(getattr(element, "key", None), element.value) for element in node.elements]
    found = [(string(key) if key else None, string(value)) for key, value in pairs]
    texts = tuple((key, text) for key, text in found if text is not None)
    return texts if len(texts) == len(found) else ()


def runs_through(target: cst.CSTNode, source: cst.CSTNode) -> dict[str, tuple[Text, ...]]:
    """Return the texts that a loop's variable takes on, where they are spelled out."""
    if not isinstance(target, cst.Name):
        return {}
    if isinstance(source, cst.Name):
        return {dotted(target): ((Variable(dotted(source), inside=True),),)}
    texts = [texts_of(item, {}) for item in elements(source) or ()]
    return {dotted(target): tuple(one for found in texts for one in found) if all(texts) else ()}
