"""Makes the receipt of a pack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nbslim.analyzer import to_json
from nbslim.packer.bundle import files_naming, sample_records
from nbslim.packer.execute import Execution
from nbslim.packer.job import Job
from nbslim.packer.ladder import Slimmed
from nbslim.packer.oci import WrittenImage
from nbslim.packer.receipt import Receipt
from nbslim.runtime.encode import EncodeError


def receipt_of(
    job: Job,
    execution: Execution,
    slimmed: Slimmed,
    *,
    sizes: dict[str, int],
    image: WrittenImage,
    cached: dict[str, bool],
) -> Receipt:
    """Return what is told of the pack; `cached` are the parts of it that were remembered."""
    analysis = slimmed.drafted.analysis
    told = to_json(analysis)
    return Receipt(
        reference=job.reference,
        digest=image.digest,
        archive=None if job.archive.is_relative_to(job.workspace.folder) else str(job.archive),
        engine=job.engine,
        isolation=job.stage.isolation,
        level=slimmed.level,
        python=job.environment.python.version,
        sizes={**sizes, "compressed": image.compressed},
        distributions=told["serving"],
        dropped=told["dropped"],
        verified=_verified(execution, slimmed),
        batch=execution.batches.as_json(),
        ladder=tuple(rung.as_json() for rung in slimmed.ladder),
        experiments=tuple(asdict(trial) for trial in slimmed.trials),
        left_out=slimmed.left_out,
        accelerator="cpu-only" if slimmed.cpu_only else None,
        seconds=job.clock.seconds,
        cached=cached,
        layers=[asdict(layer) for layer in image.layers],
        warnings=(*job.environment.warnings, *analysis.warnings, *_doubts(job, execution), *slimmed.warnings),
    )


def _verified(execution: Execution, slimmed: Slimmed) -> dict[str, Any]:
    """Return what replay proved, and how much of the notebook's own functions ran for it."""
    replay, trace = slimmed.replay, slimmed.drafted.trace
    return {
        "samples": replay.samples,
        "equal": replay.equal,
        "requests": replay.requests,
        "unstable": execution.unstable,
        "method": replay.method,
        "lines": trace.lines,
        "lines_entered": trace.entered,
    }


def _doubts(job: Job, execution: Execution) -> tuple[str, ...]:
    doubts = [f"{reason}; it is not replayed" for reason in execution.unusable]
    doubts += [
        f"{name} holds a path of the folder in which the notebook ran: no image has it, and no two runs are one image"
        for name in files_naming(job.workspace.bundle, job.workspace.folder)
    ]
    if execution.batches.refused:
        doubts.append(execution.batches.refused)
    if execution.unstable:
        counted = f"{execution.unstable} samples got two answers from the notebook itself"
        doubts.append(f"{counted}; they are not compared")
    doubts += _unanswered(sample_records(job.workspace.bundle))
    if not execution.samples:
        doubts.append("no samples: nothing was verified but that the bundle loads; define samples = [...]")
    return tuple(doubts)


def _unanswered(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what samples without an answer tell, where that can hardly be meant."""
    raised = Counter(record["raises"] for record in records if "raises" in record)
    if unwritten := raised[EncodeError.__name__]:
        counted = f"{unwritten} of {len(records)} samples get an answer that cannot be written as JSON"
        yield f"{counted}; the service responds 500, and says of what type it is"
    elif records and not any("answer" in record for record in records):
        reasons = [f"{count} raise {name}" for name, count in raised.items()]
        refused = len(records) - sum(raised.values())
        yield f"no sample gets an answer: {', '.join(reasons + [f'{refused} are refused'] * bool(refused))}"
