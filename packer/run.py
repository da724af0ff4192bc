"""Runs the notebook of a job, or recalls what running it left."""

from __future__ import annotations

from dataclasses import dataclass

from nbslim.analyzer import ServingEffect
from nbslim.packer.effects import made_again
from nbslim.packer.execute import Execution
from nbslim.packer.executed import read_bundle, run_notebook, settled_closure
from nbslim.packer.folder import copy_folder
from nbslim.packer.job import Job, readable
from nbslim.packer.notebooks import recall_notebook, set_aside
from nbslim.packer.reference import Reference
from nbslim.packer.target import outputs


@dataclass(frozen=True)
class Ran:
    """What running the notebook showed, perhaps some time ago."""

    execution: Execution
    reference: Reference | None
    """What the full environment responds, if that is remembered, too."""
    recalled: bool


def executed(job: Job) -> Ran:
    """Run the notebook, or recall it; the workspace then holds its bundle, and of its folder what later steps read."""
    known = None if job.options.anew else recall_notebook(job.entry, job.workspace)
    if known:
        return Ran(*known, recalled=True)
    return Ran(_execute(job), None, recalled=False)


def put_aside(job: Job, execution: Execution) -> None:
    """Keep what the run left, as it is now, to be remembered when it is known to be of use."""
    opened = read_bundle(job.found, job.workspace).files
    files = {*job.found.closure.local_files, *(need.name for need in job.found.closure.files), *opened}
    set_aside(job.workspace, execution, files)


def _execute(job: Job) -> Execution:
    def choose() -> tuple[ServingEffect, ...]:
        pickled = read_bundle(job.found, job.workspace)
        return made_again(job.notebook, settled_closure(job.found.closure, job.installed, pickled).effects)

    copy_folder(job.found.notebook, job.workspace.work, but=outputs(job.options, job.engine))
    return run_notebook(
        job.found,
        job.stage,
        job.workspace,
        job.environment.executable,
        runtime=job.runtime,
        settings=job.options.settings,
        choose=choose,
        readable=readable(job),
    )
