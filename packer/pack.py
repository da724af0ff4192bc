"""From a notebook to an image: run it, keep only what serving needs, prove the answers, write, load."""

from __future__ import annotations

import os
from collections.abc import Callable

from nbslim.packer import buildah
from nbslim.packer.again import entry_of, receipt_before
from nbslim.packer.bundle import leave_bundle
from nbslim.packer.cache import running
from nbslim.packer.down import slim_down
from nbslim.packer.environments import cache_folder
from nbslim.packer.facts import remembering
from nbslim.packer.image import ACCELERATOR, LAYERS, config
from nbslim.packer.job import Job, prepare_job
from nbslim.packer.ladder import Slimmed
from nbslim.packer.meanwhile import meanwhile
from nbslim.packer.notebooks import remember_notebook
from nbslim.packer.oci import WrittenImage, write_archive
from nbslim.packer.options import Options
from nbslim.packer.packed import remember_pack
from nbslim.packer.prepare import plan
from nbslim.packer.receipt import Clock, Receipt
from nbslim.packer.report import receipt_of
from nbslim.packer.run import executed, put_aside
from nbslim.packer.sizes import sizes_of
from nbslim.packer.stage import open_stage
from nbslim.packer.target import choose_engine, describe_engine, title
from nbslim.packer.workspace import open_workspace

Log = Callable[[str], None]


def pack(options: Options, *, log: Log) -> Receipt:
    """Pack the notebook and return the receipt; what fails leaves nothing behind.

    Raises NotebookError, RequirementsError, ExecutionError, BuildError or AnswersChangedError.
    """
    engine, clock, cache = choose_engine(options), Clock(), cache_folder(os.environ)
    log(describe_engine(engine))
    with clock.step("plan"):
        found = plan(options.notebook, options.python)
    with (
        running(cache),
        remembering(cache / "facts.json"),
        open_workspace(cache) as workspace,
        open_stage(engine, workspace, cache, isolation=options.isolation, base=options.base) as stage,
    ):
        with clock.step("environment"):
            job = prepare_job(options, engine, found, workspace, stage, cache=cache, clock=clock)
        if options.base and not options.anew:
            before = receipt_before(job.key, options, engine, cache=cache, clock=clock, log=log)
            if before:
                return before
        with meanwhile(job) as full, clock.step("notebook"):
            ran = executed(job)
            if ran.reference is None:
                put_aside(job, ran.execution)
        slimmed, reference = slim_down(job, ran.execution, ran.reference)
        if ran.reference is None:
            remember_notebook(job.entry, workspace, reference)
        with clock.step("sizes"):
            sizes = sizes_of(job, slimmed, full.result())
        with clock.step("image"):
            image = _write(job, slimmed)
        if options.bundle:
            leave_bundle(workspace.bundle, options.bundle)
        cached = {"environment": job.environment.cached, "notebook": ran.recalled, "pack": False}
        receipt = receipt_of(job, ran.execution, slimmed, sizes=sizes, image=image, cached=cached)
        remember_pack(entry_of(job.key, options, cache), receipt, job.archive, workspace.bundle)
        return receipt


def _write(job: Job, slimmed: Slimmed) -> WrittenImage:
    labels = {ACCELERATOR: "cpu-only"} if slimmed.cpu_only else {}
    image = write_archive(
        job.workspace.tree,
        LAYERS,
        config(title(job.options.notebook), labels, job.options.created),
        reference=job.reference,
        output=job.archive,
        blobs=job.cache / "layers",
    )
    if job.engine == "buildah":
        buildah.pull_archive(job.archive, job.reference)
    return image
