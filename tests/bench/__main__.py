"""`make bench`: what analyze and pack take, as ratios of one run; first what takes a minute, then the packs.

ARGS=analyze              the analyzer alone
ARGS=pack                 the packs alone
ARGS="shapes [NAME ...]"  what doubling does to notebooks of other shapes
ARGS="profile NAME"       where the time goes with 2,000 cells of one shape
"""

from __future__ import annotations

import sys

import closures
import packs
import start


def analyze() -> None:
    """Measure the analyzer against its allowances."""
    start.table()
    print()
    closures.limits()


def main(arguments: list[str]) -> None:
    """Run one part, or the analyzer's and the packs."""
    match arguments:
        case []:
            analyze()
            print()
            packs.table()
        case ["analyze"]:
            analyze()
        case ["pack"]:
            packs.table()
        case ["shapes", *shapes]:
            closures.table(shapes)
        case ["profile", shape]:
            closures.profile(shape)
        case _:
            sys.exit(f"{' '.join(arguments)}: no such part\n\n{__doc__}")


if __name__ == "__main__":
    main(sys.argv[1:])
