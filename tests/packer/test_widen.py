import pytest
from nbslim.packer import widen
from nbslim.packer.draft import Draft
from nbslim.packer.trace import Possible, Trace
from nbslim.packer.widen import SMALL, widened

SOURCES = {
    "app/lib/lib/__init__.py": 10,
    "app/lib/lib/rare.py": 10,
    "app/lib/lib/rarer.py": 10,
    "app/lib/lib/large.py": SMALL + 1,
    "usr/lib/python3.11/pdb.py": 10,
    "usr/lib/python3.11/json.py": 10,
}


@pytest.fixture(name="draft")
def _draft(tmp_path, monkeypatch):
    for path, size in SOURCES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("#" * size)
    monkeypatch.setattr(widen, "needed", lambda _draft, _paths: ())  # a toy's tree has no interpreter
    return Draft(tree=tmp_path, python="python3.11", cache_tag="cpython-311", distributions={})


def trace_of(entered, possible):
    files = {path.rpartition("/")[2].removesuffix(".py"): path for path in SOURCES}
    files["lib"] = files.pop("__init__")
    nothing = frozenset()
    return Trace(
        modules={entered: files[entered]}, loaded=nothing, edges={entered: {}}, possible=Possible(files, possible),
        missed={}, opened=nothing, listed=nothing, libraries=nothing, lines=0, entered=0,
    )  # fmt: skip


def test_small_import_is_kept_with_what_it_imports(draft):
    wide = widened(draft, trace_of("lib", {"lib": {"rare": False}, "rare": {"rarer": False}}))
    assert set(wide.modules) == {"lib", "rare", "rarer"}
    assert wide.edges == {"lib": {"rare": True}, "rare": {"rarer": False}, "rarer": {}}


@pytest.mark.parametrize("name", ["large", "pdb"])
def test_large_import_and_a_debugger_are_not_kept_nor_what_needs_them(name, draft):
    wide = widened(draft, trace_of("lib", {"lib": {"rare": False}, "rare": {name: False}}))
    assert set(wide.modules) == {"lib"}


def test_standard_library_is_left_as_it_was_reached(draft):
    assert set(widened(draft, trace_of("json", {"json": {"rare": False}})).modules) == {"json"}
