"""What administrators set and see: which configuration holds where, who may approve, how much, and what was done."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bot.cards.break_glass import may_break_glass
from bot.cards.decisions import decisions_of
from bot.cards.parts import approvers as approvers_line
from bot.cards.text import one_line, visible
from bot.chat.approvals_channel import alert_of, routed, trouble_in
from bot.chat.approvers import (
    APPROVERS_KEY,
    Approvers,
    approvers_from,
    approvers_typed,
    check_readable,
    names_here,
    rule_here,
)
from bot.chat.config_catalog import (
    CONFIG_KEY,
    EVERY,
    MEMBERS_KEY,
    Chosen,
    ConfigCatalog,
    told_without_folder,
    without_folder,
)
from bot.chat.name_pins import NamePins, pins_in, with_pins
from bot.chat.own_grants import GrantLists
from bot.chat.platform import ChannelRef, RateLimited
from bot.chat.private_cards import done_card, list_card, refused
from bot.chat.run_queries import find_card
from bot.chat.service_port import AdminCommand, Private, Reply
from bot.chat.start_run import LIMITS_KEY, limits_in, limits_typed
from bot.chat.store import EVERYWHERE, AuditEntry, ChatSetting, ChatStore, Limits, freeze_setting, frozen_by
from bot.chat.suggested_prompts import PROMPTS_KEY, SuggestedPrompts, example_lines, prompts_as_text, prompts_typed
from bot.i18n import catalog, joined
from bot.message import Card, Mention, RichText, StyledText, Timestamp
from coordination.domain import events as e
from coordination.domain.policy import Authors, Person, Policy
from coordination.errors import RefusedError
from coordination.ports import Clock, RunLog
from coordination.secret_marks import beginning
from coordination.service import Coordinator
from coordination.text import Text

CheckConfig = Callable[[Path, str], Awaitable["Findings"]]
_LISTED = 20
_LOOKED_THROUGH = 500
_CLICKS = frozenset({"refused no_button", "refused superseded_card"})
"""What is refused of a button whatever it is; which one it was matters less than how often."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a check of a configuration found: the rule of approval, and a line for every problem."""

    policy: Policy
    problems: tuple[Text, ...]
    warnings: tuple[Text, ...]


@dataclass(frozen=True, kw_only=True)
class _AdminRequest:
    """One order of an administrator. `scope` is the channel that it is about; empty for the whole server."""

    by: Person
    place: ChannelRef
    name: str
    scope: str
    value: str


@dataclass(frozen=True, kw_only=True)
class AdminService:
    """Carries out what administrators say. Every change is kept with who made it."""

    store: ChatStore
    config_catalog: ConfigCatalog
    name_pins: NamePins
    limits: Limits
    check: CheckConfig
    log: RunLog
    coordinator: Coordinator
    grants: GrantLists
    clock: Clock
    admins: frozenset[tuple[str, str]]

    def is_admin(self, by: Person) -> bool:
        """Whether the platform says so at this moment, or the operator named them."""
        return by.is_admin or (by.tenant, by.id) in self.admins

    async def run(self, command: AdminCommand, by: Person, place: ChannelRef) -> Reply:
        """One command.

        Raises:
            RefusedError: they may not, or it makes no sense.
        """
        action = command.action
        if by.tenant != place.tenant or not self.is_admin(by):
            detail = " ".join((command.name, command.scope, command.value))
            await self._note(by, place, f"refused {beginning(action, 40)}", beginning(detail, 200))
            raise refused("not_admin")
        verbs: Mapping[str, Callable[[_AdminRequest], Awaitable[Card]]] = {
            "config-list": self._list,
            "config-show": self._show,
            "config-use": self._use,
            "config-reset": self._reset,
            "config-check": self._check,
            "config-allow": self._allow,
            "approvers": self._approvers,
            "limits": self._limits,
            "prompts": self._prompts,
            "freeze": self._freeze,
            "thaw": self._thaw,
            "grants": self._grants,
            "audit": self._audit,
        }
        if action not in verbs:
            raise refused("no_such_verb", verb=beginning(action, 40))
        channel = "" if command.scope == "server" else place.settings_channel
        request = _AdminRequest(
            by=by, place=place, name=command.name.strip(), scope=channel, value=command.value.strip()
        )
        return Private(await verbs[action](request))

    async def _list(self, request: _AdminRequest) -> Card:
        names = self.config_catalog.names(request.by.tenant)
        lines: list[RichText] = [(StyledText(name, "bold"),) for name in names]
        if skipped := self.config_catalog.skipped(request.by.tenant):
            lines = lines or [catalog.rich("config.none")]
            lines.append(catalog.rich("config.skipped", files=one_line(", ".join(skipped), 300)))
        return list_card(catalog.rich("config.list"), lines, empty=catalog.text("config.none"))

    async def _show(self, request: _AdminRequest) -> Card:
        channel_settings = await self.store.settings(request.by.tenant, request.place.settings_channel)
        chosen = self.config_catalog.chosen(request.by.tenant, request.place.settings_channel, channel_settings)
        lines = [self._from(chosen), *self._elsewhere(chosen, request, channel_settings)]
        lines.append(await self._who_approves(chosen, request, channel_settings))
        policy = await names_here(chosen, request.place.settings_channel, channel_settings)
        if policy is not None:
            lines += [*may_break_glass(policy), *await self._about_channels(policy, request)]
            lines += await self._about_roles(policy, request)
        return done_card(*lines)

    def _elsewhere(
        self, chosen: Chosen, request: _AdminRequest, channel_settings: Mapping[tuple[str, str], ChatSetting]
    ) -> list[RichText]:
        """What a channel falls back to that has a configuration of its own; nothing where there is no such thing."""
        rest = {
            key: each for key, each in channel_settings.items() if key != (request.place.settings_channel, CONFIG_KEY)
        }
        with suppress(RefusedError):
            if chosen.source == "channel":
                other = self.config_catalog.chosen(request.by.tenant, request.place.settings_channel, rest)
                return [catalog.rich("config.without_it", there=self._from(other))]
        return []

    def _from(self, chosen: Chosen) -> RichText:
        name = StyledText(chosen.name, "bold")
        if chosen.setting is None:
            return catalog.rich(f"config.from_{chosen.source}", name=name)
        where = catalog.rich(f"config.from_{chosen.source}", name=name)
        return joined([where, self._set_by(chosen.setting)], " · ")

    def _set_by(self, setting: ChatSetting) -> RichText:
        return catalog.rich("config.set_by", who=_who(setting), at=Timestamp(setting.at))

    async def _use(self, request: _AdminRequest) -> Card:
        path = self.config_catalog.path(request.name, request.by.tenant)
        with told_without_folder(path, request.by):
            await asyncio.to_thread(check_readable, path)
        await self._pin(request, path)
        await self.store.set(self._setting(request, CONFIG_KEY, request.name))
        key = "config.used_server" if not request.scope else "config.used_channel"
        chosen = Chosen(name=request.name, path=path, source="asked")
        return done_card(catalog.rich(key, name=StyledText(request.name, "bold")), *await self._notes(chosen, request))

    async def _allow(self, request: _AdminRequest) -> Card:
        """What members may ask for by name, here; `reset` leaves that to the operator, and `none` to nobody."""
        names = request.name.replace(",", " ").split()
        if names == ["reset"]:
            if not await self.store.reset(self._setting(request, MEMBERS_KEY, "")):
                raise refused("nothing_set")
        elif names:
            listed = [] if names == ["none"] else names
            for name in listed:
                if name != EVERY:
                    self.config_catalog.path(name, request.by.tenant)
            await self.store.set(self._setting(request, MEMBERS_KEY, " ".join(dict.fromkeys(listed))))
        channel_settings = await self.store.settings(request.by.tenant, request.place.settings_channel)
        opened = self.config_catalog.open_to_members(
            request.by.tenant, request.place.settings_channel, channel_settings
        )
        lines: list[RichText] = [(StyledText(name, "bold"),) for name in opened]
        return list_card(catalog.rich("config.open"), lines, empty=catalog.text("config.none"))

    async def _reset(self, request: _AdminRequest) -> Card:
        was_set = await self.store.reset(self._setting(request, CONFIG_KEY, ""))
        if not was_set:
            raise refused("nothing_set")
        channel_settings = await self.store.settings(request.by.tenant, request.place.settings_channel)
        chosen = self.config_catalog.chosen(request.by.tenant, request.place.settings_channel, channel_settings)
        return done_card(catalog.rich("config.was_reset"), self._from(chosen))

    async def _check(self, request: _AdminRequest) -> Card:
        path = self.config_catalog.path(request.name, request.by.tenant)
        await self._pin(request, path)
        with told_without_folder(path, request.by):
            findings = await self.check(path, request.by.tenant)
        found = (without_folder(each, path) for each in (*findings.problems, *findings.warnings))
        lines: list[RichText] = [(StyledText(one_line(each, 300)),) for each in found]
        key = "config.not_usable" if findings.problems else "config.usable"
        notes = await self._notes(Chosen(name=request.name, path=path, source="asked"), request)
        lines += [approvers_line(findings.policy), *notes]
        return list_card(catalog.rich(key, name=request.name), lines, empty="")

    async def _approvers(self, request: _AdminRequest) -> Card:
        if not request.value:
            channel_settings = await self.store.settings(request.by.tenant, request.place.settings_channel)
            chosen = self.config_catalog.chosen(request.by.tenant, request.place.settings_channel, channel_settings)
            policy = await rule_here(chosen, request.place.settings_channel, channel_settings)
            if policy is None:
                return done_card(catalog.rich("config.unreadable"))
            return done_card(approvers_line(policy), *await self._about_roles(policy, request))
        if request.value == "reset":
            if not await self.store.reset(self._setting(request, APPROVERS_KEY, "")):
                raise refused("nothing_set")
            return done_card(catalog.rich("approvers.was_reset"))
        approvers = await self._by_id(request, approvers_typed(request.value))
        await self.store.set(self._setting(request, APPROVERS_KEY, approvers.as_text()))
        key = "approvers.set_channel" if request.scope else "approvers.set_server"
        channel_settings = await self.store.settings(request.by.tenant, request.place.settings_channel)
        notes: list[RichText] = []
        with suppress(
            RefusedError
        ):  # Where no configuration holds yet, it can't be told what comes of the two together.
            chosen = self.config_catalog.chosen(request.by.tenant, request.place.settings_channel, channel_settings)
            notes = await self._notes(chosen, request)
        return done_card(catalog.rich(key), self._described(approvers), *notes)

    async def _notes(self, chosen: Chosen, request: _AdminRequest) -> list[RichText]:
        """What an administrator should know of the rule that now holds.

        It is that the rule leaves nobody to approve what they ask for themselves.
        """
        channel_settings = await self.store.settings(request.by.tenant, request.place.settings_channel)
        policy = await rule_here(chosen, request.place.settings_channel, channel_settings)
        if policy is None:
            return []
        rule = with_pins(policy, pins_in(channel_settings))
        notes = await self._about_channels(
            await names_here(chosen, request.place.settings_channel, channel_settings) or policy, request
        )
        if await self.coordinator.leaves_nobody(rule, Authors(requester=request.by)):
            notes.append(catalog.rich("approvers.only_you"))
        return notes + await self._about_roles(rule, request)

    async def _about_roles(self, policy: Policy, request: _AdminRequest) -> list[RichText]:
        """That nobody can be seen to have the roles which a rule names, if that is so."""
        reason = await self.name_pins.why_hidden(policy, request.place.platform, request.by.tenant)
        return [catalog.rich("approvers.roles_hidden", reason=visible(reason))] if reason else []

    async def _about_channels(self, policy: Policy, request: _AdminRequest) -> list[RichText]:
        """In which channels plans are shown besides, or why they can't be."""
        directory = self.name_pins.directories.get(request.place.platform)
        shut: list[RichText] = []
        for channel in policy.channels():
            try:
                reason = await trouble_in(directory, request.by.tenant, channel)
            except RateLimited:
                reason = catalog.text("approvals_channel.not_told")
            shut += [alert_of(channel, reason).line] if reason else []
        return shut or [*routed(policy)]

    async def _by_id(self, request: _AdminRequest, typed: Approvers) -> Approvers:
        """What was typed, with an id for each name.

        Raises:
            RefusedError: a name is nobody's, or more than one's; or too few people are named.
        """
        policy = Policy(roles=typed.roles, users=typed.users)
        rule = await self.name_pins.pinned(policy, request.place, {}, is_strict=True)
        await self.name_pins.check(replace(rule, required=typed.required or 1), request.place)
        return replace(typed, roles=rule.roles, users=rule.users)

    async def _pin(self, request: _AdminRequest, path: Path) -> None:
        """Look the names of a configuration up anew.

        Raises:
            RefusedError: one of them is more than one's, or all of them are nobody's.
        """
        policy = await names_here(Chosen(name=request.name, path=path, source="asked"), "", {})
        if policy is not None:
            channel_settings = await self.store.settings(request.by.tenant, request.place.settings_channel)
            await self.name_pins.pinned(policy, request.place, channel_settings, afresh=True)

    async def _who_approves(
        self, chosen: Chosen, request: _AdminRequest, channel_settings: Mapping[tuple[str, str], ChatSetting]
    ) -> RichText:
        policy = await rule_here(chosen, request.place.settings_channel, channel_settings)
        return catalog.rich("config.unreadable") if policy is None else approvers_line(policy)

    def _described(self, approvers: Approvers) -> RichText:
        """What was set, as far as something was."""
        named = [(Mention(role, one_line(role, 60), "role"),) for role in approvers.roles]
        named += [(Mention(user, one_line(user, 60)),) for user in approvers.users]
        parts: list[RichText] = [catalog.rich("approvers.named", names=joined(named, ", "))] if named else []
        if approvers.required is not None:
            parts.append(catalog.rich("approvers.required", count=approvers.required))
        if approvers.allow_requester is not None:
            key = "approvers.requester_yes" if approvers.allow_requester else "approvers.requester_no"
            parts.append(catalog.rich(key))
        return joined(parts, " · ")

    async def _limits(self, request: _AdminRequest) -> Card:
        """Limits hold for the whole server, wherever they are set."""
        setting = self._setting(request, LIMITS_KEY, "", scope="")
        if request.value == "reset":
            if not await self.store.reset(setting):
                raise refused("nothing_set")
        elif request.value:
            await self.store.set(self._setting(request, LIMITS_KEY, json.dumps(limits_typed(request.value)), scope=""))
        channel_settings = await self.store.settings(request.by.tenant, "")
        limits = limits_in(channel_settings.get(("", LIMITS_KEY)), self.limits)
        numbers = {**asdict(limits), "each": limits.share}
        lines = [catalog.rich(f"limits.{name}", count=number) for name, number in numbers.items()]
        return list_card(catalog.rich("limits.title"), lines, empty="")

    async def _prompts(self, request: _AdminRequest) -> Card:
        """What people are suggested to ask in a channel, or everywhere."""
        if request.value == "reset":
            if not await self.store.reset(self._setting(request, PROMPTS_KEY, "")):
                raise refused("nothing_set")
        elif request.value:
            prompts = prompts_as_text(prompts_typed(request.value))
            await self.store.set(self._setting(request, PROMPTS_KEY, prompts))
        return done_card(*example_lines(await SuggestedPrompts(store=self.store).at(request.place)))

    async def _freeze(self, request: _AdminRequest) -> Card:
        """It holds for the whole server, wherever it is ordered.

        What can start hears of it before the answer is given.
        """
        await self.store.set(freeze_setting(request.by.tenant, request.by, self.clock.now()))
        await self.coordinator.tell_frozen(request.by.tenant)
        return done_card(catalog.rich("freeze.set"))

    async def _thaw(self, request: _AdminRequest) -> Card:
        was_set = await self.store.reset(freeze_setting(request.by.tenant, request.by, self.clock.now()))
        await self.coordinator.tell_frozen(request.by.tenant)
        if await frozen_by(self.store, EVERYWHERE) is not None:
            raise refused("frozen_everywhere")
        if not was_set:
            raise refused("nothing_frozen")
        return done_card(catalog.rich("freeze.reset"))

    async def _grants(self, request: _AdminRequest) -> Card:
        """What holds in the whole server; `revoke` and a name take one back, whose it is."""
        match request.value.split():
            case ["revoke", name]:
                return await self.grants.revoked(name, replace(request.by, is_admin=True))
            case []:
                return await self.grants.listed(request.by.tenant)
            case _:
                raise refused("no_such_verb", verb=beginning(f"grants {request.value}", 40))

    async def _audit(self, request: _AdminRequest) -> Card:
        if run := request.name or request.value:
            return await self._audit_of(request, run)
        entries = await self.store.audit_entries(request.by.tenant, _LOOKED_THROUGH)
        lines = _collapsed((_refused_kind(each), self._audit_line(each)) for each in entries)
        return list_card(catalog.rich("audit.title"), lines[:_LISTED], empty=catalog.text("audit.none"))

    async def _audit_of(self, request: _AdminRequest, run: str) -> Card:
        """Who decided what about one run, and who was refused."""
        card = await find_card(self.log, self.store, replace(request.by, is_admin=True), request.place, run)
        lines = [
            (_refused_event(recorded.event), joined([(Timestamp(recorded.at),), line], " · "))
            for recorded, line in decisions_of(await self.log.read(card.run))
        ]
        return list_card(catalog.rich("audit.of_run", run=card.run), _collapsed(lines)[-_LISTED:], empty="")

    def _audit_line(self, entry: AuditEntry) -> RichText:
        parts: list[RichText] = [
            (Timestamp(entry.at),),
            (Mention(entry.by, one_line(entry.by_name, 60)),),
            (StyledText(visible(entry.what)),),
            self._detail(entry),
        ]
        return joined(parts, " · ")

    def _detail(self, entry: AuditEntry) -> RichText:
        """Who approves in words, for people are stored by their ids; everything else as it was said."""
        if entry.what == f"set {APPROVERS_KEY}":
            return self._described(approvers_from(entry.detail))
        return (StyledText(one_line(entry.detail, 120), "code"),) if entry.detail else ()

    def _setting(self, request: _AdminRequest, key: str, value: str, *, scope: str | None = None) -> ChatSetting:
        return ChatSetting(
            tenant=request.by.tenant,
            channel=request.scope if scope is None else scope,
            key=key,
            value=value,
            by=request.by.id,
            by_name=request.by.name,
            at=self.clock.now(),
        )

    async def _note(self, by: Person, place: ChannelRef, what: str, detail: str) -> None:
        at = self.clock.now()
        await self.store.add_audit_entry(
            AuditEntry(
                tenant=by.tenant, channel=place.channel, by=by.id, by_name=by.name, at=at, what=what, detail=detail
            )
        )


def _refused_kind(entry: AuditEntry) -> Hashable:
    """What is equal for a person who was refused the same thing again and again; None: it is told by itself."""
    if not entry.what.startswith("refused "):
        return None
    return (entry.by, entry.channel, entry.what, "" if entry.what in _CLICKS else entry.detail)


def _refused_event(event: e.RunEvent) -> Hashable:
    """Likewise, of what a run's log says."""
    return (event.by.id, event.act, event.refusal) if isinstance(event, e.ActionRefused) else None


def _collapsed(lines: Iterable[tuple[Hashable, RichText]]) -> list[RichText]:
    """The lines in their order; of those of a kind the first alone, with how many more there are. None is no kind."""
    shown: list[tuple[Hashable, RichText]] = []
    more = Counter[Hashable]()
    for kind, line in lines:
        if kind is not None and kind in more:
            more[kind] += 1
        else:
            more[kind] = 0
            shown.append((kind, line))
    return [
        joined([line, catalog.rich("audit.more", count=more[kind])], " · ") if kind is not None and more[kind] else line
        for kind, line in shown
    ]


def _who(setting: ChatSetting) -> Mention:
    return Mention(setting.by, one_line(setting.by_name, 60))
