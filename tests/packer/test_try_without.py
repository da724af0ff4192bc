"""Experiments leave out all candidates at once, then one after the other, and put back what changes an answer."""

from dataclasses import replace

import pytest
from nbslim.packer.draft import Draft
from nbslim.packer.image import take_out
from nbslim.packer.replay import Replay
from nbslim.packer.trace import Possible, Trace
from nbslim.packer.try_without import TRIALS, Bench, harmless, slimmest
from nbslim.packer.without import Candidate
from nbslim.packer.workspace import remove_tree

FILES = [f"app/lib/{name}/{file}" for name in "abc" for file in ("__init__.py", "data.txt")] + [
    "app/lib/b/inner/deep.py",
    "app/lib/b-1.dist-info/METADATA",
    "usr/lib/libx.so.1",
]
HELD = Replay(1, 1, "chroot")


def assembled(tree, draft, files):
    """Lay the tree anew: bytecode in place of sources, but for one that is kept, a link, a RECORD of its own."""
    remove_tree(tree)
    for path in files:
        names = [path]
        if path.endswith(".py"):
            names = (
                [f"{path}c"]
                if "/c/" not in path
                else [path, "app/lib/c/__pycache__/__init__.cpython-311.pyc"]
            )
        for name in names:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            if (draft / path).is_symlink():
                (tree / name).symlink_to((draft / path).readlink())
            else:
                (tree / name).write_text(path)
        if path.endswith("METADATA"):
            (tree / path).with_name("RECORD").write_text("made for the tree")


@pytest.fixture(name="tree")
def _tree(tmp_path):
    return tmp_path / "tree"


@pytest.fixture(name="draft")
def _draft(tmp_path):
    draft = tmp_path / "draft"
    for path in FILES:
        (draft / path).parent.mkdir(parents=True, exist_ok=True)
        (draft / path).write_bytes(b"12345")
    (draft / "usr/lib/libx.so").symlink_to("libx.so.1")
    return Draft(draft, "python3.11", "cpython-311", {})


@pytest.fixture(name="bench")
def _bench(draft, tree):
    """A bench on which the answers change without what `needed` names; it notes what is there at each replay."""

    def bench(*needed):
        seen = []

        def choose(without):
            gone = tuple(f"app/lib/{name}/" for name in without)
            system = ("usr/lib/libx", "app/lib/b-1.dist-info") if "b" in without else ()
            return frozenset(path for path in draft.files if not path.startswith((*gone, *system)))

        def check(without):
            seen.append((without, listing(tree)))
            lost = sorted(without.intersection(needed))
            return Replay(1, 0, "chroot", f"no {lost[0]}") if lost else HELD

        def assemble(without):
            assembled(tree, draft.tree, choose(without))
            return check(without)

        return Bench(draft, tree, choose, assemble, check), seen

    return bench


def listing(tree):
    """All paths of the tree with what they hold."""
    found = {}
    for path in sorted(tree.rglob("*")):
        text = str(path.readlink()) if path.is_symlink() else "" if path.is_dir() else path.read_text()
        found[str(path.relative_to(tree))] = text
    return found


def candidate(name, size=0):
    return Candidate(f"lib{name}", frozenset({name}), size)


def experiment(bench, *names):
    return slimmest(bench, [candidate(name) for name in names])


def told(outcome):
    return [(trial.without, trial.problem) for trial in outcome.trials]


def test_all_are_left_out_at_once_where_the_answers_hold(bench, tree):
    on, seen = bench()
    outcome = experiment(on, "a", "b")
    assert outcome.without == {"a", "b"}
    assert outcome.files == {path for path in FILES if path.startswith("app/lib/c")}
    assert told(outcome) == [(("liba", "libb"), None)]
    assert outcome.trials[0].bytes == 5 * 7
    assert len(seen) == 1


def test_one_after_the_other_is_tried_where_they_do_not_hold_together(bench):
    on, seen = bench("b")
    outcome = experiment(on, "a", "b", "c")
    together = ("liba", "libb", "libc")
    assert told(outcome) == [(together, "no b"), (("liba",), None), (("libb",), "no b"), (("libc",), None)]
    assert outcome.without == {"a", "c"}
    assert [sorted(without) for without, _ in seen] == [["a", "b", "c"], [], ["a"], ["a", "b"], ["a", "c"]]


def test_what_is_put_back_is_exactly_what_was_there(bench, tree):
    on, seen = bench("a", "b", "c")
    outcome = experiment(on, "a", "b", "c")
    assert outcome.without == frozenset()
    assert outcome.files == on.draft.files
    whole = seen[1][1]
    assert listing(tree) == whole
    assert len(whole) > len(FILES)
    assert all(inside != whole for without, inside in seen if without)
    assert not tree.with_name("aside").exists()


def test_package_that_is_taken_out_leaves_no_folder_that_would_import_as_a_namespace(bench, tree):
    on, _ = bench("a")
    experiment(on, "a", "b", "c")
    assert {path for path in listing(tree) if path.startswith("app/")} == {
        "app/lib", "app/lib/a", "app/lib/a/__init__.pyc", "app/lib/a/data.txt",
    }  # fmt: skip


def test_link_goes_with_the_library_behind_it(bench, tree):
    on, _ = bench("a")
    assert experiment(on, "a", "b").without == {"b"}
    assert not list(tree.glob("usr/lib/libx*"))


def test_folder_by_which_python_knows_itself_stays_when_it_is_empty(tree, tmp_path):
    module = "usr/lib/python3.11/lib-dynload/_ssl.so"
    (tree / module).parent.mkdir(parents=True)
    (tree / module).touch()
    take_out(tree, [module], tmp_path / "aside")
    assert list((tree / module).parent.iterdir()) == []


def test_nothing_to_try_is_no_experiment(bench, tree):
    on, seen = bench()
    outcome = slimmest(on, [])
    assert (outcome.trials, outcome.replay) == ((), HELD)
    assert [without for without, _ in seen] == [frozenset()]


def test_single_candidate_is_tried_once(bench):
    on, seen = bench("a")
    assert told(experiment(on, "a")) == [(("liba",), "no a")]
    assert [sorted(without) for without, _ in seen] == [["a"], []]


def test_experiments_are_bounded(bench):
    on, _ = bench("a")
    assert len(experiment(on, "a", *(f"x{number}" for number in range(20))).trials) == TRIALS


def test_nothing_is_taken_out_of_a_tree_that_answers_differently_with_everything(bench, draft, tree):
    on, seen = bench("a")
    broken = replace(on, assemble=lambda without: Replay(1, 0, "chroot", "broken"))
    outcome = experiment(broken, "a", "b")
    assert outcome.replay.problem == "broken"
    assert (len(outcome.trials), seen) == (1, [])


def test_who_did_without_a_module_is_told_unless_it_is_left_out_itself():
    edges = {"kept": {"gone": True}, "gone": {"gone.inner": False}, "other": {"kept": False}}
    trace = Trace(
        modules={}, loaded=frozenset(), edges=edges, missed={"absent": ["asker"]}, opened=frozenset(),
        listed=frozenset(), libraries=frozenset(), lines=0, entered=0, possible=Possible({}, {}),
    )  # fmt: skip
    assert harmless(trace, {"gone", "gone.inner"}) == {"absent": {"asker"}, "gone": {"kept"}}
