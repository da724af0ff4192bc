"""From a notebook to an image: run it, keep only what serving needs, prove the answers, write, load."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nbslim.analyzer import Analysis, Installed, NotebookError, ServingEffect
from nbslim.packer import buildah
from nbslim.packer.bundle import LocalModules, add_data, leave_bundle, write_manifest
from nbslim.packer.distributions import total_bytes
from nbslim.packer.draft import Parts
from nbslim.packer.effects import made_again
from nbslim.packer.environments import (
    Environment,
    RequirementsError,
    cache_folder,
    make_runtime,
    runtime_requirements,
)
from nbslim.packer.errors import BuildError
from nbslim.packer.execute import Execution, Settings
from nbslim.packer.executed import read_bundle, run_notebook, settled_closure
from nbslim.packer.image import ACCELERATOR, LAYERS, config
from nbslim.packer.interpreter import Interpreter, assemble_interpreter, describe
from nbslim.packer.libraries import inside
from nbslim.packer.oci import WrittenImage, write_archive
from nbslim.packer.own import place_own_runtime
from nbslim.packer.pins import check_pins
from nbslim.packer.prepare import Plan, decided, install, installed_in, located, plan, settled
from nbslim.packer.receipt import Clock, Receipt
from nbslim.packer.reference import serve_in_full
from nbslim.packer.replay import Expected
from nbslim.packer.slim import Goal, Ladder, Slimmed, slim
from nbslim.packer.stage import Engine, Stage, open_stage
from nbslim.packer.workspace import Workspace, open_workspace, remove_tree

Log = Callable[[str], None]


DEFAULTS = Settings()
GOAL = Goal()


@dataclass(frozen=True)
class Options:
    """What the user asked for."""

    notebook: Path
    tag: str | None = None
    engine: str = "auto"
    python: str | None = None
    settings: Settings = DEFAULTS
    output: Path | None = None
    bundle: Path | None = None
    base: str | None = None
    isolation: str | None = None
    goal: Goal = GOAL


def pack(options: Options, *, log: Log) -> Receipt:
    """Pack the notebook and return the receipt; what fails leaves nothing behind.

    Raises NotebookError, RequirementsError, ExecutionError, BuildError or AnswersChangedError.
    """
    engine, clock, cache = _engine(options, log), Clock(), cache_folder(os.environ)
    with clock.step("plan"):
        found = plan(options.notebook, options.python)
    with (
        open_workspace(cache) as workspace,
        open_stage(engine, workspace, cache, isolation=options.isolation, base=options.base) as stage,
    ):
        with clock.step("environment"):
            job = _prepare(options, engine, found, workspace, stage, cache)
        with clock.step("notebook"):
            execution = _execute(job)
        with clock.step("slim"):
            slimmed = _slim(job, execution)
        with clock.step("sizes"):
            sizes = _sizes(job, slimmed)
        with clock.step("image"):
            image = _write(job, slimmed)
        if options.bundle:
            leave_bundle(workspace.bundle, options.bundle)
        return _receipt(job, execution, slimmed, sizes=sizes, image=image, clock=clock)


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

    @property
    def notebook(self) -> str:
        """The notebook's file name, for messages."""
        return self.found.notebook.path.name

    @property
    def reference(self) -> str:
        """The image's full name."""
        return full_reference(self.options.tag or _name(self.found))

    @property
    def archive(self) -> Path:
        """Where the image is written; inside the workspace where only buildah is to have it."""
        if self.options.output:
            return self.options.output.absolute()
        name = f"{self.reference.rpartition('/')[2].partition(':')[0]}.oci.tar"
        return self.workspace.folder / name if self.engine == "buildah" else Path.cwd() / name


def _prepare(
    options: Options, engine: Engine, found: Plan, workspace: Workspace, stage: Stage, cache: Path
) -> _Job:
    tools = stage.tools
    python = tools.find(found.version)
    environment = install(found, python, tools)
    runtime = make_runtime(python, runtime_requirements(), cache=tools.cache, run=tools.uv)
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
    )


def full_reference(tag: str) -> str:
    """Return `tag` as container engines store it: with a host (`localhost`) and a tag (`latest`)."""
    host, slash, _ = tag.partition("/")
    named = bool(slash) and ("." in host or ":" in host or host == "localhost")
    full = tag if named else f"localhost/{tag}"
    return full if ":" in full.rpartition("/")[2] else f"{full}:latest"


def _engine(options: Options, log: Log) -> Engine:
    if options.engine == "oci" or (options.engine == "auto" and not buildah.found()):
        if options.base or options.isolation:
            message = "--base and --isolation are for the buildah engine"
            raise BuildError(message)
        log("engine: oci (embedded: no container engine is used)")
        return "oci"
    if not buildah.found():
        message = "--engine buildah: buildah is not on PATH"
        raise BuildError(message, hint="install it, or use --engine oci, which needs nothing")
    log("engine: buildah")
    return "buildah"


def _name(found: Plan) -> str:
    stem = found.notebook.path.stem
    name = found.notebook.path.absolute().parent.name if stem == "notebook" else stem
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not plain:
        message = f"{found.notebook.path.name}: no image name can be made of this"
        raise NotebookError(message, hint="give one with --tag NAME")
    return plain


def _execute(job: _Job) -> Execution:
    def choose() -> tuple[ServingEffect, ...]:
        pickled = read_bundle(job.found, job.workspace)
        return made_again(job.notebook, settled_closure(job.found.closure, job.installed, pickled).effects)

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


def _slim(job: _Job, execution: Execution) -> Slimmed:
    workspace, closure, installed = job.workspace, job.found.closure, job.installed
    pickled = read_bundle(job.found, workspace)
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

    analyse(frozenset())
    with ThreadPoolExecutor(1) as other:
        reference = other.submit(_reference, job)
        ladder = Ladder(
            Parts(job.interpreter, job.environment.site_packages, job.runtime, workspace.bundle, job.cache),
            installed,
            workspace.tree,
            job.options.goal,
            measure=lambda: reference.result()[0],
            roots=frozenset(pickled.modules),
            full=_full_folders(job),
            analyse=analyse,
            add_local=local.add,
        )
        slimmed = slim(ladder)
        return replace(slimmed, warnings=(*reference.result()[1], *slimmed.warnings))


def _reference(job: _Job) -> tuple[Expected, tuple[str, ...]]:
    """Return what the full environment responds to requests, and what to warn of."""
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


def _full_folders(job: _Job) -> tuple[Path, ...]:
    """Return the folders of modules that the notebook could import from."""
    root, interpreter = job.stage.tools.root, job.interpreter
    folders = (interpreter.stdlib, *([interpreter.dynload] if interpreter.dynload else ()))
    return (job.environment.site_packages, *(inside(root, folder) for folder in folders))


def _finish_bundle(job: _Job, analysis: Analysis) -> None:
    """Write the manifest. Raises RequirementsError for a kept version that the runtime does not work with."""
    serving = {distribution.name: distribution.version for distribution in analysis.serving}
    try:
        check_pins(serving, runtime_requirements())
    except RequirementsError as error:
        raise located(job.found, error) from error
    write_manifest(job.workspace.bundle, name=_name(job.found), python=analysis.python, serving=serving)


def _sizes(job: _Job, slimmed: Slimmed) -> dict[str, int]:
    """Return the bytes of a one-stage image (interpreter and environment as installed), of each rung, of the image."""
    image = total_bytes([job.workspace.tree])
    full = _interpreter_bytes(job) + total_bytes([job.environment.folder])
    return {"full": full, **{rung.level: rung.bytes for rung in slimmed.ladder}, "image": image}


def _interpreter_bytes(job: _Job) -> int:
    """Return what the interpreter occupies in a one-stage image; laid down once to be counted, then remembered."""
    real = inside(job.stage.tools.root, job.interpreter.executable).stat()
    kept = job.stage.tools.cache / "full" / f"{job.interpreter.version}-{real.st_ino}-{real.st_mtime_ns}"
    if not kept.exists():
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
        config(_name(job.found), labels),
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
    return Receipt(
        reference=job.reference,
        digest=image.digest,
        archive=None if job.archive.is_relative_to(job.workspace.folder) else str(job.archive),
        engine=job.engine,
        isolation=job.stage.isolation,
        level=slimmed.level,
        python=job.environment.python.version,
        sizes={**sizes, "compressed": image.compressed},
        analysis=analysis,
        verified=verified,
        ladder=tuple(rung.as_json() for rung in slimmed.ladder),
        experiments=tuple(asdict(trial) for trial in slimmed.trials),
        left_out=slimmed.left_out,
        accelerator="cpu-only" if slimmed.cpu_only else None,
        seconds=clock.seconds,
        layers=[asdict(layer) for layer in image.layers],
        warnings=(*job.environment.warnings, *analysis.warnings, *_doubts(execution), *slimmed.warnings),
    )


def _doubts(execution: Execution) -> tuple[str, ...]:
    doubts = [f"{reason}; it is not replayed" for reason in execution.unusable]
    if execution.unstable:
        counted = f"{execution.unstable} samples got two answers from the notebook itself"
        doubts.append(f"{counted}; they are not compared")
    if not execution.samples:
        doubts.append("no samples: nothing was verified but that the bundle loads; define samples = [...]")
    return tuple(doubts)
