"""Exit statuses: what a shell script learns of a run."""

from enum import IntEnum
from typing import assert_never

from coordination.domain import states as s
from coordination.domain.receipt import Failed, OutcomeUnknown, Succeeded


class Exit(IntEnum):
    """The statuses of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    WAITING = 3
    STOPPED = 4
    UNKNOWN = 5
    LACKS_LIBRARY = 6


def exit_of(state: s.RunState) -> Exit:
    """What a run's state means to a shell."""
    match state:
        case s.Answered():
            return Exit.DONE
        case s.Finished():
            return _exit_of_finished(state)
        case s.RunBroken():
            return Exit.FAILED
        case s.Rejected() | s.Expired() | s.Cancelled():
            return Exit.STOPPED
        case s.NeedsHuman():
            return Exit.UNKNOWN
        case s.Queued() | s.Deliberating() | s.ChangesWanted() | s.AwaitingDecision() | s.Executing() | s.Reporting():
            return Exit.WAITING
        case _:
            assert_never(state)


def _exit_of_finished(state: s.Finished) -> Exit:
    if all(isinstance(receipt, Succeeded) for receipt in state.receipts):
        return Exit.DONE
    if any(isinstance(receipt, Failed | OutcomeUnknown) for receipt in state.receipts):
        return Exit.FAILED
    return Exit.STOPPED if state.stopped_by is not None else Exit.FAILED
