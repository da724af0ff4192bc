"""Bring into a bundle what serving takes from the notebook's folder."""

from __future__ import annotations

from nbslim.analyzer import Pickled
from nbslim.packer.bundle import LocalModules, add_data
from nbslim.packer.execute import Execution
from nbslim.packer.executed import settled_closure
from nbslim.packer.job import Job


def carry(job: Job, execution: Execution, pickled: Pickled) -> LocalModules:
    """Bring in the modules and the data files that serving is known to need; returns what brings more modules."""
    workspace, closure = job.workspace, job.found.closure
    modules = workspace.bundle / "modules"
    local = LocalModules(workspace.work, modules, execution.local_modules, closure.local_roots)
    local.add_files(closure.local_files)
    for module in sorted(pickled.modules):
        local.add(module)
    opened = settled_closure(closure, job.installed, pickled).files
    add_data(workspace.bundle, workspace.work, [need.name for need in opened])
    return local
