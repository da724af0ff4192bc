import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from nbslim.analyzer.errors import RequirementsError
from nbslim.packer.pythons import SUPPORTED, find_python, installed_pythons

OWN = "{}.{}.{}".format(*sys.version_info)
OWN_MINOR = "{}.{}".format(*sys.version_info)
OTHER_MINOR = next(minor for minor in SUPPORTED if minor != OWN_MINOR)
REAL = Path(sys.executable).resolve()


def impostor(path, version):
    """Put a program at `path` that answers, to whatever it is asked, that it is CPython `version`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = path.parent / "answer.c"
    answer.write_text(
        f'#include <stdio.h>\nint main(void) {{ puts("[\\"cpython\\", \\"{version}\\", \\"{path}\\", '
        f'\\"{path.parent.parent}\\"]"); return 0; }}\n'
    )
    try:
        subprocess.run(["cc", "-o", path, answer], check=True)
    except FileNotFoundError:
        pytest.skip("needs a C compiler to make a fake interpreter")
    return path


def executables(environ):
    return [python.executable for python in installed_pythons(environ=environ, system=())]


@pytest.mark.parametrize("minor", ["3.9", "3.13"])
def test_other_pythons_are_found(minor):
    if not any(python.minor == minor for python in installed_pythons()):
        pytest.skip(f"Python {minor} is not installed here")
    python = find_python(minor)
    assert python.minor == minor
    assert python.executable == python.executable.resolve()
    said = subprocess.check_output([python.executable, "--version"], text=True)
    assert said.strip() == f"Python {python.version}"


def test_own_interpreter_is_found_without_path():
    assert executables({"PATH": ""}) == [REAL]


@pytest.mark.parametrize("version", [OWN, OWN_MINOR])
def test_minor_and_exact_version_are_found(version):
    python = find_python(version, environ={}, system=())
    assert (python.version, python.executable, python.prefix) == (OWN, REAL, Path(sys.base_prefix).resolve())


def test_virtual_environment_leads_to_its_base(tmp_path):
    venv.create(tmp_path / "linked", symlinks=True)
    venv.create(tmp_path / "copied", symlinks=False)
    path = os.pathsep.join(str(tmp_path / name / "bin") for name in ("linked", "copied"))
    assert executables({"PATH": path}) == [REAL]


def test_shim_is_never_run(tmp_path):
    shim = tmp_path / "shims" / f"python{OTHER_MINOR}"
    shim.parent.mkdir()
    shim.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    shim.chmod(0o755)
    with pytest.raises(RequirementsError):
        find_python(OTHER_MINOR, environ={"PATH": str(shim.parent)}, system=())
    assert not (tmp_path / "ran").exists()


def test_launcher_of_another_name_is_never_run(tmp_path):
    launcher = impostor(tmp_path / "bin" / "launcher", f"{OTHER_MINOR}.1")
    (tmp_path / "shims").mkdir()
    (tmp_path / "shims" / "python3").symlink_to(launcher)
    assert executables({"PATH": str(tmp_path / "shims")}) == [REAL]


def test_newest_patch_comes_first(tmp_path):
    for patch in (2, 10, 9):
        impostor(tmp_path / f"versions/{OTHER_MINOR}.{patch}/bin/python3", f"{OTHER_MINOR}.{patch}")
    environ = {"PYENV_ROOT": str(tmp_path)}
    assert find_python(OTHER_MINOR, environ=environ, system=()).version == f"{OTHER_MINOR}.10"
    assert find_python(f"{OTHER_MINOR}.2", environ=environ, system=()).version == f"{OTHER_MINOR}.2"


@pytest.mark.parametrize(
    ("folder", "environ"),
    [
        pytest.param("bin", {"PATH": "{tmp}/bin"}, id="path"),
        pytest.param(".pyenv/versions/{other}.1/bin", {}, id="pyenv"),
        pytest.param(".local/share/uv/python/cpython-{other}.1-linux-x86_64-gnu/bin", {}, id="uv"),
        pytest.param("mine/cpython-{other}.1/bin", {"UV_PYTHON_INSTALL_DIR": "{tmp}/mine"}, id="uv-moved"),
        pytest.param("miniconda3/bin", {}, id="conda-base"),
        pytest.param("miniforge3/envs/training/bin", {}, id="conda-environment"),
        pytest.param("opt/bin", {"CONDA_EXE": "{tmp}/opt/bin/conda"}, id="conda-elsewhere"),
    ],
)
def test_folder_is_searched(tmp_path, folder, environ):
    values = {"tmp": tmp_path, "other": OTHER_MINOR}
    expected = impostor(tmp_path / folder.format(**values) / "python3", f"{OTHER_MINOR}.1")
    full = {"HOME": str(tmp_path)} | {name: value.format(**values) for name, value in environ.items()}
    assert find_python(OTHER_MINOR, environ=full, system=()).executable == expected


def test_environments_that_conda_lists_are_searched(tmp_path):
    expected = impostor(tmp_path / "work/env/bin/python3", f"{OTHER_MINOR}.1")
    (tmp_path / ".conda").mkdir()
    (tmp_path / ".conda/environments.txt").write_text(f"{tmp_path}/work/env\n{tmp_path}/gone\n")
    found = find_python(OTHER_MINOR, environ={"HOME": str(tmp_path)}, system=())
    assert found.executable == expected


def test_what_does_not_answer_is_no_interpreter(tmp_path):
    broken = tmp_path / "python3"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    (tmp_path / "python").symlink_to(tmp_path / "python")
    assert executables({"PATH": str(tmp_path)}) == [REAL]


def test_missing_version_lists_what_is_installed():
    with pytest.raises(RequirementsError) as caught:
        find_python(OTHER_MINOR, environ={}, system=())
    found = OWN if OWN_MINOR in SUPPORTED else "none that nbslim supports"
    assert str(caught.value) == f"Python {OTHER_MINOR} is not installed (found: {found})"
    assert "--python" in caught.value.hint
    assert caught.value.exit_code == 4


def test_interpreter_is_found_at_its_path(tmp_path):
    venv.create(tmp_path / "linked", symlinks=True)
    for path in (REAL, tmp_path / "linked/bin/python"):
        assert find_python(str(path), environ={"PATH": ""}, system=()).executable == REAL


@pytest.mark.parametrize("name", ["missing/python3", "python3"])
def test_path_without_an_interpreter_is_named(tmp_path, name):
    (tmp_path / "python3").write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "python3").chmod(0o755)
    with pytest.raises(RequirementsError, match="python3 is not a CPython that runs here") as caught:
        find_python(str(tmp_path / name))
    assert "--python" in caught.value.hint


def test_unsupported_interpreter_at_a_path_is_refused(tmp_path):
    old = impostor(tmp_path / "bin/python3", "3.8.1")
    with pytest.raises(RequirementsError, match=r"python3 is Python 3\.8\.1, which is not supported"):
        find_python(str(old))


@pytest.mark.parametrize("version", ["3.8", "3.14", "2.7.18", "3", "three", "3.11; rm"])
def test_unsupported_version_names_the_supported(version):
    with pytest.raises(RequirementsError, match=r"3\.9 to 3\.13"):
        find_python(version)
