"""What distributions import without declaring that they require it, as sklearn-pandas does with six.

Only what the import of a module surely runs counts: statements at the left margin, before the first function or class.
What is indented stands in a function, a condition or a `try`, and is lazy, optional or for type checkers. That,
and looking for lines before parsing anything, keeps it below a tenth of a second for the libraries of most notebooks.
"""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nbslim.analyzer.distributions import Installed, Located
from nbslim.analyzer.names import is_standard, top_of
from nbslim.analyzer.parsing import parsed

BOUND = 3000
"""How many modules are read at most, the nearest first."""

_IMPORTS = (b"\nimport ", b"\nfrom ")
_DEFINITIONS = (b"\ndef ", b"\nclass ", b"\nasync def ")
_STATEMENT = re.compile(
    rb"\n(?:import[ \t]+(?P<modules>[\w., \t]+)"
    rb"|from[ \t]+(?P<source>[\w.]+)[ \t]+import[ \t]*(?P<names>\([^)]*\)|(?:[^\n\\#;]|\\\r?\n)*))"
)
_COMMENT = re.compile(rb"#[^\n]*")
_NAME = re.compile(rb"(?P<name>[\w.]+)(?:\s+as\s+\w+)?")


def undeclared_imports(installed: Installed, modules: Iterable[str]) -> dict[str, set[str]]:
    """Map distributions to others that they import without requiring them, as importing `modules` shows."""
    scan = _Scan(installed)
    for module in modules:
        scan.follow(module)
    while scan.waiting and scan.read < BOUND:
        scan.visit(scan.waiting.popleft())
    return scan.found


@dataclass
class _Scan:
    """A walk over modules and what they import, in whichever distributions these lie."""

    installed: Installed
    found: dict[str, set[str]] = field(default_factory=dict)
    waiting: deque[Located] = field(default_factory=deque)
    read: int = 0
    _known: dict[str, Located | None] = field(default_factory=dict)
    _declared: dict[str, set[str]] = field(default_factory=dict)

    def follow(self, name: str) -> Located | None:
        """Tell where a module lies, or that of which `name` is an attribute; a new one waits for its visit."""
        if name not in self._known:
            self._known[name] = located = self.installed.locate(name)
            if located and located.module != name:
                self.follow(located.module)
            elif located:
                self.waiting.append(located)
                self.follow(name.rpartition(".")[0])  # importing it runs its package first
        return self._known[name]

    def visit(self, located: Located) -> None:
        """Read a module: follow what it imports, and note what its distribution does not require."""
        if not located.file.endswith(".py"):
            return
        self.read += 1
        is_package = located.file.endswith("/__init__.py")
        package = located.module if is_package else located.module.rpartition(".")[0]
        for module, names in _imports(located.file, package):
            if not is_standard(module):
                imported = [self.follow(module)]
                if imported[0] is None or imported[0].file.endswith("/__init__.py"):
                    imported += [self.follow(f"{module}.{name}") for name in names]
                self._check(located, imported)

    def _check(self, importing: Located, imported: Iterable[Located | None]) -> None:
        for one in imported:
            if one is None or one.owner in self._allowed(importing.owner):
                continue
            if top_of(one.module) in _certain_imports(importing.file):
                self.found.setdefault(importing.owner, set()).add(one.owner)

    def _allowed(self, importer: str) -> set[str]:
        if importer not in self._declared:
            self._declared[importer] = {importer} | self.installed.required_by_all([importer])
        return self._declared[importer]


def _imports(file: str, package: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the modules that lines at the left margin import, with the names that are taken from them."""
    for statement in _statements(file):
        if statement["modules"]:
            yield from ((module, []) for module in _names(statement["modules"]))
            continue
        source = statement["source"].decode()
        module = source.lstrip(".")
        if level := len(source) - len(module):
            parents = package.split(".")
            module = ".".join([*parents[: len(parents) - level + 1], *filter(None, [module])])
        yield module, list(_names(statement["names"]))


def _statements(file: str) -> Iterator[re.Match[bytes]]:
    text = b"\n" + _read(file)
    end = len(text)
    for keyword in _DEFINITIONS:
        at = text.find(keyword, 0, end)
        end = at if at >= 0 else end
    for keyword in _IMPORTS:
        at = text.find(keyword, 0, end)
        while at >= 0:
            if statement := _STATEMENT.match(text, at):
                yield statement
            at = text.find(keyword, at + 1, end)


def _names(listed: bytes) -> Iterator[str]:
    for part in _COMMENT.sub(b"", listed).split(b","):
        if match := _NAME.search(part):
            yield match["name"].decode()


def _certain_imports(file: str) -> set[str]:
    """Return the top-level modules that a file imports outside all else: a line may stand in a text."""
    tree = parsed(_read(file))
    body = tree.body if tree else []
    names = {top_of(alias.name) for node in body if isinstance(node, ast.Import) for alias in node.names}
    froms = {top_of(node.module) for node in body if isinstance(node, ast.ImportFrom) and node.module}
    return names | froms


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError:
        return b""
