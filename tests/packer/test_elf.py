from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from nbslim.packer.elf import (
    is_elf,
    needed,
    read_elf,
    relocate_strings,
    relocate_text,
    run_paths,
    without_symbols,
)
from nbslim.packer.errors import BuildError
from nbslim.packer.libraries import inside, library_closure, loader_folders

OLD = b"/home/ada/.pyenv/versions/3.11.7"
LOAD, DYNAMIC, INTERP = 1, 2, 3
NEEDED, STRTAB, STRSZ, RPATH, RUNPATH = 1, 5, 10, 15, 29


def make_elf(path: Path, *, needed=(), rpath="", runpath="", bits=64, machine=62, debug=b"") -> Path:
    """Write the smallest shared library; with `debug`, section headers and it lie behind the segments."""
    strings, tags = b"\0", []
    for tag, text in [*((NEEDED, name) for name in needed), (RPATH, rpath), (RUNPATH, runpath)]:
        if text:
            tags.append((tag, len(strings)))
            strings += text.encode() + b"\0"
    word, header, entry = ("<QQ", 64, 56) if bits == 64 else ("<LL", 52, 32)
    dynamic = header + 2 * entry
    table = dynamic + (len(tags) + 3) * struct.calcsize(word)
    tags += [(STRTAB, table), (STRSZ, len(strings)), (0, 0)]
    body = b"".join(struct.pack(word, *tag) for tag in tags) + strings
    end = table + len(strings)
    sections = (end, 1) if debug else (0, 0)
    ident = b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9)
    if bits == 64:
        head = struct.pack(
            "<HHLQQQLHHHHHH", 3, machine, 1, 0, header, sections[0], 0, header, entry, 2, 64, sections[1], 0
        )
        segments = [
            struct.pack("<LLQQQQQQ", kind, 4, at, at, at, size, size, 8)
            for kind, at, size in [(LOAD, 0, end), (DYNAMIC, dynamic, table - dynamic)]
        ]
    else:
        head = struct.pack(
            "<HHLLLLLHHHHHH", 3, machine, 1, 0, header, sections[0], 0, header, entry, 2, 40, sections[1], 0
        )
        segments = [
            struct.pack("<LLLLLLLL", kind, at, at, at, size, size, 4, 4)
            for kind, at, size in [(LOAD, 0, end), (DYNAMIC, dynamic, table - dynamic)]
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ident + head + b"".join(segments) + body + bytes(64 if debug else 0) + debug)
    return path


@pytest.fixture
def extension() -> Path:
    import _ctypes

    return Path(_ctypes.__file__)


def test_a_real_library_is_read(extension):
    assert is_elf(extension)
    assert "libc.so.6" in needed(extension)
    assert read_elf(Path(sys.executable)).interpreter.startswith("/lib")


def test_text_folders_and_broken_files_are_told_apart(tmp_path):
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"\x7fELF and then nothing")
    assert not is_elf(tmp_path)
    assert not is_elf(Path(__file__))
    with pytest.raises(BuildError, match=r"broken\.so: not a readable ELF file"):
        read_elf(broken)


@pytest.mark.parametrize("bits", [32, 64])
def test_what_lies_behind_the_segments_is_cut(tmp_path, bits):
    whole = make_elf(tmp_path / "a.so", needed=["libm.so.6"], runpath="/x:$ORIGIN", bits=bits, debug=b"debug")
    small = make_elf(tmp_path / "b.so", needed=["libm.so.6"], runpath="/x:$ORIGIN", bits=bits)
    trimmed = tmp_path / "trimmed.so"
    trimmed.write_bytes(without_symbols(whole.read_bytes()))
    assert trimmed.stat().st_size == small.stat().st_size
    assert read_elf(trimmed) == read_elf(small) == read_elf(whole)
    assert run_paths(trimmed) == ("/x", "$ORIGIN")
    assert without_symbols(trimmed.read_bytes()) == trimmed.read_bytes()


def test_a_trimmed_library_loads_and_has_no_sections(tmp_path, extension):
    trimmed = tmp_path / "_ctypes.so"
    trimmed.write_bytes(without_symbols(extension.read_bytes()))
    assert hasattr(ctypes.CDLL(str(trimmed)), "PyInit__ctypes")
    assert read_elf(trimmed) == read_elf(extension)
    if shutil.which("readelf"):
        told = subprocess.run(["readelf", "-S", trimmed], capture_output=True, text=True, check=True)
        assert "There are no sections" in told.stdout
        assert told.stderr == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(OLD, b"/usr", id="the path itself"),
        pytest.param(OLD + b"/lib", b"/usr/lib", id="its beginning"),
        pytest.param(b"-L" + OLD + b"/lib -I" + OLD, b"-L/usr/lib -I/usr", id="options"),
        pytest.param(OLD + b"/lib:/lib:" + OLD, b"/usr/lib:/lib:/usr", id="a path list"),
        pytest.param(b"in " + OLD + b".", b"in /usr.", id="the end of a sentence"),
        pytest.param(OLD + b"1/lib", OLD + b"1/lib", id="a longer name"),
        pytest.param(OLD + b".1/lib", OLD + b".1/lib", id="a longer version"),
        pytest.param(OLD + b"-debug", OLD + b"-debug", id="a suffix"),
        pytest.param(b"/usr/lib", b"/usr/lib", id="another path"),
    ],
)
def test_only_whole_paths_move(text, expected):
    assert relocate_text(text, OLD, b"/usr") == expected
    moved = relocate_strings(b"before\0" + text + b"\0after", OLD, b"/usr")
    assert moved.split(b"\0")[1] == expected
    assert len(moved) == len(text) + len(b"before\0\0after")
    assert moved.startswith(b"before\0")
    assert moved.endswith(b"\0after")
    assert OLD + b"/" not in moved


def test_the_tail_of_a_moved_string_stays_where_it_was():
    data = b"\0" + OLD + b"\0" + OLD + b"/lib\0"
    moved = relocate_strings(data, OLD, b"/usr")
    for tail in (b"3.11.7\0", b"/lib\0"):
        assert moved[data.index(tail) :].startswith(tail)
    assert b"ada" not in moved


def test_a_longer_path_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        relocate_strings(b"/opt\0", b"/opt", b"/usr/local")


def test_many_occurrences_take_linear_time():
    data = (OLD + b":") * 100_000 + b"\0"
    assert relocate_strings(data, OLD, b"/usr").count(b"/usr:") == 100_000


@pytest.mark.parametrize(
    ("link", "target", "path", "expected"),
    [
        ("lib", "usr/lib", "/lib/x", "usr/lib/x"),
        ("lib", "/usr/lib", "/lib/x", "usr/lib/x"),
        ("usr/lib64", "../../../../usr/lib", "/usr/lib64/x", "usr/lib/x"),
        ("usr/y", "lib", "/usr/y/../x", "usr/x"),
    ],
)
def test_links_are_followed_inside_the_root(tmp_path, link, target, path, expected):
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / link).symlink_to(target)
    assert inside(tmp_path, path) == tmp_path / expected


def test_links_in_a_circle_are_an_error(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("/a")
    with pytest.raises(BuildError, match="too many symbolic links"):
        inside(tmp_path, "/a")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "etc/ld.so.conf.d").mkdir(parents=True)
    (tmp_path / "etc/ld.so.conf").write_text("# ours\ninclude /etc/ld.so.conf.d/*.conf\n")
    (tmp_path / "etc/ld.so.conf.d/cuda.conf").write_text("/opt/cuda/lib # more\n")
    return tmp_path


def test_the_loader_searches_its_settings_first(root):
    (root / "opt/cuda/lib").mkdir(parents=True)
    assert loader_folders(root) == (
        root / "opt/cuda/lib",
        root / "usr/lib/x86_64-linux-gnu",
        root / "usr/lib",
    )


def test_the_closure_follows_libraries_of_libraries(root):
    make_elf(root / "usr/lib/x86_64-linux-gnu/liba.so.1", needed=["libb.so", "libcuda.so.1"])
    real = make_elf(root / "opt/cuda/lib/libb.so.1.2", needed=["liba.so.1"])
    (root / "opt/cuda/lib/libb.so").symlink_to("/opt/cuda/lib/libb.so.1.2")
    program = make_elf(root / "usr/bin/program", needed=["liba.so.1"])
    script = root / "usr/bin/script"
    script.write_text("#!/bin/sh\n")
    closure = library_closure([program, script], root=root)
    assert closure.libraries == {"liba.so.1": root / "usr/lib/x86_64-linux-gnu/liba.so.1", "libb.so": real}
    assert closure.missing == {"libcuda.so.1": root / "usr/lib/x86_64-linux-gnu/liba.so.1"}


def test_a_library_of_another_machine_is_passed_over(root):
    make_elf(root / "usr/lib/x86_64-linux-gnu/liba.so", bits=32, machine=3)
    right = make_elf(root / "usr/lib/liba.so")
    assert library_closure([make_elf(root / "p", needed=["liba.so"])], root=root).libraries == {
        "liba.so": right
    }


def test_run_paths_come_first_and_origin_is_kept_apart(root, tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    vendored = make_elf(site / "wheel.libs/libv.so")
    given = make_elf(site / "wheel/libpreloaded.so")
    absolute = make_elf(root / "opt/own/liba.so")
    make_elf(root / "usr/lib/liba.so")
    names = ["libv.so", "liba.so", "libpreloaded.so"]
    module = make_elf(site / "wheel/module.so", needed=names, runpath="$ORIGIN/../wheel.libs:/opt/own")
    closure = library_closure([module, given], root=root)
    assert closure.beside == {"libv.so": vendored, "libpreloaded.so": given}
    assert closure.libraries == {"liba.so": absolute}
    assert not closure.missing


def test_rpath_is_inherited_and_runpath_is_not(root):
    make_elf(root / "opt/a/liba.so", needed=["libb.so"])
    make_elf(root / "opt/a/libb.so")
    old = make_elf(root / "old", needed=["liba.so"], rpath="/opt/a")
    new = make_elf(root / "new", needed=["liba.so"], runpath="/opt/a")
    assert set(library_closure([old], root=root).libraries) == {"liba.so", "libb.so"}
    assert set(library_closure([new], root=root).missing) == {"libb.so"}


def test_the_executable_lends_its_rpath_to_what_it_loads(root):
    found = make_elf(root / "opt/conda/lib/libstdc++.so.6")
    main = make_elf(root / "opt/conda/bin/python", rpath="$ORIGIN/../lib")
    module = make_elf(root / "module.so", needed=["libstdc++.so.6"])
    assert library_closure([module], root=root, main=main).libraries == {"libstdc++.so.6": found}
    assert library_closure([module], root=root).missing


def test_libraries_loaded_at_run_time_are_added_where_they_exist(root):
    resolver = make_elf(root / "usr/lib/libnss_dns.so.2")
    closure = library_closure(
        [make_elf(root / "p")], root=root, also=["libnss_dns.so.2", "libnss_files.so.2"]
    )
    assert closure.libraries == {"libnss_dns.so.2": resolver}
    assert not closure.missing
