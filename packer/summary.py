"""The receipt for people: a few lines on stderr when a pack is done."""

from __future__ import annotations

from nbslim.packer.receipt import Receipt

MB = 1_000_000


def summary(receipt: Receipt) -> str:
    """Return the sizes, what was verified and what to know, in lines of text."""
    sizes, verified = receipt.sizes, receipt.verified
    kept = [distribution["name"] for distribution in receipt.distributions]
    share = sizes["image"] / sizes["full"]
    lines = [
        f"{receipt.reference}: {_mb(sizes['image'])}, {share:.0%} of the {_mb(sizes['full'])} of the full environment",
        f"level: {receipt.level} ({_ladder(receipt)}); compressed: {_mb(sizes['compressed'])}",
        f"kept: {', '.join(kept) or 'no distribution besides the runtime'}",
        f"dropped: {len(receipt.dropped)} distributions{_tried(receipt)}",
        f"verified: {verified['equal']} of {verified['samples']} samples and {verified['requests']} requests, by "
        + verified["method"],
        f"these ran {verified['lines_entered']} of {verified['lines']} lines of your functions",
        *_batches(receipt),
        *_remembered(receipt),
        *(f"warning: {warning}" for warning in receipt.warnings),
    ]
    if receipt.archive:
        lines.append(f"written to {receipt.archive} (podman load --input {receipt.archive})")
    return "\n".join(lines)


def _ladder(receipt: Receipt) -> str:
    rungs = (
        f"{rung['level']} {_mb(rung['bytes'])}{' rolled back' * bool(rung['problem'])}"
        for rung in receipt.ladder
    )
    return ", ".join(rungs)


def _tried(receipt: Receipt) -> str:
    """Say what serving does without, of that which it could import."""
    held = [name for trial in receipt.experiments if not trial["problem"] for name in trial["without"]]
    names = [*receipt.left_out, *held]
    return f"; does without {', '.join(names)}" if names else ""


def _batches(receipt: Receipt) -> list[str]:
    looped = receipt.batch["form"] == "looped"
    return [f"batches: one row after the other, because {receipt.batch['reason']}"] if looped else []


def _remembered(receipt: Receipt) -> list[str]:
    parts = [part for part, remembered in receipt.cached.items() if remembered]
    return [f"remembered, not done again: {', '.join(parts)} (--no-cache does all of it)"] if parts else []


def _mb(size: int) -> str:
    return f"{size / MB:.1f} MB"
