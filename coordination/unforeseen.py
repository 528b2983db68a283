"""Errors that nobody foresaw: each ends what it happened in, with a sentence for people and a reference into the log."""

import logging
import secrets
from typing import cast

from coordination.errors import OwnershipLostError, RunNotFoundError, StorageError
from coordination.run_writer import RunMoved

ATTEMPTS = 2
"""How often anything that may cost money is tried when it ends in an error that nobody foresaw."""

_log = logging.getLogger(__name__)

_FORESEEN = (RunMoved, StorageError, OwnershipLostError, RunNotFoundError)
"""What is no error of the work itself: others wrote to the run, or nothing can be written or read at the moment."""


def is_foreseen(error: BaseException) -> bool:
    """Whether an error is for the engine or the journal to deal with, by itself or in a group."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_foreseen, cast("BaseExceptionGroup[BaseException]", error).exceptions))
    return isinstance(error, _FORESEEN)


def told(what: str, error: Exception) -> str:
    """Log an error under a new reference. Returns the words for people; `what` it ended goes into them."""
    reference = secrets.token_hex(4)
    _log.error("error %s ended %s", reference, what, exc_info=error, extra={"reference": reference})
    return f"an error in this program ended {what}: the operator finds it in the log as {reference}"
