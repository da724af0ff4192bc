"""A Jupyter kernel in a stage: started with the packer's own command, spoken to over sockets in files."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbclient.util import run_sync
from nbslim.packer.enclosure import with_fixed_addresses
from nbslim.packer.errors import ExecutionError
from nbslim.packer.launch import launching
from nbslim.packer.stage import Stage
from nbslim.packer.workspace import Workspace, stop_processes, wait_for

START_SECONDS = 120
_RUNNER = re.compile(r"subprocess exited|container exited|Error: (exit status|while running)")


class _StageKernelManager(AsyncKernelManager):
    """Starts the given command instead of an installed kernel's."""

    argv: list[str]

    @property
    def kernel_spec(self) -> KernelSpec:
        """The kernel's command; messages interrupt it, since no signal reaches into a container."""
        return KernelSpec(argv=self.argv, language="python", interrupt_mode="message")


@dataclass(frozen=True)
class Kernel:
    """A running kernel: nbclient runs cells with `manager` and `client`; `evaluate` asks it for values."""

    manager: AsyncKernelManager
    client: AsyncKernelClient

    def evaluate(self, code: str, expression: str) -> Any:
        """Execute `code` unseen by the notebook's history, and return the JSON text of `expression`, parsed.

        Raises ExecutionError with the kernel's own error, or where the kernel died.
        """
        return run_sync(self._evaluate)(code, expression)

    async def _evaluate(self, code: str, expression: str) -> Any:
        reply = await self._reply(code, expression)
        if reply["status"] != "ok":
            message = f"the kernel cannot be prepared: {reply.get('ename')}: {reply.get('evalue')}"
            raise ExecutionError(message)
        value = reply["user_expressions"]["value"]
        if value["status"] != "ok":
            message = f"the kernel gave no result: {value.get('ename')}: {value.get('evalue')}"
            raise ExecutionError(message)
        return json.loads(_literal(value["data"]["text/plain"]))

    async def _reply(self, code: str, expression: str) -> dict[str, Any]:
        message = self.client.execute(
            code, silent=True, store_history=False, user_expressions={"value": expression}
        )
        while True:
            with contextlib.suppress(TimeoutError):
                reply = await self.client.get_shell_msg(timeout=None)
                if reply["parent_header"].get("msg_id") == message:
                    content: dict[str, Any] = reply["content"]
                    return content


@contextlib.contextmanager
def start_kernel(
    stage: Stage,
    workspace: Workspace,
    python: Path,
    *,
    readable: list[Path],
    variables: Mapping[str, str],
    network: bool,
) -> Iterator[Kernel]:
    """Start a kernel of the environment whose interpreter is `python`, in the copy of the notebook's folder.

    `variables` are all that the kernel's environment holds. Raises ExecutionError where it does not start.
    """
    connection = workspace.sockets / "connection.json"
    command = launching(workspace, python, ["-m", "ipykernel_launcher", "-f", str(connection)], variables)
    manager = _StageKernelManager(
        transport="ipc", ip=str(workspace.sockets / "kernel"), connection_file=str(connection)
    )
    started = stage.command(command, folder=workspace.work, readable=readable, network=network)
    manager.argv = with_fixed_addresses(started)
    log = workspace.folder / "kernel.log"
    with log.open("wb") as output:
        client = None
        try:
            run_sync(manager.start_kernel)(cwd=str(workspace.work), stdout=output, stderr=subprocess.STDOUT)
            client = manager.client()
            client.start_channels()
            _wait_until_ready(client, log)
            yield Kernel(manager, client)
        finally:
            if client is not None:
                client.stop_channels()
            _stop(manager, workspace)


def _wait_until_ready(client: AsyncKernelClient, log: Path) -> None:
    try:
        run_sync(client.wait_for_ready)(timeout=START_SECONDS)
    except (RuntimeError, DeadKernelError) as error:
        message = f"the kernel does not start: {_reason(log.read_text(errors='replace')) or error}"
        raise ExecutionError(message) from error


def _reason(log: str) -> str | None:
    """Return the last line of a kernel's log that is its own: a container's runner adds how it ended."""
    lines = [line for line in log.splitlines() if line.strip() and not _RUNNER.match(line)]
    return lines[-1].strip() if lines else None


def _stop(manager: AsyncKernelManager, workspace: Workspace) -> None:
    stop_processes(workspace)
    process = getattr(manager.provisioner, "process", None)
    if process is not None:
        wait_for([process])
    run_sync(manager.cleanup_resources)()


def _literal(text: str) -> str:
    """Return the string whose repr the kernel sent."""
    value = ast.literal_eval(text)
    if not isinstance(value, str):
        message = f"the kernel sent no text: {text[:80]}"
        raise ExecutionError(message)
    return value
