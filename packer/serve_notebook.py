"""Run a notebook and serve what it leaves in the environment in which it ran: no slimming, no image."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nbslim.packer.cache import running
from nbslim.packer.carry import carry
from nbslim.packer.environments import cache_folder
from nbslim.packer.execute import Execution
from nbslim.packer.executed import read_bundle
from nbslim.packer.facts import remembering
from nbslim.packer.job import Job, prepare_job
from nbslim.packer.manifest import write_manifest
from nbslim.packer.notebooks import remember_run
from nbslim.packer.options import Options
from nbslim.packer.own import place_own_runtime
from nbslim.packer.prepare import check_kept, plan
from nbslim.packer.receipt import Clock
from nbslim.packer.run import executed, put_aside
from nbslim.packer.serve import server_command
from nbslim.packer.serving import Command
from nbslim.packer.stage import open_stage
from nbslim.packer.target import choose_engine, describe_engine
from nbslim.packer.workspace import MARKER, Workspace, open_workspace

Log = Callable[[str], None]


@contextmanager
def notebook_server(options: Options, *, log: Log) -> Iterator[Command]:
    """Run the notebook, unless that is remembered, and make what serves it ready; nothing is left behind the block.

    Raises NotebookError, RequirementsError, ExecutionError or BuildError.
    """
    cache = cache_folder(os.environ)
    with running(cache), open_workspace(cache) as workspace:
        with remembering(cache / "facts.json"):
            job = _run(options, workspace, log)
        place_own_runtime(workspace.own)
        paths = [job.environment.site_packages, job.runtime, workspace.own, workspace.work]
        command, variables = server_command(workspace.bundle, job.environment.executable, paths)
        yield command, {**variables, MARKER: str(workspace.folder)}


def _run(options: Options, workspace: Workspace, log: Log) -> Job:
    """Leave the notebook's bundle in the workspace."""
    engine, cache = choose_engine(options), cache_folder(os.environ)
    log(describe_engine(engine))
    found = plan(options.notebook, options.python)
    with open_stage(engine, workspace, cache) as stage:
        job = prepare_job(options, engine, found, workspace, stage, cache=cache, clock=Clock())
        ran = executed(job)
    if ran.recalled:
        log(f"{job.notebook}: nothing changed since it was run before")
    else:
        put_aside(job, ran.execution)
        remember_run(job.entry, workspace)
    if ran.execution.batches.refused:
        log(f"{job.notebook}: {ran.execution.batches.refused}")
    _finish_bundle(job, ran.execution)
    return job


def _finish_bundle(job: Job, execution: Execution) -> None:
    """Complete the bundle. Raises RequirementsError for an installed version that the runtime does not work with."""
    carry(job, execution, read_bundle(job.found, job.workspace))
    installed = {name: job.installed.version(name) for name in job.installed.names}
    check_kept(job.found, installed)
    write_manifest(job.workspace.bundle, job.about, installed)
