"""Modules beside the notebook: which file an import means, and what that file imports in turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.names import top_of
from nbslim.analyzer.statement import Imported, Statement
from nbslim.analyzer.syntax import statements
from nbslim.analyzer.types import Notebook


@dataclass(frozen=True)
class LocalModules:
    """The notebook's folder, and files that its cells write there."""

    folder: Path
    written: Mapping[str, str] = field(default_factory=dict)
    """Path relative to the folder (POSIX) to text, for `%%writefile` cells."""
    roots: tuple[str, ...] = ("",)
    """Folders in which modules are looked for, relative to the notebook's; it comes first."""

    @classmethod
    def beside(cls, notebook: Notebook) -> LocalModules:
        """Return what lies beside a notebook or is written there by its cells."""
        written = dict(cell.written for cell in notebook.cells if cell.written is not None)
        return cls(notebook.folder, {str(PurePosixPath(path)): text for path, text in written.items()})

    def has(self, module: str) -> bool:
        """Tell whether a dotted module lies here, be it compiled, in a namespace or written by a cell."""
        top = top_of(module)
        if any(PurePosixPath(path).parts[0].removesuffix(".py") == top for path in self.written):
            return True
        return any(_holds(self.folder / root, top) for root in self.roots)

    def searched(self, folders: Iterable[str]) -> LocalModules:
        """Return them with folders that cells add to the path on which modules are looked for."""
        added = (str(PurePosixPath(folder)) for folder in folders)
        return replace(self, roots=tuple(dict.fromkeys((*self.roots, *(f for f in added if f != ".")))))

    def files(self, imported: Imported, importer: str | None = None) -> tuple[str, ...]:
        """Return the files that `imported` loads: packages on the way, the module, a submodule taken by name.

        `importer` is the local file that holds the import, needed where it is relative. Empty for a module that does
        not lie beside the notebook.
        """
        base = self._base(imported, importer)
        if base is None:
            return ()
        parts = [*base.parts, *imported.module.split(".")] if imported.module else list(base.parts)
        if imported.name and imported.name != "*" and self._file([*parts, imported.name]):
            parts.append(imported.name)
        found = [self._file(parts[:end]) for end in range(1, len(parts) + 1)]
        return tuple(file for file in found if file) if found and found[-1] else ()

    def imports(self, file: str) -> Iterator[Imported]:
        """Yield everything that `file` imports, inside functions too. Raises NotebookError if it is not Python."""
        for statement in self.statements(file):
            yield from statement.imports
            yield from statement.body.imports

    def statements(self, file: str) -> tuple[Statement, ...]:
        """Return the statements of `file`; none if it is not there. Raises NotebookError if it is not Python."""
        text = self.written.get(file)
        try:
            return statements((self.folder / file).read_text("utf-8") if text is None else text)
        except OSError:
            return ()  # a cell may write it before another reads it
        except (SyntaxError, ValueError) as error:
            place = f"{file}, line {error.lineno}" if isinstance(error, SyntaxError) else file
            message = error.msg if isinstance(error, SyntaxError) else error
            raise NotebookError(f"{place}: {message}") from error

    def _base(self, imported: Imported, importer: str | None) -> PurePosixPath | None:
        if not imported.level:
            return PurePosixPath()
        if importer is None:
            return None
        package = PurePosixPath(importer).parent
        ups = imported.level - 1
        return package if ups == 0 else package.parents[ups - 1] if ups <= len(package.parts) else None

    def _file(self, parts: list[str]) -> str | None:
        stems = [str(PurePosixPath(root, *parts)) for root in self.roots]
        candidates = (f"{stem}{end}" for stem in stems for end in ("/__init__.py", ".py"))
        return next((c for c in candidates if c in self.written or (self.folder / c).is_file()), None)


def as_imported(file: str, roots: Iterable[str]) -> Iterator[str]:
    """Yield the paths by which a local file can be imported: those from the folders where modules are looked for."""
    path = PurePosixPath(file)
    for root in roots:
        if path.is_relative_to(root):
            inside = path.relative_to(root)
            if not inside.is_absolute() and ".." not in inside.parts:
                yield str(inside)


def _holds(folder: Path, top: str) -> bool:
    """Tell whether a folder holds a module or a package of this name."""
    if (folder / f"{top}.py").is_file() or any(folder.glob(f"{top}.*.so")):
        return True
    return any((folder / top).glob("**/*.py"))
