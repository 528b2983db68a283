"""Standing grants: an approver allows calls like one that they saw, for a time and a number, on the record.

A grant counts as its grantor's approval of the calls that it covers, and as nothing more: who may approve, and how many
different people it takes, is judged as where people press.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from coordination.domain.canonical_json import Json, canonical, digest, parse
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.policy import Person

LONGEST = timedelta(days=30)
"""How long a grant may hold."""

DRIFT = timedelta(minutes=1)
"""How far a clock may be set back between the moment that an end is counted from and the one on record."""

MOST_CALLS = 1_000
"""How many calls a grant may be for."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One person's leave for calls like one that they saw.

    Attributes:
        config: the name of the configuration whose runs it holds for.
        definition: digest of the tool's definition; a tool that has changed is another one.
        settings: fingerprint of the server's settings, likewise.
        arguments: those that a call must have, as a JSON object in canonical form.
        free: the names of further arguments that may be anything, or missing.
        read: stands for what had been read for the call that the grantor saw; the same must have been read for another.
        until: the moment from which on it is void.
        most: how many calls may start on it.
    """

    id: str
    tenant: str
    config: str
    server: str
    tool: str
    definition: str
    settings: str
    arguments: str
    read: str
    by: Person
    until: datetime
    most: int
    free: tuple[str, ...] = ()

    def covers(self, plan: Plan, call: PlannedCall, config: str) -> bool:
        """Whether a call of a plan under this configuration is one of those that the grantor allowed.

        What agents had read never gets into an argument that may be anything, and what destroys has none.
        """
        if call.references or not call.settings or (self.free and (call.is_destructive or call.origins != ())):
            return False
        where = (self.tenant, self.config, self.server, self.tool, self.definition, self.settings)
        if where != (plan.tenant, config, call.server, call.tool, call.definition, call.settings):
            return False
        return fixed(call.arguments, self.free) == self.arguments and read_for(plan, call) == self.read


@dataclass(frozen=True, kw_only=True)
class GrantUse:
    """A grant that a person's approval of a plan stands on; `used`: how many calls had started on it before."""

    grant: Grant
    used: int

    @property
    def left(self) -> int:
        """How many calls may still start on it."""
        return max(0, self.grant.most - self.used)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A grant as it stands now.

    Attributes:
        run: the run on whose card it was given, in whose log it is.
        given_at: when.
        used: how many calls have started on it.
        is_revoked: whether somebody took it back.
    """

    grant: Grant
    run: str
    given_at: datetime
    used: int = 0
    is_revoked: bool = False

    def is_live(self, at: datetime) -> bool:
        """Whether a call may start on it at this moment."""
        return not self.is_revoked and at < self.grant.until and self.used < self.grant.most


def oldest_grant(at: datetime) -> datetime:
    """The moment before which no grant can have been given that holds at another one."""
    return at - LONGEST - 2 * DRIFT


def fixed(arguments: str, free: Sequence[str]) -> str:
    """A call's arguments without those that may be anything, as canonical JSON; empty where they are no object."""
    value = parse(arguments)
    if not isinstance(value, Mapping):
        return ""
    return canonical({name: each for name, each in value.items() if name not in free})


def read_for(plan: Plan, call: PlannedCall) -> str:
    """Stands for what a plan's maker read for one of its calls: the questions, and what was found."""
    found: list[Json] = []
    for _, question in call.questions():
        reading = plan.reading_of(question)
        found.append([None if question is None else question.as_json(), None if reading is None else reading.as_json()])
    return digest("grant-read", canonical(found)) if found else ""


def assigned(plan: Plan, uses: Sequence[GrantUse], config: str) -> tuple[str, ...] | None:
    """On which of these grants each call of a plan would run, by their ids.

    None: not every call that needs one has one.

    A call that the rules let run by themselves needs none, and has an empty text. Where the first that fits would leave
    a later call without one, a call moves to another.
    """
    on: dict[str, list[int]] = {each.grant.id: [] for each in uses}
    for index, call in enumerate(plan.calls):
        if call.is_automatic and not plan.policy.binds_automatic:
            continue
        if not _placed(index, on, lambda one, use: use.grant.covers(plan, plan.calls[one], config), uses, set()):
            return None
    ids = {index: id_ for id_, calls in on.items() for index in calls}
    return tuple(ids.get(index, "") for index in range(len(plan.calls)))


def _placed(
    index: int,
    on: dict[str, list[int]],
    fits: Callable[[int, GrantUse], bool],
    uses: Sequence[GrantUse],
    tried: set[str],
) -> bool:
    """Whether a call found a grant, if need be by moving calls that had one."""
    fitting = [each for each in uses if each.grant.id not in tried and fits(index, each)]
    for use in fitting:
        if len(on[use.grant.id]) < use.left:
            on[use.grant.id].append(index)
            return True
    for use in fitting:
        if use.grant.id in tried:
            continue
        tried.add(use.grant.id)
        for place, other in enumerate(on[use.grant.id]):
            if _placed(other, on, fits, uses, tried):
                on[use.grant.id][place] = index
                return True
    return False
