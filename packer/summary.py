"""The receipt for people: a few lines on stderr when a pack is done."""

from __future__ import annotations

from nbslim.packer.receipt import Receipt

MB = 1_000_000


def summary(receipt: Receipt) -> str:
    """Return the sizes, what was verified and what to know, in lines of text."""
    sizes, verified = receipt.sizes, receipt.verified
    kept = [d.name for d in receipt.analysis.serving]
    share = sizes["image"] / sizes["full"]
    lines = [
        f"{receipt.reference}: {_mb(sizes['image'])}, {share:.0%} of the {_mb(sizes['full'])} of the full environment",
        f"compressed: {_mb(sizes['compressed'])}",
        f"kept: {', '.join(kept) or 'no distribution besides the runtime'}",
        f"dropped: {len(receipt.analysis.dropped)} distributions",
        f"verified: {verified['equal']} of {verified['samples']} samples, by {verified['method']}",
        *(f"warning: {warning}" for warning in receipt.warnings),
    ]
    if receipt.archive:
        lines.append(f"written to {receipt.archive} (podman load --input {receipt.archive})")
    return "\n".join(lines)


def _mb(size: int) -> str:
    return f"{size / MB:.1f} MB"
