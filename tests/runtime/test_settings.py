import re
import subprocess
import sys

import pytest
from nbslim.runtime.settings import SettingsError, misspelt, read_settings, usage, variables

NAMES = [variable.name for variable in variables()]
BAD = [
    *[("PORT", value) for value in ("x", "0", "65536", "-1", "80.5", " 80", "8_0", "\u0661")],
    *[("NBSLIM_WORKERS", value) for value in ("0", "257", "two", "1.5", "+1")],
    *[("NBSLIM_THREADS", value) for value in ("0", "257", "")[:2]],
    *[("NBSLIM_BATCH_WINDOW_MS", value) for value in ("-1", "1001", "nan", "inf", "1e", "5ms")],
    *[("NBSLIM_BATCH_SIZE", value) for value in ("0", "10001", "x")],
    *[("NBSLIM_MAX_BODY", value) for value in ("0", "2GiB", "8 MiB", "-1", "1TB", "x", "9" * 20)],
    *[("NBSLIM_MAX_DEPTH", value) for value in ("0", "501", "deep")],
    *[("NBSLIM_NAN", value) for value in ("yes", "Refuse", "1")],
    *[("NBSLIM_INPUT", value) for value in ("all", "like_sample", "None")],
    *[("NBSLIM_REQUEST_TIMEOUT", value) for value in ("0", "3601", "1s")],
    *[("NBSLIM_IDLE_TIMEOUT", value) for value in ("0", "86401", "-5")],
    *[("NBSLIM_STOP_DELAY", value) for value in ("-1", "3601", "x")],
    *[("NBSLIM_STOP_TIMEOUT", value) for value in ("-1", "3601", "x")],
    *[("NBSLIM_ACCESS_LOG", value) for value in ("yes", "ON", "0")],
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_value_is_told_in_one_line_with_what_it_must_be(name, value):
    with pytest.raises(SettingsError) as raised:
        read_settings({name: value})
    assert re.fullmatch(f"{name} must be .+, not {re.escape(repr(value))}", str(raised.value))


def test_every_variable_that_can_be_wrong_is_tested():
    assert {name for name, _ in BAD} == set(NAMES) - {"NBSLIM_HOST", "NBSLIM_BUNDLE"}


@pytest.mark.parametrize("name", sorted({name for name, _ in BAD}))
def test_bad_value_stops_the_start(name, tmp_path):
    value = next(value for bad, value in BAD if bad == name)
    command = [sys.executable, "-m", "nbslim.runtime", tmp_path]
    done = subprocess.run(command, env={name: value}, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"nbslim: {name} must be ")
    assert done.stderr.count("\n") == 1


def test_host_that_is_none_stops_the_start(bundle):
    command = [sys.executable, "-m", "nbslim.runtime", bundle("predictor = str")]
    for host in ("no.such.host.invalid", "1.2.3.4.5", "203.0.113.1", "a..b", "[::1]"):
        done = subprocess.run(
            command, env={"NBSLIM_HOST": host}, capture_output=True, text=True, timeout=20, check=False
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"nbslim: port 8080 of {host} cannot be listened on: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("NBSLIM_WORKER", "NBSLIM_WORKERS"),
        ("NBSLIM_WROKERS", "NBSLIM_WORKERS"),
        ("NBSLIM_PORT", "PORT"),
        ("NBSLIM_MAXBODY", "NBSLIM_MAX_BODY"),
        ("NBSLIM_BATCH_WINDOW", "NBSLIM_BATCH_WINDOW_MS"),
        ("NBSLIM_TIMEOUT", "NBSLIM_REQUEST_TIMEOUT"),
    ],
)
def test_misspelt_variable_is_told_with_the_one_that_is_meant(name, meant, bundle):
    command = [sys.executable, "-m", "nbslim.runtime", bundle("predictor = str", python="3.2")]
    done = subprocess.run(command, env={name: "2"}, capture_output=True, text=True, timeout=20, check=False)
    assert done.stderr.startswith(f"nbslim: {name} is not a variable of the service; is {meant} meant?\n")


def test_variables_of_others_are_not_told():
    kubernetes = ["NBSLIM_SERVICE_HOST", "NBSLIM_SERVICE_PORT", "NBSLIM_KMEANS_PORT_80_TCP_ADDR"]
    packer = ["NBSLIM_CACHE", "NBSLIM_WORKSPACE", "NBSLIM_DISTRIBUTIONS", "NBSLIM_"]
    assert misspelt(dict.fromkeys([*NAMES, *kubernetes, *packer, "HOST", "WORKERS"], "1")) == {}


@pytest.mark.parametrize(
    ("value", "size"),
    [("1", 1), ("500000", 500_000), ("64K", 65536), ("64kib", 65536), ("8MB", 8 << 20), ("1GiB", 1 << 30)],
)
def test_sizes_have_units(value, size):
    assert read_settings({"NBSLIM_MAX_BODY": value}).max_body == size


def test_empty_value_is_the_default():
    assert read_settings(dict.fromkeys(NAMES, "")) == read_settings({})


def test_help_lists_every_variable_with_its_default():
    command = [sys.executable, "-m", "nbslim.runtime", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert usage() in done.stdout
    for variable in variables():
        assert f"  {variable.name}={variable.default} " in done.stdout
        assert variable.about in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 200
    assert done.stderr == ""
