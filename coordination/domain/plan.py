"""The plan, which people decide on and which is all that ever runs; and the receipt of each of its calls."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal, TypeAlias

from coordination.domain.canonical_json import Json, JsonObject, canonical, digest
from coordination.domain.policy import Person, Policy
from coordination.domain.preview import Preview, Question, Reading
from coordination.domain.provenance import Origin
from coordination.domain.quorums import NOTHING, Needs, all_of
from coordination.domain.references import Reference, are_sound, filled, kept, moved, written
from coordination.domain.undo import Undo


@dataclass(frozen=True, kw_only=True)
class PlannedCall:
    """One tool call as an agent recorded it.

    Attributes:
        server: the MCP server's name in the config.
        tool: the tool's own name on that server.
        arguments: a JSON object in canonical form; exactly this is sent, and the values of the references with it.
        definition: digest of the tool's definition when the call was recorded.
        is_automatic: the operator's rules let this call run without asking.
        is_destructive: the server says that it destroys; a hint that only ever raises the alarm.
        settings: fingerprint of the server's resolved settings when the call was recorded; empty in old plans.
        target: where the call goes, for people to see: a host or a command, and what the server calls itself.
        says: what the operator's rule says that such a call does, with `{name}` for arguments; empty where it says
            nothing.
        needs: whom and what the operator's rules ask for such a call, beside what any plan needs.
        previews: what the operator's rules want read before people decide on it.
        origins: which of its values agents had read and nobody asked for; None: an earlier version recorded it, and
            nobody looked.
        references: arguments that are what earlier calls of the plan return.
        undo: the call that takes it back, by the operator's rules.
    """

    server: str
    tool: str
    arguments: str
    definition: str
    is_automatic: bool = False
    is_destructive: bool = False
    settings: str = ""
    target: str = ""
    says: str = ""
    needs: Needs = NOTHING
    previews: tuple[Preview, ...] = ()
    origins: tuple[Origin, ...] | None = field(default=None, compare=False)
    references: tuple[Reference, ...] = ()
    undo: Undo | None = None

    def as_json(self) -> Json:
        """The call as it enters a plan's digest."""
        form: dict[str, Json] = {
            "server": self.server,
            "tool": self.tool,
            "arguments": self.arguments,
            "definition": self.definition,
            "is_automatic": self.is_automatic,
            "is_destructive": self.is_destructive,
        }
        if self.settings:
            # A plan of an earlier version has neither, and keeps the digest that it was decided on with.
            form |= {"settings": self.settings, "target": self.target}
        if self.says:
            form |= {"says": self.says}
        if self.needs:
            form |= {"needs": self.needs.as_json()}
        if self.undo is not None:
            form |= {"undo": self.undo.as_json()}
        if self.previews:
            form |= {"previews": [each.as_json() for each in self.previews]}
        if self.origins:
            form |= {"origins": [each.as_json() for each in self.origins]}
        if self.references:
            form |= {"references": [each.as_json() for each in self.references]}
        return form

    @property
    def unknown(self) -> frozenset[str]:
        """The names of the arguments that nobody knows before earlier calls have run."""
        return frozenset(each.argument for each in self.references)

    @property
    def read_for_rules(self) -> tuple[Origin, ...] | None:
        """What rules for what was read go by; None: nobody looked, or a tool is still to say what it will be."""
        return None if self.references else self.origins

    def written(self) -> JsonObject:
        """Its arguments with its references among them, as agents and editors write them."""
        return written(self.arguments, self.references)

    def questions(self) -> tuple[tuple[Preview, Question | None], ...]:
        """What is to be read for it; None where its arguments do not say what."""
        due = [one for each in self.previews for one in each.of_call(self.arguments, self.unknown)]
        return tuple((each, each.question(self.server, self.arguments)) for each in due)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An immutable revision of what is to be done, complete enough to be approved by its digest.

    Attributes:
        revision: counts from 1 within the run; an approval of one revision says nothing of another.
        author: the label of the answer that it came from, such as `agent2.final`.
        text: the winner's words.
        readings: what was there when the plan was made, for its calls' previews; where a person chose the plan, for the
            one in whose place it came.
    """

    tenant: str
    run: str
    revision: int
    author: str
    text: str
    calls: tuple[PlannedCall, ...]
    policy: Policy
    expires_at: datetime
    readings: tuple[Reading, ...] = ()

    def canonical(self) -> str:
        """The text under the digest: everything that an approval approves."""
        read: dict[str, Json] = {"readings": [each.as_json() for each in self.readings]} if self.readings else {}
        return canonical(
            {
                **read,
                "tenant": self.tenant,
                "run": self.run,
                "revision": self.revision,
                "author": self.author,
                "text": self.text,
                "calls": [call.as_json() for call in self.calls],
                "policy": self.policy.as_json(),
                "expires_at": self.expires_at.astimezone(UTC).isoformat(timespec="microseconds"),
            }
        )

    def reading_of(self, question: Question | None) -> Reading | None:
        """What was found when this was asked; None: nobody asked."""
        return next((each for each in self.readings if each.question == question), None)

    @cached_property
    def digest(self) -> str:
        """64 hexadecimal digits that stand for this plan and no other."""
        return digest("plan", self.canonical())

    @property
    def is_automatic(self) -> bool:
        """Whether every call is one that the operator's rules let run without asking, and nobody said otherwise."""
        return not self.policy.binds_automatic and all(call.is_automatic for call in self.calls)

    @property
    def needs(self) -> Needs:
        """What its calls need together."""
        return all_of(call.needs for call in self.calls)


def over_cap(calls: Sequence[PlannedCall]) -> PlannedCall | None:
    """The first call that is one more than its rule lets a plan have; None: there is none."""
    counts: Counter[str] = Counter()
    for call in calls:
        for name, most in call.needs.per_plan:
            counts[name] += 1
            if counts[name] > most:
                return call
    return None


def refers_wrongly(calls: Sequence[PlannedCall]) -> bool:
    """Whether a call refers to itself, to a later call or to none, or has a reference and a value for one argument.

    So it is where another server would say what a call destroys.
    """
    return not all(
        are_sound(position, call.arguments, call.references)
        and not any(is_aimed(call, calls[each.call]) for each in call.references)
        for position, call in enumerate(calls)
    )


def is_aimed(call: PlannedCall, source: PlannedCall) -> bool:
    """Whether the answer of another server would say what a call destroys."""
    return call.is_destructive and source.server != call.server


def paths_wanted(calls: Sequence[PlannedCall], index: int) -> tuple[str, ...]:
    """Where later calls of a plan look in the result of one."""
    paths = {each.path for call in calls for each in call.references if each.call == index}
    return tuple(sorted(paths))


def without_dependents(calls: Sequence[PlannedCall], indexes: Sequence[int]) -> tuple[int, ...]:
    """Which of these calls can be had alone: those that refer to a call that is dropped go with it."""
    return kept([call.references for call in calls], indexes)


def only(calls: Sequence[PlannedCall], indexes: Sequence[int]) -> tuple[PlannedCall, ...]:
    """These calls, to the letter and in this order, each referring to the same calls as before.

    Raises:
        ValueError: one refers to a call that is not among them.
    """
    return tuple(replace(calls[index], references=moved(calls[index].references, indexes)) for index in indexes)


def short(digest_: str) -> str:
    """The form of a digest that people compare by eye: `9f3a-61c2`."""
    return f"{digest_[:4]}-{digest_[4:8]}"


@dataclass(frozen=True, kw_only=True)
class Succeeded:
    """The call ran and the server said so; or a person vouches that it happened (`vouched_by`).

    `returned` has the values that later calls refer to, by their paths, as canonical JSON; empty: none.
    """

    index: int
    result: str
    vouched_by: Person | None = None
    returned: str = ""
    kind: Literal["succeeded"] = "succeeded"


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The call was refused or the server reported an error: the rest does not run.

    `nothing_happened`: it certainly was not carried out, this time or before.
    """

    index: int
    reason: str
    nothing_happened: bool = False
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


def arguments_to_send(call: PlannedCall, receipts: Sequence[Receipt]) -> str | None:
    """A call's arguments, with what the calls before it returned in the place of references.

    None: a value is missing.
    """
    returned = [each.returned if isinstance(each, Succeeded) else "" for each in receipts]
    return filled(call.arguments, call.references, returned)
