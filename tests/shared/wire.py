"""A service in a process of its own, and a client that sends bytes as they are and reads HTTP strictly."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bundles import functions, write_bundle
from support import CACHE, NBSLIM, free_port, run_nbslim

SECONDS = 60
_HEAD = re.compile(rb"HTTP/1\.1 ([1-5]\d\d) [^\r\n]+\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\r\n]*\r\n)*)\r\n")


@dataclass(frozen=True)
class Service:
    """A service that runs; what it says goes to the file `log`."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    @property
    def memory(self) -> int:
        """Its private memory, in bytes."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return sum(int(number) << 10 for number in re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE))


@contextmanager
def service(folder: Path, source: str, **environ: str) -> Iterator[Service]:
    """Serve the functions of `source` as users serve a bundle."""
    bundle = write_bundle(folder / "bundle", functions(source))
    with _started([sys.executable, "-m", "nbslim.runtime", str(bundle)], folder, environ) as started:
        yield started


@contextmanager
def slim_service(folder: Path, source: str, samples: str, **environ: str) -> Iterator[Service]:
    """Serve the functions of `source` from the image that a notebook with them becomes."""
    notebook, archive = folder / "notebook.py", folder / "image.oci.tar"
    notebook.write_text(f"requirements = []\n{textwrap.dedent(source)}\nsamples = {samples}\n")
    packed = run_nbslim("pack", notebook, "--engine", "oci", "--output", archive)
    assert packed.returncode == 0, packed.stderr
    with _started([str(NBSLIM), "serve", str(archive)], folder, environ) as started:
        yield started


@contextmanager
def _started(command: list[str], folder: Path, environ: Mapping[str, str]) -> Iterator[Service]:
    log = folder / "log"
    port = free_port()
    variables = {
        **os.environ,
        "NBSLIM_CACHE": str(CACHE),
        "NBSLIM_ACCESS_LOG": "off",
        **environ,
        "PORT": str(port),
    }
    with (
        log.open("wb") as file,
        subprocess.Popen(command, env=variables, stdout=file, stderr=file) as process,
    ):
        try:
            _wait_for(log, b" listens on ", process)
            yield Service(process, port, log)
        finally:
            process.terminate()


def _wait_for(log: Path, words: bytes, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + SECONDS
    while words not in log.read_bytes():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)


@dataclass(frozen=True)
class Received:
    """A response; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Reader:
    """Reads responses from a connection; raises AssertionError for anything that is no well-formed HTTP."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._data = b""

    def response(self, method: str = "GET") -> Received | None:
        """Return the next response, which answers `method`; None where the connection was closed instead."""
        head = self.head()
        if head is None:
            return None
        status, headers = head
        bodiless = method == "HEAD" or status < 200 or status in {204, 304}
        return Received(status, headers, b"" if bodiless else self._body(headers))

    def head(self) -> tuple[int, dict[str, str]] | None:
        """Return status and headers of the next response."""
        while b"\r\n\r\n" not in self._data:
            if not self._receive():
                assert self._data == b""
                return None
        found = _HEAD.match(self._data)
        assert found, self._data[:1000]
        self._data = self._data[found.end() :]
        lines = found[2].decode("latin-1").split("\r\n")[:-1]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        assert len(headers) == len(lines), f"a header comes twice in {lines}"
        return int(found[1]), headers

    def chunk(self) -> bytes:
        """Return the next chunk of a body that comes in chunks; the last one is empty."""
        while b"\r\n" not in self._data:
            assert self._receive(), "a chunk has no size"
        size, _, self._data = self._data.partition(b"\r\n")
        chunk = self._take(int(size, 16) + 2)
        assert chunk.endswith(b"\r\n")
        return chunk[:-2]

    def closed(self) -> bool:
        """Return whether the other side closed and sent nothing more."""
        return not self._data and not self._receive()

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            assert "content-length" not in headers
            return b"".join(iter(self.chunk, b""))
        if "content-length" not in headers:
            assert headers["connection"] == "close"
            while self._receive():
                pass
            return self._take(len(self._data))
        return self._take(int(headers["content-length"]))

    def _take(self, length: int) -> bytes:
        while len(self._data) < length:
            assert self._receive(), f"{length - len(self._data)} bytes of a body are missing"
        taken, self._data = self._data[:length], self._data[length:]
        return taken

    def _receive(self) -> bool:
        try:
            part = self._connection.recv(1 << 16)
        except ConnectionResetError:
            part = b""
        self._data += part
        return bool(part)
