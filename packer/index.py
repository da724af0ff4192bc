"""Asks the user's package index, through uv, what it holds for one interpreter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbslim.packer.uv import Answer, Runner, ask


@dataclass(frozen=True)
class Index:
    """The package index as the interpreter `executable` sees it; `run` is uv."""

    executable: Path
    run: Runner

    def compile(self, specifiers: Sequence[str], options: Iterable[str]) -> Answer:
        """Resolve `specifiers` to exact versions."""
        return ask(
            self.run, "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate",
            "--python", str(self.executable), *options, text="\n".join(specifiers),
        )  # fmt: skip

    def one(self, specifier: str, *options: str) -> Answer:
        """Resolve one requirement without what it requires; that builds nothing, not even for metadata."""
        return self.compile([specifier], ["--no-deps", *options])

    def version(self, specifier: str, *options: str) -> str | None:
        """Return the newest version (with `--resolution lowest`: the oldest) that has a wheel, if one has."""
        answer = self.one(specifier, *wheels_but(()), *options)
        return answer.output.strip().partition("==")[2] or None if answer.good else None


def wheels_but(built: Iterable[str]) -> list[str]:
    """Return the options with which uv takes wheels alone, but builds the distributions `built` from source."""
    return ["--only-binary", ":all:", *(option for name in sorted(built) for option in ("--no-binary", name))]
