"""Modules that serving may do without are found: optional ones, those that need them, and what only they need."""

import shutil

import pytest
from drafts import build_library, draft_of, lay_files, lay_python, trace_of
from nbslim.packer.without import WORTH, candidates, kept_modules

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
LIB = "app/lib"
NEEDS, OPTIONAL = False, True


def names_of(*names):
    return {name: f"{LIB}/{name}.py" for name in names}


def test_module_that_nobody_kept_imports_goes():
    trace = trace_of(
        names_of("a", "b", "c", "d"), edges={"a": {"b": OPTIONAL, "d": NEEDS}, "b": {"c": NEEDS, "d": NEEDS}}
    )
    assert kept_modules(trace, {"a"}) == {"a", "b", "c", "d"}
    assert kept_modules(trace, {"a"}, {"b"}) == {"a", "d"}


def test_circle_that_nobody_else_imports_goes():
    trace = trace_of(
        names_of("a", "b", "c"), edges={"a": {"b": OPTIONAL}, "b": {"c": NEEDS}, "c": {"b": NEEDS}}
    )
    assert kept_modules(trace, {"a"}, {"b"}) == {"a"}


def test_module_that_the_pickle_names_stays_whoever_imports_it():
    trace = trace_of(names_of("a", "b"), edges={"a": {"b": OPTIONAL}})
    assert kept_modules(trace, {"b"}, {"a"}) == {"b"}


def test_package_stays_with_a_module_in_it():
    trace = trace_of(
        names_of("a", "p", "p.inner"), edges={"a": {"p.inner": NEEDS}, "x": {"p": NEEDS}, "y": {"x": NEEDS}}
    )
    assert {"p", "p.inner"} <= kept_modules(trace, {"a"})


@pytest.fixture(name="find")
def _find(tmp_path):
    """Find candidates among distributions of one module each, of the size WORTH."""
    lay_python(tmp_path)

    def find(edges, roots=("main",)):
        names = {name for importer, targets in edges.items() for name in (importer, *targets)}
        lay_files(tmp_path, *names_of(*names).values(), size=WORTH)
        draft = draft_of(tmp_path, **{name: (f"{name}.py",) for name in names})
        return candidates(draft, trace_of(names_of(*names), edges=edges), set(roots))

    return find


def told(found):
    return {one.about: (sorted(one.modules), one.bytes) for one in found}


def test_optional_distribution_is_a_candidate_with_what_only_it_needs(find):
    found = find({"main": {"big": OPTIONAL, "shared": NEEDS}, "big": {"own": NEEDS, "shared": NEEDS}})
    assert told(found)["big"] == (["big"], 2 * WORTH)


def test_who_imports_without_a_guard_goes_too(find):
    found = find({"main": {"user": OPTIONAL}, "user": {"used": NEEDS}})
    assert {tuple(sorted(one.modules)) for one in found} == {("user",), ("used", "user")}
    assert max(one.bytes for one in found) == 2 * WORTH


def test_what_serving_cannot_do_without_is_no_candidate(find):
    assert find({"main": {"a": NEEDS}, "a": {"b": NEEDS}}) == []
    assert find({"main": {"a": OPTIONAL}}, roots={"main", "a"}) == []
    assert find({"falcon": {"a": NEEDS}}) == []


def test_optional_for_one_and_needed_by_another_is_no_candidate(find):
    assert find({"main": {"a": OPTIONAL, "b": NEEDS}, "b": {"a": NEEDS}}) == []


def test_largest_comes_first(find):
    found = find({"main": {"a": OPTIONAL, "b": OPTIONAL}, "b": {"c": NEEDS}})
    sizes = [one.bytes for one in found]
    assert sizes == sorted(sizes, reverse=True)
    assert found[0].bytes == 2 * WORTH


def test_what_wins_little_is_not_tried(tmp_path):
    lay_python(tmp_path)
    lay_files(tmp_path, f"{LIB}/main.py", f"{LIB}/a.py", size=WORTH // 2)
    draft = draft_of(tmp_path, main=("main.py",), a=("a.py",))
    assert candidates(draft, trace_of(names_of("main", "a"), edges={"main": {"a": OPTIONAL}}), {"main"}) == []


def before_a_large_library(folder, asker):
    """Return the candidates where `asker`, a file, may do without a module that needs a large library."""
    lay_python(folder)
    build_library(folder, "usr/lib/libcrypto.so.3", size=WORTH)
    build_library(folder, f"{LIB}/_tls.so", "usr/lib/libcrypto.so.3")
    build_library(folder, f"{LIB}/_needed.so")
    lay_files(folder, f"{LIB}/main.py", asker)
    files = {
        "main": f"{LIB}/main.py",
        "asker": asker,
        "_tls": f"{LIB}/_tls.so",
        "_needed": f"{LIB}/_needed.so",
    }
    edges = {"main": {"asker": NEEDS, "_needed": NEEDS}, "asker": {"_tls": OPTIONAL}}
    return candidates(draft_of(folder), trace_of(files, edges=edges), {"main"})


def test_small_module_before_a_large_library_of_the_system_is_a_candidate(tmp_path):
    [found] = before_a_large_library(tmp_path, "usr/lib/python3.11/asker.py")
    assert (found.about, found.modules) == ("libcrypto.so.3", {"_tls"})
    assert found.bytes > WORTH


def test_library_that_a_distribution_asks_for_is_no_candidate(tmp_path):
    assert before_a_large_library(tmp_path, "app/lib/asker.py") == []
