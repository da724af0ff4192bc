"""The only module that starts buildah."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from nbslim.packer.errors import BuildError

ISOLATIONS = ("oci", "rootless", "chroot")


def found() -> bool:
    """Whether buildah is on PATH."""
    return shutil.which("buildah") is not None


def make_container(name: str, base: str) -> None:
    """Make the working container `name` from the image `base` (`scratch`: from nothing).

    Raises BuildError where the image is not in local storage and cannot be had.
    """
    _run("from", "--name", name, base)


def remove_container(name: str) -> None:
    """Delete the working container `name`; one that does not exist is no error."""
    if (
        found()
        and subprocess.run(_command("inspect", name), capture_output=True, check=False).returncode == 0
    ):
        subprocess.run(_command("rm", name), capture_output=True, check=False)


def image_of(name: str) -> str:
    """Return the identifier of the image that the working container `name` was made from."""
    return _run("inspect", "--type", "container", "--format", "{{.FromImageID}}", name)


def mount(name: str) -> Path:
    """Mount the working container's root file system; returns where."""
    return Path(_run("mount", name))


def run_command(
    name: str,
    command: Sequence[str],
    *,
    isolation: str,
    network: bool,
    mounts: Mapping[Path, bool],
    folder: Path,
    variables: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the command line that runs `command` in the container's `folder`.

    `variables` are added to the image's own. `mounts` are host folders, seen in the container under the same path;
    the value says whether it may write there.
    """
    binds = [
        argument
        for path, writable in mounts.items()
        for argument in ("--volume", f"{path}:{path}:{'rw' if writable else 'ro'}")
    ]
    set_there = [f"--env={name}={value}" for name, value in (variables or {}).items()]
    # The chroot isolation shares the host's network; without one it must be started where there is none.
    net = "host" if network or isolation == "chroot" else "none"
    options = ["--isolation", isolation, "--network", net, "--workingdir", str(folder)]
    return _command("run", *options, *set_there, *binds, name, "--", *command)


def working_isolation(name: str, mounts: Mapping[Path, bool], command: Sequence[str]) -> str:
    """Return the first isolation in which `command` runs in container `name` on this machine."""
    problem = ""
    for isolation in ISOLATIONS:
        argv = run_command(name, command, isolation=isolation, network=True, mounts=mounts, folder=Path("/"))
        result = subprocess.run(argv, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return isolation
        problem = _last_line(result.stderr)
    message = f"buildah cannot run a container here: {problem}"
    raise BuildError(message, hint="use --engine oci, which needs no container engine")


def pull_archive(archive: Path, reference: str) -> None:
    """Load the OCI archive into buildah's storage under `reference`."""
    _run("pull", "--quiet", f"oci-archive:{archive}:{reference}")


def digest_of(reference: str) -> str | None:
    """Return the digest of the image that local storage has under `reference`; None if it has none."""
    command = _command("inspect", "--type", "image", "--format", "{{.FromImageDigest}}", reference)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else None


def _run(*arguments: str) -> str:
    command = _command(*arguments)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        message = f"`{' '.join(command)}` failed: {_last_line(result.stderr)}"
        raise BuildError(message)
    return result.stdout.strip()


def _command(*arguments: str) -> list[str]:
    return ["buildah", *arguments]


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no message")
