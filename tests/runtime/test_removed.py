"""Scripts import toy packages beside a list of what was removed from them, with every Python of this machine."""

import http.client
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from guests import guest_pythons

ROOT = Path(__file__).parents[2]
REMOVED = {
    "level": "modules",
    "modules": {
        "": ["pandas"],
        "shop": ["till", "cellar"],
        "shop.staff": ["cook"],
        "lazy": ["attic"],
        "starry": ["sky"],
    },
    "harmless": {"pandas": ["shop.guarded"]},
}
PACKAGES = {
    "shop/__init__.py": "",
    "shop/guarded.py": """
        try:
            import pandas
        except ImportError as error:
            caught = error
    """,
    "shop/staff/__init__.py": "",
    "lazy/__init__.py": """
        import importlib

        def __getattr__(name):
            if name in {"attic", "hall"}:
                return importlib.import_module("lazy." + name)
            raise AttributeError(name)
    """,
    "lazy/hall.py": "",
    "starry/__init__.py": "__all__ = ['sky']",
}
KEEP_PANDAS = (
    "nbslim removed the module pandas (level modules): no replayed sample needed it; "
    "keep it with: nbslim pack --keep pandas"
)


@pytest.fixture(name="python", params=guest_pythons())
def _python(request):
    return request.param


@pytest.fixture(name="image")
def _image(tmp_path):
    """A folder for `sys.path` that holds nbslim's runtime, the packages and the list."""
    folder = tmp_path / "image"
    (folder / "nbslim").mkdir(parents=True)
    (folder / "nbslim/runtime").symlink_to(ROOT / "runtime")
    (folder / "removed.json").write_text(json.dumps(REMOVED))
    for name, source in PACKAGES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
    return folder


@pytest.fixture(name="run")
def _run(python, image):
    """Run a script in the image; return what it calls `result`, what was counted, and what was logged."""

    def run(source):
        script = "\n".join(
            [
                "import json, sys",
                "from nbslim.runtime import logs, removed",
                "logs.log_to_stderr()",
                "removed.install()",
                "result = None",
                "def caught(function, *arguments):",
                "    try:",
                "        function(*arguments)",
                "    except ImportError as error:",
                "        return [type(error).__name__, error.name, getattr(error, 'module', None), str(error)]",
                textwrap.dedent(source),
                "print(json.dumps([result, removed.counts()]))",
            ]
        )
        command = [python, "-S", "-B", "-c", script]
        done = subprocess.run(
            command, env={"PYTHONPATH": str(image)}, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return (*json.loads(done.stdout), done.stderr.splitlines())

    return run


STATEMENTS = [
    "import pandas",
    "import pandas.io",
    "from pandas import DataFrame",
    "from pandas.io import json",
]
CALLS = ["__import__('pandas')", "__import__('importlib').import_module('pandas.io')"]


@pytest.mark.parametrize("statement", [*STATEMENTS, *CALLS])
def test_import_of_a_removed_module_is_explained_counted_and_logged_with_its_place(statement, run):
    result, counts, log = run(f"result = caught(exec, {statement!r})")
    assert result == ["RemovedModuleError", "pandas", "pandas", KEEP_PANDAS]
    assert counts == {"pandas": 1}
    assert log == [f"WARNING nbslim.runtime: {KEEP_PANDAS}; __main__, line 1, asked for it"]


@pytest.mark.parametrize(
    ("statement", "module", "name"),
    [
        ("import shop.till", "shop.till", "shop.till"),
        ("import shop.till.drawer", "shop.till", "shop.till"),
        ("from shop.till import drawer", "shop.till", "shop.till"),
        ("from shop import till", "shop.till", "shop"),
        ("from shop.staff import cook", "shop.staff.cook", "shop.staff"),
        ("from starry import *", "starry.sky", "starry"),
    ],
)
def test_removed_submodule_is_explained_however_it_is_imported(statement, module, name, run):
    (kind, named, removed, message), counts, log = run(f"result = caught(exec, {statement!r})")
    assert (kind, named, removed) == ("RemovedModuleError", name, module)
    assert message.startswith(f"nbslim removed the module {module} (level modules)")
    assert message.endswith(f"nbslim pack --keep {module}")
    assert (counts, len(log)) == ({module: 1}, 1)


def test_each_import_is_counted_and_the_first_is_logged(run):
    _, counts, log = run("""
        for _ in range(3):
            caught(exec, "import pandas")
        caught(exec, "import shop.till")
    """)
    assert counts == {"pandas": 3, "shop.till": 1}
    assert len(log) == 2


def test_imports_in_many_threads_are_all_counted(run):
    _, counts, log = run("""
        import threading
        sys.setswitchinterval(1e-6)
        ask = lambda: [caught(exec, "import pandas") for _ in range(200)]
        threads = [threading.Thread(target=ask) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    """)
    assert counts == {"pandas": 1600}
    assert len(log) == 1


def test_importer_that_does_without_is_neither_logged_nor_counted(run):
    result, counts, log = run("""
        from shop.guarded import caught as error
        result = [type(error).__name__, str(error)]
    """)
    assert (result, counts, log) == (["RemovedModuleError", KEEP_PANDAS], {}, [])


def test_importer_is_named_with_its_line(image, run):
    (image / "asking.py").write_text(
        "def ask():\n    import importlib\n    importlib.import_module('shop.cellar')\n"
    )
    _, _, log = run("import asking\ncaught(asking.ask)")
    assert log[0].endswith("; asking, line 3, asked for it")


def test_extension_module_is_an_importer_without_lines(image, run):
    (image / "removed.json").write_text(json.dumps({**REMOVED, "modules": {"": ["numbers"]}}))
    (image / "shop/sums.py").write_text("from shop import counting")
    (image / "shop/counting.py").write_text("import _decimal")
    result, counts, log = run("""
        sys.path[:] = [folder for folder in sys.path if folder.endswith(("image", "lib-dynload"))]
        result = caught(exec, "import shop.sums")
    """)
    assert result[:3] == ["RemovedModuleError", "numbers", "numbers"]
    assert counts == {"numbers": 1}
    assert log[0].endswith("; _decimal asked for it")


def test_looking_for_a_removed_module_finds_nothing_and_is_logged_and_counted(run):
    result, counts, log = run("""
        import importlib.util
        result = [importlib.util.find_spec(name) for name in ("pandas", "pandas", "shop.till")]
    """)
    assert result == [None, None, None]
    assert counts == {"pandas": 2, "shop.till": 1}
    assert len(log) == 2
    assert log[0].startswith(f"WARNING nbslim.runtime: {KEEP_PANDAS}; __main__, line ")


def test_looking_below_a_removed_package_raises_as_below_one_that_is_not_installed(run):
    result, _, _ = run("""
        import importlib.util
        result = [caught(importlib.util.find_spec, name)[1] for name in ("pandas.io", "no_such.module")]
    """)
    assert result == ["pandas", "no_such"]


def test_lazy_package_gives_what_it_has_and_explains_what_was_removed(run):
    result, counts, log = run("""
        import lazy
        from lazy import hall
        result = [lazy.hall.__name__, hasattr(lazy, "nowhere"), caught(getattr, lazy, "attic")[2]]
        result.append(caught(exec, "from lazy import attic")[2])
    """)
    assert result == ["lazy.hall", False, "lazy.attic", "lazy.attic"]
    assert counts == {"lazy.attic": 2}
    assert "; lazy, line 6, asked for it" in log[0]


@pytest.mark.parametrize(
    ("statement", "name", "message"),
    [
        ("import no_such", "no_such", "No module named 'no_such'"),
        ("import shop.no_such", "shop.no_such", "No module named 'shop.no_such'"),
        ("from shop import no_such", "shop", "cannot import name 'no_such' from 'shop'"),
    ],
)
def test_module_that_never_existed_is_missing_as_ever(statement, name, message, run):
    (kind, named, module, said), counts, log = run(f"result = caught(exec, {statement!r})")
    assert kind in {"ModuleNotFoundError", "ImportError"}
    assert (named, module) == (name, None)
    assert said.startswith(message)
    assert (counts, log) == ({}, [])


def test_error_can_be_sent_to_another_process(run):
    result, _, _ = run("""
        import pickle
        try:
            import pandas.io
        except ImportError as error:
            copy = pickle.loads(pickle.dumps(error))
        result = [type(copy).__name__, copy.name, copy.module, str(copy)]
    """)
    assert result == ["RemovedModuleError", "pandas", "pandas", KEEP_PANDAS]


def test_list_is_read_when_a_module_is_not_found(image, run):
    (image / "removed.json").write_text("no JSON")
    result, _, _ = run("""
        import shop.staff
        try:
            import no_such
        except ValueError:
            result = "read"
    """)
    assert result == "read"


def test_finder_is_last_and_installed_once(run):
    result, _, _ = run("""
        removed.install()
        result = [type(finder).__name__ for finder in sys.meta_path].index("RemovedFinder") == len(sys.meta_path) - 1
    """)
    assert result is True


def test_without_a_list_nothing_is_installed(image, run):
    (image / "removed.json").unlink()
    result, counts, _ = run("""
        result = any(isinstance(finder, removed.RemovedFinder) for finder in sys.meta_path)
    """)
    assert (result, counts) == (False, {})


def replayed(image, folder):
    command = [sys.executable, "-m", "nbslim.runtime.replay", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(image)}
    return subprocess.run(
        command, input="", env=environment, capture_output=True, text=True, check=True, timeout=60
    )


def test_replay_names_the_module_that_a_sample_misses(image, bundle):
    source = """
        def predictor(x):
            try:
                from shop import till
            except ImportError as error:
                raise ValueError("closed") from error
    """
    done = replayed(image, bundle(source, ({"input": 1, "answer": 1},)))
    [difference] = json.loads(done.stdout)["differences"]
    assert difference["error"]["module"] == "shop.till"
    assert "nbslim removed the module shop.till" in done.stderr


def test_replay_says_what_loading_misses(image, bundle):
    folder = bundle(b"cpandas\nDataFrame\n.")
    error = json.loads(replayed(image, folder).stdout)["error"]
    assert (error["type"], error["module"]) == ("RemovedModuleError", "pandas")
    assert error["message"] == f"{folder / 'entry_points.pickle'}: cannot be loaded: {KEEP_PANDAS}"


def test_server_logs_and_counts_what_requests_miss(image, bundle, serving, stop):
    def request(port, *what):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(*what)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, body

    with serving(bundle("def predictor(x):\n    import pandas"), PYTHONPATH=str(image)) as server:
        assert request(server.port, "POST", "/predict", "1")[0] == 500
        assert request(server.port, "POST", "/predict", "1")[0] == 500
        status, metrics = request(server.port, "GET", "/metrics")
        stop(server.process)
        log = server.process.stderr.read()
    assert status == 200
    assert metrics.endswith('\nnbslim_removed_imports_total{module="pandas"} 2\n')
    assert log.count(f"WARNING nbslim.runtime: {KEEP_PANDAS}; __main__, line 2, asked for it\n") == 1
