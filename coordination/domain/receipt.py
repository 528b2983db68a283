"""What became of each approved call."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from coordination.domain.person import Person


@dataclass(frozen=True, kw_only=True)
class Succeeded:
    """The call ran and the server said so; or a person vouches that it happened (`vouched_by`)."""

    index: int
    result: str
    vouched_by: Person | None = None
    kind: Literal["succeeded"] = "succeeded"


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The call was refused or the server reported an error: the rest does not run."""

    index: int
    reason: str
    kind: Literal["failed"] = "failed"


@dataclass(frozen=True, kw_only=True)
class Outage:
    """The database did not answer from `since` until `until`, by its own clock; both are in UTC."""

    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True)
class OutcomeUnknown:
    """The call left and no answer came: it may or may not have happened. Only a person can settle it.

    `outage` is why nobody recorded its end, where the database was away meanwhile.
    """

    index: int
    reason: str
    outage: Outage | None = None
    kind: Literal["outcome_unknown"] = "outcome_unknown"


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """The call was never started, and never will be under this approval."""

    index: int
    reason: str
    kind: Literal["skipped"] = "skipped"


Receipt: TypeAlias = Succeeded | Failed | OutcomeUnknown | Skipped
