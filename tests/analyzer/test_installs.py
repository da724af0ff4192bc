"""What installers are asked for, in the forms in which notebooks call them."""

import pytest
from nbslim.analyzer.magics import to_python


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("%pip install numpy", ["numpy"]),
        ("pip install numpy", ["numpy"]),
        ("!pip install -q 'numpy>=2' pandas==2.1  # for 'later", ["numpy>=2", "pandas==2.1"]),
        ("!pip install -q 'numpy>=2' pandas==2.1  # later", ["numpy>=2", "pandas==2.1"]),
        ("!pip3 install numpy>=2 > /dev/null 2>&1", ["numpy>=2"]),
        ("%uv pip install \"x; python_version<'3.12'\"", ["x; python_version<'3.12'"]),
        ("!python -m pip --quiet install -U a b | tail -1", ["a", "b"]),
        ("!{sys.executable} -m pip install a", ["a"]),
        ("!apt-get update && pip install a; pip install b", ["a", "b"]),
        ("%pip install --index-url https://me:secret@host/ a", ["--index-url", "a"]),
        ("%pip install --index-url=https://me:secret@host/ a", ["--index-url", "a"]),
        ("%pip install --unknown-flag a", ["a"]),
        ("%pip install -r other.txt -e .", ["-r other.txt", "-e"]),
        ("%%bash\npip install a", ["a"]),
        ("%%capture\n%pip install a", ["a"]),
        ("%pip install a \\\n  b", ["a", "b"]),
        ("!PIP_QUIET=1 pip install a", ["a"]),
        ("!sudo -H pip install a", ["a"]),
        ("!uv pip install a", ["a"]),
        ("%pip install -q \"a[b]>=1\" 'c'", ["a[b]>=1", "c"]),
        ("if x:\n    %pip install a", ["a"]),
        ("x = (\n!pip install a", []),
        ("%system pip install a", ["a"]),
        ("%%bash\n# pip install a\npip install b", ["b"]),
        (
            "%conda install -y -c conda-forge numpy=1.26 'scipy>=1' pandas",
            ["numpy==1.26.*", "scipy>=1", "pandas"],
        ),
        ("!mamba install conda-forge::a==1.2 b=1.*", ["a==1.2", "b==1.*"]),
        ("conda install python=3.9 pip pytorch", ["torch"]),
        ("!conda install --file packages.txt a > log", ["a"]),
        ("!conda create -n a b", []),
        ("!echo pip install a", []),
        ("%pip uninstall a", []),
        ("'''\n%pip install a\n'''", []),
    ],
)
def test_installs_are_read(line, asked):
    assert [text for text, _ in to_python(line).installs] == asked
