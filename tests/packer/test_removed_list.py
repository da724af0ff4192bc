"""The image's list of what slimming removed: the outermost names, and who did without them."""

import json

import pytest
from nbslim.packer.removed import FILE, module_names, write_removed

TREE = {
    "app/lib/pack/__init__.pyc",
    "app/lib/pack/kept.cpython-311-x86_64-linux-gnu.so",
    "app/lib/space/inner/module.pyc",
    "usr/lib/python3.11/json/__init__.pyc",
}


def lay(root, files):
    for path in files:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


@pytest.fixture(name="removed")
def _removed(tmp_path):
    """Write the list of a tree, of what was there; return it."""
    tree = tmp_path / "tree"
    lay(tree, [*TREE, FILE])

    def removed(*gone, harmless=()):
        here = {"pack", "pack.kept", "space", "space.inner", "space.inner.module", "json"}
        full = here | set(gone)
        write_removed(tree, "modules", full, ["app/lib", "usr/lib/python3.11"], dict(harmless))
        return json.loads((tree / FILE).read_text())

    return removed


def test_only_outermost_names_are_listed(removed):
    gone = ("pandas", "pandas.io", "pandas.io.json", "pack.gone", "pack.gone.below", "json.tool")
    found = removed(*gone)
    assert found["level"] == "modules"
    assert found["modules"] == {"": ["pandas"], "pack": ["gone"], "json": ["tool"]}


def test_what_is_there_is_not_listed_whatever_form_it_has(removed):
    assert removed()["modules"] == {}


def test_module_of_a_namespace_package_is_listed_by_itself(removed):
    assert removed("space.inner.other")["modules"] == {"space.inner": ["other"]}


def test_who_did_without_is_noted_under_the_listed_name(removed):
    asked = {
        "pandas.io.json": ["shop"],
        "pandas": ["till", "shop"],
        "never_there": ["shop"],
        "pack.kept": ["x"],
    }
    found = removed("pandas", "pandas.io", "pandas.io.json", harmless=asked)
    assert found["harmless"] == {"pandas": ["shop", "till"]}


def test_list_is_the_same_in_whatever_order_things_come(removed):
    asked = {"b": {"x", "y"}, "a": {"z"}}
    first = removed("b", "a", "pack.z", "pack.y", harmless=asked)
    second = removed("pack.y", "pack.z", "a", "b", harmless=reversed(asked.items()))
    assert json.dumps(first) == json.dumps(second)


def test_names_of_modules_are_read_from_files(tmp_path):
    lay(
        tmp_path,
        ["a.py", "b.pyc", "c.cpython-311-x86_64-linux-gnu.so", "d.abi3.so", "e.so", "space/inner/f.py", "p/__init__.py",
         "p/__pycache__/gone.cpython-311.pyc", "p/data.txt", "two-words.py", "x-1.dist-info/y.py", "empty/text.txt"],
    )  # fmt: skip
    names = set(module_names(tmp_path))
    assert names == {"a", "b", "c", "d", "e", "space", "space.inner", "space.inner.f", "p"}
