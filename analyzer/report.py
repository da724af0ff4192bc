"""How an analysis is told: to programs, to pip, to people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from nbslim.analyzer.types import (
    Analysis,
    CellImport,
    Chain,
    DroppedDistribution,
    Link,
    Need,
    Place,
    ServingDistribution,
    ServingEffect,
)

_WIDTH = 100
_SHOWN = 15


def to_json(analysis: Analysis) -> dict[str, Any]:
    """Tell all of it, for programs."""
    return {
        "notebook": analysis.notebook,
        "python": analysis.python,
        "entry_points": {name: _place(place) for name, place in analysis.entry_points.items()},
        "serving": [_serving(distribution) for distribution in analysis.serving],
        "dropped": [_dropped(distribution) for distribution in analysis.dropped],
        "imports": [_cell_import(imported) for imported in analysis.imports],
        "effects": [_effect(effect) for effect in analysis.effects],
        "files": [_need("path", need) for need in analysis.files],
        "environment_variables": [_need("name", need) for need in analysis.environment_variables],
        "programs": [_need("name", need) for need in analysis.programs],
        "opaque": [_need("what", need) for need in analysis.opaque],
        "local_files": list(analysis.local_files),
        "warnings": list(analysis.warnings),
    }


def to_requirements(analysis: Analysis) -> str:
    """Pin what serving needs, one distribution a line, as pip reads it."""
    return "".join(sorted(f"{_requirement(kept)}\n" for kept in analysis.serving))


def to_text(analysis: Analysis) -> str:
    """Tell what is kept and why and what is dropped, for people, within 100 columns."""
    parts = [_heading(analysis), _kept(analysis), _left_out(analysis), _total(analysis), *_besides(analysis)]
    if analysis.warnings:
        parts.append("\n".join(_wrapped(f"warning: {warning}", "", "  ") for warning in analysis.warnings))
    return "\n\n".join(parts) + "\n"


def _place(place: Place) -> dict[str, int]:
    return {"cell": place.cell, "line": place.line}


def _serving(kept: ServingDistribution) -> dict[str, Any]:
    return {
        "name": kept.name,
        "version": kept.version,
        "imports": list(kept.imports),
        "certainty": kept.certainty,
        "direct": kept.direct,
        "required_by": list(kept.required_by),
        "undeclared_by": list(kept.undeclared_by),
        "why": _links(kept.why),
        "chains": [_links(chain) for chain in kept.chains],
        "bytes": kept.bytes,
    }


def _links(chain: Chain) -> list[dict[str, Any]]:
    return [{"name": link.name, **_place(link.place)} for link in chain]


def _effect(effect: ServingEffect) -> dict[str, Any]:
    return {
        "what": effect.what,
        **_place(effect.place),
        "changes": effect.changes,
        "certainty": effect.certainty,
        "replayed": effect.replay is not None,
    }


def _need(key: str, need: Need) -> dict[str, Any]:
    return {key: need.name, **_place(need.place), "certainty": need.certainty}


def _requirement(kept: ServingDistribution) -> str:
    if kept.origin and kept.origin.editable:
        return f"# {kept.name} {kept.version} is edited in place and in no index: {kept.origin.url}"
    if kept.origin:
        return f"{kept.name} @ {kept.origin.reference}"
    return f"{kept.name}=={kept.version}" if kept.version else kept.name


def _dropped(dropped: DroppedDistribution) -> dict[str, Any]:
    return {
        "name": dropped.name,
        "version": dropped.version,
        "imports": list(dropped.imports),
        "reason": dropped.reason,
        "bytes": dropped.bytes,
    }


def _cell_import(imported: CellImport) -> dict[str, Any]:
    return {
        "module": imported.module,
        **_place(imported.place),
        "kind": imported.kind,
        "distribution": imported.distribution,
    }


def _heading(analysis: Analysis) -> str:
    entries = ", ".join(f"{name} ({place})" for name, place in analysis.entry_points.items())
    title = f"{analysis.notebook}, Python {analysis.python}"
    return "\n".join([_wrapped(title, "", "  "), _wrapped(f"entry points: {entries}", "", "  ")])


def _kept(analysis: Analysis) -> str:
    if not analysis.serving:
        return "kept: nothing but Python itself"
    rows = [(d.name, d.version, _size(d.bytes), d.certainty) for d in analysis.serving]
    lines = ["kept", *_legend(analysis)]
    for kept, row in zip(analysis.serving, _table(rows)):
        lines += [row, _wrapped(_reason(kept), "    ", "      ")]
    return "\n".join(lines)


def _legend(analysis: Analysis) -> Iterator[str]:
    if any(kept.certainty == "possible" for kept in analysis.serving):
        yield "  certain: code that serves names it; possible: only a value's history does, and packing settles it"


def _reason(kept: ServingDistribution) -> str:
    if kept.direct or not kept.required_by:
        return _chain(kept.why)
    requirers = (f"{name} (undeclared)" if name in kept.undeclared_by else name for name in kept.required_by)
    return f"required by {', '.join(requirers)}"


def _chain(why: Iterable[Link]) -> str:
    # a link stays whole on its line: the spaces inside it do not break
    links = (f"{link.name} ({link.place})".replace(" ", "\N{NO-BREAK SPACE}") for link in why)
    return " → ".join(links)


def _left_out(analysis: Analysis) -> str:
    if not analysis.dropped:
        return "dropped: nothing"
    largest = sorted(analysis.dropped, key=lambda d: (-d.bytes, d.name))
    rows = _table([(d.name, d.version, _size(d.bytes), d.reason) for d in largest[:_SHOWN]])
    lines = ["dropped", *(_cut(row) for row in rows)]
    if rest := largest[_SHOWN:]:
        names = ", ".join(distribution.name for distribution in rest)
        tail = f"and {len(rest)} smaller ones, {_size(sum(d.bytes for d in rest))} together: {names}"
        lines.append(_wrapped(tail, "  ", "    "))
    return "\n".join(lines)


def _total(analysis: Analysis) -> str:
    kept = sum(d.bytes for d in analysis.serving)
    dropped = sum(d.bytes for d in analysis.dropped)
    share = f": {100 * kept / (kept + dropped):.1f} % is kept" if kept + dropped else ""
    return (
        f"kept {_size(kept)} in {_counted(len(analysis.serving))}, "
        f"dropped {_size(dropped)} in {_counted(len(analysis.dropped))}{share}"
    )


def _besides(analysis: Analysis) -> Iterator[str]:
    """Yield what serving needs that is no distribution, as one paragraph."""
    kinds: tuple[tuple[str, Sequence[Need]], ...] = (
        ("file", analysis.files),
        ("environment variable", analysis.environment_variables),
        ("program", analysis.programs),
        ("cannot be followed:", analysis.opaque),
    )
    lines = [f"{kind} {need.name} ({need.place})" for kind, needs in kinds for need in needs]
    lines += [f"module beside the notebook {file}" for file in analysis.local_files]
    lines += [f"effect {effect.what} ({effect.place}){_fate(effect)}" for effect in analysis.effects]
    if lines:
        yield "\n".join(["serving also needs", *(_wrapped(line, "  ", "    ") for line in lines)])


def _fate(effect: ServingEffect) -> str:
    return "" if effect.replay else ": it cannot be made again by itself, so that packing refuses it"


def _counted(number: int) -> str:
    return f"{number} distribution" + ("" if number == 1 else "s")


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Align columns; the third is a size and goes to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = [text.rjust(w) if n == 2 else text.ljust(w) for n, (text, w) in enumerate(zip(row, widths))]
        yield f"  {'  '.join(cells)}".rstrip()


def _wrapped(text: str, first: str, following: str) -> str:
    lines = textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=following,
        break_on_hyphens=False,
        break_long_words=False,  # a path or a name stays one, to be copied
    )
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def _cut(row: str) -> str:
    """Keep a row one line; the whole reason is in the JSON."""
    return row if len(row) <= _WIDTH else f"{row[: _WIDTH - 2].rpartition(' ')[0]} …"


def _size(count: int) -> str:
    """Write bytes as MB with one decimal, and as kB below what rounds to one MB."""
    return f"{count / 1e6:.1f} MB" if count >= 999_950 else f"{count / 1e3:.1f} kB"
