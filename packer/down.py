"""Finishes the bundle of a job, and goes down the ladder with it."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from nbslim.analyzer import Analysis
from nbslim.packer.bundle import sample_records
from nbslim.packer.carry import carry
from nbslim.packer.draft import Parts
from nbslim.packer.exchanges import Exchange, exchanges
from nbslim.packer.execute import Execution
from nbslim.packer.executed import read_bundle, settled_closure
from nbslim.packer.job import Job, readable
from nbslim.packer.ladder import Ladder, Slimmed
from nbslim.packer.libraries import inside
from nbslim.packer.manifest import write_manifest
from nbslim.packer.own import place_own_runtime
from nbslim.packer.prepare import check_kept, settled
from nbslim.packer.reference import Reference, serve_in_full
from nbslim.packer.removed import module_names
from nbslim.packer.replay import Expected
from nbslim.packer.slim import slim


def slim_down(job: Job, execution: Execution, known: Reference | None) -> tuple[Slimmed, Reference]:
    """Return the lowest rung that holds, and what the full environment responds, unless that is `known`.

    Raises RequirementsError or AnswersChangedError.
    """
    workspace, closure, installed = job.workspace, job.found.closure, job.installed
    pickled = read_bundle(job.found, workspace)
    local = carry(job, execution, pickled)

    @functools.cache
    def analyse(added: frozenset[str]) -> Analysis:
        analysis = settled(job.found, settled_closure(closure, installed, pickled, added), installed)
        check_kept(job.found, _serving(analysis))
        return analysis

    write_manifest(workspace.bundle, job.about, {})  # with which the full environment can serve already
    sent = exchanges(_samples(job))
    with ThreadPoolExecutor(1) as other:  # while the draft is being laid
        reference = other.submit(_reference, job, sent, known)
        ladder = Ladder(
            Parts(job.interpreter, job.environment.site_packages, job.runtime, workspace.bundle, job.cache),
            installed,
            workspace.tree,
            job.options.goal,
            job.clock,
            sent,
            measure=lambda: reference.result()[0],
            roots=frozenset(pickled.modules),
            full=_all_modules(job),
            analyse=analyse,
            add_local=local.add,
            about=job.about,
        )
        slimmed = slim(ladder)
        write_manifest(workspace.bundle, job.about, _serving(slimmed.drafted.analysis))
        warnings = (*reference.result()[1], *slimmed.warnings)
        return replace(slimmed, warnings=warnings), reference.result()


def _samples(job: Job) -> list[object]:
    return [record["input"] for record in sample_records(job.workspace.bundle)]


def _reference(job: Job, sent: tuple[Exchange, ...], known: Reference | None) -> Reference:
    """Return what the full environment responds to requests, and what to warn of."""
    if known or not sent:
        return known or (Expected(), ())
    place_own_runtime(job.workspace.own)
    return serve_in_full(
        job.stage,
        job.workspace,
        job.environment.executable,
        paths=[job.environment.site_packages, job.runtime, job.workspace.own, job.workspace.work],
        readable=readable(job),
        sent=sent,
        network=job.options.settings.network,
    )


def _all_modules(job: Job) -> frozenset[str]:
    """Return the modules that the notebook could import."""
    root, interpreter = job.stage.tools.root, job.interpreter
    folders = (interpreter.stdlib, *([interpreter.dynload] if interpreter.dynload else ()))
    places = (job.environment.site_packages, *(inside(root, folder) for folder in folders))
    return frozenset().union(*map(module_names, places))


def _serving(analysis: Analysis) -> dict[str, str]:
    return {distribution.name: distribution.version for distribution in analysis.serving}
