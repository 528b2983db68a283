"""What becomes of approved calls."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from coordination.domain.person import Person
from coordination.domain.receipt import Outage

Verdict: TypeAlias = Literal["happened", "run_it", "abandon"]


@dataclass(frozen=True, kw_only=True)
class CallStarted:
    """Committed before the first byte of the call leaves. `hand` tells one worker's attempt from another's.

    `limit` is how many seconds its worker waits for the answer; 0 where that is not recorded.
    """

    index: int
    server: str
    tool: str
    arguments: str
    digest: str
    hand: str
    limit: float = 0.0
    kind: Literal["call_started"] = "call_started"


@dataclass(frozen=True, kw_only=True)
class CallSucceeded:
    """The server answered that the call was done."""

    index: int
    server: str
    tool: str
    arguments: str
    result: str
    kind: Literal["call_succeeded"] = "call_succeeded"


@dataclass(frozen=True, kw_only=True)
class CallFailed:
    """The call was refused before it left, or the server answered with an error."""

    index: int
    server: str
    tool: str
    arguments: str
    reason: str
    kind: Literal["call_failed"] = "call_failed"


@dataclass(frozen=True, kw_only=True)
class CallOutcomeUnknown:
    """The call left and no answer came.

    `answer_until` is when its own attempt ends for certain, where somebody else gave it up: until then it may still happen.
    `outage` is when the database was away after the call had started, where its worker went away without a word.
    """

    index: int
    server: str
    tool: str
    arguments: str
    reason: str
    answer_until: datetime | None = None
    outage: Outage | None = None
    kind: Literal["call_outcome_unknown"] = "call_outcome_unknown"


@dataclass(frozen=True, kw_only=True)
class LateResult:
    """What a server said of a call after its outcome had already been declared unknown."""

    index: int
    succeeded: bool
    result: str
    kind: Literal["late_result"] = "late_result"


@dataclass(frozen=True, kw_only=True)
class ResolutionApproved:
    """One person's word about an unknown outcome, where more people must say the same before anything moves."""

    index: int
    by: Person
    verdict: Verdict
    kind: Literal["resolution_approved"] = "resolution_approved"


@dataclass(frozen=True, kw_only=True)
class WordsVoided:
    """What these people said of an unknown outcome counts no more: they have lost the right to approve."""

    index: int
    people: tuple[Person, ...]
    kind: Literal["words_voided"] = "words_voided"


@dataclass(frozen=True, kw_only=True)
class CallResolved:
    """A person settled an unknown outcome, with the last word that it took. What is left may run until `valid_until`."""

    index: int
    by: Person
    verdict: Verdict
    valid_until: datetime
    kind: Literal["call_resolved"] = "call_resolved"


@dataclass(frozen=True, kw_only=True)
class CallsSkipped:
    """These calls were never started, and never will be under this approval."""

    indexes: tuple[int, ...]
    reason: str
    kind: Literal["calls_skipped"] = "calls_skipped"
