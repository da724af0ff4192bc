from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from nbslim.packer.elf import MAGIC, read_elf
from nbslim.packer.errors import BuildError
from nbslim.packer.interpreter import Assembled, Interpreter, assemble_interpreter, describe
from nbslim.packer.oci import ImageConfig, Layer, write_archive

IMPORT_ALL = """
import importlib, json, os, sys
failed = {}
for name in json.loads(sys.argv[1]):
    try:
        importlib.import_module(name)
    except ImportError as exc:
        failed[name] = str(exc)
json.dump(failed, sys.stdout)
"""


def interpreters() -> list[str]:
    """What this machine has of the Pythons that notebooks run on: the one that runs this, Debian's, pyenv's."""
    found = [os.path.realpath(sys.executable), "/usr/bin/python3"]
    found += map(str, Path.home().glob(".pyenv/versions/3.*/bin/python3"))
    real = {os.path.realpath(path) for path in found if Path(path).exists()}
    supported = (path for path in real if re.search(r"python3\.(9|1\d)$", path))
    return sorted(supported)


@dataclass(frozen=True)
class Tree:
    interpreter: Interpreter
    path: Path
    assembled: Assembled

    @property
    def stdlib(self) -> Path:
        return self.path / "usr/lib" / self.interpreter.name

    def files(self) -> list[Path]:
        return [path for path in self.path.rglob("*") if path.is_file() and not path.is_symlink()]

    def run(self, *arguments: str) -> str:
        """Run the tree's Python with the tree as its root where that is allowed."""
        if os.geteuid() == 0:
            return run(["chroot", str(self.path), "/usr/bin/python3", "-B", *arguments])
        return self.run_by_loader(*arguments)

    def run_by_loader(self, *arguments: str) -> str:
        """Run the tree's Python with the tree's loader and libraries, as anybody may."""
        return self.completed_by_loader(*arguments).stdout

    def completed_by_loader(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        loader = f"{self.path}{self.interpreter.loader}"
        python = f"{self.path}/usr/bin/{self.interpreter.name}"
        return completed([loader, "--library-path", f"{self.path}/usr/lib", python, "-B", *arguments])


def run(command: Sequence[str]) -> str:
    return completed(command).stdout


def completed(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module", params=interpreters(), ids=lambda path: path.strip("/").replace("/", "-"))
def tree(request, tmp_path_factory) -> Tree:
    path = tmp_path_factory.mktemp("tree")
    interpreter = describe(request.param)
    return Tree(interpreter, path, assemble_interpreter(interpreter, path))


@pytest.fixture(scope="module")
def own() -> Interpreter:
    return describe(sys.executable)


@pytest.fixture(scope="module")
def own_tree(own, tmp_path_factory) -> Tree:
    path = tmp_path_factory.mktemp("own")
    return Tree(own, path, assemble_interpreter(own, path))


def test_it_knows_itself_and_its_new_place(tree):
    told = tree.run(
        "-c",
        "import json, platform, sys, sysconfig; print(json.dumps([platform.python_version(), sys.prefix, sys.path[1:],"
        "sys.executable, sysconfig.get_path('stdlib'), sysconfig.get_config_var('LIBDIR')]))",
    )
    version, prefix, path, executable, stdlib, libraries = json.loads(told)
    name = tree.interpreter.name
    assert version == tree.interpreter.version
    assert (prefix, executable, stdlib) == ("/usr", "/usr/bin/python3", f"/usr/lib/{name}")
    assert path[1:3] == [f"/usr/lib/{name}", f"/usr/lib/{name}/lib-dynload"]
    assert libraries.startswith("/usr/lib")


def test_every_extension_module_that_is_left_imports(tree):
    names = sorted(path.name.partition(".")[0] for path in (tree.stdlib / "lib-dynload").iterdir())
    before = run([tree.interpreter.executable, "-c", IMPORT_ALL, json.dumps(names)])
    assert json.loads(tree.run("-c", IMPORT_ALL, json.dumps(names))) == json.loads(before)
    assert json.loads(before).keys() <= {"_tkinter"}
    assert {"_ssl", "_sqlite3", "_ctypes"} <= set(names) | set(sys.builtin_module_names)


def test_anybody_can_run_it_by_its_own_loader(tree):
    code = "import sys, ssl, sqlite3, _ctypes; print(sys.prefix); print(open('/proc/self/maps').read())"
    prefix, _, maps = tree.run_by_loader("-c", code).partition("\n")
    assert prefix == f"{tree.path}/usr"
    mapped = set(re.findall(r"/.*\.so\S*", maps))
    assert mapped
    assert all(path.startswith(str(tree.path)) for path in mapped)


def test_no_path_of_this_machine_is_in_it(tree):
    interpreter = tree.interpreter
    paths = {*interpreter.prefixes, *interpreter.build_folders, interpreter.home} - {"/usr"}
    spelled = [path.encode(encoding) for path in paths for encoding in ("utf-8", "utf-16-le", "utf-32-le")]
    leaks = [path for path in tree.files() if any(word in path.read_bytes() for word in spelled)]
    assert leaks == []


def test_every_link_and_run_path_stays_inside(tree):
    for path in tree.path.rglob("*"):
        if path.is_symlink():
            assert path.resolve().is_relative_to(tree.path)
            assert path.exists(), path
    for path in tree.files():
        with path.open("rb") as file:
            found = read_elf(path) if file.read(4) == MAGIC else None
        run_paths = {*found.rpath, *found.runpath} if found else set()
        assert run_paths <= {"/lib", "/usr/lib"} or all(entry.startswith("$ORIGIN") for entry in run_paths)


def test_what_serving_never_needs_is_not_there(tree):
    names = {path.relative_to(tree.stdlib).as_posix() for path in tree.stdlib.rglob("*")}
    gone = re.compile(r"(^|/)(tests?|idle_test|idlelib|ensurepip|venv|tkinter|turtledemo|__pycache__)(/|$)")
    assert not [
        name for name in names if gone.search(name) or re.search(r"lib-dynload/_?(test|xx(lim|subt))", name)
    ]
    assert not [
        name for name in names if name.startswith(("config-", "site-packages", "dist-packages", "turtle"))
    ]
    assert {"os.py", "ssl.py", "json/__init__.py", "encodings/utf_8.py", "unittest/case.py"} <= names


def test_it_is_small_and_its_size_can_be_counted(tree):
    assert tree.assembled.bytes == sum(path.stat().st_size for path in tree.files())
    assert tree.assembled.bytes < 40_000_000
    assert tree.assembled.missing == {}


def test_it_shares_no_file_with_the_machine(tree):
    assert all(path.stat().st_nlink == 1 for path in tree.files())


def test_it_is_laid_down_once_and_linked_into_trees(own, own_tree, tmp_path):
    cache = tmp_path / "cache"
    trees = [Tree(own, tmp_path / n, assemble_interpreter(own, tmp_path / n, cache=cache)) for n in "ab"]
    assert [tree.assembled for tree in trees] == [own_tree.assembled] * 2
    contents = {path.relative_to(own_tree.path): path.read_bytes() for path in own_tree.files()}
    for tree in trees:
        assert {path.relative_to(tree.path): path.read_bytes() for path in tree.files()} == contents
    assert all(path.stat().st_nlink == 3 for path in trees[1].files())
    assert len(list((cache / "interpreters").iterdir())) == 1


def test_it_is_laid_down_again_when_one_of_its_files_changed(own, own_tree, tmp_path):
    root, stdlib = tmp_path / "root", f"/usr/lib/{own.name}"
    shutil.copytree(own_tree.path, root, symlinks=True)
    moved = replace(own, root=root, executable="/usr/bin/python3", stdlib=stdlib, dynload=None)
    assemble_interpreter(moved, tmp_path / "before", cache=tmp_path / "cache")
    (root / f"{stdlib[1:]}/this.py").write_text("new = True\n")
    assemble_interpreter(moved, tmp_path / "after", cache=tmp_path / "cache")
    assert (tmp_path / f"after{stdlib}/this.py").read_text() == "new = True\n"
    assert (tmp_path / f"before{stdlib}/this.py").read_text() != "new = True\n"


def test_its_own_bytecode_comes_where_it_is_asked_for_and_python_takes_it(own, tmp_path):
    compiled = Path(own.stdlib, "json/__pycache__", f"decoder.{own.cache_tag}.pyc")
    if not compiled.is_file():
        pytest.skip("this Python has no bytecode of its own")
    tree = tmp_path / "tree"
    laid = Tree(own, tree, assemble_interpreter(own, tree, cache=tmp_path / "cache", bytecode=True))
    assert (laid.stdlib / "json/__pycache__" / compiled.name).read_bytes() == compiled.read_bytes()
    told = laid.completed_by_loader("-v", "-c", "import json").stderr
    assert re.search(rf"{re.escape(compiled.name)} matches .*json/decoder.py", told)


def test_certificates_are_where_openssl_looks(tree):
    code = "import ssl; print(ssl.get_default_verify_paths().cafile, len(ssl.create_default_context().get_ca_certs()))"
    file, count = tree.run("-c", code).split()
    assert (tree.path / "etc/ssl/certs/ca-certificates.crt").is_file() == (int(count) > 0)
    assert file == "None" or int(count) > 0


def test_small_system_files_are_there(own_tree):
    assert (own_tree.path / "etc/passwd").read_text().startswith("root:x:0:0:")
    assert "hosts: files dns" in (own_tree.path / "etc/nsswitch.conf").read_text()
    assert oct((own_tree.path / "tmp").stat().st_mode & 0o7777) == "0o1777"
    for folder in ("proc", "dev", "sys", "run", "var/tmp", "tmp"):
        assert list((own_tree.path / folder).iterdir()) == []


def test_a_virtual_environment_describes_its_base(own, tmp_path):
    venv.create(tmp_path / "env", symlinks=True)
    assert describe(str(tmp_path / "env/bin/python")) == own


def test_a_python_in_another_root_is_laid_down_from_there(own, own_tree, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    inner = describe(
        "/usr/bin/python3",
        root=own_tree.path,
        run=lambda command: run(["chroot", str(own_tree.path), *command]),
    )
    assert (inner.executable, inner.prefix) == (f"/usr/bin/{own.name}", "/usr")
    again = Tree(inner, tmp_path / "again", assemble_interpreter(inner, tmp_path / "again"))
    assert {path.relative_to(again.path): path.read_bytes() for path in again.files()} == {
        path.relative_to(own_tree.path): path.read_bytes() for path in own_tree.files()
    }


def test_an_interpreter_that_finds_itself_anywhere_is_laid_down_too(own, tmp_path):
    if own.libpython is None or own.executable.startswith("/usr/"):
        pytest.skip("made from an interpreter with a shared library and a run path to it")
    prefix = tmp_path / "python build"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "lib").mkdir()
    old, new = str(Path(own.libpython).parent).encode() + b"\0", b"$ORIGIN/../lib\0"
    executable = prefix / "bin" / own.name
    executable.write_bytes(Path(own.executable).read_bytes().replace(old, new.ljust(len(old), b"\0")))
    executable.chmod(0o755)
    shutil.copy(own.libpython, prefix / "lib")
    (prefix / "lib" / own.name).symlink_to(own.stdlib)
    moved = describe(str(executable))
    assert (moved.prefix, moved.libpython) == (str(prefix), str(prefix / "lib" / Path(own.libpython).name))
    tree = Tree(moved, tmp_path / "tree", assemble_interpreter(moved, tmp_path / "tree"))
    assert tree.run("-c", "import sys, ssl; print(sys.prefix)") == "/usr\n"


def test_libraries_that_are_nowhere_are_named(own, tmp_path):
    module = tmp_path / "wheel/module.so"
    module.parent.mkdir()
    import _ctypes

    # The name of a library that certainly exists, made into one that certainly does not.
    module.write_bytes(Path(_ctypes.__file__).read_bytes().replace(b"libffi.so", b"libcud.so"))
    name = next(name for name in read_elf(module).needed if name.startswith("libcud"))
    assembled = assemble_interpreter(own, tmp_path / "tree", libraries_for=[module])
    assert assembled.missing == {name: module}


def test_what_is_no_python_is_one_clear_line():
    with pytest.raises(BuildError, match="/bin/true does not answer as CPython"):
        describe("/bin/true")
    with pytest.raises(BuildError, match=r"/nowhere/python cannot be run: .*No such file"):
        describe("/nowhere/python")


def test_a_tree_that_cannot_be_written_is_one_clear_line(own, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        BuildError, match=r"the interpreter could not be written to .*/file/tree: Not a directory"
    ):
        assemble_interpreter(own, tmp_path / "file/tree")


def test_the_full_interpreter_is_what_official_images_hold(own, own_tree, tmp_path):
    full = Tree(own, tmp_path / "full", assemble_interpreter(own, tmp_path / "full", full=True))
    names = {
        path.relative_to(full.stdlib).as_posix() for path in full.files() if path.is_relative_to(full.stdlib)
    }
    assert {"os.py", "idlelib/idle.py", "ensurepip/__init__.py"} <= names
    assert f"__pycache__/os.{own.cache_tag}.pyc" in names
    assert not [
        name for name in names if ".opt-" in name or name.startswith(("test/", "config-", "site-packages"))
    ]
    assert (
        own_tree.assembled.bytes < full.assembled.bytes == sum(path.stat().st_size for path in full.files())
    )
    assert full.assembled.libraries.keys() == own_tree.assembled.libraries.keys()


@pytest.mark.skipif(shutil.which("podman") is None, reason="podman is not installed")
def test_a_container_of_nothing_but_it_runs_as_anybody(own_tree, tmp_path):
    reference = "localhost/nbslim-test-interpreter:1"
    config = ImageConfig(("/usr/bin/python3",))
    write_archive(
        own_tree.path, [Layer("all", ("",))], config, reference=reference, output=tmp_path / "image.tar"
    )
    run(["podman", "load", "-i", str(tmp_path / "image.tar")])
    confined = ["--read-only", "--cap-drop", "all", "--user", "1000670000:0", "--network", "none"]
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    code = "import ssl, sqlite3, ctypes; print(ctypes.CDLL('libc.so.6').getuid())"
    try:
        told = run(["podman", "--runtime", "runc", "run", "--rm", *confined, *limits, reference, "-c", code])
        assert told == "1000670000\n"
    finally:
        run(["podman", "rmi", reference])
