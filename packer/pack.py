"""From a notebook to an image: run it, keep only what serving needs, prove the answers, write, load."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from nbslim.analyzer import Analysis, NotebookError, pickled_modules, read_installed, settle
from nbslim.packer import buildah
from nbslim.packer.bundle import LocalModules, leave_bundle, write_manifest
from nbslim.packer.distributions import total_bytes
from nbslim.packer.environments import Environment, cache_folder, make_runtime, runtime_requirements
from nbslim.packer.errors import BuildError, ExecutionError
from nbslim.packer.execute import Execution, Settings, copy_folder, execute
from nbslim.packer.image import LAYERS, Parts, config
from nbslim.packer.interpreter import assemble_interpreter, describe
from nbslim.packer.oci import write_archive
from nbslim.packer.prepare import Plan, install, plan, settled
from nbslim.packer.receipt import Clock, Receipt
from nbslim.packer.slim import Rung, slim_to_packages
from nbslim.packer.stage import ContainerStage, Engine, Stage, open_stage
from nbslim.packer.workspace import Workspace, open_workspace, remove_tree

Log = Callable[[str], None]


DEFAULTS = Settings()


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


def pack(options: Options, *, log: Log) -> Receipt:
    """Pack the notebook and return the receipt; what fails leaves nothing behind.

    Raises NotebookError, RequirementsError, ExecutionError, BuildError or AnswersChangedError.
    """
    engine, clock = _engine(options, log), Clock()
    with clock.step("plan"):
        found = plan(options.notebook, options.python)
    cache = cache_folder(os.environ)
    with (
        open_workspace(cache) as workspace,
        open_stage(engine, workspace, isolation=options.isolation, base=options.base) as stage,
    ):
        return _pack(options, found, workspace, stage, cache, clock)


def _pack(
    options: Options, found: Plan, workspace: Workspace, stage: Stage, cache: Path, clock: Clock
) -> Receipt:
    reference = full_reference(options.tag or _name(found))
    with clock.step("environment"):
        environment = install(found, cache)
        runtime = make_runtime(found.python, runtime_requirements(), cache=cache)
    with clock.step("notebook"):
        execution = _execute(found, stage, workspace, environment, runtime, options.settings)
    with clock.step("slim"):
        analysis, rung = _slim(found, workspace, environment, runtime, execution, cache)
    with clock.step("sizes"):
        sizes = _sizes(workspace, environment, rung)
    archive = _archive_path(options, stage, workspace, reference)
    with clock.step("image"):
        image = write_archive(
            workspace.tree,
            LAYERS,
            config(_name(found)),
            reference=reference,
            output=archive,
            blobs=cache / "layers",
        )
    if isinstance(stage, ContainerStage):
        with clock.step("load"):
            buildah.pull_archive(archive, reference)
    if options.bundle:
        leave_bundle(workspace.bundle, options.bundle)
    return Receipt(
        reference=reference,
        digest=image.digest,
        archive=None if archive.is_relative_to(workspace.folder) else str(archive),
        engine="buildah" if isinstance(stage, ContainerStage) else "oci",
        isolation=stage.isolation if isinstance(stage, ContainerStage) else None,
        level=rung.level,
        python=found.python.version,
        sizes={**sizes, "image": total_bytes([workspace.tree]), "compressed": image.compressed},
        analysis=analysis,
        verified=_verified(execution, rung),
        seconds=clock.seconds,
        layers=[asdict(layer) for layer in image.layers],
        warnings=(*environment.warnings, *analysis.warnings, *_doubts(execution), *rung.warnings),
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


def _execute(
    found: Plan,
    stage: Stage,
    workspace: Workspace,
    environment: Environment,
    runtime: Path,
    settings: Settings,
) -> Execution:
    copy_folder(found.notebook, workspace.work)
    readable = [environment.folder, runtime, Path(found.python.prefix), Path(__file__).parent]
    return execute(
        found.notebook, stage, workspace, environment.executable,
        runtime=runtime, readable=readable, settings=settings,
    )  # fmt: skip


def _slim(
    found: Plan,
    workspace: Workspace,
    environment: Environment,
    runtime: Path,
    execution: Execution,
    cache: Path,
) -> tuple[Analysis, Rung]:
    installed = read_installed([environment.site_packages])
    pickled = pickled_modules((workspace.bundle / "entry_points.pickle").read_bytes())
    # The runtime brings cloudpickle; that the kernel pickled with it says nothing of the notebook.
    modules = {module for module in pickled if module.partition(".")[0] != "cloudpickle"}
    if "__main__" in modules:
        message = (
            f"{found.notebook.path.name}: the pickled predictor refers to the notebook by name (__main__)"
        )
        raise ExecutionError(
            message, hint="remove a decorator such as lru_cache from it, or move it to a module"
        )
    analysis = settled(found, settle(found.closure, modules), installed)
    local = LocalModules(workspace.work, workspace.bundle / "modules", execution.local_modules)
    local.add_files(found.closure.local_files)
    for module in sorted(modules):
        local.add(module)
    serving = {distribution.name: distribution.version for distribution in analysis.serving}
    write_manifest(workspace.bundle, name=_name(found), python=analysis.python, serving=serving)
    parts = Parts(
        describe(str(environment.executable)), environment.site_packages, runtime, workspace.bundle, cache
    )
    rung = slim_to_packages(
        parts, serving, installed, workspace.tree, add_local=local.add, name=found.notebook.path.name
    )
    return analysis, rung


def _sizes(workspace: Workspace, environment: Environment, rung: Rung) -> dict[str, int]:
    """Return the bytes of a one-stage image (interpreter and environment as installed) and of the rung."""
    full = workspace.folder / "full"
    interpreter = assemble_interpreter(describe(str(environment.executable)), full, full=True)
    remove_tree(full)
    return {
        "full": interpreter.bytes + total_bytes([environment.folder]),
        rung.level: total_bytes([workspace.tree]),
    }


def _archive_path(options: Options, stage: Stage, workspace: Workspace, reference: str) -> Path:
    if options.output:
        return options.output.absolute()
    name = f"{reference.rpartition('/')[2].partition(':')[0]}.oci.tar"
    return workspace.folder / name if isinstance(stage, ContainerStage) else Path.cwd() / name


def _verified(execution: Execution, rung: Rung) -> dict[str, object]:
    return {
        "samples": rung.replay.samples,
        "equal": rung.replay.equal,
        "unstable": execution.unstable,
        "method": rung.replay.method,
    }


def _doubts(execution: Execution) -> tuple[str, ...]:
    doubts = [f"{reason}; it is not replayed" for reason in execution.unusable]
    if execution.unstable:
        doubts.append(
            f"{execution.unstable} samples got two answers from the notebook itself; they are not compared"
        )
    if not execution.samples:
        doubts.append("no samples: nothing was verified but that the bundle loads; define samples = [...]")
    return tuple(doubts)
