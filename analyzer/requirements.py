"""What the user declared: in a cell, in a file beside the notebook, by `%pip install`, or by importing it."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.installs import logical_lines
from nbslim.analyzer.local import LocalModules
from nbslim.analyzer.names import SHARED, is_standard
from nbslim.analyzer.types import Cell, Notebook, Place, Requirements
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_HINT = 'write a literal list of names and versions: requirements = [["numpy", "2.1.0"], ["pandas"]]'

# Distributions that are not called as their modules are.
_DISTRIBUTIONS = {
    "Bio": "biopython",
    "Crypto": "pycryptodome",
    "IPython": "ipython",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "pymupdf",
    "git": "gitpython",
    "google.auth": "google-auth",
    "google.cloud.bigquery": "google-cloud-bigquery",
    "google.cloud.storage": "google-cloud-storage",
    "google.genai": "google-genai",
    "google.generativeai": "google-generativeai",
    "google.protobuf": "protobuf",
    "igraph": "python-igraph",
    "imblearn": "imbalanced-learn",
    "jwt": "pyjwt",
    "mpl_toolkits": "matplotlib",
    "osgeo": "gdal",
    "pkg_resources": "setuptools",
    "psycopg2": "psycopg2-binary",
    "pylab": "matplotlib",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}


def declared_requirements(notebook: Notebook, modules: Collection[str]) -> Requirements:
    """Return the first that is there: a cell, a file beside the notebook, `%pip install`, what `modules` suggest."""
    if declared := _from_cells(notebook) or _from_files(notebook.folder):
        return declared
    installed = _from_installs(notebook)
    if installed.specifiers:
        return installed
    guessed = _from_modules(notebook, modules)
    return Requirements(guessed.specifiers, guessed.source, installed.warnings + guessed.warnings)


# A cell that assigns `requirements`


def _from_cells(notebook: Notebook) -> Requirements | None:
    found = [(cell, value) for cell in notebook.cells for value in _assigned(cell)]
    if not found:
        return None
    cell, value = found[-1]
    if not isinstance(value, (ast.List, ast.Tuple)):
        raise _cell_error(notebook, cell, value, "`requirements` is not a literal list")
    specifiers = tuple(_item(notebook, cell, item) for item in value.elts)
    return Requirements(specifiers, f"cell {cell.number}")


def _assigned(cell: Cell) -> Iterator[ast.expr]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a user's odd escape sequence
            body = ast.parse(cell.python).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # the scan reports it
    for statement in body:
        targets = (
            statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        )
        named = any(isinstance(target, ast.Name) and target.id == "requirements" for target in targets)
        if named and isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value:
            yield statement.value


def _item(notebook: Notebook, cell: Cell, item: ast.expr) -> str:
    try:
        value = ast.literal_eval(item)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        problem = f"`{_shown(ast.unparse(item))}` is not a literal"
        raise _cell_error(notebook, cell, item, problem) from None
    try:
        return _specifier(value)
    except ValueError:
        problem = f"`{_shown(ast.unparse(item))}` is not a requirement"
        raise _cell_error(notebook, cell, item, problem) from None


def _specifier(value: Any) -> str:
    """Join name and version; `["numpy", ">=2"]` brings its own operator."""
    name, version = _name_and_version(value)
    requirement = Requirement(name)
    if version:
        if requirement.url:
            raise InvalidRequirement("a URL has no version beside it")
        operator = "" if version[0] in "<>=!~" else "=="
        requirement.specifier &= SpecifierSet(operator + version)
    return str(requirement)


def _name_and_version(value: Any) -> tuple[str, str]:
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or len(parts) not in (1, 2):
        raise InvalidRequirement("neither a name nor a name and a version")
    name, version = parts[0], parts[-1] if len(parts) == 2 else None
    if not isinstance(name, str) or not isinstance(version, (str, type(None))):
        raise InvalidRequirement("not text")
    return name, (version or "").strip()


def _cell_error(notebook: Notebook, cell: Cell, node: ast.expr, problem: str) -> NotebookError:
    place = Place(cell.number, node.lineno)
    return NotebookError(f"{notebook.path.name}, {place}: {problem}", hint=_HINT)


def _shown(text: str) -> str:
    """Shorten a value for a message, and hide the password that its URL may hold."""
    text = re.sub(r"//[^/@\s]+@", "//***@", " ".join(text.split()))
    return text if len(text) <= 80 else f"{text[:77]}..."


# Files beside the notebook


@dataclass
class _Collected:
    """What a requirements file and the files that it names hold."""

    specifiers: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seen: set[Path] = field(default_factory=set)

    def as_requirements(self, source: str) -> Requirements:
        return Requirements(tuple(self.specifiers), source, tuple(dict.fromkeys(self.warnings)))


def _from_files(folder: Path) -> Requirements | None:
    listed = folder / "requirements.txt"
    if listed.is_file():
        collected = _Collected()
        _read_file(listed, listed.name, collected)
        return collected.as_requirements(listed.name)
    project = folder / "pyproject.toml"
    return _from_project(project) if project.is_file() else None


def _read_file(path: Path, where: str, into: _Collected) -> None:
    if path.resolve() in into.seen:
        return
    into.seen.add(path.resolve())
    for number, line in logical_lines(_text(path, where)):
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if text:
            _read_line(text, f"{path.name}, line {number}", path, into)


def _text(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise NotebookError(f"{where}: cannot read {path.name}: {error.strerror or error}") from error
    except ValueError as error:
        raise NotebookError(f"{path.name}: is not UTF-8 text") from error


def _read_line(text: str, where: str, path: Path, into: _Collected) -> None:
    if other := _named_file(text):
        _read_file(path.parent / other, where, into)
        return
    requirement, *options = re.split(r"(?:^|\s+)(?=-)", text)
    for option in options:
        name = re.split(r"[\s=]", option)[0]
        name = name if name.startswith("--") else name[:2]  # a value may follow without a space
        into.warnings.append(f"{path.name}: option {name} is passed over")
    if requirement:
        try:
            into.specifiers.append(str(Requirement(requirement)))
        except InvalidRequirement:
            raise NotebookError(f"{where}: `{_shown(requirement)}` is not a requirement") from None


def _named_file(text: str) -> str | None:
    named = re.fullmatch(r"(?:-r\s*|--requirements?(?:\s+|\s*=\s*))(['\"]?)(.+)\1", text)
    return named[2] if named else None


def _from_project(path: Path) -> Requirements | None:
    try:
        project = tomllib.loads(_text(path, path.name)).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise NotebookError(f"{path.name}: is not TOML: {error}") from error
    dependencies = project.get("dependencies") if isinstance(project, dict) else None
    if dependencies is None:
        return None
    if not isinstance(dependencies, list):
        raise NotebookError(f"{path.name}: [project] dependencies is not a list")
    return Requirements(tuple(_dependency(item, path) for item in dependencies), path.name)


def _dependency(item: Any, path: Path) -> str:
    try:
        return str(Requirement(item))
    except (InvalidRequirement, TypeError, AttributeError):
        problem = f"`{_shown(str(item))}` in [project] dependencies is not a requirement"
        raise NotebookError(f"{path.name}: {problem}") from None


# `%pip install` lines


def _from_installs(notebook: Notebook) -> Requirements:
    collected = _Collected()
    for cell in notebook.cells:
        for text, line in cell.installs:
            where = f"{notebook.path.name}, {Place(cell.number, line)}"
            if text.startswith("-r "):
                _read_file(notebook.folder / text[3:], where, collected)
            else:
                _read_install(text, where, collected)
    return collected.as_requirements("%pip install lines")


def _read_install(text: str, where: str, into: _Collected) -> None:
    """Take what pip would fetch by name; the notebook itself installs the rest when it runs."""
    try:
        into.specifiers.append(str(Requirement(text)))
    except InvalidRequirement:
        what = f"option {text}" if text.startswith("-") else f"`{_shown(text)}`"
        into.warnings.append(f"{where}: {what} is passed over")


# What the imports suggest


def _from_modules(notebook: Notebook, modules: Collection[str]) -> Requirements:
    local = LocalModules.beside(notebook)
    foreign = sorted(m for m in modules if not is_standard(m) and not local.has(m))
    shared = [module for module in foreign if module in SHARED]
    names = sorted({distribution_of(module) for module in foreign if module not in SHARED})
    told = [f"nothing declares the requirements; the imports suggest {', '.join(names)}"] if names else []
    told += [f"no distribution is known for the module {module}; declare it" for module in shared]
    return Requirements(tuple(names), "the imports", tuple(told))


def distribution_of(module: str) -> str:
    """Name the distribution of the longest part of a dotted name that the table knows."""
    parts = module.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    known = next((prefix for prefix in prefixes if prefix in _DISTRIBUTIONS), None)
    if known:
        return _DISTRIBUTIONS[known]
    return "-".join(parts) if parts[0] in SHARED else parts[0]


def module_of(distribution: str) -> str:
    """Name the module that a distribution is known for."""
    known = (module for module, name in _DISTRIBUTIONS.items() if name == canonicalize_name(distribution))
    return next(known, distribution.replace("-", "_"))
