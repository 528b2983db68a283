"""The error tree: each branch says who must act.

    CoordinationError
    ├── ConfigError            the operator must fix a configuration file
    │   └── MissingLibraryError  … must install a library here; the file is right
    ├── StorageError           the operator must fix the database (or its address)
    │   └── DatabaseAwayError  it does not answer now, and may do so again by itself
    │   │   └── DatabaseBlockedError  … it refuses until the operator has acted: wait as well
    │   └── LogLostError       the newest events of a run are gone: nothing goes on from what is left
    ├── ToolServerError        the operator must fix an MCP server
    ├── ModelError             a model call failed; `kind` says how, `is_retryable` whether to try again
    ├── RunNotFoundError       the person must name a run that exists here
    ├── RefusedError           the person may not do this; the text says why, and who may
    ├── DayCapError            the rules leave no such call for today: it is left out
    ├── ConflictError          somebody else wrote to the run first: read again, then decide again
    └── OwnershipLostError     another worker goes on with what this one was doing: stop

    IllegalTransition          a programming error: an event that its run's state does not allow
    InvalidJsonError           a value that has no canonical JSON form (a ValueError)

The text of every CoordinationError is written for people: it may be shown in a chat as it is, and never holds a
secret, a traceback or an SDK's own message.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from coordination.text import Text


class CoordinationError(Exception):
    """Something that a person can act on; its `text` says who must do what, and can be put in another language."""

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.text = text


class ConfigError(CoordinationError):
    """The operator must fix a configuration file; `diagnostics` has every problem found, one sentence each."""

    def __init__(self, diagnostics: list[Text]) -> None:
        super().__init__(Text.joined("\n", diagnostics))
        self.diagnostics = diagnostics


class MissingLibraryError(ConfigError):
    """The configuration is right, and this machine lacks what it needs; `commands` install it, typed where we run."""

    def __init__(self, diagnostics: list[Text], *, commands: list[str]) -> None:
        super().__init__(diagnostics)
        self.commands = commands


class PersonUnreadableError(CoordinationError):
    """Nobody in this process can tell what a person may do now: their approval neither counts nor is void."""


class StoredConfigError(ConfigError):
    """The stored configuration of a run is not the one that it began with: somebody wrote to the database."""


class StorageError(CoordinationError):
    """The operator must fix the database: it can't be opened, is of another version, or was tampered with."""


class DatabaseAwayError(StorageError):
    """The database does not answer now: whoever can wait tries again, for it may come back by itself."""


class DatabaseBlockedError(DatabaseAwayError):
    """The database refuses until the operator has acted: whoever holds something waits, for then it goes on."""


class LogLostError(StorageError):
    """A run's log ends before an event that was written to it: who goes on from there would do things twice."""


class ToolServerError(CoordinationError):
    """The operator must fix an MCP server: it can't start, doesn't answer, or breaks the protocol.

    `last_lines` is what each server that did not start wrote last to its standard error, for the operator at a terminal
    alone: unlike the text it is a stranger's, with nothing of it but our own secrets blotted out.
    """

    def __init__(self, text: Text, *, last_lines: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(text)
        self.last_lines = last_lines or {}


class RunNotFoundError(CoordinationError):
    """No run of this name is visible to the person who asked."""

    def __init__(self, run: str) -> None:
        super().__init__(Text("There is no run {run} here. `massgen-bot history` lists the runs.", run=run))
        self.run = run


class RefusedError(CoordinationError):
    """The person may not do this now; the text says why, and who may. `refusal` is its name in the catalogue."""

    def __init__(self, refusal: str, text: Text) -> None:
        super().__init__(text)
        self.refusal = refusal


class DayCapError(CoordinationError):
    """A call would be one more of its rule than the rule lets a day have.

    `match` are the rule's tools, as they were written.
    """

    def __init__(self, match: str, most: int, *, left: int = 0) -> None:
        super().__init__(
            Text(
                "the rules leave {left} of {most} calls of {match} for today, which ends at midnight (UTC)",
                left=left,
                most=most,
                match=match,
            )
        )


class GrantVoidError(CoordinationError):
    """A call would start on a standing grant that is not there, was revoked, has expired or is used up."""

    def __init__(self, grant: str) -> None:
        super().__init__(Text("the standing grant {grant} was revoked, has expired or is used up", grant=grant))


class ConflictError(CoordinationError):
    """An append expected another sequence number: the run moved on in the meantime."""

    def __init__(self, run: str, expected: int) -> None:
        super().__init__(Text("Run {run} moved on past event {expected} in the meantime.", run=run, expected=expected))


class OwnershipLostError(CoordinationError):
    """A worker that was taken for dead wanted to write: another has its slot, and goes on with its jobs."""

    def __init__(self, slot: str) -> None:
        super().__init__(
            Text("Other workers considered {slot} dead and took over its jobs; this one starts again.", slot=slot)
        )


class ModelFault(StrEnum):
    """Why a model call failed, in the terms of every provider."""

    AUTH = "auth"
    BAD_REQUEST = "bad_request"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    TIMED_OUT = "timed_out"
    CUT_OFF = "cut_off"
    REFUSED = "refused"
    CONTEXT_TOO_LONG = "context_too_long"
    OUT_OF_BUDGET = "out_of_budget"
    MISCONFIGURED = "misconfigured"


class ModelError(CoordinationError):
    """A model call failed. `retry_after` is in seconds, where the provider gave it.

    `begins_anew` marks a failure after which another provider is asked: what was tried before does not count.
    `successor` names a model that can't go on from here, but can begin the whole conversation again.
    `spent` is what the provider may charge for the failed call: tokens in, tokens out, and US dollars where known.
    """

    def __init__(
        self,
        fault: ModelFault,
        text: Text,
        *,
        is_retryable: bool = False,
        retry_after: float | None = None,
        begins_anew: bool = False,
        successor: str = "",
        spent: tuple[int, int, float | None] | None = None,
    ) -> None:
        super().__init__(text)
        self.fault = fault
        self.is_retryable = is_retryable
        self.retry_after = retry_after
        self.begins_anew = begins_anew
        self.successor = successor
        self.spent = spent


class IllegalTransition(RuntimeError):
    """An event that the state of its run does not allow."""


class InvalidJsonError(ValueError):
    """A text or value without a canonical JSON form: NaN, a duplicate key, a lone surrogate, or no JSON at all."""
