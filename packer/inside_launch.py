"""Runs in the stage: become another Python program with exactly the environment that the packer wrote down.

The variables come in a file that is deleted at once, not on the command line, where other users could read them.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
SIGKILL = 9

environment_file, *arguments = sys.argv[1:]
environment = json.loads(Path(environment_file).read_text(encoding="utf-8"))
Path(environment_file).unlink()
# On the host, it must not outlive a packer that was killed.
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
os.execve(sys.executable, [sys.executable, *arguments], environment)
