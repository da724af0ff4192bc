from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbslim.packer.errors import BuildError
from nbslim.packer.gzipped import GzipWriter
from nbslim.packer.oci import ImageConfig, Layer, write_archive

LAYERS = (Layer("interpreter", ("",)), Layer("distributions", ("app/lib",)), Layer("bundle", ("app/model",)))
CONFIG = ImageConfig(
    ("/usr/bin/python3", "-m", "app"),
    env={"PORT": "8080", "LANG": "C.UTF-8"},
    working_dir="/app",
    ports=(8080,),
    labels={"org.example.what": "a test"},
    created=86400,
)
REFERENCE = "localhost/nbslim-test-oci:1"
LONG = "app/lib/" + "long_folder_name/" * 12 + "módulo_" + "x" * 200 + ".py"


def make_tree(tree: Path, *, time: int = 1, mode: int = 0o700) -> Path:
    """Make a tree with all that an image may hold; `time` and `mode` are what must not show in it."""
    for folder in ("proc", "tmp", "app/model", Path(LONG).parent):
        (tree / folder).mkdir(parents=True)
    (tree / "tmp").chmod(0o1777)
    (tree / LONG).write_text("x = 1\n")
    (tree / "app/model/manifest.json").write_bytes(b"{}")
    (tree / "app/run").write_text("#!/usr/bin/python3\n")
    (tree / "app/run").chmod(mode)
    os.link(tree / "app/run", tree / "app/same")
    (tree / "lib").symlink_to("usr/lib")
    for path in tree.rglob("*"):
        os.utime(path, (time, time), follow_symlinks=False)
    return tree


@pytest.fixture
def tree(tmp_path) -> Path:
    return make_tree(tmp_path / "tree")


def write(tree: Path, output: Path, **options):
    return write_archive(tree, LAYERS, CONFIG, reference=REFERENCE, output=output, **options)


def layer_entries(archive: Path) -> list[list[tarfile.TarInfo]]:
    with tarfile.open(archive) as outer:
        manifest = json.load(outer.extractfile("manifest.json"))
        blobs = [outer.extractfile(name).read() for name in manifest[0]["Layers"]]
    return [tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob))).getmembers() for blob in blobs]


def test_every_digest_and_size_is_right(tree, tmp_path):
    image = write(tree, tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as archive:
        names = archive.getnames()
        blobs = {name: archive.extractfile(name).read() for name in names if name.startswith("blobs/")}
        index = json.load(archive.extractfile("index.json"))
    assert names[:3] == ["oci-layout", "index.json", "manifest.json"]
    assert all(hashlib.sha256(data).hexdigest() == name.rpartition("/")[2] for name, data in blobs.items())
    assert index["manifests"][0]["digest"] == image.digest
    assert index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] == REFERENCE
    manifest = json.loads(blobs["blobs/" + image.digest.replace(":", "/")])
    config = json.loads(blobs["blobs/" + image.config.replace(":", "/")])
    for described, layer, diff_id in zip(
        manifest["layers"], image.layers, config["rootfs"]["diff_ids"], strict=True
    ):
        blob = blobs["blobs/" + layer.digest.replace(":", "/")]
        assert described["digest"] == layer.digest
        assert described["size"] == layer.compressed == len(blob)
        assert diff_id == layer.diff_id == f"sha256:{hashlib.sha256(gzip.decompress(blob)).hexdigest()}"
    assert image.compressed == sum(layer["size"] for layer in manifest["layers"])
    files = (path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    assert image.bytes == sum(path.stat().st_size for path in files)
    assert config["created"] == "1970-01-02T00:00:00Z"
    assert config["config"] == {
        "Entrypoint": ["/usr/bin/python3", "-m", "app"],
        "Env": ["LANG=C.UTF-8", "PORT=8080"],
        "ExposedPorts": {"8080/tcp": {}},
        "Labels": {"org.example.what": "a test"},
        "User": "1000:0",
        "WorkingDir": "/app",
    }


def test_the_longest_path_decides_the_layer(tree, tmp_path):
    write(tree, tmp_path / "image.tar")
    interpreter, distributions, bundle = [
        [entry.name for entry in layer] for layer in layer_entries(tmp_path / "image.tar")
    ]
    assert interpreter == ["app", "app/run", "app/same", "lib", "proc", "tmp"]
    assert distributions[0] == "app/lib"
    assert distributions[-1] == LONG
    assert bundle == ["app/model", "app/model/manifest.json"]


def test_entries_say_nothing_of_the_machine(tree, tmp_path):
    write(tree, tmp_path / "image.tar")
    entries = {entry.name: entry for layer in layer_entries(tmp_path / "image.tar") for entry in layer}
    assert {(e.uid, e.gid, e.uname, e.gname, e.mtime) for e in entries.values()} == {
        (0, 0, "", "", 946684800)
    }
    modes = {
        name: oct(entries[name].mode) for name in ("app", "app/run", "app/model/manifest.json", "tmp", "proc")
    }
    assert modes == {
        "app": "0o755",
        "app/run": "0o755",
        "app/model/manifest.json": "0o644",
        "tmp": "0o1777",
        "proc": "0o755",
    }
    assert entries["lib"].linkname == "usr/lib"
    assert all(entries[name].isreg() and entries[name].size == 19 for name in ("app/run", "app/same"))


def test_the_same_tree_gives_the_same_bytes(tree, tmp_path):
    before = os.umask(0o077)
    try:
        again = make_tree(tmp_path / "elsewhere", time=999_999_999, mode=0o555)
        write(again, tmp_path / "again.tar")
    finally:
        os.umask(before)
    write(tree, tmp_path / "image.tar")
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "image.tar").read_bytes()


def test_a_new_model_changes_the_last_layer_only(tree, tmp_path):
    first = write(tree, tmp_path / "image.tar", blobs=tmp_path / "blobs")
    kept = {path.name: path.stat().st_ino for path in (tmp_path / "blobs").iterdir()}
    (tree / "app/model/manifest.json").write_text('{"new": 1}')
    second = write(tree, tmp_path / "image.tar", blobs=tmp_path / "blobs")
    assert first.layers[:2] == second.layers[:2]
    assert first.layers[2] != second.layers[2]
    now = {path.name: path.stat().st_ino for path in (tmp_path / "blobs").iterdir()}
    assert len(now) == len(kept) + 1 == 4
    assert kept.items() < now.items()
    assert second == write(tree, tmp_path / "fresh.tar")


def test_an_empty_layer_is_left_out(tree, tmp_path):
    layers = (*LAYERS, Layer("runtime", ("app/runtime",)))
    image = write_archive(tree, layers, CONFIG, reference=REFERENCE, output=tmp_path / "image.tar")
    assert [layer.name for layer in image.layers] == ["interpreter", "distributions", "bundle"]


def test_nothing_but_the_archive_is_left(tree, tmp_path):
    output = tmp_path / "out/image.tar"
    output.parent.mkdir()
    output.write_text("an older one")
    write(tree, output)
    assert [path.name for path in output.parent.iterdir()] == ["image.tar"]
    assert tarfile.is_tarfile(output)


def test_a_path_in_no_layer_is_an_error(tree, tmp_path):
    with pytest.raises(BuildError, match="tree/lib belongs to no layer"):
        write_archive(
            tree, [Layer("app", ("app", "proc"))], CONFIG, reference=REFERENCE, output=tmp_path / "image.tar"
        )


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda path: path.with_name(".wh.x").touch(), "mark of a deleted file"), (os.mkfifo, "neither a file")],
)
def test_what_an_image_cannot_hold_is_an_error(tree, tmp_path, make, message):
    make(tree / "app/odd")
    with pytest.raises(BuildError, match=message):
        write(tree, tmp_path / "image.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_a_folder_that_does_not_exist_is_named(tree, tmp_path):
    with pytest.raises(BuildError, match=r"could not be written to .*/nowhere: No such file or directory"):
        write(tree, tmp_path / "nowhere/image.tar")


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_of_kept_layers_is_named(tree, tmp_path, small_disk):
    (tree / "app/model/weights").write_bytes(os.urandom(1 << 18))
    with pytest.raises(
        BuildError, match=f"the layer bundle could not be written to {small_disk}/blobs: No space"
    ):
        write(tree, tmp_path / "image.tar", blobs=small_disk / "blobs")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small", "tree"]
    assert not [path for path in (small_disk / "blobs").iterdir() if path.name.startswith(".")]


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(tree, tmp_path, small_disk):
    (tree / "app/model/weights").write_bytes(os.urandom(1 << 18))
    (small_disk / "image.tar").write_text("the last good one")
    with pytest.raises(BuildError) as caught:
        write(tree, small_disk / "image.tar")
    expected = f"the layer bundle could not be written to {small_disk}: No space left on device"
    assert str(caught.value) == expected
    assert {path.name: path.read_text() for path in small_disk.iterdir()} == {
        "image.tar": "the last good one"
    }


@pytest.mark.parametrize("seconds", [0.2, 1.0], ids=["while hashing", "while compressing"])
def test_an_interrupt_leaves_nothing(tree, tmp_path, seconds):
    with (tree / "app/model/weights").open("wb") as file:
        file.truncate(1 << 30)
    timer = threading.Timer(seconds, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    before = threading.active_count()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        write(tree, tmp_path / "image.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]
    assert threading.active_count() == before


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_000])
def test_compressed_chunks_are_one_gzip_member(size):
    data = (os.urandom(3000) * 1001)[:size]
    compressed = io.BytesIO()
    with GzipWriter(compressed.write) as stream:
        for start in range(0, size, 70_000):
            stream.write(data[start : start + 70_000])
    member = zlib.decompressobj(wbits=31)
    assert member.decompress(compressed.getvalue()) == data
    assert member.eof
    assert member.unused_data == b""


def test_the_number_of_processors_does_not_show(monkeypatch):
    written = []
    for processors in (1, 7):
        monkeypatch.setattr(os, "cpu_count", lambda processors=processors: processors)
        compressed = io.BytesIO()
        with GzipWriter(compressed.write) as stream:
            stream.write(b"the same bytes " * 500_000)
        written.append(compressed.getvalue())
    assert written[0] == written[1]


def call(*command: str | Path) -> str:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("reading", ["oci-archive", "docker-archive"])
def test_skopeo_reads_both_manifests(tree, tmp_path, reading):
    image = write(tree, tmp_path / "image.tar")
    told = json.loads(call("skopeo", "inspect", f"{reading}:{tmp_path / 'image.tar'}"))
    assert told["Labels"] == {"org.example.what": "a test"}
    assert len(told["Layers"]) == 3
    if reading == "oci-archive":
        assert told["Digest"] == image.digest
        assert told["Layers"] == [layer.digest for layer in image.layers]


@pytest.mark.parametrize(
    ("load", "remove"),
    [(("podman", "load", "-i", "{}"), "podman"), (("buildah", "pull", "oci-archive:{}"), "buildah")],
)
def test_engines_load_it_under_its_name_and_digest(tree, tmp_path, load, remove):
    image = write(tree, tmp_path / "image.tar")
    call(*(word.format(tmp_path / "image.tar") for word in load))
    try:
        told = json.loads(
            call(remove, "images", "--json" if remove == "buildah" else "--format=json", REFERENCE)
        )
        assert told[0]["digest" if remove == "buildah" else "Digest"] == image.digest
        assert REFERENCE in told[0]["names" if remove == "buildah" else "Names"]
    finally:
        call(remove, "rmi", REFERENCE)
