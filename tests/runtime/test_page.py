import base64
import hashlib
import html.parser
import json
import re
import socket

import pytest
from browser import browser, needs_chromium
from falcon.testing import TestClient
from nbslim.runtime import page as module
from nbslim.runtime.app import create_app
from nbslim.runtime.bundle import FORMAT, load_bundle
from nbslim.runtime.figures import Figures
from nbslim.runtime.page import HEADERS, SAMPLES, page
from nbslim.runtime.service import Service
from nbslim.runtime.settings import read_settings

NASTY = "</script><img src=x onerror=alert(1)><!--<script>"
ECHO = "predictor = lambda x: x"


class Parts(html.parser.HTMLParser):
    """The elements of a page with their attributes, and the texts of its scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.inside = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside = (tag, dict(attributes).get("type"))

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        self.texts.setdefault(self.inside, []).append(data)

    def text(self, tag, kind=None):
        return "".join(self.texts[tag, kind])

    @property
    def about(self):
        return json.loads(self.text("script", "application/json"))


@pytest.fixture(name="loaded")
def _loaded(bundle):
    return lambda samples=(), **manifest: load_bundle(bundle(ECHO, samples, **manifest))


@pytest.fixture(name="client")
def _client(loaded):
    service = Service(read_settings({}), Figures(1))
    return service, TestClient(create_app(service)), loaded


def test_page_is_small():
    assert len(module._TEMPLATE.read_bytes()) < 25_000


def test_policy_names_the_one_script_and_the_one_style(loaded):
    """Where this fails, the message shows what page.py must say."""
    parts = Parts(page(loaded()))
    kinds = [(tag, found.get("type")) for tag, found in parts.elements if tag in {"script", "style"}]
    assert kinds == [("style", None), ("script", "application/json"), ("script", None)]
    for tag, stated in (("script", module._SCRIPT), ("style", module._STYLE)):
        digest = hashlib.sha256(parts.text(tag).encode()).digest()
        assert stated == f"sha256-{base64.b64encode(digest).decode()}"


def test_policy_lets_nothing_else_load():
    policy = dict(part.split(" ", 1) for part in dict(HEADERS)["Content-Security-Policy"].split("; "))
    assert policy.pop("default-src") == "'none'"
    assert policy == {
        "script-src": f"'{module._SCRIPT}'",
        "style-src": f"'{module._STYLE}'",
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


def test_page_refers_to_nothing_outside(loaded):
    parts = Parts(page(loaded()))
    links = [
        value
        for _, attributes in parts.elements
        for name, value in attributes.items()
        if name in {"src", "href"}
    ]
    assert len(links) == 5
    assert [link for link in links if not re.match(r"data:|(openapi\.json|metrics|info|readyz)$", link)] == []
    assert "url(" not in parts.text("style")
    assert "@import" not in parts.text("style")
    assert not any(name.startswith("on") or name == "style" for _, found in parts.elements for name in found)


def test_what_the_model_says_is_data_and_never_a_tag(loaded):
    sample = {"input": {NASTY: NASTY}, "answer": NASTY}
    whole = page(loaded((sample,), name=NASTY))
    parts = Parts(whole)
    assert [tag for tag, _ in parts.elements] == [
        tag for tag, _ in Parts(module._TEMPLATE.read_text()).elements
    ]
    assert parts.about["name"] == NASTY
    [shown] = parts.about["samples"]
    assert json.loads(shown["input"]) == {NASTY: NASTY}
    assert "<img" not in whole


def test_samples_keep_the_spelling_of_their_numbers(loaded):
    samples = (
        {"input": [1.0, 10**20], "answer": 1.0},
        {"input": [2], "refused": True},
        {"input": [3], "raises": "ValueError"},
    )
    about = Parts(page(loaded(samples))).about
    assert about["samples"] == [
        {"number": 1, "input": "[1.0,100000000000000000000]", "answer": "1.0"},
        {"number": 2, "input": "[2]", "refused": True},
        {"number": 3, "input": "[3]", "raises": "ValueError"},
    ]
    assert (about["expects"], about["inferred_from"], about["enforced"]) == (
        "an array of 2 numbers",
        1,
        False,
    )


def test_page_of_many_large_samples_is_small(loaded):
    samples = tuple({"input": [0.25] * 3_000, "answer": number} for number in range(100))
    assert len(page(loaded(samples))) < 25_000 + SAMPLES * 20_000


def test_page_is_served_when_the_model_is_loaded(client):
    service, client, loaded = client
    assert client.simulate_get("/").status_code == 503
    assert client.simulate_get("/").json["type"] == "urn:nbslim:not-ready"
    service.serve(loaded())
    result = client.simulate_get("/")
    assert (result.status_code, result.text) == (200, page(service.entry_points))
    assert result.headers["Content-Type"] == "text/html; charset=utf-8"
    assert [(name, result.headers[name]) for name, _ in HEADERS] == list(HEADERS)
    assert (client.simulate_head("/").status_code, client.simulate_head("/").text) == (200, "")
    assert client.simulate_post("/", body="1").status_code == 405


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@needs_chromium
def test_browser_that_comes_while_the_model_is_loaded_gets_the_page_by_itself(bundle, serving, tmp_path):
    may_load = tmp_path / "may load"
    waiting = f"import os, time\nwhile not os.path.exists({str(may_load)!r}): time.sleep(0.05)"
    source = f"""
        class Slow:
            def __reduce__(self):
                return exec, ({waiting!r},)

        slow = Slow()
        def predictor(x):
            return slow, x
    """
    shown = "return document.body?.innerText ?? ''"
    with browser() as chromium, serving(bundle(source), wait=False) as server:
        chromium.wait(lambda: listens(server.port))
        chromium.open(f"http://127.0.0.1:{server.port}/")
        assert chromium.run(shown).startswith('{"type":"urn:nbslim:not-ready"')
        may_load.touch()
        chromium.wait(lambda: "Try it" in chromium.run(shown))


@needs_chromium
def test_page_says_why_the_service_is_not_ready(bundle, serving):
    folder = bundle(ECHO, ({"input": 1, "answer": 2},))
    with browser() as chromium, serving(folder) as server:
        chromium.open(f"http://127.0.0.1:{server.port}/")
        chromium.wait(lambda: chromium.text("#state") != "")
        why = "a sample of the notebook is not answered as the notebook answered it"
        assert chromium.text("#state") == f"Not ready: {why}"
        for width in (1280, 400):
            chromium.screen(width, dark=False)
            assert chromium.run("return document.documentElement.scrollWidth <= innerWidth")


def test_info_tells_what_is_served(client):
    service, client, loaded = client
    assert client.simulate_get("/info").status_code == 503
    manifest = {
        "notebook": "ab" * 32,
        "nbslim": "0.1.0",
        "level": "modules",
        "distributions": {"numpy": "2.1.0"},
    }
    service.serve(loaded(({"input": 1, "answer": 1},), **manifest))
    result = client.simulate_get("/info")
    assert result.headers["Content-Type"] == "application/json"
    assert result.json == {
        "name": "toy",
        "notebook": "ab" * 32,
        "nbslim": "0.1.0",
        "python": service.entry_points.python,
        "format": FORMAT,
        "level": "modules",
        "distributions": {"numpy": "2.1.0"},
        "samples": 1,
        "batches": "row by row",
    }
