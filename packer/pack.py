"""From a notebook to an image: run it, keep only what serving needs, prove the answers, write, load."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nbslim.analyzer import Analysis, Installed, ServingEffect, to_json
from nbslim.packer import buildah
from nbslim.packer.again import entry_of, receipt_before
from nbslim.packer.bundle import LocalModules, add_data, files_naming, leave_bundle, write_manifest
from nbslim.packer.cache import running, used
from nbslim.packer.distributions import total_bytes
from nbslim.packer.draft import Parts
from nbslim.packer.effects import made_again
from nbslim.packer.elf import remembering_elves
from nbslim.packer.environments import (
    Environment,
    RequirementsError,
    cache_folder,
    make_runtime,
    runtime_requirements,
)
from nbslim.packer.execute import Execution
from nbslim.packer.executed import read_bundle, run_notebook, settled_closure
from nbslim.packer.folder import copy_folder
from nbslim.packer.image import ACCELERATOR, LAYERS, config
from nbslim.packer.interpreter import Interpreter, assemble_interpreter, describe
from nbslim.packer.keys import notebook_key
from nbslim.packer.libraries import inside
from nbslim.packer.notebooks import recall_notebook, remember_notebook, set_aside
from nbslim.packer.oci import WrittenImage, write_archive
from nbslim.packer.options import Options
from nbslim.packer.own import place_own_runtime
from nbslim.packer.packed import remember_pack
from nbslim.packer.pins import check_pins
from nbslim.packer.prepare import Plan, decided, install, installed_in, located, plan, settled
from nbslim.packer.receipt import Clock, Receipt
from nbslim.packer.reference import Reference, serve_in_full
from nbslim.packer.removed import module_names
from nbslim.packer.replay import Expected
from nbslim.packer.slim import Ladder, Slimmed, slim
from nbslim.packer.stage import Stage, open_stage
from nbslim.packer.target import (
    Engine,
    archive_name,
    choose_engine,
    describe_engine,
    image_name,
    outputs,
    reference_of,
    wanted_archive,
)
from nbslim.packer.workspace import Workspace, open_workspace, remove_tree

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
        remembering_elves(cache / "elf.json"),
        open_workspace(cache) as workspace,
        open_stage(engine, workspace, cache, isolation=options.isolation, base=options.base) as stage,
    ):
        with clock.step("environment"):
            job = _prepare(options, engine, found, workspace, stage, cache)
        if options.base and not options.anew:
            before = receipt_before(job.key, options, engine, cache=cache, clock=clock, log=log)
            if before:
                return before
        with clock.step("notebook"):
            execution, known = _executed(job)
        with clock.step("slim"):
            slimmed, reference = _slim(job, execution, known)
        if known is None:
            remember_notebook(job.entry, workspace, reference)
        with clock.step("sizes"):
            sizes = _sizes(job, slimmed)
        with clock.step("image"):
            image = _write(job, slimmed)
        if options.bundle:
            leave_bundle(workspace.bundle, options.bundle)
        cached = {"environment": job.environment.cached, "notebook": known is not None, "pack": False}
        receipt = _receipt(job, execution, slimmed, sizes=sizes, image=image, clock=clock, cached=cached)
        remember_pack(entry_of(job.key, options, cache), receipt, job.archive, workspace.bundle)
        return receipt


@dataclass(frozen=True)
class _Job:
    """All that the steps of one pack share."""

    options: Options
    engine: Engine
    found: Plan
    workspace: Workspace
    stage: Stage
    cache: Path
    environment: Environment
    installed: Installed
    runtime: Path
    interpreter: Interpreter
    key: str
    """Of the executed notebook."""

    @property
    def entry(self) -> Path:
        """Where the executed notebook is remembered."""
        return self.cache / "notebooks" / self.key

    @property
    def notebook(self) -> str:
        """The notebook's file name, for messages."""
        return self.found.notebook.path.name

    @property
    def reference(self) -> str:
        """The image's full name."""
        return reference_of(self.options)

    @property
    def archive(self) -> Path:
        """Where the image is written; inside the workspace where only buildah is to have it."""
        inside = self.workspace.folder / archive_name(self.reference)
        return wanted_archive(self.options, self.engine) or inside


def _prepare(
    options: Options, engine: Engine, found: Plan, workspace: Workspace, stage: Stage, cache: Path
) -> _Job:
    tools = stage.tools
    python = tools.find(found.python)
    environment = install(found, python, tools, anew=options.anew)
    runtime = make_runtime(python, runtime_requirements(), cache=tools.cache, run=tools.uv, anew=options.anew)
    made = (environment.folder, runtime)
    interpreter = describe(str(python.executable), root=tools.root, run=tools.ask)
    installed = installed_in(environment, found.requirements)
    return _Job(
        options,
        engine,
        decided(found, installed),
        workspace,
        stage,
        cache,
        environment,
        installed,
        runtime,
        interpreter,
        notebook_key(options, engine, found.notebook, python, made, cache=cache),
    )


def _executed(job: _Job) -> tuple[Execution, Reference | None]:
    """Return what the notebook showed, and what the full environment responds if that is remembered."""
    known = None if job.options.anew else recall_notebook(job.entry, job.workspace)
    if known:
        return known
    execution = _execute(job)
    opened = read_bundle(job.found, job.workspace).files
    files = {*job.found.closure.local_files, *(need.name for need in job.found.closure.files), *opened}
    set_aside(job.workspace, execution, files)
    return execution, None


def _execute(job: _Job) -> Execution:
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
        readable=_readable(job),
    )


def _readable(job: _Job) -> list[Path]:
    """Return the folders that processes of the stage read."""
    own = [job.environment.python.prefix] if job.stage.tools.root == Path("/") else []
    return [job.environment.folder, job.runtime, Path(__file__).parent, *own]


def _slim(job: _Job, execution: Execution, known: Reference | None) -> tuple[Slimmed, Reference]:
    workspace, closure, installed = job.workspace, job.found.closure, job.installed
    pickled = read_bundle(job.found, workspace)
    modules = workspace.bundle / "modules"
    local = LocalModules(workspace.work, modules, execution.local_modules, closure.local_roots)
    local.add_files(closure.local_files)
    for module in sorted(pickled.modules):
        local.add(module)
    opened = settled_closure(closure, installed, pickled).files
    add_data(workspace.bundle, workspace.work, [need.name for need in opened])

    @functools.cache
    def analyse(added: frozenset[str]) -> Analysis:
        analysis = settled(job.found, settled_closure(closure, installed, pickled, added), installed)
        _finish_bundle(job, analysis)
        return analysis

    analyse(frozenset())
    with ThreadPoolExecutor(1) as other:
        reference = other.submit(_reference, job, known)
        ladder = Ladder(
            Parts(job.interpreter, job.environment.site_packages, job.runtime, workspace.bundle, job.cache),
            installed,
            workspace.tree,
            job.options.goal,
            measure=lambda: reference.result()[0],
            roots=frozenset(pickled.modules),
            full=_all_modules(job),
            analyse=analyse,
            add_local=local.add,
        )
        slimmed = slim(ladder)
        warnings = (*reference.result()[1], *slimmed.warnings)
        return replace(slimmed, warnings=warnings), reference.result()


def _reference(job: _Job, known: Reference | None) -> Reference:
    """Return what the full environment responds to requests, and what to warn of."""
    if known:
        return known
    lines = (job.workspace.bundle / "samples.jsonl").read_text("utf-8").split("\n")
    samples = [json.loads(line)["input"] for line in lines if line]
    if not samples:
        return Expected(), ()
    place_own_runtime(job.workspace.own)
    return serve_in_full(
        job.stage,
        job.workspace,
        job.environment.executable,
        paths=[job.environment.site_packages, job.runtime, job.workspace.own, job.workspace.work],
        readable=_readable(job),
        samples=samples,
        network=job.options.settings.network,
    )


def _all_modules(job: _Job) -> frozenset[str]:
    """Return the modules that the notebook could import."""
    root, interpreter = job.stage.tools.root, job.interpreter
    folders = (interpreter.stdlib, *([interpreter.dynload] if interpreter.dynload else ()))
    places = (job.environment.site_packages, *(inside(root, folder) for folder in folders))
    return frozenset().union(*map(module_names, places))


def _finish_bundle(job: _Job, analysis: Analysis) -> None:
    """Write the manifest. Raises RequirementsError for a kept version that the runtime does not work with."""
    serving = {distribution.name: distribution.version for distribution in analysis.serving}
    try:
        check_pins(serving, runtime_requirements())
    except RequirementsError as error:
        raise located(job.found, error) from error
    write_manifest(
        job.workspace.bundle, name=image_name(job.options.notebook), python=analysis.python, serving=serving
    )


def _sizes(job: _Job, slimmed: Slimmed) -> dict[str, int]:
    """Return the bytes of a one-stage image (interpreter and environment as installed), of each rung, of the image."""
    image = total_bytes([job.workspace.tree])
    full = _interpreter_bytes(job) + total_bytes([job.environment.folder])
    return {"full": full, **{rung.level: rung.bytes for rung in slimmed.ladder}, "image": image}


def _interpreter_bytes(job: _Job) -> int:
    """Return what the interpreter occupies in a one-stage image; laid down once to be counted, then remembered."""
    real = inside(job.stage.tools.root, job.interpreter.executable).stat()
    kept = job.stage.tools.cache / "full" / f"{job.interpreter.version}-{real.st_ino}-{real.st_mtime_ns}"
    if not used(kept):
        full = job.workspace.folder / "full"
        counted = assemble_interpreter(job.interpreter, full, full=True).bytes
        remove_tree(full)
        kept.parent.mkdir(parents=True, exist_ok=True)
        aside = job.workspace.folder / "counted"
        aside.write_text(str(counted))
        aside.replace(kept)
    return int(kept.read_text())


def _write(job: _Job, slimmed: Slimmed) -> WrittenImage:
    labels = {ACCELERATOR: "cpu-only"} if slimmed.cpu_only else {}
    image = write_archive(
        job.workspace.tree,
        LAYERS,
        config(image_name(job.options.notebook), labels, job.options.created),
        reference=job.reference,
        output=job.archive,
        blobs=job.cache / "layers",
    )
    if job.engine == "buildah":
        buildah.pull_archive(job.archive, job.reference)
    return image


def _receipt(
    job: _Job,
    execution: Execution,
    slimmed: Slimmed,
    *,
    sizes: dict[str, int],
    image: WrittenImage,
    clock: Clock,
    cached: dict[str, bool],
) -> Receipt:
    analysis, trace = slimmed.drafted.analysis, slimmed.drafted.trace
    verified = {
        "samples": slimmed.replay.samples,
        "equal": slimmed.replay.equal,
        "requests": slimmed.replay.requests,
        "unstable": execution.unstable,
        "method": slimmed.replay.method,
        "lines": trace.lines,
        "lines_entered": trace.entered,
    }
    told = to_json(analysis)
    return Receipt(
        reference=job.reference,
        digest=image.digest,
        archive=None if job.archive.is_relative_to(job.workspace.folder) else str(job.archive),
        engine=job.engine,
        isolation=job.stage.isolation,
        level=slimmed.level,
        python=job.environment.python.version,
        sizes={**sizes, "compressed": image.compressed},
        distributions=told["serving"],
        dropped=told["dropped"],
        verified=verified,
        ladder=tuple(rung.as_json() for rung in slimmed.ladder),
        experiments=tuple(asdict(trial) for trial in slimmed.trials),
        left_out=slimmed.left_out,
        accelerator="cpu-only" if slimmed.cpu_only else None,
        seconds=clock.seconds,
        cached=cached,
        layers=[asdict(layer) for layer in image.layers],
        warnings=(
            *job.environment.warnings,
            *analysis.warnings,
            *_doubts(job, execution),
            *slimmed.warnings,
        ),
    )


def _doubts(job: _Job, execution: Execution) -> tuple[str, ...]:
    doubts = [f"{reason}; it is not replayed" for reason in execution.unusable]
    doubts += [
        f"{name} holds a path of the folder in which the notebook ran: no image has it, and no two runs are one image"
        for name in files_naming(job.workspace.bundle, job.workspace.folder)
    ]
    if execution.unstable:
        counted = f"{execution.unstable} samples got two answers from the notebook itself"
        doubts.append(f"{counted}; they are not compared")
    if not execution.samples:
        doubts.append("no samples: nothing was verified but that the bundle loads; define samples = [...]")
    return tuple(doubts)
