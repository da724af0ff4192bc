"""A headless Chromium that tests drive by the WebDriver protocol."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import free_port

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="chromium and chromium-driver are not installed"
)

OPTIONS = [
    "--headless=new",
    "--no-sandbox",  # tests may run as root
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no network but this machine's own
]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key under which WebDriver names an element."""


class Browser:
    """A session with a driver; `driver` is its address."""

    def __init__(self, driver: str) -> None:
        self._driver = driver
        capabilities = {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": CHROMIUM, "args": OPTIONS},
            "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
        }
        session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self._session = f"/session/{session['sessionId']}"

    def open(self, address: str) -> None:
        self._call("POST", f"{self._session}/url", {"url": address})

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a JavaScript function and return its value."""
        return self._call(
            "POST", f"{self._session}/execute/sync", {"script": script, "args": list(arguments)}
        )

    def find(self, selector: str) -> str:
        found = {"using": "css selector", "value": selector}
        return self._call("POST", f"{self._session}/element", found)[ELEMENT]

    def click(self, selector: str) -> None:
        """Click as a mouse does: in view, and on top of all else."""
        self._call("POST", f"{self._session}/element/{self.find(selector)}/click", {})

    def write(self, selector: str, text: str) -> None:
        """Replace what is in a field by typing."""
        element = f"{self._session}/element/{self.find(selector)}"
        self._call("POST", f"{element}/clear", {})
        self._call("POST", f"{element}/value", {"text": text})

    def text(self, selector: str) -> str:
        """Return what a person reads there."""
        return self._call("GET", f"{self._session}/element/{self.find(selector)}/text")

    def wait(self, done: Callable[[], bool], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, f"waited {seconds} s in vain"
            time.sleep(0.05)

    def screen(self, width: int, *, dark: bool) -> None:
        """Be a screen of `width` pixels, for a person who likes it dark or light."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", {"features": [scheme]})

    def requests(self) -> list[str]:
        """Return the addresses of all requests since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        sent = [one["params"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        return [one["request"]["url"] for one in sent]

    def complaints(self) -> list[str]:
        """Return what the console says since the last call: errors, and what the page's policy blocked."""
        return [entry["message"] for entry in self._log("browser")]

    def photograph(self, path: Path) -> None:
        """Write a picture of the whole page."""
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        picture = self.devtools("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(picture["data"]))

    def close(self) -> None:
        self._call("DELETE", self._session)

    def devtools(self, command: str, params: object) -> Any:
        """Say a command of Chromium's own protocol, and return its result."""
        return self._call("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": params})

    def _log(self, kind: str) -> list[dict[str, Any]]:
        return self._call("POST", f"{self._session}/se/log", {"type": kind})

    def _call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._driver}{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            said = json.load(error)["value"]["message"]
        raise AssertionError(f"{method} {path}: {said}")


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser; it ends with the block."""
    port = free_port()
    process = subprocess.Popen(
        [DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        session = _session(f"http://127.0.0.1:{port}")
        try:
            yield session
        finally:
            session.close()
    finally:
        process.terminate()
        process.wait(60)


def _session(driver: str) -> Browser:
    end = time.monotonic() + 60
    while True:
        try:
            return Browser(driver)
        except OSError:  # it does not listen yet
            assert time.monotonic() < end, "the driver does not listen"
            time.sleep(0.05)
