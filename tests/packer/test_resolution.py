"""These ask the real index, through the real uv."""

import platform
import sys
import zipfile

import pytest
from nbslim.packer.pythons import find_python, installed_pythons
from nbslim.packer.resolution import resolve
from nbslim.packer.uv import RequirementsError

OLD_WHEELS = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="the wheels of 2018 are for other machines",
)
OWN = find_python("{}.{}".format(*sys.version_info))


def problem_of(*specifiers, python=OWN):
    with pytest.raises(RequirementsError) as caught:
        resolve(python, specifiers)
    assert caught.value.exit_code == 4
    assert "\n" not in f"{caught.value}{caught.value.hint}"
    return caught.value


def test_lock_is_exact_and_complete():
    resolution = resolve(OWN, ["python-dateutil==2.9.0", "six>=1.16"])
    assert [line.partition("==")[0] for line in resolution.lock] == ["python-dateutil", "six"]
    assert all("==" in line for line in resolution.lock)
    assert resolution.warnings == ()


def test_markers_and_extras_are_understood():
    resolution = resolve(OWN, ["requests[socks]", "six; python_version < '3'"])
    names = [line.partition("==")[0] for line in resolution.lock]
    assert "pysocks" in names
    assert "six" not in names


@OLD_WHEELS
def test_pins_that_no_supported_python_can_satisfy_are_named_with_what_would_do():
    error = problem_of("six", "numpy==1.15", "scikit-learn==0.19.2", "scipy==1.0.1")
    assert str(error) == (
        f"not installable on Python {OWN.minor}: numpy==1.15 has wheels for Python 2.7 and 3.4 to 3.7 only; "
        "scikit-learn==0.19.2 has wheels for Python 2.7 and 3.4 to 3.7 only; "
        "scipy==1.0.1 has wheels for Python 2.7 and 3.4 to 3.6 only"
    )
    assert error.hint.startswith(f"nearest with a wheel for Python {OWN.minor}: numpy ")
    assert ", scikit-learn 1." in error.hint
    assert ", scipy 1." in error.hint
    assert error.hint.endswith(
        "no Python that nbslim supports (3.9 to 3.13) has wheels for all that is asked"
    )
    assert error.specifier == "numpy==1.15"


@OLD_WHEELS
def test_pin_that_another_supported_python_can_satisfy_names_it():
    if not any(python.minor == "3.9" for python in installed_pythons()):
        pytest.skip("Python 3.9 is not installed here")
    error = problem_of("numpy==2.1.0", python=find_python("3.9"))
    assert str(error).endswith("numpy==2.1.0 has wheels for Python 3.10 to 3.13 only")
    assert error.hint == (
        "nearest with a wheel for Python 3.9: numpy 2.0.2; or --python 3.13, for which it has one"
    )


def test_unknown_name_is_named():
    error = problem_of("six", "no-such-distribution-by-nbslim")
    assert str(error).endswith("no distribution is called no-such-distribution-by-nbslim")
    assert error.specifier == "no-such-distribution-by-nbslim"
    assert "spelling" in error.hint


def test_unknown_version_is_named_with_its_neighbours():
    error = problem_of("six==1.15.99")
    assert str(error).endswith("six==1.15.99 does not exist")
    assert error.hint == f"nearest with a wheel for Python {OWN.minor}: six 1.15.0 or 1.16.0"


def test_range_without_versions_is_named_with_what_there_is():
    error = problem_of("six>=99")
    assert str(error).endswith("six>=99 does not exist")
    assert f"Python {OWN.minor}: six 1." in error.hint


def test_source_only_requirement_is_built_with_a_warning():
    resolution = resolve(OWN, ["docopt==0.6.2"])
    assert (resolution.lock, resolution.built) == (("docopt==0.6.2",), ("docopt",))
    assert resolution.warnings == ("docopt has no wheel and is built from source",)


def test_source_only_dependency_is_built_with_a_warning():
    resolution = resolve(OWN, ["omegaconf==2.3.0"])
    assert "antlr4-python3-runtime==4.9.3" in resolution.lock
    assert resolution.warnings == ("antlr4-python3-runtime has no wheel and is built from source",)


def test_build_that_fails_is_named():
    error = problem_of("six", "sklearn==0.0.post12")
    assert str(error).startswith("sklearn==0.0.post12 cannot be built from source: ")
    assert "scikit-learn" in error.hint
    assert error.specifier == "sklearn==0.0.post12"


def test_conflict_is_explained_in_one_line():
    error = problem_of("six", "requests==2.31.0", "urllib3==1.20")
    assert "requests==2.31.0 depends on urllib3" in str(error)
    assert error.hint == "loosen one of requests==2.31.0, urllib3==1.20"
    assert error.specifier == "requests==2.31.0"


@pytest.mark.parametrize("specifier", ["six=>1", "-r other.txt", "six\nnumpy", "./here", ""])
def test_what_is_no_requirement_never_reaches_uv(specifier):
    error = problem_of(specifier)
    assert str(error).startswith(f"requirement {specifier!r} cannot be read: ")
    assert error.specifier == specifier


def test_settings_that_uv_cannot_read_are_reported_as_they_are(monkeypatch):
    monkeypatch.setenv("UV_INDEX_STRATEGY", "rubbish")
    assert "rubbish" in str(problem_of("six"))


def test_unreachable_index_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path))
    assert str(problem_of("six")).startswith("the package index cannot be reached")


def test_own_index_of_the_user_is_used(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "our_own_thing_of_nbslim-1.5-py3-none-any.whl", "w") as wheel:
        folder = "our_own_thing_of_nbslim-1.5.dist-info"
        wheel.writestr(
            f"{folder}/METADATA", "Metadata-Version: 2.1\nName: our-own-thing-of-nbslim\nVersion: 1.5\n"
        )
        wheel.writestr(f"{folder}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{folder}/RECORD", "")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    assert resolve(OWN, ["our-own-thing-of-nbslim"]).lock == ("our-own-thing-of-nbslim==1.5",)
