"""Make the page for people: page.html, with what this bundle is and the notebook's samples inside."""

from __future__ import annotations

from pathlib import Path

from nbslim.runtime.bundle import Bundle
from nbslim.runtime.encode import encode
from nbslim.runtime.in_words import in_words
from nbslim.runtime.samples import answered, examples, input_schema
from nbslim.runtime.scoring import expected

SAMPLES = 8
"""So many samples are on the page."""

_TEMPLATE = Path(__file__).with_name("page.html")
_PLACE = "{{about}}"

# The hashes of the page's only script and style: nothing else can run or load, whatever a sample holds.
_SCRIPT = "sha256-+O2EDTvQ9A1Pxks3HcWH//52cTTXYABO7cCdgfU9du0="
_STYLE = "sha256-3OJJj1sdfp8uWsR55+pm2ucqvAQ2Xy1seD64WFE2VOc="

_POLICY = (
    f"default-src 'none'; script-src '{_SCRIPT}'; style-src '{_STYLE}'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)


def page(bundle: Bundle, *, enforced: bool = False) -> str:
    """Return the page; `enforced` says whether a sample must be like the notebook's own to be scored."""
    about = {
        "name": bundle.name,
        "expects": in_words(input_schema(bundle.samples)),
        "enforced": enforced,
        "inferred_from": len(answered(bundle.samples)),
        "samples": [
            {"number": number, "input": encode(record["input"]), **_outcome(expected(record))}
            for number, record in examples(bundle.samples, SAMPLES)
        ],
    }
    return _TEMPLATE.read_text(encoding="utf-8").replace(_PLACE, _inert(encode(about)))


def _outcome(told: dict[str, object]) -> dict[str, object]:
    """Return the recorded outcome; an answer is JSON text, since a browser would write 1.0 as 1."""
    return {**told, "answer": encode(told["answer"])} if "answer" in told else told


def _inert(json: str) -> str:
    """Return JSON text in which HTML finds no tag and no comment."""
    return json.replace("<", r"\u003c")
