"""What can happen to the calls of an approved plan. `events` has these among all others; take them from there."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from coordination.domain.day_caps import Caps
from coordination.domain.plan import Outage
from coordination.domain.policy import Person
from coordination.text import Reasoned, TextParts

Verdict: TypeAlias = Literal["happened", "run_it", "abandon"]


@dataclass(frozen=True, kw_only=True)
class CallStarted:
    """Committed before the first byte of the call leaves. `hand` tells one worker's attempt from another's.

    `arguments` are those that leave: with what earlier calls returned where the plan refers to it.
    `limit` is how many seconds its worker waits for the answer; 0 where that is not recorded. `per_day` has the caps of
    the day that it counts for; `grants` are the ids of the standing grants that it runs on.
    """

    index: int
    server: str
    tool: str
    arguments: str
    digest: str
    hand: str
    limit: float = 0.0
    per_day: Caps = ()
    grants: tuple[str, ...] = ()
    kind: Literal["call_started"] = "call_started"


@dataclass(frozen=True, kw_only=True)
class CallSucceeded(Reasoned):
    """The server answered that the call was done. The result has `parts` where this program's own words are in it.

    `returned` has what later calls refer to: canonical JSON of the values by their paths in the structured result, as
    far as it has them and they may take the place of a reference; empty: none.
    """

    index: int
    server: str
    tool: str
    arguments: str
    result: str
    parts: TextParts | None = field(default=None, compare=False)
    returned: str = ""
    kind: Literal["call_succeeded"] = "call_succeeded"
    _told = "result"


@dataclass(frozen=True, kw_only=True)
class CallFailed(Reasoned):
    """The call was refused before it left, or the server answered with an error.

    `nothing_happened`: it had no effect, certainly.
    """

    index: int
    server: str
    tool: str
    arguments: str
    reason: str
    nothing_happened: bool = False
    parts: TextParts | None = field(default=None, compare=False)
    kind: Literal["call_failed"] = "call_failed"


@dataclass(frozen=True, kw_only=True)
class CallOutcomeUnknown(Reasoned):
    """The call left and no answer came.

    `answer_until` is when its own attempt ends at the latest, where it was given up before: until then it may still
    happen. `outage` is when the database was away after the call had started, where its worker went away without a
    word.
    """

    index: int
    server: str
    tool: str
    arguments: str
    reason: str
    answer_until: datetime | None = None
    outage: Outage | None = None
    parts: TextParts | None = field(default=None, compare=False)
    kind: Literal["call_outcome_unknown"] = "call_outcome_unknown"


@dataclass(frozen=True, kw_only=True)
class LateResult(Reasoned):
    """What a server said of a call after its outcome had already been declared unknown."""

    index: int
    succeeded: bool
    result: str
    parts: TextParts | None = field(default=None, compare=False)
    kind: Literal["late_result"] = "late_result"
    _told = "result"


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
    """A person settled an unknown outcome, with the last word that it took.

    What is left may run until `valid_until`.
    """

    index: int
    by: Person
    verdict: Verdict
    valid_until: datetime
    kind: Literal["call_resolved"] = "call_resolved"


@dataclass(frozen=True, kw_only=True)
class CallsSkipped(Reasoned):
    """These calls were never started, and never will be under this approval."""

    indexes: tuple[int, ...]
    reason: str
    parts: TextParts | None = field(default=None, compare=False)
    kind: Literal["calls_skipped"] = "calls_skipped"
