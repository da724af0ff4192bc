import json
import pickle
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from bundles import NOTEBOOK
from nbslim.runtime.batched import Batched
from nbslim.runtime.bundle import BundleError, load_bundle
from nbslim.runtime.scoring import score

pytestmark = pytest.mark.usefixtures("unchanged_path")


def test_bundle_is_loaded(bundle):
    folder = bundle("validator = lambda x: x > 0\npredictor = lambda x: x + 1", ({"input": 1, "answer": 2},))
    loaded = load_bundle(folder)
    assert (loaded.name, loaded.samples) == ("toy", ({"input": 1, "answer": 2},))
    assert (loaded.notebook, loaded.packed_by) == (NOTEBOOK, version("notebook-slim"))
    assert (loaded.level, loaded.distributions) == (None, {})
    assert score(loaded, 1).answer == "2"
    assert score(loaded, 0).refused


def test_what_an_image_keeps_is_told(bundle):
    loaded = load_bundle(bundle("predictor = str", level="modules", distributions={"numpy": "2.1.0"}))
    assert (loaded.level, loaded.distributions) == ("modules", {"numpy": "2.1.0"})


def test_validator_may_be_absent(bundle):
    assert load_bundle(bundle("predictor = str")).validator is None


def test_line_separators_inside_samples_do_not_end_a_line(bundle):
    loaded = load_bundle(bundle("predictor = str", ({"input": "a\u2028b\x85", "answer": "a"},)))
    assert [sample["input"] for sample in loaded.samples] == ["a\u2028b\x85"]


def test_local_modules_come_first(bundle):
    files = {"modules/own.py": ""}
    folder = bundle("def predictor(x):\n    import json\n    return json.mine", files=files)
    load_bundle(folder)
    load_bundle(folder)
    assert sys.path[0] == str(folder / "modules")
    assert sys.path.count(str(folder / "modules")) == 1


def test_data_files_are_opened_by_their_names(bundle, monkeypatch, tmp_path):
    source = "import pathlib\ndef predictor(x): return pathlib.Path('data/rates.txt').read_text()"
    folder = bundle(source, files={"files/data/rates.txt": "3"})
    monkeypatch.chdir(tmp_path)  # and back at the end
    assert load_bundle(folder.relative_to(tmp_path)).predictor(0) == "3"


def test_without_data_files_the_working_folder_stays(bundle, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    load_bundle(bundle("predictor = str"))
    assert Path.cwd() == tmp_path


def test_missing_manifest_is_named(bundle):
    folder = bundle("predictor = str")
    (folder / "manifest.json").unlink()
    with pytest.raises(BundleError, match=r"manifest\.json: No such file"):
        load_bundle(folder)


def test_manifest_that_is_not_json_is_named(bundle):
    folder = bundle("predictor = str")
    (folder / "manifest.json").write_text("{")
    with pytest.raises(BundleError, match=r"manifest\.json: not JSON"):
        load_bundle(folder)


@pytest.mark.parametrize("contents", [{"format": 1}, {}, []], ids=repr)
def test_other_format_is_refused(contents, bundle):
    folder = bundle("predictor = str")
    (folder / "manifest.json").write_text(json.dumps(contents))
    with pytest.raises(BundleError, match="is not 2, the one that this runtime reads"):
        load_bundle(folder)


def test_other_python_is_refused(bundle):
    with pytest.raises(BundleError, match=r"made by Python 3\.2, this is Python 3\."):
        load_bundle(bundle("predictor = str", python="3.2"))


@pytest.mark.parametrize(
    ("line", "reason"), [("{", "not JSON"), ("null", "not a sample"), ('{"answer": 1}', "not a sample")]
)
def test_broken_sample_is_named_with_its_line(line, reason, bundle):
    lines = '{"input": 1, "answer": "1"}\n' + line + "\n"
    folder = bundle("predictor = str", files={"samples.jsonl": lines})
    with pytest.raises(BundleError, match=rf"samples\.jsonl, line 2: {reason}"):
        load_bundle(folder)


def test_missing_module_is_named(bundle):
    folder = bundle(b"cno_such_module\npredictor\n.")
    with pytest.raises(BundleError, match="cannot be loaded: module no_such_module is missing"):
        load_bundle(folder)


@pytest.mark.parametrize("pickled", [b"", b"\x80\x05", b"junk\nmore"], ids=repr)
def test_broken_pickle_is_one_line(pickled, bundle):
    folder = bundle(pickled)
    with pytest.raises(BundleError, match=r"entry_points\.pickle: cannot be loaded") as caught:
        load_bundle(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [{}, [], {"predictor": 3}], ids=repr)
def test_pickle_without_predictor_is_refused(value, bundle):
    folder = bundle(pickle.dumps(value))
    with pytest.raises(BundleError, match="holds no predictor"):
        load_bundle(folder)


def test_what_was_proved_of_the_batched_form_is_read(bundle):
    source = """
        from nbslim.runtime.batched import Batched

        predictor = len
        predictor_batch = Batched(len, ())
    """
    proved = load_bundle(bundle(source, files={"batches.json": '{"mixed": true}'}))
    assert proved.predictor_batch == Batched(len, (), mixed=True)
