"""When people are told of a plan that waits: at once, at half its time, and shortly before it expires; each once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from coordination.domain.plan import Plan, short

Reminder: TypeAlias = Literal["new", "half", "last"]
_ORDER: tuple[Reminder, ...] = ("new", "half", "last")
LAST = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What is to be done about a plan now, and when to look again.

    Attributes:
        due: the reminder to send now; one that came too late is left out.
        next: the next moment at which one is due.
    """

    due: Reminder | None
    next: datetime | None


def schedule(plan: Plan, now: datetime, reminded: str) -> Schedule:
    """What is due. `reminded` is what was sent, as `mark` writes it; what it says of other plans counts for nothing."""
    sent = set(reminded.split())
    lifetime = timedelta(seconds=plan.policy.expires_after)
    half = plan.expires_at - lifetime / 2
    times: list[tuple[Reminder, datetime]] = [("new", plan.expires_at - lifetime), ("half", half)]
    if (last := plan.expires_at - LAST) > half:
        times.append(("last", last))
    open_: list[tuple[Reminder, datetime]] = [(which, at) for which, at in times if mark(plan, which) not in sent]
    due: Reminder | None = None
    for which, at in open_:
        if at <= now < plan.expires_at:
            due = which
    return Schedule(due=due, next=min((at for _, at in open_ if at > now), default=None))


def marked(plan: Plan, sent: Reminder) -> str:
    """What to remember after a reminder: it, and the ones before it, which would come too late now."""
    return " ".join(mark(plan, which) for which in _ORDER[: _ORDER.index(sent) + 1])


def mark(plan: Plan, which: Reminder) -> str:
    """One reminder of one plan."""
    return f"{short(plan.digest)}:{which}"


def doubt_mark(plan: Plan, attempt: int) -> str:
    """The word about one doubt about a call."""
    return f"{short(plan.digest)}:doubt{attempt}"
