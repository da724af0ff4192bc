"""`make bench`: what nbslim takes and what its images take, as ratios of one run; what takes a minute comes first.

ARGS=analyze              the analyzer alone
ARGS=pack                 the steps of packing each example
ARGS=again                packing once more, with a changed predictor and unchanged
ARGS=touched              what part of each image serving touches
ARGS=start-up             start to first answer and memory, beside the same environment unslimmed
ARGS="serving [NAME ...]" the service beside other projects', with the same model; all take a quarter of an hour, and
                          a minute more once to install them, "serving nbslim flask" takes four minutes
ARGS="shapes [NAME ...]"  what doubling does to notebooks of other shapes
ARGS="profile NAME"       where the time goes with 2,000 cells of one shape
"""

from __future__ import annotations

import sys

import closures
import packs
import serving
import start
import startup
import touched
from examples import examples
from services import NAMES

OF_IMAGES = {
    "pack": packs.table,
    "again": packs.again,
    "touched": touched.table,
    "start-up": startup.table,
    "serving": serving.table,
}


def analyze() -> None:
    """Measure the analyzer against its allowances."""
    start.table()
    print()
    closures.limits()


def images(parts: list[str]) -> None:
    """Pack the examples and measure `parts` of them."""
    with examples() as packed:
        for part in parts:
            OF_IMAGES[part](packed)
            print()


def main(arguments: list[str]) -> None:
    """Run one part, or the analyzer's and those of the images."""
    match arguments:
        case []:
            analyze()
            print()
            images(list(OF_IMAGES))
        case ["analyze"]:
            analyze()
        case [part] if part in OF_IMAGES:
            images([part])
        case ["serving", *names] if set(names) <= {*NAMES}:
            with examples() as packed:
                serving.table(packed, names)
        case ["shapes", *shapes]:
            closures.table(shapes)
        case ["profile", shape]:
            closures.profile(shape)
        case _:
            sys.exit(f"{' '.join(arguments)}: no such part\n\n{__doc__}")


if __name__ == "__main__":
    main(sys.argv[1:])
