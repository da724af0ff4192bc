"""These ask the real index, through the real uv, and then do not."""

import sys

import pytest
from nbslim.packer.environments import make_environment
from nbslim.packer.pythons import find_python
from nbslim.packer.resolved import resolved
from nbslim.packer.uv import Answer, RequirementsError, run_uv

OWN = find_python("{}.{}".format(*sys.version_info))


def uv_must_not_run(*arguments, text=""):
    raise AssertionError(f"uv was asked again: {arguments}")


class Uv:
    """The real uv, which counts how often it is asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self, *arguments, text=""):
        self.calls += 1
        return run_uv(*arguments, text=text)


@pytest.fixture
def uv():
    return Uv()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def test_uv_is_asked_once(tmp_path, uv):
    first = resolved(OWN, ["six", "docopt==0.6.2"], cache=tmp_path, run=uv)
    assert first.warnings == ("docopt has no wheel and is built from source",)
    assert resolved(OWN, ["six", "docopt==0.6.2"], cache=tmp_path, run=uv_must_not_run) == first


def test_uv_is_asked_again_where_that_is_wanted(tmp_path, uv):
    for _ in range(2):
        resolved(OWN, ["six"], cache=tmp_path, run=uv, anew=True)
    assert uv.calls == 2


@pytest.mark.parametrize("change", ["specifier", "variable", "uv.toml", "pyproject.toml"])
def test_uv_is_asked_again_where_it_could_say_something_else(tmp_path, uv, monkeypatch, change):
    specifiers = ["six"]
    resolved(OWN, specifiers, cache=tmp_path, run=uv)
    if change == "specifier":
        specifiers = ["six<1.17"]
    elif change == "variable":
        monkeypatch.setenv("UV_EXCLUDE_NEWER", "2021-01-01T00:00:00Z")
    else:
        table = "" if change == "uv.toml" else "[tool.uv]\n"
        (tmp_path / change).write_text(f'{table}exclude-newer = "2021-01-01T00:00:00Z"\n')
    again = resolved(OWN, specifiers, cache=tmp_path, run=uv)
    assert uv.calls == 2
    assert "six==1.17.0" not in again.lock


def test_a_folder_of_wheels_that_changes_is_looked_at_again(tmp_path, uv, monkeypatch):
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    resolved(OWN, ["six"], cache=tmp_path, run=uv)
    resolved(OWN, ["six"], cache=tmp_path, run=uv_must_not_run)
    (tmp_path / "wheels/new.txt").touch()
    resolved(OWN, ["six"], cache=tmp_path, run=uv)
    assert uv.calls == 2


def test_no_password_of_an_index_is_kept(tmp_path, uv, monkeypatch):
    monkeypatch.setenv("UV_EXTRA_INDEX_URL", "https://me:secret-word@localhost:9/simple")
    monkeypatch.setenv("UV_INDEX_STRATEGY", "first-index")
    resolved(OWN, [], cache=tmp_path, run=uv)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"secret-word" in path.read_bytes()]


def test_what_only_the_cache_of_uv_decided_is_not_remembered(tmp_path):
    def without_index(*arguments, text=""):
        return (
            run_uv(*arguments, text=text) if "--offline" in arguments else Answer(2, "", "Failed to fetch: x")
        )

    run_uv("pip", "compile", "-", "--python", str(OWN.executable), text="six")  # uv has seen it before
    assert resolved(OWN, ["six"], cache=tmp_path, run=without_index).offline
    with pytest.raises(AssertionError, match="asked again"):
        resolved(OWN, ["six"], cache=tmp_path, run=uv_must_not_run)


def test_sources_in_a_folder_are_looked_at_each_time(tmp_path, uv):
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing/pyproject.toml").write_text('[project]\nname = "thing"\nversion = "1"\n')
    for version in "12":
        (tmp_path / "thing/pyproject.toml").write_text(f'[project]\nname = "thing"\nversion = "{version}"\n')
        resolved(OWN, [f"thing @ file://{tmp_path}/thing"], cache=tmp_path, run=uv)
    assert uv.calls >= 2


def test_an_environment_is_made_from_what_was_resolved_before(tmp_path):
    def only_install(*arguments, text=""):
        assert "compile" not in arguments
        return run_uv(*arguments, text=text)

    resolved(OWN, ["six"], cache=tmp_path, run=run_uv)
    environment = make_environment(OWN, ["six"], extra=(), cache=tmp_path, run=only_install)
    assert (environment.site_packages / "six.py").is_file()


def test_a_version_that_is_gone_is_resolved_again(tmp_path, uv):
    def gone(*arguments, text=""):
        if "install" in arguments and "six==1.16.0" in text:
            return Answer(1, "", "error: there is no version of six==1.16.0")
        return run_uv(*arguments, text=text)

    from nbslim.packer import resolved as module
    from nbslim.packer.resolution import Resolution

    module.remember(
        tmp_path / "resolutions", module._key(OWN, ["six"]), vars(Resolution(("six==1.16.0",), (), ()))
    )
    environment = make_environment(OWN, ["six"], extra=(), cache=tmp_path, run=gone)
    assert environment.lock[0].startswith("six==")
    assert environment.lock != ("six==1.16.0",)


def test_a_version_that_is_gone_and_has_no_other_is_one_clear_error(tmp_path):
    def gone(*arguments, text=""):
        if "install" in arguments:
            return Answer(1, "", "error: there is no version of six==1.16.0")
        return run_uv(*arguments, text=text)

    resolved(OWN, ["six==1.16.0"], cache=tmp_path, run=run_uv)
    with pytest.raises(RequirementsError, match=r"no version of six==1.16.0"):
        make_environment(OWN, ["six==1.16.0"], extra=(), cache=tmp_path, run=gone)
