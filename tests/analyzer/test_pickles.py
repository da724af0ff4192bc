import base64
import collections
import decimal
import importlib
import io
import pathlib
import pickle
import sys
import textwrap
import types
import zipfile

import cloudpickle
import pytest
from nbslim.analyzer.pickles import read_pickle


@pytest.fixture
def notebook(monkeypatch):
    """Run cells in a module called `__main__`, as a kernel does; returns its namespace."""
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)

    def run(source):
        exec(textwrap.dedent(source), main.__dict__)
        return main.__dict__

    return run


def pickled_modules(data):
    return set(read_pickle(data).modules)


class Calls:
    """Pickles as a call of a function, so that loading it runs that call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def pickled(function, *arguments):
    return pickled_modules(pickle.dumps(Calls(function, *arguments)))


def test_class_is_named_by_its_module():
    assert pickled_modules(pickle.dumps(collections.OrderedDict(a=1))) == {"collections"}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_is_read(protocol):
    data = pickle.dumps([decimal.Decimal(1), collections.OrderedDict, b"\x80"], protocol=protocol)
    assert {"decimal", "collections"} <= pickled_modules(data)
    assert "copy_reg" not in pickled_modules(data)


def test_data_name_nothing():
    assert (
        pickled_modules(pickle.dumps({"numpy": ["json", ("decimal", "Decimal"), b"json", 1.5, None]}))
        == set()
    )


def test_module_used_by_a_lambda_is_an_argument_of_a_call(notebook):
    names = notebook("import decimal as np, json\npredictor = lambda x: (np.Decimal(x), json.dumps(x))")
    assert {"decimal", "json"} <= pickled_modules(cloudpickle.dumps(names["predictor"]))


def test_submodule_reached_through_its_package_is_named(notebook):
    names = notebook("import xml.dom\ndef predictor(x):\n    return xml.dom.Node")
    assert {"xml", "xml.dom"} <= pickled_modules(cloudpickle.dumps(names["predictor"]))


def test_function_by_value_names_no_main(notebook):
    names = notebook("def predictor(x):\n    return x")
    assert pickled_modules(cloudpickle.dumps(names["predictor"])) == set()


def test_class_by_value_names_its_bases_and_no_main(notebook):
    names = notebook("""
        import json
        class Model(json.JSONEncoder):
            def __call__(self, x):
                return x
        """)
    modules = pickled_modules(cloudpickle.dumps(names["Model"]()))
    assert "json.encoder" in modules
    assert "__main__" not in modules


def test_cached_function_is_a_reference_to_main(notebook):
    names = notebook("import functools\n@functools.lru_cache\ndef predictor(x):\n    return x")
    assert "__main__" in pickled_modules(cloudpickle.dumps(names["predictor"]))


def test_module_by_value_is_not_imported():
    assert pickled_modules(cloudpickle.dumps(types.ModuleType("made_here"))) == set()


@pytest.mark.parametrize("function", [__import__, importlib.import_module])
def test_literal_import_is_named(function):
    assert "json.decoder" in pickled(function, "json.decoder")


def test_relative_import_is_resolved():
    assert "json.decoder" in pickled(importlib.import_module, ".decoder", "json")


def test_string_given_to_another_call_is_no_module():
    assert "json" not in pickled(str.upper, "json")


def test_memo_carries_the_importing_function(notebook):
    names = notebook("import json, decimal, csv\ndef predictor(x):\n    return json, decimal, csv")
    assert {"json", "decimal", "csv"} <= pickled_modules(cloudpickle.dumps(names["predictor"]))


@pytest.mark.parametrize("wrap", [bytes, bytearray])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_nested_pickle_is_read(wrap, protocol):
    inner = pickle.dumps([pickle.dumps(decimal.Decimal(1))])
    assert "decimal" in pickled_modules(pickle.dumps(wrap(inner), protocol=protocol))


@pytest.mark.parametrize("as_text", [False, True])
def test_pickle_in_base64_is_read(as_text):
    inner = base64.b64encode(pickle.dumps(decimal.Decimal(1)))
    assert pickled_modules(pickle.dumps(inner.decode() if as_text else inner)) == {"decimal"}


@pytest.mark.parametrize("made", [bytes, bytearray], ids=["read-only", "writable"])
def test_pickle_in_a_buffer_beside_is_read(made):
    inner = pickle.dumps([decimal.Decimal(1), "x" * 100])
    buffers = []
    given = [collections.deque(), pickle.PickleBuffer(bytearray(9)), pickle.PickleBuffer(made(inner))]
    data = pickle.dumps(given, protocol=5, buffer_callback=buffers.append)
    assert read_pickle(data, [one.raw() for one in buffers]).modules == {"collections", "decimal"}
    assert read_pickle(data).modules == {"collections"}  # who has no buffers reads what there is


def test_names_of_files_are_told():
    data = pickle.dumps([pathlib.PurePosixPath("models/m.pkl"), "table.csv", "no file", 1.5])
    assert {"models/m.pkl", "table.csv"} <= read_pickle(data).files
    assert "no file" not in read_pickle(data).files


def test_pickle_in_a_zip_container_is_read():
    container = io.BytesIO()
    with zipfile.ZipFile(container, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(decimal.Decimal(1)))
        archive.writestr("archive/data/0", b"weights")
    assert pickled_modules(pickle.dumps(container.getvalue())) == {"decimal"}


@pytest.mark.parametrize("data", [b"\x80\x04nothing.", b"\x80\x05.", b"\x80\2", b"PK\3\4broken"])
def test_bytes_that_only_look_like_a_pickle_are_data(data):
    assert pickled_modules(pickle.dumps(data)) == set()


def test_older_ways_of_making_objects_are_read():
    assert pickled_modules(b"(S'1'\nidecimal\nDecimal\n.") == {"decimal"}
    assert pickled_modules(b"(c__builtin__\n__import__\nS'json'\no.") == {"builtins", "json"}


WHOLE = pickle.dumps([decimal.Decimal(1), collections.OrderedDict(a=1)])


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_truncated_pickle_is_refused(length):
    with pytest.raises(ValueError, match="not a whole pickle"):
        pickled_modules(WHOLE[:length])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"hello", "not a whole pickle", id="text"),
        pytest.param(b"R.", "stack is empty", id="empty stack"),
        pytest.param(b"h\7.", "memo 7", id="unset memo"),
        pytest.param(b"\x80\4K\1K\2\x93.", "not spelled out", id="computed name"),
        pytest.param(
            b"cimportlib\nimport_module\n(S'..x'\nS'a'\ntR.", "leads out of a", id="relative import"
        ),
        pytest.param(b"\x80\2\x82\1.", "extension code 1", id="extension registry"),
    ],
)
def test_odd_data_are_refused(data, said):
    with pytest.raises(ValueError, match=said):
        pickled_modules(data)


def test_nothing_that_the_pickle_names_is_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "this", raising=False)
    assert pickled_modules(b"cthis\ns\n.") == {"this"}
    assert "this" not in sys.modules


def test_functions_are_told_by_cell_and_line():
    source = (
        "import functools\n\n@functools.wraps(len)\ndef outer(x):\n    return lambda: x\n\nf = lambda: 1\n"
    )
    namespace = {"__name__": "__main__"}
    exec(compile(source, "<cell 7>", "exec"), namespace)
    data = cloudpickle.dumps({"outer": namespace["outer"], "f": namespace["f"]})
    assert {(place.cell, place.line) for place in read_pickle(data).functions} == {(7, 3), (7, 5), (7, 7)}
