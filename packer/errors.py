"""The packer's own errors; see `nbslim.analyzer.errors` for their base."""

from __future__ import annotations

from nbslim.analyzer.errors import NbslimError


class ArgumentError(NbslimError):
    """What the command was given means nothing here."""

    exit_code = 2


class ExecutionError(NbslimError):
    """A cell failed, did not end in time, or its result cannot be pickled."""

    exit_code = 4


class BuildError(NbslimError):
    """The image could not be built."""

    exit_code = 5


class AnswersChangedError(NbslimError):
    """Replay gave other answers than the notebook: nothing was tagged."""

    exit_code = 6
