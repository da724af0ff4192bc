"""How much of each image serving its samples touches."""

from __future__ import annotations

import tempfile
from pathlib import Path

from examples import Examples
from strace import can_trace, touched_files
from support import CASES

LARGEST = 10


def table(examples: Examples) -> None:
    """Print a line for each example, and then what each image holds in vain."""
    print(
        "bytes of the image, and of its files that serving all samples opens, executes or maps (strace -f), in MB"
    )
    if not can_trace():
        print("strace is not installed, or may not trace: not measured")
        return
    untouched = []
    print("".join(f"{title:>14}" for title in ("fixture", "level", "image", "touched", "ratio")))
    for case in CASES:
        image = examples.packed(case)
        with tempfile.TemporaryDirectory() as folder:
            seen = touched_files(image.archive, [sample["input"] for sample in image.samples], Path(folder))
        row = (f"{seen.image_bytes / 1e6:.1f}", f"{seen.touched_bytes / 1e6:.1f}", f"{seen.ratio:.2f}")
        print("".join(f"{cell:>14}" for cell in (case.name, image.receipt["level"], *row)), flush=True)
        untouched.append((case.name, seen.largest_untouched(LARGEST)))
    for name, files in untouched:
        print(f"\nthe {LARGEST} largest files of {name} that are not touched, in MB")
        for path, size in files:
            print(f"{size / 1e6:>14.2f}  {path}")
