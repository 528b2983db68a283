"""What administrators set and see: which configuration holds where, who may approve, how much, and what was done."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bot.cards.parts import approvers as approvers_line
from bot.cards.run_view import next_view
from bot.cards.text import one_line, visible
from bot.cards.timeline import story_of
from bot.chat.approvers import APPROVERS_KEY, Approvers, approvers_typed, rule_here
from bot.chat.config_catalog import (
    CONFIG_KEY,
    EVERY,
    MEMBERS_KEY,
    Chosen,
    ConfigShelf,
    told_without_folder,
    without_folder,
)
from bot.chat.name_pins import Names
from bot.chat.platform import Place, Said
from bot.chat.private_cards import listing, noted, refused
from bot.chat.run_queries import Visibility
from bot.chat.start_run import LIMITS_KEY, limits_in, limits_typed
from bot.chat.store import EVERYWHERE, Deed, DeskStore, Limits, Setting, freeze_setting, frozen_by
from bot.i18n import Words, joined
from bot.message import Card, Line, Moment, Span, Who
from coordination.domain import events as e
from coordination.domain.policy import Person, Policy
from coordination.ports import Clock
from coordination.service import Coordinator

CheckConfig = Callable[[Path, str], Awaitable["Findings"]]
_LISTED = 20
_DEEDS = (
    e.RunRequested,
    e.PlanProposed,
    e.ApprovalGiven,
    e.PlanRejected,
    e.ChangesRequested,
    e.PlanExpired,
    e.ActionRefused,
    e.ExecutionFrozen,
    e.ExecutionThawed,
    e.RunCancelled,
    e.ResolutionApproved,
    e.WordsVoided,
    e.CallResolved,
)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a check of a configuration found: the rule of approval, and a line for every problem."""

    policy: Policy
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Order:
    """One order of an administrator. `scope` is the channel that it is about; empty for the whole server."""

    by: Person
    place: Place
    name: str
    scope: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Administering:
    """Carries out what administrators say. Every change is kept with who made it."""

    store: DeskStore
    shelf: ConfigShelf
    names: Names
    limits: Limits
    check: CheckConfig
    visibility: Visibility
    coordinator: Coordinator
    clock: Clock
    words: Words
    admins: frozenset[tuple[str, str]]

    def is_admin(self, by: Person) -> bool:
        """Whether the surface says so at this moment, or the operator named them."""
        return by.is_admin or (by.tenant, by.id) in self.admins

    async def admin(self, by: Person, place: Place, verb: str, *, name: str, scope: str, value: str) -> Said:
        """One order.

        Raises:
            RefusedError: they may not, or it makes no sense.
        """
        if by.tenant != place.tenant or not self.is_admin(by):
            await self._note(by, place, f"refused {verb[:40]}", " ".join((name, scope, value))[:200])
            raise refused("not_admin")
        verbs: Mapping[str, Callable[[_Order], Awaitable[Card]]] = {
            "config-list": self._list,
            "config-show": self._show,
            "config-use": self._use,
            "config-reset": self._reset,
            "config-check": self._check,
            "config-allow": self._allow,
            "approvers": self._approvers,
            "limits": self._limits,
            "freeze": self._freeze,
            "thaw": self._thaw,
            "audit": self._audit,
        }
        if verb not in verbs:
            raise refused("no_such_verb", verb=verb[:40])
        channel = "" if scope == "server" else place.settings_channel
        order = _Order(by=by, place=place, name=name.strip(), scope=channel, value=value.strip())
        return Said(private=await verbs[verb](order))

    async def _list(self, order: _Order) -> Card:
        names = self.shelf.names(order.by.tenant)
        lines: list[Line] = [(Span(name, "bold"),) for name in names]
        return listing(self.words, self.words.line("config.list"), lines, empty=self.words.say("config.none"))

    async def _show(self, order: _Order) -> Card:
        set_here = await self.store.settings(order.by.tenant, order.place.settings_channel)
        chosen = self.shelf.chosen(order.by.tenant, order.place.settings_channel, set_here)
        return noted(self.words, self._from(chosen), await self._who_approves(chosen, order, set_here))

    def _from(self, chosen: Chosen) -> Line:
        name = Span(chosen.name, "bold")
        if chosen.setting is None:
            return self.words.line(f"config.from_{chosen.source}", name=name)
        where = self.words.line(f"config.from_{chosen.source}", name=name)
        return joined([where, self._set_by(chosen.setting)], " · ")

    def _set_by(self, setting: Setting) -> Line:
        return self.words.line("config.set_by", who=_who(setting), at=Moment(setting.at))

    async def _use(self, order: _Order) -> Card:
        await self._pin(order, self.shelf.path(order.name, order.by.tenant))
        await self.store.set(self._setting(order, CONFIG_KEY, order.name))
        key = "config.used_server" if not order.scope else "config.used_channel"
        return noted(self.words, self.words.line(key, name=Span(order.name, "bold")))

    async def _allow(self, order: _Order) -> Card:
        """What members may ask for by name, here; `reset` leaves that to the operator, and `none` to nobody."""
        names = order.name.replace(",", " ").split()
        if names == ["reset"]:
            if not await self.store.reset(self._setting(order, MEMBERS_KEY, "")):
                raise refused("nothing_set")
        elif names:
            listed = [] if names == ["none"] else names
            for name in listed:
                if name != EVERY:
                    self.shelf.path(name, order.by.tenant)
            await self.store.set(self._setting(order, MEMBERS_KEY, " ".join(dict.fromkeys(listed))))
        set_here = await self.store.settings(order.by.tenant, order.place.settings_channel)
        opened = self.shelf.open_to_members(order.by.tenant, order.place.settings_channel, set_here)
        lines: list[Line] = [(Span(name, "bold"),) for name in opened]
        return listing(self.words, self.words.line("config.open"), lines, empty=self.words.say("config.none"))

    async def _reset(self, order: _Order) -> Card:
        was_set = await self.store.reset(self._setting(order, CONFIG_KEY, ""))
        if not was_set:
            raise refused("nothing_set")
        set_here = await self.store.settings(order.by.tenant, order.place.settings_channel)
        chosen = self.shelf.chosen(order.by.tenant, order.place.settings_channel, set_here)
        return noted(self.words, self.words.line("config.was_reset"), self._from(chosen))

    async def _check(self, order: _Order) -> Card:
        path = self.shelf.path(order.name, order.by.tenant)
        await self._pin(order, path)
        with told_without_folder(path):
            findings = await self.check(path, order.by.tenant)
        found = (without_folder(each, path) for each in (*findings.problems, *findings.warnings))
        lines: list[Line] = [(Span(one_line(each, 300)),) for each in found]
        key = "config.not_usable" if findings.problems else "config.usable"
        return listing(
            self.words,
            self.words.line(key, name=order.name),
            [*lines, approvers_line(findings.policy, self.words)],
            empty="",
        )

    async def _approvers(self, order: _Order) -> Card:
        if not order.value:
            set_here = await self.store.settings(order.by.tenant, order.place.settings_channel)
            chosen = self.shelf.chosen(order.by.tenant, order.place.settings_channel, set_here)
            return noted(self.words, await self._who_approves(chosen, order, set_here))
        if order.value == "reset":
            if not await self.store.reset(self._setting(order, APPROVERS_KEY, "")):
                raise refused("nothing_set")
            return noted(self.words, self.words.line("approvers.was_reset"))
        approvers = await self._by_id(order, approvers_typed(order.value))
        await self.store.set(self._setting(order, APPROVERS_KEY, approvers.as_text()))
        key = "approvers.set_channel" if order.scope else "approvers.set_server"
        return noted(self.words, self.words.line(key), self._described(approvers))

    async def _by_id(self, order: _Order, typed: Approvers) -> Approvers:
        """What was typed, with an id for each name.

        Raises:
            RefusedError: a name is nobody's, or more than one's.
        """
        policy = Policy(roles=typed.roles, users=typed.users)
        rule = await self.names.pinned(policy, order.place, {}, is_strict=True)
        return replace(typed, roles=rule.roles, users=rule.users)

    async def _pin(self, order: _Order, path: Path) -> None:
        """Look the names of a configuration up anew.

        Raises:
            RefusedError: one of them is more than one's, or all of them are nobody's.
        """
        policy = await rule_here(Chosen(name=order.name, path=path, source="asked"), "", {})
        if policy is not None:
            set_here = await self.store.settings(order.by.tenant, order.place.settings_channel)
            await self.names.pinned(policy, order.place, set_here, afresh=True)

    async def _who_approves(self, chosen: Chosen, order: _Order, set_here: Mapping[tuple[str, str], Setting]) -> Line:
        policy = await rule_here(chosen, order.place.settings_channel, set_here)
        return self.words.line("config.unreadable") if policy is None else approvers_line(policy, self.words)

    def _described(self, approvers: Approvers) -> Line:
        """What was set, as far as something was."""
        named = [(Who(role, one_line(role, 60), "role"),) for role in approvers.roles]
        named += [(Who(user, one_line(user, 60)),) for user in approvers.users]
        parts: list[Line] = [self.words.line("approvers.named", names=joined(named, ", "))] if named else []
        if approvers.required is not None:
            parts.append(self.words.line("approvers.required", count=approvers.required))
        if approvers.allow_requester is not None:
            key = "approvers.requester_yes" if approvers.allow_requester else "approvers.requester_no"
            parts.append(self.words.line(key))
        return joined(parts, " · ")

    async def _limits(self, order: _Order) -> Card:
        """Limits hold for the whole server, wherever they are set."""
        setting = self._setting(order, LIMITS_KEY, "", scope="")
        if order.value == "reset":
            if not await self.store.reset(setting):
                raise refused("nothing_set")
        elif order.value:
            await self.store.set(self._setting(order, LIMITS_KEY, json.dumps(limits_typed(order.value)), scope=""))
        set_here = await self.store.settings(order.by.tenant, "")
        limits = limits_in(set_here.get(("", LIMITS_KEY)), self.limits)
        numbers = {**asdict(limits), "each": limits.share}
        lines = [self.words.line(f"limits.{name}", count=number) for name, number in numbers.items()]
        return listing(self.words, self.words.line("limits.title"), lines, empty="")

    async def _freeze(self, order: _Order) -> Card:
        """It holds for the whole server, wherever it is ordered; what can start hears of it before the answer is given."""
        await self.store.set(freeze_setting(order.by.tenant, order.by, self.clock.now()))
        await self.coordinator.tell_frozen(order.by.tenant)
        return noted(self.words, self.words.line("freeze.set"))

    async def _thaw(self, order: _Order) -> Card:
        was_set = await self.store.reset(freeze_setting(order.by.tenant, order.by, self.clock.now()))
        await self.coordinator.tell_frozen(order.by.tenant)
        if await frozen_by(self.store, EVERYWHERE) is not None:
            raise refused("frozen_everywhere")
        if not was_set:
            raise refused("nothing_frozen")
        return noted(self.words, self.words.line("freeze.reset"))

    async def _audit(self, order: _Order) -> Card:
        if run := order.name or order.value:
            return await self._audit_of(order, run)
        deeds = await self.store.deeds(order.by.tenant, _LISTED)
        lines = [self._deed(each) for each in deeds]
        return listing(self.words, self.words.line("audit.title"), lines, empty=self.words.say("audit.none"))

    async def _audit_of(self, order: _Order, run: str) -> Card:
        """Who decided what about one run, and who was refused."""
        card = await self.visibility.found(replace(order.by, is_admin=True), order.place, run)
        view, lines = None, list[Line]()
        for recorded in await self.visibility.log.read(card.run):
            view = next_view(view, recorded)
            if isinstance(recorded.event, _DEEDS):
                told = story_of(recorded.event, view, self.words)
                lines += [joined([(Moment(recorded.at),), told.line], " · ")] if told else []
        return listing(self.words, self.words.line("audit.of_run", run=card.run), lines[-_LISTED:], empty="")

    def _deed(self, deed: Deed) -> Line:
        parts: list[Line] = [
            (Moment(deed.at),),
            (Who(deed.by, one_line(deed.by_name, 60)),),
            (Span(visible(deed.what)),),
            (Span(one_line(deed.detail, 120), "code"),) if deed.detail else (),
        ]
        return joined(parts, " · ")

    def _setting(self, order: _Order, key: str, value: str, *, scope: str | None = None) -> Setting:
        return Setting(
            tenant=order.by.tenant,
            channel=order.scope if scope is None else scope,
            key=key,
            value=value,
            by=order.by.id,
            by_name=order.by.name,
            at=self.clock.now(),
        )

    async def _note(self, by: Person, place: Place, what: str, detail: str) -> None:
        at = self.clock.now()
        await self.store.note(
            Deed(tenant=by.tenant, channel=place.channel, by=by.id, by_name=by.name, at=at, what=what, detail=detail)
        )


def _who(setting: Setting) -> Who:
    return Who(setting.by, one_line(setting.by_name, 60))
