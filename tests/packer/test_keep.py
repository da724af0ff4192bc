"""What the user names is kept: modules with all below them, or files; a name that means nothing is an error."""

import pytest
from nbslim.packer.draft import Draft
from nbslim.packer.errors import ArgumentError
from nbslim.packer.keep import for_gpu, name_of, wanted

FILES = {
    "app/lib/sk_learn-1.0.dist-info": [
        "app/lib/sklearn/__init__.py",
        "app/lib/sklearn/datasets/__init__.py",
        "app/lib/sklearn/datasets/_base.cpython-311-x86_64-linux-gnu.so",
        "app/lib/sklearn/datasets/data/iris.csv",
    ],
    "app/lib/nvidia_nccl_cu12-2.dist-info": ["app/lib/nvidia/nccl/lib/libnccl.so.2"],
    "": ["usr/lib/python3.11/json/__init__.py", "usr/lib/python3.11/json/decoder.py"],
    " ": ["usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so"],
}


@pytest.fixture(name="draft")
def _draft(tmp_path):
    for path in (path for files in FILES.values() for path in files):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    owned = {info: files for info, files in FILES.items() if info.strip()}
    return Draft(tmp_path, "python3.11", "cpython-311", owned)


@pytest.mark.parametrize(
    ("pattern", "modules"),
    [
        ("sklearn.datasets", ["sklearn.datasets", "sklearn.datasets._base"]),
        ("sklearn", ["sklearn", "sklearn.datasets", "sklearn.datasets._base"]),
        ("sklearn.*", ["sklearn.datasets", "sklearn.datasets._base"]),
        ("*._base", ["sklearn.datasets._base"]),
        ("json", ["json", "json.decoder"]),
        ("_ssl", ["_ssl"]),
    ],
)
def test_module_means_all_below_it(pattern, modules, draft):
    assert wanted(draft, [pattern]).modules == tuple(modules)


def test_files_of_a_kept_module_are_kept_with_it(draft):
    assert "app/lib/sklearn/datasets/*" in wanted(draft, ["sklearn.datasets"]).files


@pytest.mark.parametrize("pattern", ["sklearn/datasets/data/*", "*/iris.csv", "nvidia/*"])
def test_pattern_with_a_slash_means_files(pattern, draft):
    found = wanted(draft, [pattern])
    assert found.modules == ()
    assert f"app/lib/{pattern}" in found.files


@pytest.mark.parametrize("pattern", ["no_such", "sklearn.no_such", "sklear", "nowhere/*"])
def test_what_means_nothing_is_a_wrong_argument(pattern, draft):
    with pytest.raises(ArgumentError, match="there is no such module or file") as raised:
        wanted(draft, ["sklearn", pattern])
    assert f"--keep {pattern}:" in str(raised.value)
    assert raised.value.exit_code == 2
    assert raised.value.hint


def test_accelerator_keeps_the_distributions_for_it(draft):
    assert wanted(draft, [], accelerator=True).files == ("app/lib/nvidia/nccl/lib/libnccl.so.2",)
    assert wanted(draft, []) == wanted(draft, [], accelerator=False)
    assert wanted(draft, []).files == ()


@pytest.mark.parametrize(
    ("name", "gpu"),
    [("nvidia-nccl-cu12", True), ("triton", True), ("torch", False), ("jax-cuda12-plugin", False)],
)
def test_distribution_for_a_gpu_is_known_by_its_name(name, gpu):
    assert for_gpu(name) is gpu


def test_name_of_a_distribution_is_normal():
    assert name_of("app/lib/Sk_Learn-1.0.dist-info") == "sk-learn"
