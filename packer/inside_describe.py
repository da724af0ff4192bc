"""Prints as JSON where the interpreter that runs it keeps its parts; any CPython from 3.9 on can run it."""

from __future__ import annotations

import json
import sys
import sysconfig
from pathlib import Path

try:
    import ssl
except ImportError:
    certificates = None
else:
    certificates = ssl.get_default_verify_paths().openssl_cafile

dynload = [path for path in sys.path if Path(path).name == "lib-dynload"]
build_folders = [sysconfig.get_config_var(name) or "" for name in ("abs_srcdir", "abs_builddir")]
json.dump(
    {
        "version": ".".join(str(number) for number in sys.version_info[:3]),
        "cache_tag": sys.implementation.cache_tag,
        "executable": str(Path(getattr(sys, "_base_executable", sys.executable)).resolve()),
        "prefix": str(Path(sys.base_prefix).resolve()),
        "prefixes": [sys.base_prefix, sys.base_exec_prefix],
        "stdlib": str(Path(sysconfig.get_path("stdlib")).resolve()),
        "dynload": dynload[0] if dynload else None,
        "certificates": certificates,
        "build_folders": [str(Path(folder).resolve()) for folder in build_folders if folder.startswith("/")],
        "home": str(Path.home()),
    },
    sys.stdout,
)
