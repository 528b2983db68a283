"""Which calls wait for people, run at once, or never run.

The operator's rules are about tools, arguments, people and places.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import translate
from functools import cached_property, reduce
from typing import Literal, TypeAlias

from coordination.domain.conditions import CallContext, Condition, all_hold
from coordination.domain.preview import Preview, merged
from coordination.domain.provenance import Origin
from coordination.domain.quorums import NOTHING, Needs, all_of
from coordination.domain.undo import Undo
from coordination.text import Text


class Effect(StrEnum):
    """What becomes of a tool call.

    READ runs at once. ASK is recorded and waits for people. AUTO is recorded, and a plan of nothing else needs nobody.
    DENY is not offered.
    """

    READ = "read"
    ASK = "ask"
    AUTO = "auto"
    DENY = "deny"


_BY_STRICTNESS = (Effect.READ, Effect.AUTO, Effect.ASK, Effect.DENY)

UNKNOWN_CALL = CallContext()
"""A call of which nothing is known yet but its tool."""


def stricter(one: Effect, other: Effect) -> Effect:
    """The one that lets less happen."""
    return max(one, other, key=_BY_STRICTNESS.index)


@dataclass(frozen=True, kw_only=True)
class IfFromRead:
    """What becomes of a call that repeats what agents have read, beside what becomes of any."""

    needs: Needs = NOTHING
    is_denied: bool = False

    def and_also(self, other: "IfFromRead") -> "IfFromRead":
        """Both."""
        return IfFromRead(needs=self.needs.and_also(other.needs), is_denied=self.is_denied or other.is_denied)


NOTHING_MORE = IfFromRead()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The first rule decides whose pattern matches `server.tool` and whose conditions are all met.

    `*` and `?` are wild, letter case counts.

    Attributes:
        source: where the operator wrote it, for explanations: `tools[0]`, `exclude_tools of agent scout`.
        says: what such a call does, for people, with `{name}` in the place of arguments.
        is_sure: the operator vouches that what it lists as `read` does read, whatever it is called.
        when: what must hold of the call besides.
        needs: whom and what such a call needs, beside what any plan needs.
        is_operators: it stands over the rules of every configuration, and only makes them stricter.
        previews: what is read before people decide on such a call.
        if_from_read: what more holds of a call that repeats what was read.
        only_adds: it decides nothing, whichever rule decides; what it wants read is read besides, and its undo is the
            last resort.
        has_own_view: nothing is read for such a call that no rule asks for.
        undo: the call that takes such a one back, if the rules let that be planned.
    """

    match: str
    effect: Effect
    source: str
    is_sure: bool = False
    says: str = ""
    when: tuple[Condition, ...] = ()
    needs: Needs = NOTHING
    is_operators: bool = False
    previews: tuple[Preview, ...] = ()
    only_adds: bool = False
    if_from_read: IfFromRead = NOTHING_MORE
    undo: Undo | None = None
    has_own_view: bool = False

    def matches(self, server: str, tool: str) -> bool:
        """Whether the rule speaks of this tool, or of some calls of it."""
        return self.fits(f"{server}.{tool}")

    @cached_property
    def ruling(self) -> "Ruling":
        """What it says of a call that it decides about."""
        reason = Text.joined(": ", [self.source, self.match])
        return Ruling(
            effect=self.effect,
            reason=reason,
            says=self.says,
            needs=self.needs,
            previews=self.previews,
            if_from_read=self.if_from_read,
            undo=self.undo,
            has_own_view=self.has_own_view,
        )

    @cached_property
    def fits(self) -> Callable[[str], bool]:
        """The same for a name `server.tool`: made once, since every rule is asked about every call."""
        head, star, tail = self.match.partition("*")
        if tail or any(sign in head for sign in "?["):
            pattern = re.compile(translate(self.match))
            return lambda name: pattern.match(name) is not None
        return (lambda name: name.startswith(head)) if star else (lambda name: name == head)


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What the rules say of one tool, or of one call of it, and why."""

    effect: Effect
    reason: Text
    says: str = ""
    needs: Needs = NOTHING
    previews: tuple[Preview, ...] = ()
    if_from_read: IfFromRead = NOTHING_MORE
    undo: Undo | None = None
    has_own_view: bool = False

    def with_origins(self, origins: Sequence[Origin] | None) -> "Ruling":
        """The same for a call of which this was read; None: nobody looked, so that anything may have been."""
        if origins is not None and not any(each.is_foreign for each in origins):
            return self
        return self.of_what_was_read()

    def of_what_was_read(self) -> "Ruling":
        """The same for a call that repeats what was read."""
        if self.if_from_read == NOTHING_MORE or self.effect is Effect.READ:
            return self
        least = Effect.DENY if self.if_from_read.is_denied else Effect.ASK
        return replace(self, effect=stricter(self.effect, least), needs=self.needs.and_also(self.if_from_read.needs))


def both(one: Ruling, other: Ruling) -> Ruling:
    """What is left where both are said of a call: the one that lets less happen, and all that either needs."""
    strictest = other if stricter(one.effect, other.effect) is not one.effect else one
    previews = merged(one.previews, other.previews)
    return replace(
        strictest,
        says=one.says or other.says,
        needs=one.needs.and_also(other.needs),
        previews=previews,
        if_from_read=one.if_from_read.and_also(other.if_from_read),
        undo=_only([one, other]),
        has_own_view=one.has_own_view or other.has_own_view,
    )


def _only(rulings: Sequence[Ruling]) -> Undo | None:
    """The one undo that any of these names; None: none does, or they name different ones."""
    found = {each.undo for each in rulings if each.undo is not None}
    return found.pop() if len(found) == 1 else None


_NO_RULE = Ruling(effect=Effect.ASK, reason=Text("no rule mentions it"))


def rule(rules: Sequence[Rule], server: str, tool: str, context: CallContext = UNKNOWN_CALL) -> Ruling:
    """What may be done with a call. One that nobody listed is asked about, whatever its server says of it.

    Where a condition can't be judged, the strictest of what would follow either way, and all that is needed either way.
    """
    found = (*_rulings(rules, server, tool, context), *_over(rules, server, tool, context)[0])
    strictest = max(found, key=lambda each: _BY_STRICTNESS.index(each.effect))
    added = _speaking_of(rules, server, tool, "adds")
    previews = merged((), (preview for each in (*found, *(each.ruling for each in added)) for preview in each.previews))
    if_from_read = reduce(IfFromRead.and_also, (each.if_from_read for each in found))
    undo = _only(found) or _only([each.ruling for each in added])
    if undo is not None and not possible_effects(rules, undo.server or server, undo.tool) & {Effect.ASK, Effect.AUTO}:
        undo = None
    needs = all_of(each.needs for each in found)
    return replace(
        strictest,
        needs=needs,
        previews=previews,
        if_from_read=if_from_read,
        undo=undo,
        has_own_view=any(each.has_own_view for each in (*found, *(each.ruling for each in added))),
    )


def possible_effects(rules: Sequence[Rule], server: str, tool: str) -> frozenset[Effect]:
    """What may become of calls of a tool, whatever their arguments are and whoever asks."""
    own = {each.effect for each in _rulings(rules, server, tool, UNKNOWN_CALL)}
    over, is_sure = _over(rules, server, tool, UNKNOWN_CALL)
    both_ways = {stricter(one, other.effect) for one in own for other in over}
    return frozenset(both_ways if is_sure else both_ways | own)


def matching(rules: Sequence[Rule], server: str, tool: str, *, is_operators: bool = False) -> tuple[Rule, ...]:
    """The rules that may decide about calls of a tool, in their order; the last decides whatever the call is.

    Those of the configuration, or those that the operator has over them.
    """
    return _speaking_of(rules, server, tool, "operators" if is_operators else "own")


_Sort: TypeAlias = Literal["own", "operators", "adds"]


def _speaking_of(rules: Sequence[Rule], server: str, tool: str, sort: _Sort) -> tuple[Rule, ...]:
    name, known = f"{server}.{tool}", _known(rules)
    if (name, sort) not in known:
        known[name, sort] = tuple(_speaking([each for each in rules if _sort_of(each) == sort], name))
    return known[name, sort]


def _sort_of(each: Rule) -> _Sort:
    return "adds" if each.only_adds else "operators" if each.is_operators else "own"


def _over(rules: Sequence[Rule], server: str, tool: str, context: CallContext) -> tuple[tuple[Ruling, ...], bool]:
    """What the operator's own rules may say of a call, and whether one of them certainly does."""
    found: list[Ruling] = []
    for each in matching(rules, server, tool, is_operators=True):
        holds = all_hold(each.when, context)
        if holds is not False:
            found.append(each.ruling)
        if holds:
            return tuple(found), True
    return tuple(found), False


def _known(rules: Sequence[Rule]) -> dict[tuple[str, _Sort], tuple[Rule, ...]]:
    """What was found of the same rules before. They are held, so that no others get their identity meanwhile."""
    if not isinstance(rules, tuple):
        return {}
    if len(_KNOWN) >= _MOST_KNOWN:
        _KNOWN.clear()
    return _KNOWN.setdefault(id(rules), (rules, {}))[1]


_MOST_KNOWN = 100
_KNOWN: dict[int, tuple[tuple[Rule, ...], dict[tuple[str, _Sort], tuple[Rule, ...]]]] = {}


def _speaking(rules: Sequence[Rule], name: str) -> Iterator[Rule]:
    for each in rules:
        if each.fits(name):
            yield each
            if not each.when:
                return


def _rulings(rules: Sequence[Rule], server: str, tool: str, context: CallContext) -> Iterator[Ruling]:
    """What each rule says that may decide about the call, up to the one that does; the default if none does."""
    for each in matching(rules, server, tool):
        holds = all_hold(each.when, context)
        if holds is not False:
            yield each.ruling
        if holds:
            return
    yield _NO_RULE


def sounds_like_writing(tool: str) -> bool:
    """Whether a tool's name says that it changes something: of its first word for reading or writing, writing."""
    for word in _WORDS.findall(tool):
        if word.lower() in _READS:
            return False
        if word.lower() in _WRITES:
            return True
    return False


_WORDS = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_READS = frozenset(
    [
        "browse",
        "check",
        "count",
        "describe",
        "fetch",
        "find",
        "get",
        "info",
        "inspect",
        "list",
        "look",
        "lookup",
        "query",
        "read",
        "retrieve",
        "search",
        "show",
        "stat",
        "status",
        "view",
    ]
)
_WRITES = frozenset(
    [
        "accept",
        "add",
        "append",
        "approve",
        "archive",
        "assign",
        "attach",
        "ban",
        "buy",
        "cancel",
        "charge",
        "clear",
        "close",
        "commit",
        "copy",
        "create",
        "decline",
        "delete",
        "deploy",
        "destroy",
        "detach",
        "disable",
        "dismiss",
        "drop",
        "edit",
        "enable",
        "erase",
        "exec",
        "execute",
        "forward",
        "grant",
        "import",
        "insert",
        "install",
        "invite",
        "kick",
        "kill",
        "launch",
        "lock",
        "mail",
        "mark",
        "merge",
        "modify",
        "move",
        "mute",
        "notify",
        "overwrite",
        "patch",
        "pay",
        "pin",
        "post",
        "promote",
        "provision",
        "publish",
        "purge",
        "push",
        "put",
        "react",
        "refund",
        "register",
        "reject",
        "remove",
        "rename",
        "replace",
        "reply",
        "reset",
        "restart",
        "restore",
        "revoke",
        "run",
        "save",
        "scale",
        "send",
        "set",
        "shutdown",
        "start",
        "stop",
        "submit",
        "subscribe",
        "terminate",
        "transfer",
        "trigger",
        "truncate",
        "unassign",
        "unban",
        "unlock",
        "unpin",
        "unsubscribe",
        "update",
        "upload",
        "upsert",
        "wipe",
        "withdraw",
        "write",
    ]
)
