"""Remembers executed notebooks: what one leaves for the steps after it, so that its cells need not run again."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from nbslim.analyzer import leads_out
from nbslim.packer.batches import Batches
from nbslim.packer.cache import complete, locked, used
from nbslim.packer.distributions import link_file
from nbslim.packer.execute import Execution
from nbslim.packer.folder import copied_files
from nbslim.packer.reference import Reference
from nbslim.packer.workspace import Workspace

_REPORT, _REFERENCE, _BUNDLE, _WORK = "execution.json", "reference.pickle", "bundle", "work"


def set_aside(workspace: Workspace, execution: Execution, files: Iterable[str]) -> None:
    """Keep for `remember_notebook` what the run left: bundle and report, of its folder local modules and `files`."""
    aside = workspace.left
    shutil.copytree(workspace.bundle, aside / _BUNDLE)
    for name in sorted({*execution.local_modules.values(), *files}):
        if not leads_out(name):
            _copy(workspace.work / name, aside / _WORK / name)
    (aside / _REPORT).write_text(json.dumps(asdict(execution)))


def remember_notebook(entry: Path, workspace: Workspace, reference: Reference) -> None:
    """Remember what was set aside, and what the full environment responded.

    That cannot be asked again: the rest of the folder, which the full environment saw, is not kept.
    """

    def make(aside: Path) -> None:
        (workspace.left / _REFERENCE).write_bytes(pickle.dumps(reference))
        workspace.left.rename(aside)

    complete(entry, make, anew=True)


def remember_run(entry: Path, workspace: Workspace) -> None:
    """Remember what was set aside, and all of the folder: the full environment has not been asked for responses."""

    def make(aside: Path) -> None:
        for path in copied_files(workspace.work):
            target = workspace.left / _WORK / path.relative_to(workspace.work)
            if path.is_file():
                link_file(path, target)
            elif path.is_dir():
                target.mkdir(parents=True, exist_ok=True)
        workspace.left.rename(aside)

    complete(entry, make, anew=True)


def recall_notebook(entry: Path, workspace: Workspace) -> tuple[Execution, Reference | None] | None:
    """Bring into the workspace what the run that `entry` remembers left there; None if there is none.

    With it comes what the full environment responded, if it was asked.
    """
    if not used(entry):
        return None
    with locked(entry):
        for source, target in ((entry / _BUNDLE, workspace.bundle), (entry / _WORK, workspace.work)):
            target.mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
        report = json.loads((entry / _REPORT).read_text())
        asked = (entry / _REFERENCE).is_file()
        reference = pickle.loads((entry / _REFERENCE).read_bytes()) if asked else None
    report.update(unusable=tuple(report["unusable"]), batches=Batches(**report["batches"]))
    return Execution(**report), reference


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
