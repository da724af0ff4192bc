"""Calls that reach out of the program, or change a library's settings, told by what they are called."""

from __future__ import annotations

import re

import libcst as cst
from nbslim.analyzer.hidden import OPENERS
from nbslim.analyzer.statement import ResourceKind
from nbslim.analyzer.syntax.nodes import alias_of, dotted, elements, last_part, start

_OPENS = re.compile(
    r"open|load(?!s\b)\w*|read_\w+|imread|genfromtxt|fromfile|memmap|from_file|File|ZipFile|CDLL|Path"
)
_WRITES = frozenset({"w", "a", "x", "wb", "ab", "xb", "w+", "a+", "wt", "at"})
_STARTS = frozenset(
    {"Popen", "call", "check_call", "check_output", "create_subprocess_exec", "getoutput", "popen", "run"}
    | {"system", "which"}
)
_METADATA = frozenset({"distribution", "files", "get_distribution", "metadata", "requires", "version"})
_ENTRY_POINTS = frozenset({"entry_points", "iter_entry_points"})
_STARTERS = ("asyncio", "os", "shutil", "sp", "subprocess")

# Settings are changed by functions that say so. These are said of a module's own functions ...
_SETS = re.compile(
    r"(?:activate|autolog|configure|disable|enable|install|manual_seed|patch|register|seed|set|use)(?:_\w+|[A-Z]\w*)?"
    r"|basicConfig|filterwarnings|init_printing|simplefilter|tzset"
)
_SETS_STATE = re.compile(
    r"manual_seed|putenv|seed|set(?:bufsize|context|defaulttimeout|err|errcall|locale|recursionlimit|switchinterval)"
    r"|set_(?:config|default_dtype|grad_enabled|option|options|printoptions|seed)"
)
# ... and these of what a module holds: `sys.path.append`.
ALTERS = frozenset(
    {"add", "append", "clear", "extend", "insert", "pop", "remove", "setdefault", "setLevel", "update"}
)
_SETTINGS = frozenset({"environ", "path", "rcParams"})
"""Imported containers that are known by their names alone."""
_CHANGE_FIRST = frozenset(
    {
        "copyto",
        "delattr",
        "delitem",
        "fill_diagonal",
        "heapify",
        "heappop",
        "heappush",
        "heapreplace",
        "iadd",
        "insort",
    }
    | {"insort_left", "insort_right", "place", "put", "putmask", "setattr", "setitem", "shuffle"}
)
_CONTAINERS = frozenset({"bytearray", "dict", "list", "object", "set"})
_ALWAYS_SET = frozenset({"copyreg.pickle", "tqdm.pandas", "tqdm.tqdm.pandas"})


def changes_settings(node: cst.Call, *, discarded: bool) -> bool:
    """Tell whether a call says that it changes something of the module on which it hangs.

    `discarded` tells whether nobody takes its value: `image.set_background(...)` may as well return a new one.
    """
    function = last_part(node.func)
    if alias_of(node.func) is None:
        return False  # the result of a call is not the module
    if dotted(node.func) in _ALWAYS_SET or _SETS_STATE.fullmatch(function):
        return True
    if _SETS.fullmatch(function):
        return discarded
    if not alters(node) or not isinstance(node.func, cst.Attribute):
        return False
    changed = node.func.value
    return not isinstance(changed, cst.Name) or changed.value in _SETTINGS


def alters(node: cst.Call) -> bool:
    """Tell whether a call is one of a method that surely changes its object."""
    return isinstance(node.func, cst.Attribute) and node.func.attr.value in ALTERS


Named = tuple[ResourceKind, cst.CSTNode, "str | None"]
"""A kind of resource, the node that names it, and the function, where only its import tells what it is."""


def changes_first(node: cst.Call) -> bool:
    """Tell whether a call changes its first argument: `setattr(x, ...)`, `heappush(x, ...)`, `list.append(x, ...)`."""
    function = last_part(node.func)
    owner = node.func.value if isinstance(node.func, cst.Attribute) else None
    return function in _CHANGE_FIRST or (isinstance(owner, cst.Name) and owner.value in _CONTAINERS)


def opens_package(node: cst.Call) -> bool:
    """Tell whether the first argument of a call may name a package in which to look."""
    return last_part(node.func) in OPENERS or dotted(node.func) == "spacy.load"


def resource_of(node: cst.Call) -> Named | None:
    """Return what a call reaches out for."""
    function = last_part(node.func)
    first = _argument(node, 0, "group" if function in _ENTRY_POINTS else None)
    if first is None:
        return None
    readers = (_variable, _search_path, _metadata, _program, _file)
    return next((found for reader in readers if (found := reader(node, function, first))), None)


def _variable(node: cst.Call, function: str, first: cst.CSTNode) -> Named | None:
    owner = dotted(node.func).rpartition(".")[0]
    of_environ = owner.rpartition(".")[2] == "environ" and function in ("get", "pop", "setdefault")
    return ("variable", first, None) if of_environ or function == "getenv" else None


def _argument(node: cst.Call, position: int, keyword: str | None) -> cst.BaseExpression | None:
    named = [a.value for a in node.args if a.keyword is not None and a.keyword.value == keyword]
    placed = [a.value for a in node.args if a.keyword is None and not a.star]
    return named[0] if named else placed[position] if len(placed) > position else None


def _search_path(node: cst.Call, function: str, first: cst.CSTNode) -> Named | None:
    moves = function == "chdir" and dotted(node.func).rpartition(".")[0] in ("", "os")
    if dotted(node.func).rpartition(".")[0] != "sys.path" and function != "addsitedir" and not moves:
        return None
    last = _argument(node, 1, None) if function == "insert" else first
    items = elements(last) if last is not None else None
    return None if last is None else ("search path", items[0] if items else last, None)


def _metadata(_node: cst.Call, function: str, first: cst.CSTNode) -> Named | None:
    if function not in _METADATA | _ENTRY_POINTS:
        return None
    return "entry points" if function in _ENTRY_POINTS else "metadata", first, function


def _program(node: cst.Call, function: str, first: cst.CSTNode) -> Named | None:
    root = start(node.func, through_calls=False)
    known = isinstance(root, cst.Name) and (root.value in _STARTERS or root is node.func)
    if function not in _STARTS or not known:
        return None
    words = elements(first)
    return "program", words[0] if words else first, dotted(node.func)


def _file(node: cst.Call, function: str, first: cst.CSTNode) -> Named | None:
    mode = _argument(node, 1, "mode")
    writes = isinstance(mode, cst.SimpleString) and mode.evaluated_value in _WRITES
    return None if writes or not _OPENS.fullmatch(function) else ("file", first, function)
