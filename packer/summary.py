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
        f"compressed: {_mb(sizes['compressed'])}",
        f"kept: {', '.join(kept) or 'no distribution besides the runtime'}",
        f"dropped: {len(receipt.dropped)} distributions",
        f"verified: {verified['equal']} of {verified['samples']} samples, by {verified['method']}",
        *_remembered(receipt),
        *(f"warning: {warning}" for warning in receipt.warnings),
    ]
    if receipt.archive:
        lines.append(f"written to {receipt.archive} (podman load --input {receipt.archive})")
    return "\n".join(lines)


def _remembered(receipt: Receipt) -> list[str]:
    parts = [part for part, remembered in receipt.cached.items() if remembered]
    return [f"remembered, not done again: {', '.join(parts)} (--no-cache does all of it)"] if parts else []


def _mb(size: int) -> str:
    return f"{size / MB:.1f} MB"
