"""What all steps of one pack share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nbslim.analyzer import Installed
from nbslim.packer.environments import Environment, make_runtime, runtime_requirements
from nbslim.packer.facts import digest
from nbslim.packer.interpreter import Interpreter, describe
from nbslim.packer.keys import notebook_key
from nbslim.packer.manifest import About
from nbslim.packer.options import Options
from nbslim.packer.prepare import Plan, decided, install, installed_in
from nbslim.packer.receipt import Clock
from nbslim.packer.stage import Stage
from nbslim.packer.target import (
    Engine,
    archive_name,
    reference_of,
    title,
    wanted_archive,
)
from nbslim.packer.workspace import Workspace


@dataclass(frozen=True)
class Job:
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
    clock: Clock
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
    def about(self) -> About:
        """What the bundle's manifest says of the notebook."""
        notebook = self.found.notebook.path
        return About(title(self.options.notebook), self.environment.python.minor, digest(notebook))

    @property
    def reference(self) -> str:
        """The image's full name."""
        return reference_of(self.options)

    @property
    def archive(self) -> Path:
        """Where the image is written; inside the workspace where only buildah is to have it."""
        inside = self.workspace.folder / archive_name(self.reference)
        return wanted_archive(self.options, self.engine) or inside


def prepare_job(
    options: Options,
    engine: Engine,
    found: Plan,
    workspace: Workspace,
    stage: Stage,
    *,
    cache: Path,
    clock: Clock,
) -> Job:
    """Find the interpreter and make the environments. Raises RequirementsError, or BuildError for a base image."""
    tools = stage.tools
    python = tools.find(found.python)
    environment = install(found, python, tools, anew=options.anew)
    runtime = make_runtime(python, runtime_requirements(), cache=tools.cache, run=tools.uv, anew=options.anew)
    made = (environment.folder, runtime)
    interpreter = describe(str(python.executable), root=tools.root, run=tools.ask)
    installed = installed_in(environment, found.requirements)
    return Job(
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
        clock,
        notebook_key(options, engine, found.notebook, python, made, cache=cache),
    )


def readable(job: Job) -> list[Path]:
    """Return the folders that processes of the stage read."""
    own = [job.environment.python.prefix] if job.stage.tools.root == Path("/") else []
    return [job.environment.folder, job.runtime, Path(__file__).parent, *own]
