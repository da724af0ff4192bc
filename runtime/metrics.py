"""Write metrics in Prometheus' text exposition format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nbslim.runtime import removed

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_IN_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})
_IN_LABEL = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


@dataclass(frozen=True)
class Metric:
    """A metric whose values differ by one label."""

    name: str
    type: str
    help: str
    label: str
    values: Mapping[str, float]

    def lines(self) -> Iterable[str]:
        """Return its lines, sorted by the label."""
        yield f"# HELP {self.name} {self.help.translate(_IN_HELP)}"
        yield f"# TYPE {self.name} {self.type}"
        for label, value in sorted(self.values.items()):
            yield f'{self.name}{{{self.label}="{label.translate(_IN_LABEL)}"}} {value}'


def collect() -> tuple[Metric, ...]:
    """Return the metrics of this process as they are now."""
    about = "Imports of modules that nbslim removed from the image."
    return (Metric("nbslim_removed_imports_total", "counter", about, "module", removed.counts()),)


def exposition(metrics: Iterable[Metric]) -> str:
    """Return `metrics` as text of the type CONTENT_TYPE."""
    return "".join(f"{line}\n" for metric in metrics for line in metric.lines())
