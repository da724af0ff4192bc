"""From a notebook to an image: run it, keep only what serving needs, prove the answers, write, load."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from nbslim.analyzer import Analysis, Installed, ServingEffect, to_json
from nbslim.packer import buildah
from nbslim.packer.again import entry_of
from nbslim.packer.bundle import LocalModules, add_data, leave_bundle, write_manifest
from nbslim.packer.cache import running, used
from nbslim.packer.distributions import total_bytes
from nbslim.packer.effects import made_again
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
from nbslim.packer.image import LAYERS, Parts, config
from nbslim.packer.interpreter import Interpreter, assemble_interpreter, describe
from nbslim.packer.keys import notebook_key, pack_key
from nbslim.packer.libraries import inside
from nbslim.packer.notebooks import recall_notebook, remember_notebook
from nbslim.packer.oci import WrittenImage, write_archive
from nbslim.packer.options import Options
from nbslim.packer.packed import remember_pack
from nbslim.packer.pins import check_pins
from nbslim.packer.prepare import Plan, decided, install, installed_in, located, plan, settled
from nbslim.packer.receipt import Clock, Receipt
from nbslim.packer.slim import Rung, slim_to_packages
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
        open_workspace(cache) as workspace,
        open_stage(engine, workspace, cache, isolation=options.isolation, base=options.base) as stage,
    ):
        with clock.step("environment"):
            job = _prepare(options, engine, found, workspace, stage, cache)
        with clock.step("notebook"):
            execution, remembered = _executed(job)
        with clock.step("slim"):
            rung = _slim(job, execution)
        with clock.step("sizes"):
            sizes = _sizes(job, rung)
        with clock.step("image"):
            image = _write(job)
        if options.bundle:
            leave_bundle(workspace.bundle, options.bundle)
        cached = {"environment": job.environment.cached, "notebook": remembered, "pack": False}
        receipt = _receipt(job, execution, rung, sizes=sizes, image=image, clock=clock, cached=cached)
        remember_pack(entry_of(pack_key(job.key, options), cache), receipt, job.archive, workspace.bundle)
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
    python = tools.find(found.version)
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


def _executed(job: _Job) -> tuple[Execution, bool]:
    """Return what the notebook showed, and whether that was remembered."""
    entry = job.cache / "notebooks" / job.key
    known = None if job.options.anew else recall_notebook(entry, job.workspace)
    if known:
        return known, True
    execution = _execute(job)
    opened = read_bundle(job.found, job.workspace).files
    files = {*job.found.closure.local_files, *(need.name for need in job.found.closure.files), *opened}
    remember_notebook(entry, job.workspace, execution, files)
    return execution, False


def _execute(job: _Job) -> Execution:
    def choose() -> tuple[ServingEffect, ...]:
        pickled = read_bundle(job.found, job.workspace)
        return made_again(job.notebook, settled_closure(job.found.closure, job.installed, pickled).effects)

    readable = [job.environment.folder, job.runtime]
    if job.stage.tools.root == Path("/"):
        readable.append(job.environment.python.prefix)
    copy_folder(job.found.notebook, job.workspace.work, but=outputs(job.options, job.engine))
    return run_notebook(
        job.found,
        job.stage,
        job.workspace,
        job.environment.executable,
        runtime=job.runtime,
        settings=job.options.settings,
        choose=choose,
        readable=readable,
    )


def _slim(job: _Job, execution: Execution) -> Rung:
    workspace, closure = job.workspace, job.found.closure
    pickled = read_bundle(job.found, workspace)
    installed = job.installed
    modules = workspace.bundle / "modules"
    local = LocalModules(workspace.work, modules, execution.local_modules, closure.local_roots)
    local.add_files(closure.local_files)
    for module in sorted(pickled.modules):
        local.add(module)
    opened = settled_closure(closure, installed, pickled).files
    add_data(workspace.bundle, workspace.work, [need.name for need in opened])

    def analyse(added: frozenset[str]) -> Analysis:
        analysis = settled(job.found, settled_closure(closure, installed, pickled, added), installed)
        _finish_bundle(job, analysis)
        return analysis

    parts = Parts(job.interpreter, job.environment.site_packages, job.runtime, workspace.bundle, job.cache)
    return slim_to_packages(parts, installed, workspace.tree, analyse=analyse, add_local=local.add)


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


def _sizes(job: _Job, rung: Rung) -> dict[str, int]:
    """Return the bytes of a one-stage image (interpreter and environment as installed) and of the image."""
    image = total_bytes([job.workspace.tree])
    full = _interpreter_bytes(job) + total_bytes([job.environment.folder])
    return {"full": full, rung.level: image, "image": image}


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


def _write(job: _Job) -> WrittenImage:
    image = write_archive(
        job.workspace.tree,
        LAYERS,
        config(image_name(job.options.notebook)),
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
    rung: Rung,
    *,
    sizes: dict[str, int],
    image: WrittenImage,
    clock: Clock,
    cached: dict[str, bool],
) -> Receipt:
    verified = {
        "samples": rung.replay.samples,
        "equal": rung.replay.equal,
        "unstable": execution.unstable,
        "method": rung.replay.method,
    }
    analysis = to_json(rung.analysis)
    return Receipt(
        reference=job.reference,
        digest=image.digest,
        archive=None if job.archive.is_relative_to(job.workspace.folder) else str(job.archive),
        engine=job.engine,
        isolation=job.stage.isolation,
        level=rung.level,
        python=job.environment.python.version,
        sizes={**sizes, "compressed": image.compressed},
        distributions=analysis["serving"],
        dropped=analysis["dropped"],
        verified=verified,
        seconds=clock.seconds,
        cached=cached,
        layers=[asdict(layer) for layer in image.layers],
        warnings=(*job.environment.warnings, *rung.analysis.warnings, *_doubts(execution), *rung.warnings),
    )


def _doubts(execution: Execution) -> tuple[str, ...]:
    doubts = [f"{reason}; it is not replayed" for reason in execution.unusable]
    if execution.unstable:
        counted = f"{execution.unstable} samples got two answers from the notebook itself"
        doubts.append(f"{counted}; they are not compared")
    if not execution.samples:
        doubts.append("no samples: nothing was verified but that the bundle loads; define samples = [...]")
    return tuple(doubts)
