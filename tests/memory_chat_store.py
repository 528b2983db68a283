"""The chat store without a disk: it fits the port, and passes the same tests as the real one."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from bot.chat.sql_tables import record_of, row_of
from bot.chat.store import (
    Admission,
    Admitted,
    Asked,
    AuditEntry,
    ButtonRecord,
    CardCopy,
    CardRecord,
    ChangedCard,
    ChatSetting,
    Done,
    Gone,
    Limits,
    OpenQuestion,
    OverLimit,
    Repeated,
    RunListItem,
)
from coordination.errors import ConflictError
from coordination.ports import RunLog, RunSummary

_Asked = TypeVar("_Asked", CardRecord, RunListItem)

_BUSY = ("queued", "deliberating", "changes_wanted", "executing", "reporting")
_WAITING = ("awaiting_decision", "needs_human")


class _Held:
    async def is_leader(self) -> bool:
        return True


_CHANGES = ("set", "reset")
"""How lines of audit begin by which something was changed."""


class MemoryChatStore:
    """Fits `bot.chat.store.ChatStore`, over a log that it asks what the real one joins."""

    def __init__(self, log: RunLog) -> None:
        self.log = log
        self.cards: dict[str, CardRecord] = {}
        self.buttons: dict[str, ButtonRecord] = {}
        self.card_copies: dict[tuple[str, str], CardCopy] = {}
        self.scopes: dict[tuple[str, str, str], ChatSetting] = {}
        self.seen: dict[tuple[str, str], tuple[str, datetime]] = {}
        self.audit: list[AuditEntry] = []
        self._card_syncs: dict[str, asyncio.Lock] = {}

    async def card(self, run: str, tenant: str | None = None) -> CardRecord | None:
        card = self.cards.get(run)
        return card if card is not None and tenant in (None, card.tenant) else None

    async def save(self, before: CardRecord, after: CardRecord) -> None:
        now = self._mine(before)
        if now is None:
            return
        old, by_themselves = row_of(before), {"attempt", "message", "posted_at", "stale"}
        changes = {
            name: value for name, value in row_of(after).items() if value != old[name] and name not in by_themselves
        }
        self.cards[before.run] = record_of(CardRecord, row_of(now) | changes)

    async def posted(self, card: CardRecord, message: str, at: datetime) -> bool:
        now = self._mine(card)
        if now is None or now.attempt != card.attempt or now.message not in ("", message):
            return False
        changes = {"message": message, "posted_at": at.isoformat(), "state": "live"}
        self.cards[card.run] = record_of(CardRecord, row_of(now) | changes)
        return True

    async def superseded(self, card: CardRecord) -> CardRecord:
        now = self._mine(card)
        if now is None or now.attempt != card.attempt:
            return now or card
        stale = (*now.stale, now.message) if now.message else now.stale
        empty = {"message": "", "shown": "", "posted_at": None}
        after = replace(record_of(CardRecord, row_of(now) | empty), attempt=now.attempt + 1, stale=stale)
        self.cards[card.run] = after
        return after

    async def superseded_marked(self, card: CardRecord, message: str) -> None:
        if (now := self._mine(card)) is not None:
            self.cards[card.run] = replace(now, stale=tuple(each for each in now.stale if each != message))

    async def live(self, platforms: Sequence[str]) -> Sequence[CardRecord]:
        return [
            each
            for each in self.cards.values()
            if each.platform in platforms and not isinstance(each.state, Done | Gone)
        ]

    async def changed_cards(self, platforms: Sequence[str], *, after: datetime, now: datetime) -> Sequence[ChangedCard]:
        runs = await self._runs()
        found: list[ChangedCard] = []
        for card in await self.live(platforms):
            run = runs.get(card.run)
            is_awake = card.wake_at is not None and card.wake_at <= now
            if run is not None and (run.updated_at > after or is_awake):
                found.append(ChangedCard(run=card.run, tenant=card.tenant, seq=run.seq, updated_at=run.updated_at))
        return found

    async def issue(self, buttons: Sequence[ButtonRecord]) -> None:
        for each in buttons:
            assert each.id not in self.buttons
            self.buttons[each.id] = each

    async def issued(self, card: CardRecord | CardCopy) -> Sequence[ButtonRecord]:
        key = (card.run, card.tenant, card.attempt, card.copy)
        return [each for each in self.buttons.values() if (each.run, each.tenant, each.attempt, each.copy) == key]

    async def ask(self, question: OpenQuestion) -> bool:
        first = question.buttons[0]
        if (first.tenant, question.event) in self.seen:
            return False
        self.seen[first.tenant, question.event] = (" ".join(each.id for each in question.buttons), first.issued_at)
        await self.issue(question.buttons)
        return True

    async def open_questions(self, platform: str, *, after: datetime, before: datetime) -> Sequence[OpenQuestion]:
        found: list[OpenQuestion] = []
        for (_, event), (ids, at) in self.seen.items():
            known = [self.buttons[each] for each in ids.split()] if event.startswith("ask:") else []
            if known and after < at <= before and self.cards[known[0].run].platform == platform:
                found.append(OpenQuestion(event=event, buttons=tuple(known)))
        return found

    async def question_shown(self, event: str, tenant: str) -> None:
        if (tenant, event) in self.seen:
            self.seen[tenant, event] = ("", self.seen[tenant, event][1])

    async def copies(self, run: str, tenant: str) -> Sequence[CardCopy]:
        found = [each for each in self.card_copies.values() if (each.run, each.tenant) == (run, tenant)]
        return sorted(found, key=lambda each: each.copy)

    async def add_copy(self, copy: CardCopy) -> None:
        self.card_copies.setdefault((copy.run, copy.copy), copy)

    async def save_copy(self, before: CardCopy, after: CardCopy) -> bool:
        now = self.card_copies.get((before.run, before.copy))
        old, new = row_of(before), row_of(after)
        changes = {name: value for name, value in new.items() if value != old[name]}
        if not changes:
            return True
        if now is None or now.attempt != before.attempt or now.message not in (before.message, after.message):
            return False
        self.card_copies[before.run, before.copy] = record_of(CardCopy, row_of(now) | changes)
        return True

    @asynccontextmanager
    async def leader_lock(self, platform: str) -> AsyncGenerator[_Held]:
        async with self._card_syncs.setdefault(platform, asyncio.Lock()):
            yield _Held()

    async def admit(self, card: CardRecord, *, event: str, limits: Limits) -> Admission:
        runs = await self._runs()
        if card.run in self.cards or card.run in runs:
            raise ConflictError(card.run, 0)
        if event and (card.tenant, event) in self.seen:
            return Repeated(self.seen[card.tenant, event][0])
        over = self._over(card, limits, runs)
        if event:
            self.seen[card.tenant, event] = ("" if over else card.run, card.asked_at)
        if over is not None:
            return over
        self.cards[card.run] = card
        return Admitted()

    async def withdraw(self, run: str, tenant: str) -> None:
        card = self.cards.get(run)
        if card is None or card.tenant != tenant or not isinstance(card.state, Asked) or run in await self._runs():
            return
        del self.cards[run]
        for key, (of, at) in list(self.seen.items()):
            if of == run and key[0] == tenant:
                self.seen[key] = ("", at)

    async def find_button(self, button: str, tenant: str) -> tuple[ButtonRecord, CardRecord] | None:
        known = self.buttons.get(button)
        card = self.cards.get(known.run) if known is not None else None
        if known is None or card is None or known.tenant != tenant or card.tenant != tenant:
            return None
        return known, card

    async def tenant_of_button(self, button: str, platform: str) -> str | None:
        known = self.buttons.get(button)
        card = self.cards.get(known.run) if known is not None else None
        return known.tenant if known is not None and card is not None and card.platform == platform else None

    async def mark_unexpected(self, card: CardRecord, message: str) -> None:
        now = self._mine(card)
        key = (card.tenant, card.channel, message)
        taken = any((each.tenant, each.channel, each.message) == key for each in self.cards.values())
        if now is not None and not taken and message not in now.stale:
            self.cards[card.run] = replace(now, stale=(*now.stale, message))

    async def cards_on(self, tenant: str, channel: str, messages: Sequence[str]) -> Sequence[CardRecord]:
        here = [
            each for each in self.cards.values() if each.tenant == tenant and channel in (each.channel, each.thread)
        ]
        return [each for each in here if each.message and each.message in messages and not isinstance(each.state, Done)]

    async def copies_on(self, platform: str, channel: str, messages: Sequence[str]) -> Sequence[CardCopy]:
        here = [each for each in self.card_copies.values() if (each.platform, each.channel) == (platform, channel)]
        return [each for each in here if each.message and each.message in messages and not each.is_over]

    async def is_new(self, event: str, tenant: str, at: datetime) -> bool:
        if (tenant, event) in self.seen:
            return False
        self.seen[tenant, event] = ("", at)
        return True

    async def run_of_thread(self, tenant: str, channel: str, thread: str) -> str | None:
        found = [
            each
            for each in self.cards.values()
            if thread
            and (each.tenant, each.channel) == (tenant, channel)
            and thread in (each.thread, each.story, each.message)
        ]
        return _newest_first(found)[0].run if found else None

    async def settings(self, tenant: str, channel: str) -> Mapping[tuple[str, str], ChatSetting]:
        return {
            (each.channel, each.key): each
            for each in self.scopes.values()
            if each.tenant == tenant and each.channel in ("", channel)
        }

    async def all_settings(self, tenant: str) -> Sequence[ChatSetting]:
        found = [each for each in self.scopes.values() if each.tenant == tenant]
        return sorted(found, key=lambda each: (each.channel, each.key))

    async def card_and_settings(
        self, run: str, tenant: str
    ) -> tuple[CardRecord, Mapping[tuple[str, str], ChatSetting]] | None:
        card = await self.card(run, tenant)
        return None if card is None else (card, await self.settings(tenant, card.channel))

    async def set_for_tenants(self, key: str, tenants: Sequence[str]) -> Sequence[ChatSetting]:
        return [self.scopes[tenant, "", key] for tenant in tenants if (tenant, "", key) in self.scopes]

    async def set(self, setting: ChatSetting) -> None:
        self.scopes[setting.tenant, setting.channel, setting.key] = setting
        self.audit.append(AuditEntry.about(setting, "set"))

    async def reset(self, setting: ChatSetting) -> bool:
        if self.scopes.pop((setting.tenant, setting.channel, setting.key), None) is None:
            return False
        self.audit.append(AuditEntry.about(setting, "reset"))
        return True

    async def add_audit_entry(self, entry: AuditEntry) -> None:
        self.audit.append(entry)

    async def audit_entries(self, tenant: str, limit: int) -> Sequence[AuditEntry]:
        return [each for each in reversed(self.audit) if each.tenant == tenant][:limit]

    async def changed_by(self, tenant: str, most: int) -> Sequence[str]:
        changes = [
            each for each in await self.audit_entries(tenant, len(self.audit)) if each.what.split()[0] in _CHANGES
        ]
        return list(dict.fromkeys(each.by for each in changes))[:most]

    async def list_runs(
        self,
        tenant: str,
        *,
        channel: str = "",
        requester: str = "",
        states: Sequence[str] = (),
        limit: int = 20,
    ) -> Sequence[RunListItem]:
        runs = await self._runs()
        found = [
            _line(card, runs[card.run])
            for card in self.cards.values()
            if card.run in runs
            and card.tenant == tenant
            and ((not channel and not requester) or channel == card.channel or requester == card.requester)
            and (not states or runs[card.run].state in states)
        ]
        return _newest_first(found)[:limit]

    async def begun(self, tenant: str, since: datetime) -> int:
        return sum(card.tenant == tenant and card.asked_at >= since for card in self.cards.values())

    async def prune(self, before: datetime) -> None:
        self.seen = {key: value for key, value in self.seen.items() if value[1] >= before}
        ended = {card.run for card in self.cards.values() if isinstance(card.state, Done | Gone)}
        self.buttons = {
            key: each for key, each in self.buttons.items() if each.issued_at >= before or each.run not in ended
        }
        self.card_copies = {
            key: each for key, each in self.card_copies.items() if each.made_at >= before or each.run not in ended
        }

    def _mine(self, card: CardRecord) -> CardRecord | None:
        now = self.cards.get(card.run)
        return now if now is not None and now.tenant == card.tenant else None

    async def _runs(self) -> dict[str, RunSummary]:
        return {each.run: each for each in await self.log.runs(limit=1_000_000)}

    def _over(self, card: CardRecord, limits: Limits, runs: Mapping[str, RunSummary]) -> OverLimit | None:
        mine = [each for each in self.cards.values() if each.tenant == card.tenant]
        hour, soon = card.asked_at - timedelta(hours=1), card.asked_at - timedelta(minutes=1)
        if sum(each.requester == card.requester and each.asked_at > hour for each in mine) >= limits.hourly:
            return OverLimit("hourly", limits.hourly)
        kept = [each for each in mine if not isinstance(each.state, Done | Gone)]
        busy = [each for each in kept if (runs[each.run].state in _BUSY if each.run in runs else each.asked_at > soon)]
        if sum(each.requester == card.requester for each in busy) >= limits.share:
            return OverLimit("each", limits.share)
        if len(busy) >= limits.at_once:
            return OverLimit("at_once", limits.at_once)
        if sum(each.run in runs and runs[each.run].state in _WAITING for each in kept) >= limits.waiting:
            return OverLimit("waiting", limits.waiting)
        return None


def _newest_first(found: list[_Asked]) -> list[_Asked]:
    return sorted(sorted(found, key=lambda each: each.run), key=lambda each: each.asked_at, reverse=True)


def _line(card: CardRecord, run: RunSummary) -> RunListItem:
    return RunListItem(
        run=card.run,
        state=run.state,
        prompt=run.prompt,
        requester=card.requester,
        requester_name=card.requester_name,
        config=run.config,
        channel=card.channel,
        asked_at=card.asked_at,
        expires_at=run.expires_at,
        platform=card.platform,
        tenant=card.tenant,
        thread=card.thread,
        message=card.message,
    )
