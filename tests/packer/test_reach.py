"""Of a draft, the files that replay reached stay, with what belongs to them, and nothing else."""

import shutil

import pytest
from drafts import PYTHON, build_library, draft_of, lay_files, lay_python, trace_of
from nbslim.packer.reach import reached, shown

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
LIB = "app/lib"


@pytest.fixture(name="tree")
def _tree(tmp_path):
    lay_python(tmp_path)
    return tmp_path


def stays(draft, trace, *, without=(), keep=()):
    """What stays of the distributions."""
    found = reached(draft, trace, trace.modules.keys() - set(without), keep=keep)
    return {path.removeprefix(f"{LIB}/") for path in found if path.startswith(LIB)}


def test_modules_that_were_loaded_stay_with_the_notes_of_their_distribution(tree):
    lay_files(tree, *(f"{LIB}/{name}.py" for name in ("used", "unused", "other")))
    draft = draft_of(tree, one=("used.py", "unused.py"), two=("other.py",))
    trace = trace_of({"used": f"{LIB}/used.py"})
    assert stays(draft, trace) == {"used.py", "one-1.0.dist-info/METADATA"}


def test_interpreter_model_and_runtime_stay_whatever_was_reached(tree):
    lay_files(
        tree, "app/model/entry_points.pickle", "app/runtime/nbslim/runtime/app.py", "app/runtime/falcon.py"
    )
    lay_files(tree, f"usr/lib/{PYTHON}/json.py")
    assert reached(draft_of(tree), trace_of({}), set()) == {
        "app/model/entry_points.pickle", "app/runtime/nbslim/runtime/app.py", f"usr/bin/{PYTHON}",
        f"usr/lib/{PYTHON}/os.py", "usr/lib/ld-linux-x86-64.so.2", "etc/passwd",
    }  # fmt: skip


def test_files_that_were_opened_stay_sources_among_them(tree):
    lay_files(tree, f"{LIB}/p/__init__.py", f"{LIB}/p/data.csv", f"{LIB}/p/shown.py", f"{LIB}/p/more.csv")
    draft = draft_of(tree, p=("p/__init__.py", "p/data.csv", "p/shown.py", "p/more.csv"))
    opened = frozenset({f"{LIB}/p/data.csv", f"{LIB}/p/shown.py"})
    kept = stays(draft, trace_of({"p": f"{LIB}/p/__init__.py"}, opened=opened))
    assert kept == {"p/__init__.py", "p/data.csv", "p/shown.py", "p-1.0.dist-info/METADATA"}


def test_folder_that_was_listed_stays_but_not_what_lies_deeper(tree):
    files = ("p/plugins/one.txt", "p/plugins/two.txt", "p/plugins/deep/three.txt", "p/other.txt")
    lay_files(tree, *(f"{LIB}/{path}" for path in files))
    trace = trace_of({}, listed=frozenset({f"{LIB}/p/plugins", LIB}))
    assert stays(draft_of(tree), trace) == {"p/plugins/one.txt", "p/plugins/two.txt"}


def test_sources_are_shown_where_they_are_opened_or_their_folder_is_listed(tree):
    files = ("p/opened.py", "p/other.py", "p/plugins/one.py", "p/plugins/deep/two.py")
    lay_files(tree, *(f"{LIB}/{path}" for path in files))
    trace = trace_of({}, opened=frozenset({f"{LIB}/p/opened.py"}), listed=frozenset({f"{LIB}/p/plugins"}))
    assert shown(draft_of(tree), trace) == {f"{LIB}/p/opened.py", f"{LIB}/p/plugins/one.py"}


def test_what_only_a_distribution_opened_that_is_left_out_goes_with_it(tree):
    lay_files(tree, f"{LIB}/p.py", f"{LIB}/p.csv", f"{LIB}/q.py")
    draft = draft_of(tree, p=("p.py", "p.csv"), q=("q.py",))
    trace = trace_of(
        {"p": f"{LIB}/p.py", "q": f"{LIB}/q.py"},
        opened=frozenset({f"{LIB}/p.csv", f"{LIB}/p-1.0.dist-info/METADATA"}),
    )
    assert stays(draft, trace, without={"p"}) == {"q.py", "q-1.0.dist-info/METADATA"}


@pytest.mark.parametrize(
    ("kept", "alternative"),
    [
        ("core_avx2.so", "core_avx512.so"),
        ("core.so", "core_avx512.so"),
        ("core_avx512.so", "core.so"),
        ("libblas-haswell.so", "libblas-zen.so"),
        ("libx.so.1", "glibc-hwcaps/x86-64-v3/libx.so.1"),
        ("avx2/libmath.so", "avx512/libmath.so"),
        ("libmkl_avx2.so.2", "libmkl_def.so.2"),
    ],
)
def test_library_that_another_processor_would_load_stays_beside_the_one_that_was(kept, alternative, tree):
    for name in (kept, alternative, "other_avx512.so"):
        build_library(tree, f"{LIB}/{name}")
    draft = draft_of(tree, p=(kept, alternative, "other_avx512.so"))
    found = stays(draft, trace_of({}, libraries=frozenset({f"{LIB}/{kept}"})))
    assert found == {kept, alternative, "p-1.0.dist-info/METADATA"}


def test_libraries_behind_a_module_stay_in_whichever_distribution_they_are(tree):
    build_library(tree, "usr/lib/libsystem.so.1")
    build_library(tree, "usr/lib/libunused.so.1")
    build_library(tree, f"{LIB}/p.libs/libbeside.so.1", "usr/lib/libsystem.so.1")
    build_library(tree, f"{LIB}/other/libelsewhere.so.1")
    needs = (f"{LIB}/p.libs/libbeside.so.1", f"{LIB}/other/libelsewhere.so.1")
    build_library(tree, f"{LIB}/p/_core.so", *needs, run_path="$ORIGIN/../p.libs")
    draft = draft_of(tree, p=("p/_core.so", "p.libs/libbeside.so.1"), other=("other/libelsewhere.so.1",))
    found = reached(draft, trace_of({"p._core": f"{LIB}/p/_core.so"}), {"p._core"})
    assert {*needs, "usr/lib/libsystem.so.1"} <= found
    assert f"{LIB}/other-1.0.dist-info/METADATA" in found
    assert "usr/lib/libunused.so.1" not in found


def test_library_behind_a_module_that_is_left_out_goes_with_it(tree):
    build_library(tree, "usr/lib/libsystem.so.1")
    build_library(tree, f"{LIB}/_core.so", "usr/lib/libsystem.so.1")
    trace = trace_of(
        {"_core": f"{LIB}/_core.so"}, libraries=frozenset({f"{LIB}/_core.so", "usr/lib/libsystem.so.1"})
    )
    assert "usr/lib/libsystem.so.1" in reached(draft_of(tree), trace, {"_core"})
    assert "usr/lib/libsystem.so.1" not in reached(draft_of(tree), trace, set())


def test_time_zones_stay_whole_once_one_was_read(tree):
    zones = [f"{LIB}/tzdata/zoneinfo/{name}" for name in ("Europe/Paris", "Asia/Tokyo")]
    lay_files(tree, *zones, f"{LIB}/tzdata/__init__.py")
    draft = draft_of(tree, tzdata=tuple(path.removeprefix(f"{LIB}/") for path in zones))
    assert not stays(draft, trace_of({}))
    assert set(zones) <= reached(draft, trace_of({}, opened=frozenset(zones[:1])), set())


def test_encodings_stay_whole(tree):
    names = {f"usr/lib/{PYTHON}/encodings/{name}.py" for name in ("__init__", "utf_8", "cp1252")}
    lay_files(tree, *names)
    trace = trace_of({"encodings": f"usr/lib/{PYTHON}/encodings/__init__.py"})
    assert names <= reached(draft_of(tree), trace, {"encodings"})


def test_what_the_user_names_stays(tree):
    lay_files(tree, f"{LIB}/p/deep/data.csv", f"{LIB}/p/other.csv")
    assert stays(draft_of(tree), trace_of({}), keep=[f"{LIB}/p/deep/*"]) == {"p/deep/data.csv"}


def test_certificates_stay_where_tls_does(tree):
    lay_files(tree, "etc/ssl/certs/ca-certificates.crt")
    build_library(tree, "usr/lib/libssl.so.3")
    build_library(tree, f"{LIB}/_ssl.so", "usr/lib/libssl.so.3")
    trace = trace_of({"_ssl": f"{LIB}/_ssl.so"})
    for modules, there in (({"_ssl"}, True), (set(), False)):
        assert ("etc/ssl/certs/ca-certificates.crt" in reached(draft_of(tree), trace, modules)) is there
