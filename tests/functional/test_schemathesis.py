"""schemathesis sends what /openapi.json allows and what it forbids, and compares each response with it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from nbslim.packer.environments import make_environment
from nbslim.packer.pythons import find_python
from support import CACHE, ROOT, serving

SCHEMATHESIS = ("schemathesis==4.32.5", "hypothesis==6.170.15")
CONFIGURATION = """
[checks]
# The schema is what the samples show; which of the values that fit it are valid, the validator decides.
positive_data_acceptance.expected-statuses = ["2xx", "400"]
"""
EXAMPLES = 100
"""For each operation."""


@pytest.fixture(scope="module", name="schemathesis")
def _schemathesis():
    python = find_python("{}.{}".format(*sys.version_info))
    return make_environment(python, SCHEMATHESIS, cache=CACHE, extra=()).executable.with_name("schemathesis")


def run(schemathesis, address, folder, *options):
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    command = [
        schemathesis, "--config-file", "schemathesis.toml", "run", f"{address}/openapi.json", "--checks", "all",
        "--max-examples", str(EXAMPLES), "--seed", "5", "--generation-database", "none", "--no-color",
        "--suppress-health-check", "too_slow", "--request-timeout", "60", *options,
    ]  # fmt: skip
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


# The validators of rules and kmeans raise on values of foreign types, which is a 500 by contract.
@pytest.mark.parametrize(
    ("name", "input_policy"), [("text", "any"), ("rules", "like-samples"), ("kmeans", "like-samples")]
)
def test_service_keeps_to_what_its_openapi_says(
    name, input_policy, packed, schemathesis, tmp_path, monkeypatch
):
    image = packed(ROOT / "fixtures" / name, "oci")
    monkeypatch.setenv("NBSLIM_INPUT", input_policy)
    with serving(image.archive.with_name("bundle"), tmp_path) as (address, _):
        done = run(schemathesis, address, tmp_path)
    assert (done.returncode, "No issues found" in done.stdout) == (0, True), done.stdout


def test_violation_is_found(packed, schemathesis, tmp_path):
    image = packed(ROOT / "fixtures/rules", "oci")
    with serving(image.archive.with_name("bundle"), tmp_path) as (address, _):
        done = run(schemathesis, address, tmp_path)  # whose validator raises on values of foreign types
    assert (done.returncode, "Server error" in done.stdout) == (1, True), done.stdout
