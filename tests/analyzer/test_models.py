"""Files with models are read as they were written, without loading them."""

import bz2
import decimal
import gzip
import io
import json
import lzma
import pickle
import subprocess
import zipfile
import zlib

import pytest
from nbslim.analyzer.pickles import read_model
from nbslim.packer.environments import make_environment
from nbslim.packer.pythons import find_python
from support import CACHE

DATA = pickle.dumps({"model": decimal.Decimal(1)})
WRITE = """
import collections, decimal, sys
import joblib, numpy
folder = sys.argv[1]
def model():
    return [
        numpy.arange(24.0).reshape(4, 6), numpy.array([decimal.Decimal(1), None], dtype=object),
        numpy.array(["a", "bcd"]), numpy.array([b"xy"]), numpy.array([True]), numpy.zeros((0, 3)),
        numpy.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]), numpy.asfortranarray(numpy.eye(3)),
        numpy.array("2020-01-01", dtype="M8[D]"), collections.OrderedDict(a=1),
    ]
for name, compress in [("none", 0), ("zlib", ("zlib", 3)), ("gzip", ("gzip", 3)), ("bz2", ("bz2", 3)),
                       ("lzma", ("lzma", 3)), ("xz", ("xz", 3))]:
    joblib.dump(model(), f"{folder}/{name}.joblib", compress=compress)
for protocol in (2, 3, 4, 5):
    joblib.dump(model(), f"{folder}/{protocol}.joblib", protocol=protocol)
"""


@pytest.fixture(scope="module")
def joblib_files(tmp_path_factory):
    environment = make_environment(find_python("3.11"), ["joblib", "numpy"], cache=CACHE)
    folder = tmp_path_factory.mktemp("joblib")
    subprocess.run([environment.executable, "-c", WRITE, folder], check=True)
    return folder


@pytest.mark.parametrize("name", ["none", "zlib", "gzip", "bz2", "lzma", "xz", "2", "3", "4", "5"])
def test_joblib_file_is_read_past_its_arrays(joblib_files, name):
    read = read_model(joblib_files / f"{name}.joblib")
    assert {"joblib.numpy_pickle", "numpy", "decimal", "collections"} <= read.modules
    ordered = next(one for one in read.references if one.found.name == "OrderedDict")
    assert ordered.path == ()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_pickle_is_read_however_it_is_compressed(tmp_path, pack):
    (tmp_path / "model.pkl").write_bytes(pack(DATA))
    assert read_model(tmp_path / "model.pkl").modules == {"decimal"}


def test_pickles_behind_each_other_are_all_read(tmp_path):
    (tmp_path / "model.pt").write_bytes(pickle.dumps(7) + DATA + b"weights")
    assert read_model(tmp_path / "model.pt").modules == {"decimal"}


def test_zip_is_read_as_torch_writes_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("model/data.pkl", DATA)
        archive.writestr("model/data/0", b"\0" * 100)
    assert read_model(tmp_path / "model.pt").modules == {"decimal"}


@pytest.mark.parametrize(
    "data", [b"", b"a,b\n1,2\n", json.dumps([1]).encode(), gzip.compress(b"text"), b"xyz"]
)
def test_other_files_are_none(tmp_path, data):
    (tmp_path / "data").write_bytes(data)
    assert read_model(tmp_path / "data") is None


@pytest.mark.parametrize(("data", "said"), [(DATA[:-3], "not a whole pickle"), (b"\x04\x22\x4d\x18", "lz4")])
def test_model_that_cannot_be_read_is_said_so(tmp_path, data, said):
    (tmp_path / "model.pkl").write_bytes(data)
    with pytest.raises(ValueError, match=said):
        read_model(tmp_path / "model.pkl")


def test_zip_that_is_no_model_holds_nothing(tmp_path):
    container = io.BytesIO()
    with zipfile.ZipFile(container, "w") as archive:
        archive.writestr("table.csv", "a,b")
    (tmp_path / "data.zip").write_bytes(container.getvalue())
    assert read_model(tmp_path / "data.zip").modules == frozenset()
