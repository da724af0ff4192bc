"""Runs in the draft tree: compile sources to bytecode that needs no source beside it.

Standard input is a JSON list of pairs: where a source is, and the path that its code objects shall name. The
bytecode's hash is never checked, so it stays valid without the source and with any time stamp.
"""

from __future__ import annotations

import contextlib
import json
import py_compile
import sys
import warnings

warnings.simplefilter("ignore")
for place, name in json.load(sys.stdin):
    # Distributions carry templates and code for other Pythons; pip leaves those uncompiled as well.
    with contextlib.suppress(py_compile.PyCompileError, ValueError, RecursionError):
        py_compile.compile(
            place,
            cfile=place + "c",
            dfile=name,
            doraise=True,
            optimize=0,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
