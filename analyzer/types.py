"""The values that flow through the analyzer, all frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Certainty = Literal["certain", "possible"]


@dataclass(frozen=True, order=True)
class Place:
    """A line of a cell; both count from 1, cells among code cells as the user sees them."""

    cell: int
    line: int

    def __str__(self) -> str:
        return f"cell {self.cell}, line {self.line}"


@dataclass(frozen=True)
class Cell:
    """A code cell: `source` as the kernel runs it, `python` with magics turned into (or replaced by) Python.

    `tags` are the notebook's own (`skip-execution`, `raises-exception`, `parameters`, ...). A cell that is skipped
    has no Python.
    """

    number: int
    source: str
    python: str
    tags: frozenset[str] = frozenset()
    written: tuple[str, str] | None = None
    """Name and whole text of the file that a `%%writefile` cell leaves."""
    installs: tuple[tuple[str, int], ...] = ()
    """Requirements of `%pip install` lines, with their lines."""
    runs: tuple[tuple[str, int], ...] = ()
    """Scripts of `%run` lines, with their lines."""
    inlined: tuple[tuple[str, int], ...] = ()
    """Python of the notebooks that `%run` lines run, with their lines."""


@dataclass(frozen=True)
class Notebook:
    """A notebook or script as it lies on disk: its code cells in file order and the Python that its metadata names."""

    path: Path
    cells: tuple[Cell, ...]
    python: str | None
    """Major and minor version, such as `3.11`, or None where the metadata names none."""
    warnings: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the notebook's data files and helper modules lie."""
        return self.path.parent


@dataclass(frozen=True)
class Link:
    """One link of the chain from an entry point to what it needs: a name and where it is bound or used."""

    name: str
    place: Place


Chain = tuple[Link, ...]
"""Links from an entry point to what it needs."""


@dataclass(frozen=True)
class NeededImport:
    """A module that the closure reaches, with the shortest chain that leads there, entry point first."""

    module: str
    """Dotted, as far as the import names it: `sklearn.cluster`."""
    certainty: Certainty
    why: Chain
    optional: bool = False
    """Whether the code goes on where the import fails (`try: ... except ImportError`)."""
    function: Place | None = None
    """Where the function starts that imports it when it is called; None if importing comes before serving."""
    chains: tuple[Chain, ...] = ()
    """All chains as short and as sure as `why`, which is the first of them."""


@dataclass(frozen=True)
class Need:
    """Something besides modules that code reaches while it serves: a file, a variable, a program, a distribution."""

    name: str
    place: Place
    certainty: Certainty
    function: Place | None = None
    """Where the function starts that reaches it."""


@dataclass(frozen=True)
class ServingEffect:
    """A change that cells make, that no pickle carries, and on which serving depends."""

    what: str
    """Its code, shortened."""
    place: Place
    changes: str
    """What it changes, by its whole name: `pandas.DataFrame.twice`, `os.environ`."""
    certainty: Certainty
    replay: str | None
    """Python that makes the change again; None where running it again would do more than that."""


@dataclass(frozen=True)
class Closure:
    """All that is reachable from the entry points, before any distribution is known."""

    entry_points: Mapping[str, Place]
    imports: tuple[NeededImport, ...]
    local_files: tuple[str, ...]
    """Modules beside the notebook that serving imports, as paths relative to its folder (POSIX), sorted."""
    warnings: tuple[str, ...] = ()
    local_imports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What each of `local_files` imports: other local files by their path, other modules by their dotted name."""
    local_roots: tuple[str, ...] = ("",)
    """Folders in which modules beside the notebook are looked for, as paths relative to its folder."""
    effects: tuple[ServingEffect, ...] = ()
    files: tuple[Need, ...] = ()
    """Data files that are opened by their names."""
    environment_variables: tuple[Need, ...] = ()
    programs: tuple[Need, ...] = ()
    """Programs of the system that are started."""
    metadata: tuple[Need, ...] = ()
    """Distributions of which only the metadata are read."""
    entry_point_groups: tuple[Need, ...] = ()
    """Groups of entry points that are looked up."""
    opaque: tuple[Need, ...] = ()
    """Constructs that cannot be followed."""


@dataclass(frozen=True)
class Requirements:
    """What the user declared, as PEP 508 strings, and where: a cell, a file, a magic or the imports."""

    specifiers: tuple[str, ...]
    source: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Origin:
    """Where a distribution was installed from, if not from an index (PEP 610)."""

    url: str
    vcs: str = ""
    """Such as `git`, if it is a repository."""
    commit: str = ""
    fragment: str = ""
    """What follows the address: a subdirectory, a hash."""
    editable: bool = False
    """Whether it is used where it lies."""

    @property
    def reference(self) -> str:
        """The address with all that makes it exact, as pip reads it behind `name @`."""
        prefix, commit = (f"{self.vcs}+" if self.vcs else ""), (f"@{self.commit}" if self.commit else "")
        fragment = f"#{self.fragment}" if self.fragment else ""
        return f"{prefix}{self.url}{commit}{fragment}"


@dataclass(frozen=True)
class ServingDistribution:
    """A distribution that serving needs, with its evidence. `bytes` is what it occupies when installed."""

    name: str
    version: str
    imports: tuple[str, ...]
    """Top-level modules of it that serving imports; all that it provides where serving asks for it by name."""
    certainty: Certainty
    direct: bool
    required_by: tuple[str, ...]
    why: tuple[Link, ...]
    bytes: int
    origin: Origin | None = None
    undeclared_by: tuple[str, ...] = ()
    """Those of `required_by` that import it without declaring it."""
    chains: tuple[Chain, ...] = ()
    """All chains as short and as sure as `why`, which is the first of them."""


@dataclass(frozen=True)
class DroppedDistribution:
    """A distribution of the full environment that serving does not need, and why not."""

    name: str
    version: str
    bytes: int
    reason: str = ""
    imports: tuple[str, ...] = ()
    """Top-level modules of it that any cell imports."""


@dataclass(frozen=True)
class CellImport:
    """A module that a cell imports, where first, and what provides it."""

    module: str
    """Dotted, with the name that is taken from it: `sklearn.cluster.KMeans`."""
    place: Place
    kind: Literal["distribution", "standard", "local", "namespace", "missing"]
    """`namespace`: several distributions fill it, and the name does not tell which is meant."""
    distribution: str | None = None


@dataclass(frozen=True)
class Analysis:
    """The answer of `nbslim analyze`, and what the packer starts from."""

    notebook: str
    python: str
    entry_points: Mapping[str, Place]
    serving: tuple[ServingDistribution, ...]
    dropped: tuple[DroppedDistribution, ...]
    warnings: tuple[str, ...] = field(default=())
    imports: tuple[CellImport, ...] = ()
    """All that any cell imports: each is in a distribution that is kept or dropped, or told to be something else."""
    effects: tuple[ServingEffect, ...] = ()
    files: tuple[Need, ...] = ()
    """Data files that serving opens by their names."""
    environment_variables: tuple[Need, ...] = ()
    programs: tuple[Need, ...] = ()
    opaque: tuple[Need, ...] = ()
    local_files: tuple[str, ...] = ()
    """Modules beside the notebook that serving imports."""
