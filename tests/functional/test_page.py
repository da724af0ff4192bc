"""The page of a packed image in a real browser: no network, a click sends a sample, and it looks right."""

import json
import shutil
import subprocess
import time
import urllib.request
from importlib.metadata import version

import pytest
from browser import browser, needs_chromium
from notebooks import write_notebook
from support import run_nbslim, serving

pytestmark = needs_chromium

NASTY = "it's </script><img src=x onerror='document.title=1'>"
CELL = f"""
limits = {{"cellar": (2, 8), {NASTY!r}: (0, 1)}}

def validator(x):
    return isinstance(x, dict) and x.get("room") in limits

def predictor(x):
    low, high = limits[x["room"]]
    return "cold" if x["celsius"] < low else "warm" if x["celsius"] > high else "right"

samples = [
    {{"room": "cellar", "celsius": 4.5}},
    {{"room": "cellar", "celsius": 1.0, "measured by": "the thermometer at the back wall, {"x" * 200}"}},
    {{"room": {NASTY!r}, "celsius": 40}},
    {{"room": "attic", "celsius": 20}},
    {{"room": "cellar", "celsius": "low"}},
]
"""

IMPORTING = """
import importlib

def predictor(x):
    return len(importlib.import_module(x).__name__) / 2

samples = ["math", "json"]
"""

SCREENS = [(width, dark) for width in (1280, 400) for dark in (False, True)]

OVERFLOWING = """
const width = document.documentElement.clientWidth;
return [...document.querySelectorAll("body *")]
  .filter(one => one.getClientRects().length && one.getBoundingClientRect().right > width)
  .map(one => one.outerHTML.slice(0, 80));
"""

FAINT = """
const numbers = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
const light = (color) => {
  const [r, g, b] = numbers(color).map(one => one / 255)
    .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (one) => {
  const color = getComputedStyle(one).backgroundColor;
  return numbers(color)[3] === 0 ? ground(one.parentElement) : color;
};
const ratio = (one, other) => {
  const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const told_by = (one) => one.value || [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
const texts = [...document.querySelectorAll("body *")].filter(one => one.getClientRects().length && told_by(one));
const field = document.getElementById("text");
const seen = (one) => ratio(getComputedStyle(one).color, ground(one));
const told = texts.map(one => [one.outerHTML.slice(0, 80), seen(one), 4.5]);
told.push(["border of the field", ratio(getComputedStyle(field).borderColor, ground(field.parentElement)), 3]);
return {seen: told.length, faint: told.filter(([, found, least]) => found < least)};
"""


def packed(folder, name, cell):
    notebook, archive = write_notebook(folder / f"{name}.ipynb", cell), folder / "image.oci.tar"
    result = run_nbslim("pack", notebook, "--engine", "oci", "--output", archive, "--json")
    assert result.returncode == 0, result.stderr
    assert (
        json.loads(result.stdout)["level"] == "modules"
    )  # the page of the image is that of the full environment
    return archive


@pytest.fixture(scope="module", name="archive")
def _archive(tmp_path_factory):
    return packed(tmp_path_factory.mktemp("page"), "cellar", CELL)


@pytest.fixture(scope="module", name="address")
def _address(archive, tmp_path_factory):
    with serving(archive, tmp_path_factory.mktemp("served")) as (address, _):
        yield address


@pytest.fixture(scope="module", name="chromium")
def _chromium():
    with browser() as chromium:
        yield chromium


@pytest.fixture(name="page")
def _page(chromium, address):
    chromium.screen(1280, dark=False)
    chromium.open(address)
    chromium.wait(lambda: chromium.text("#state") == "Ready")
    return chromium


def choose(page, number):
    page.click(f"#samples li:nth-child({number}) button")


def send(page, number=None):
    """Send a sample of the list, or what is in the field; return what is shown of it."""
    if number is not None:
        choose(page, number)
    page.run("document.getElementById('answer').replaceChildren()")
    page.click("#send")
    page.wait(lambda: page.text("#answer") != "")
    return page.text("#answer").split("\n")


def test_page_loads_without_a_network_and_asks_nobody_else(page, address):
    page.requests(), page.complaints()
    page.open(address)
    page.wait(lambda: page.text("#figures") != "")
    asked = {one.removeprefix(address) for one in page.requests() if not one.startswith("data:")}
    assert asked == {"/", "/info", "/metrics", "/readyz"}
    assert page.complaints() == []
    assert page.text("h1") == page.run("return document.title") == "cellar"


def test_page_may_ask_nobody_else(page):
    page.complaints()
    page.run("return fetch('http://127.0.0.1:9/').catch(String)")
    page.run("const image = new Image(); image.src = 'http://127.0.0.1:9/x.png'")
    page.wait(
        lambda: len(told := page.complaints()) >= 2 and all("Content Security Policy" in one for one in told)
    )


def test_click_sends_a_sample_and_the_answer_is_shown(page):
    title, took, answer, note = send(page, 1)
    assert (title, answer, note) == ("Answer", '"right"', "The notebook gave the same answer.")
    assert took.endswith(" ms")


def test_sample_that_is_written_by_hand_is_sent(page):
    page.write("#text", '{"room": "cellar", "celsius": -3}')
    title, _, *answer = send(page)
    assert (title, answer) == ("Answer", ['"cold"'])


def test_keys_alone_send_a_sample(page):
    page.write("#text", '{"room": "cellar", "celsius": 99}\ue009\ue007')  # Control and Enter
    page.wait(lambda: '"warm"' in page.text("#answer"))


@pytest.mark.parametrize(
    ("number", "status", "title", "reason"),
    [
        (4, 400, "The sample was refused", "the validator does not accept this sample"),
        (5, 500, "The predictor failed", "the predictor raised TypeError; the log holds the traceback"),
    ],
)
def test_sample_without_an_answer_shows_the_reason(number, status, title, reason, page):
    shown, took, why, request = send(page, number)
    assert (shown, why) == (title, reason)
    assert took.startswith(f"{status} · ")
    assert request.startswith("Request ")


def test_text_that_is_no_json_shows_where(page):
    page.write("#text", '{"room": ')
    title, took, why, _ = send(page)
    assert (title, took[:3]) == ("The body is not JSON", "400")
    assert "line 1" in why


def test_what_a_sample_holds_is_shown_as_text(page):
    assert NASTY in json.loads(page.text("#samples li:nth-child(3) span"))["room"]
    assert send(page, 3)[2] == '"warm"'
    assert page.run("return document.querySelectorAll('main img').length") == 0
    assert page.run("return document.title") == "cellar"


def test_page_says_what_is_expected_and_what_is_served(page, address):
    fields = '"room" (a string), "celsius" (a number) and "measured by" (a string, not always)'
    assert page.text("#try + p") == (
        f"Expects an object with {fields}. Inferred from 3 samples of the notebook; not enforced."
    )
    with urllib.request.urlopen(f"{address}/info") as answer:
        info = json.load(answer)
    facts = page.text("#facts").split("\n")
    assert dict(zip(facts[::2], facts[1::2], strict=True)) == {
        "Notebook": info["notebook"][:12],
        "Level": "modules",
        "Python": info["python"],
        "nbslim": version("notebook-slim"),
        "Batches": "scored row by row",
        "Samples": "5",
        "Distributions": "none besides the runtime",
    }
    assert page.run("return document.getElementById('text').labels[0].textContent") == "Sample, as JSON"


@pytest.mark.parametrize("number", [1, 3])
def test_command_that_is_shown_gives_the_answer(number, page):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    answer = send(page, number)[2]
    command = page.text("#command")
    done = subprocess.run(command, shell=True, check=True, capture_output=True, text=True)
    assert done.stdout == answer


def test_page_of_a_service_that_stopped_says_so(page, archive, tmp_path):
    with serving(archive, tmp_path) as (address, process):
        page.open(address)
        page.wait(lambda: page.text("#state") == "Ready")
        assert "Errors\n0\n0 refused, 0 failed" in page.text(
            "#figures"
        )  # though it was asked before it was ready
        process.terminate()
        process.wait(60)
        assert send(page)[0] == "No response"
        page.wait(lambda: page.text("#state") == "Cannot be reached")


def test_who_does_not_see_the_page_is_told_the_same(page):
    page.devtools("Accessibility.enable", {})
    nodes = page.devtools("Accessibility.getFullAXTree", {})["nodes"]
    told = [(one["role"]["value"], one["name"]["value"]) for one in nodes if not one["ignored"]]
    controls = [(role, name) for role, name in told if role in {"button", "textbox", "link"}]
    assert len(controls) == 5 + 3 + 4  # samples; field, Send, Copy; links
    assert all(name for _, name in controls)
    assert ("textbox", "Sample, as JSON") in controls
    live = "return document.getElementById('answer').ariaLive"
    assert page.run(live) == "polite"


def test_figures_follow_what_is_sent(page):
    def count():
        rows = page.text("#bars").split("\n")
        return int(rows[rows.index("right") + 1]) if "right" in rows else 0

    before = count()
    send(page, 1)
    send(page, 1)
    page.wait(lambda: count() == before + 2)
    assert page.text("#figures").startswith("Requests\n")


def test_numbers_are_shown_by_range_and_removed_modules_by_name(page, tmp_path):
    archive = packed(tmp_path, "importing", IMPORTING)
    with serving(archive, tmp_path) as (address, _):
        page.open(address)
        assert send(page, 1)[2] == "2.0"
        page.wait(lambda: page.text("#bars") != "")
        assert page.text("#bars").split("\n") == ["1.75 \u2013 2", "1"]
        page.write("#text", '"colorsys"')
        assert send(page)[0] == "The predictor failed"
        page.wait(lambda: page.text("#misses") != "")
        assert page.text("#misses").startswith("Asked for, but not in the image: colorsys. ")


def test_page_asks_for_figures_only_while_it_is_seen(page):
    hide = """Object.defineProperty(document, "hidden", {value: arguments[0] === "yes", configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));"""

    def asks_for_nothing():
        page.requests()
        time.sleep(2.5)  # longer than from one time that it asks to the next
        return page.requests() == []

    page.run(hide, "yes")
    page.wait(asks_for_nothing)
    page.run(hide, "no")
    page.wait(lambda: any(one.endswith("/metrics") for one in page.requests()))


@pytest.mark.parametrize("number", [2, 4])
@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_page_fits_its_screen_and_can_be_read(width, dark, number, page):
    page.screen(width, dark=dark)
    send(page, number)
    assert page.run("return innerWidth") == width
    assert page.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert page.run(OVERFLOWING) == []
    found = page.run(FAINT)
    assert found["seen"] > 40
    assert found["faint"] == []
    assert page.run("return matchMedia('(prefers-color-scheme: dark)').matches") is dark
