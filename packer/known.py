"""What is known of single packages: files that they look for by names which no code shows."""

from __future__ import annotations

WHOLE = (
    "app/lib/babel/locale-data",
    "app/lib/certifi",
    "app/lib/dateutil/zoneinfo",
    "app/lib/pytz",
    "app/lib/tzdata",
    "usr/lib/python3.*/encodings",
)
"""Folders (patterns, relative to the tree) that are kept whole once anything in them is: an input may name any file."""

HARDWARE = (
    "avx512", "avx2", "avx", "sse42", "sse4", "sse2", "fma3", "haswell", "skylakex", "skylake", "sandybridge",
    "icelake", "sapphirerapids", "alderlake", "zen4", "zen", "neon", "sve", "sve2", "asimd", "def", "mc", "mc3",
    "cnl", "ivb", "piledriver", "x86-64-v2", "x86-64-v3", "x86-64-v4", "x86_64_v2", "x86_64_v3", "x86_64_v4",
)  # fmt: skip
"""Words in the names of libraries, and of folders of libraries, of which a processor loads only its own."""

ACCELERATORS = ("nvidia-*", "cuda-*", "*-cu11", "*-cu12", "*-cu13", "triton", "pytorch-triton*", "*-rocm*")
"""Patterns of distributions that serve a GPU; a machine without one never loads them."""

UNUSED = ("falcon.cyutil.reader",)
"""Optional modules of the runtime's own distributions that speed up what it never does (here: reading forms)."""

DEVELOPMENT = (
    "pdb",
    "doctest",
    "pydoc",
    "unittest",
    "pytest",
    "*.tests",
    "distutils",
    "*.distutils",
    "numpy.f2py",
)
"""Modules (patterns) that functions import to test, debug or build: no input makes a service call those."""
