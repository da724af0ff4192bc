"""Finishes the bundle of a job, and goes down the ladder with it."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from nbslim.analyzer import Analysis
from nbslim.packer.bundle import write_manifest
from nbslim.packer.carry import carry
from nbslim.packer.draft import Parts
from nbslim.packer.environments import RequirementsError, runtime_requirements
from nbslim.packer.exchanges import Exchange, exchanges
from nbslim.packer.execute import Execution
from nbslim.packer.executed import read_bundle, settled_closure
from nbslim.packer.job import Job, readable
from nbslim.packer.ladder import Ladder, Slimmed
from nbslim.packer.libraries import inside
from nbslim.packer.own import place_own_runtime
from nbslim.packer.pins import check_pins
from nbslim.packer.prepare import located, settled
from nbslim.packer.reference import Reference, serve_in_full
from nbslim.packer.removed import module_names
from nbslim.packer.replay import Expected
from nbslim.packer.slim import slim
from nbslim.packer.target import image_name


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
        _finish_bundle(job, analysis)
        return analysis

    _write_manifest(job, {})  # with which the full environment can serve already
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
        )
        slimmed = slim(ladder)
        warnings = (*reference.result()[1], *slimmed.warnings)
        return replace(slimmed, warnings=warnings), reference.result()


def _samples(job: Job) -> list[object]:
    lines = (job.workspace.bundle / "samples.jsonl").read_text("utf-8").split("\n")
    return [json.loads(line)["input"] for line in lines if line]


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


def _finish_bundle(job: Job, analysis: Analysis) -> None:
    """Write the manifest. Raises RequirementsError for a kept version that the runtime does not work with."""
    serving = {distribution.name: distribution.version for distribution in analysis.serving}
    try:
        check_pins(serving, runtime_requirements())
    except RequirementsError as error:
        raise located(job.found, error) from error
    _write_manifest(job, serving)


def _write_manifest(job: Job, serving: Mapping[str, str]) -> None:
    name, python = image_name(job.options.notebook), job.environment.python.minor
    write_manifest(job.workspace.bundle, name=name, python=python, serving=serving)
