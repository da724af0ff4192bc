"""Large buffers lie beside the pickle, are mapped, and are shared by all processes that serve."""

import functools
import json
import operator
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from bundles import write_bundle
from nbslim.packer.bundle import read_entry_points
from nbslim.packer.inside_kernel import _write
from nbslim.runtime.buffers import LEAST, map_buffers
from nbslim.runtime.bundle import _entry_points, load_bundle
from nbslim.runtime.effects import Effect

pytestmark = pytest.mark.usefixtures("unchanged_path")

FILE, PICKLE = "entry_points.buffers", "entry_points.pickle"


class Array:
    """Is pickled as numpy's arrays are: a function of a buffer."""

    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        return memoryview, (pickle.PickleBuffer(self.data),)


@pytest.fixture
def arrays(tmp_path):
    """Write arrays into a bundle, load it, and return what they have become."""

    def arrays(*given):
        folder = write_bundle(tmp_path / "bundle", {"predictor": functools.partial(operator.add, given)})
        return load_bundle(folder).predictor.args[0]

    return arrays


def test_large_buffers_have_their_bytes(arrays, tmp_path):
    given = [bytearray(os.urandom(size)) for size in (LEAST, LEAST + 1, 300_001)]
    assert [bytes(one) for one in arrays(*map(Array, given))] == [bytes(one) for one in given]
    assert (tmp_path / "bundle" / PICKLE).stat().st_size < 1000


def test_buffers_begin_where_vector_instructions_want_them(arrays, tmp_path):
    arrays(*[Array(bytearray(LEAST + odd)) for odd in (1, 7, 63)])
    addresses = [address(one) for one in map_buffers(tmp_path / "bundle" / FILE)]
    assert [one % 64 for one in addresses] == [0, 0, 0]


def address(view):
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(view))


@pytest.mark.parametrize("data", [b"", bytearray(), bytearray(LEAST - 1), b"x" * (LEAST - 1)], ids=len)
def test_small_buffers_stay_in_the_pickle(data, arrays, tmp_path):
    assert bytes(arrays(Array(data))[0]) == data
    assert not (tmp_path / "bundle" / FILE).exists()


def test_what_could_be_written_to_can_and_what_could_not_cannot(arrays):
    fixed, changing = arrays(Array(bytes(LEAST)), Array(bytearray(LEAST)))
    assert (fixed.readonly, changing.readonly) == (True, False)


def test_one_object_stays_one_object(arrays, tmp_path):
    shared = Array(bytearray(LEAST))
    one, two = arrays(shared, shared)
    assert one is two
    assert len(map_buffers(tmp_path / "bundle" / FILE)) == 1


def test_what_a_change_holds_is_what_the_predictor_holds(tmp_path):
    names = {"__name__": "__main__", "shared": Array(bytearray(LEAST)), "sys": sys}
    exec("def change(): sys.seen = shared\ndef predictor(x): return sys.seen is shared", names)
    effects = [Effect(names["change"])]
    folder = write_bundle(tmp_path / "bundle", {"effects": effects, "predictor": names["predictor"]})
    try:
        assert load_bundle(folder).predictor(0)
        assert len(sys.seen) == LEAST
    finally:
        del sys.seen


def test_pickle_that_is_written_again_has_the_buffers_of_its_own(tmp_path):
    for count in (2, 1, 0):
        given = [Array(bytearray(LEAST)) for _ in range(count)]
        _write({"predictor": len, "held": given}, str(tmp_path))
        assert (len(map_buffers(tmp_path / FILE)) if count else (tmp_path / FILE).exists()) == count


def test_writing_changes_no_file(arrays, tmp_path):
    (one,) = arrays(Array(bytearray(b"x" * LEAST)))
    one[0] = 0
    assert load_bundle(tmp_path / "bundle").predictor.args[0][0][0] == ord("x")


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_bundle_with_thousands_of_arrays_needs_no_descriptor_for_each(arrays):
    before = descriptors()
    loaded = arrays(*[Array(bytearray(LEAST)) for _ in range(200)])
    assert descriptors() <= before + 1
    del loaded


def test_pickle_in_a_large_buffer_is_read_as_one_in_a_small_one(tmp_path):
    import decimal

    inner = pickle.dumps([decimal.Decimal(1), bytes(LEAST)])
    folder = write_bundle(
        tmp_path / "bundle", {"predictor": len, "held": [Array(bytearray(8)), Array(inner)]}
    )
    assert (folder / FILE).exists()
    assert "decimal" in read_entry_points(folder).modules


def test_loading_reads_no_more_of_larger_arrays(tmp_path):
    def read(size):
        folder = write_bundle(tmp_path / str(size), {"predictor": len, "array": Array(bytearray(size))})
        before = bytes_read()
        _entry_points(folder / PICKLE)
        return bytes_read() - before

    def bytes_read():
        return int(Path("/proc/self/io").read_text().split()[1])

    read(2 << 20)  # whatever is imported once
    assert abs(read(64 << 20) - read(1 << 20)) < 1000


SHARING = """
import json, mmap, os, sys
from pathlib import Path
from nbslim.runtime.bundle import load_bundle

def mapped():
    found, here = {}, False
    for line in open("/proc/self/smaps"):
        if "-" in line.split()[0]:
            here = line.rstrip().endswith("/entry_points.buffers")
        elif here and line.endswith(" kB\\n"):
            found[line.split(":")[0]] = int(line.split()[1])
    return found

array = load_bundle(Path(sys.argv[1])).predictor.args[0]
loaded = mapped()
told = []
for number in range(2):
    (here, there), (go, stay) = os.pipe(), os.pipe()
    if not os.fork():
        total = sum(array[::4096])
        read = mapped()
        os.write(there, b"read")
        os.read(go, 1)  # until both have read all pages
        both = mapped()
        array[0] = number + 1
        os.write(there, json.dumps([total, read, both, mapped(), array[0]]).encode())
        os.read(go, 1)  # until both have told
        os._exit(0)
    told.append((here, stay))
for here, _ in told:
    assert os.read(here, 4) == b"read"
for _, stay in told:
    os.write(stay, b"x")
workers = [json.loads(os.read(here, 9999)) for here, _ in told]
for _, stay in told:
    os.write(stay, b"x")
print(json.dumps([loaded, workers, array[0]]))
"""


def test_forked_processes_share_the_pages(tmp_path):
    size = 32 << 20
    array = Array(bytearray(b"x" * size))
    folder = write_bundle(tmp_path / "bundle", {"predictor": functools.partial(operator.getitem, array)})
    done = subprocess.run(
        [sys.executable, "-c", SHARING, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded, workers, untouched = json.loads(done.stdout)
    assert loaded["Rss"] <= 1024  # the first line's page, and what the kernel maps beside it
    for number, (total, read, both, written, first) in enumerate(workers):
        assert total == ord("x") * size // 4096
        assert read["Rss"] >= size >> 10
        assert read["Anonymous"] == 0  # no page was copied
        assert both["Private_Dirty"] <= 8
        assert both["Pss"] <= (size >> 10) * 0.6  # the pages are the same ones
        assert 0 < written["Anonymous"] <= 8
        assert written["Private_Dirty"] <= 8
        assert first == number + 1
    assert untouched == ord("x")
