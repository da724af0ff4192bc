"""`make demo`: pack the example, serve it, post a sample, print the answer and the sizes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from support import NBSLIM, ROOT, free_port, post, wait_until_ready

NOTEBOOK = ROOT / "fixtures/kmeans/notebook.ipynb"
SAMPLE = "[0.1, 0.2]"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="nbslim-demo-") as folder:
        archive = Path(folder, "kmeans.oci.tar")
        receipt = pack(archive)
        with served(archive, receipt) as (address, how):
            wait_until_ready(address)
            print(f"\n$ curl -d '{SAMPLE}' {address}/predict        # served by {how}")
            print(post(address, json.loads(SAMPLE))[1])
    print_sizes(receipt)


def pack(archive: Path) -> dict:
    command = [str(NBSLIM), "pack", str(NOTEBOOK), "--tag", "kmeans:1", "--output", str(archive), "--json"]
    print("$ nbslim pack fixtures/kmeans/notebook.ipynb --tag kmeans:1")
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        sys.exit(result.returncode)
    return json.loads(result.stdout)


@contextlib.contextmanager
def served(archive: Path, receipt: dict) -> Iterator[tuple[str, str]]:
    """Serve with podman where it can run a container, and with `nbslim serve` elsewhere."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    name = f"nbslim-demo-{os.getpid()}"
    if shutil.which("podman") and start_container(archive, receipt["reference"], name, port):
        try:
            yield address, "podman"
        finally:
            subprocess.run(["podman", "rm", "--force", name], capture_output=True, check=False)
        return
    process = subprocess.Popen(
        [str(NBSLIM), "serve", str(archive), "--port", str(port)], stderr=subprocess.DEVNULL
    )
    try:
        yield address, "nbslim serve"
    finally:
        process.terminate()
        process.wait()


def start_container(archive: Path, reference: str, name: str, port: int) -> bool:
    """Start the image with the first runtime that works here; returns whether one does."""
    subprocess.run(["podman", "load", "--quiet", "--input", str(archive)], capture_output=True, check=False)
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    run = ["run", "--detach", "--rm", "--name", name, "--network", "host", "--env", f"PORT={port}", *limits]
    for runtime in ([], ["--runtime", "runc"]):
        result = subprocess.run(["podman", *runtime, *run, reference], capture_output=True, check=False)
        if result.returncode == 0:
            return True
        subprocess.run(["podman", "rm", "--force", name], capture_output=True, check=False)
    return False


def print_sizes(receipt: dict) -> None:
    sizes = receipt["sizes"]
    print()
    for title, size in (("full environment", "full"), ("image", "image"), ("compressed", "compressed")):
        print(f"{title:>18} {sizes[size] / 1e6:8.1f} MB {sizes[size] / sizes['full']:7.1%}")


if __name__ == "__main__":
    main()
