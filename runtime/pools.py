"""Sizes of numeric libraries' thread pools: together, the workers use the processors once."""

from __future__ import annotations

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)
_CGROUP = Path("/sys/fs/cgroup")


def fit_pools(environ: MutableMapping[str, str], calls: int, cgroup: Path = _CGROUP) -> None:
    """Set the variables that are not set to each call's share, where `calls` run at a time on this machine.

    Libraries count the machine's processors, not those that a container may use, and read this when they are loaded.
    """
    share = max(processors(cgroup) // calls, 1)
    if share < (os.cpu_count() or 1):
        for name in VARIABLES:
            environ.setdefault(name, str(share))


def processors(cgroup: Path = _CGROUP) -> int:
    """Return how many processors this process may keep busy, by its affinity and its container's quota."""
    quota = _quota(cgroup)
    available = len(os.sched_getaffinity(0))
    return available if quota is None else max(min(available, math.ceil(quota)), 1)


def _quota(cgroup: Path) -> float | None:
    """Return the processors that the control group allows (versions 2 and 1), or None for all."""
    try:
        if (cgroup / "cpu.max").is_file():
            quota, period = (cgroup / "cpu.max").read_text(encoding="utf-8").split()
        else:
            quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text(encoding="utf-8").strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text(encoding="utf-8").strip()
        return None if quota in {"max", "-1"} else int(quota) / int(period)
    except (OSError, ValueError):
        return None
