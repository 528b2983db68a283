"""Copies of a card: in the direct messages of those who may decide, and in the channel that a configuration names.

Each follows the log by itself, as the card does.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from bot.cards.run_view import RunView
from bot.chat.approvals_channel import (
    KeptPrivate,
    alert_of,
    channel_named,
    channels_of,
    check_open,
    name_of_copy,
    note_of,
)
from bot.chat.card_sync.context import SyncContext, place_of
from bot.chat.card_sync.notify import accounts_in, reminder_card
from bot.chat.card_sync.snapshot import (
    ENDED,
    IssuedIds,
    Snapshot,
    copy_of,
    issue_ids,
    superseded_snapshot,
    without_plan,
)
from bot.chat.card_sync.turns import GIVE_UP, SAME
from bot.chat.platform import (
    CardBlocked,
    CardTooLarge,
    ChannelNotFound,
    ChannelRef,
    ChatPlatform,
    KnowsChannels,
    MessageNotFound,
    MessageRef,
    MissingPermission,
    RateLimited,
    ReachesPeople,
)
from bot.chat.store import CardCopy, CardRecord
from bot.message import Alert
from coordination.domain.plan import Plan, short
from coordination.domain.policy import Person, judge_own
from coordination.domain.states import AwaitingDecision, NeedsHuman, authors_of

_log = logging.getLogger(__name__)

MOST_MEMBERS = 10
"""A role or group of more people than that is told by its mention alone."""

_FEW_REFUSALS = 3
_REFUSED = (MessageNotFound, MissingPermission, CardTooLarge)


@dataclass
class Copies:
    """The copies of one run's card, in one process. What the product refuses of one holds up no other, nor the card."""

    run: str
    context: SyncContext
    _has_none: bool = False

    async def sync(self, card: CardRecord, view: RunView, *, is_check_due: bool = False) -> float | None:
        """Do what can be done now. Returns the seconds until more can be; None: until something happens, nothing.

        With `is_check_due` the messages that should show the run already are looked for, as the card's own is.
        """
        waits = [await self._invite(card, view)]
        if not self._has_none:
            copies = await self.context.store.copies(self.run, card.tenant)
            self._has_none = not copies
            waits += [
                await self._tried(each, card, view, is_check_due=is_check_due) for each in copies if not each.is_over
            ]
        return min((each for each in waits if each is not None), default=None)

    async def alerts(self, card: CardRecord, view: RunView) -> tuple[Alert, ...]:
        """What the card has to say of the channels in which its plan should be shown and is not."""
        state = view.state
        channels = channels_of(state, place_of(card)) if isinstance(state, AwaitingDecision) else ()
        if not channels:
            return ()
        notes = {each.copy: each.note for each in await self.context.store.copies(self.run, card.tenant)}
        return tuple(alert_of(each, note) for each in channels if (note := notes.get(name_of_copy(each), "")))

    async def redraw(self, card: CardRecord, view: RunView) -> None:
        """Edit the messages that stand, and write nothing down, as is done with the card's own.

        Raises:
            RateLimited: the product asks for patience.
        """
        snapshot = Snapshot(await self.context.linked(copy_of(view), card))
        for copy in await self.context.store.copies(self.run, card.tenant):
            if copy.message and copy.state != "gone":
                ids = await issue_ids(self.context.store, copy, snapshot.card, view.state, self.context.clock.now())
                with suppress(*_REFUSED):
                    await self.context.platform.edit(_message(copy), snapshot.card, ids)

    # --- who gets one -------------------------------------------------------------------------------------------------

    async def _invite(self, card: CardRecord, view: RunView) -> float | None:
        """Remember a copy for the channel, and one for everybody who may decide on a new plan.

        Nobody is told of what is in a private thread.
        """
        state, invited, platform = view.state, self.context.invited, self.context.platform
        if not isinstance(state, AwaitingDecision):
            invited.pop(self.run, None)
            return None
        if invited.get(self.run) == state.plan.digest:
            return None
        policy = state.plan.policy
        for channel in channels_of(state, place_of(card)) if isinstance(platform, KnowsChannels) else ():
            copy = self._wanted(card, "", state.plan)
            await self.context.store.add_copy(replace(copy, copy=name_of_copy(channel)))
            self._has_none = False
        is_told = isinstance(platform, ReachesPeople) and not policy.is_quiet
        if isinstance(platform, ReachesPeople) and is_told and not place_of(card).is_private_thread:
            key = f"{self.run} approvers"
            try:
                async for person in self._approvers(view, state.plan, platform):
                    await self.context.store.add_copy(self._wanted(card, person, state.plan))
            except (*_REFUSED, RateLimited) as error:
                again = self._refused(key, error)
                if again is not None:
                    return again
            self.context.refusals.over(key)
            self._has_none = False
        invited[self.run] = state.plan.digest
        return None

    async def _approvers(self, view: RunView, plan: Plan, platform: ReachesPeople) -> AsyncGenerator[str]:
        """The accounts of those who may decide now, as the chat says itself.

        They are those named, and members of small groups.
        """
        state, tenant = view.state, view.request.tenant
        known = {each.person for each in await self.context.store.copies(self.run, tenant)}
        authors = authors_of(state) if isinstance(state, AwaitingDecision) else None
        if authors is None:
            return
        async for account in self._accounts(plan, tenant, platform):
            if account in known:
                continue
            known.add(account)
            person = await platform.person_now(Person(tenant=tenant, id=account, name=account))
            if person is None or not plan.policy.names(person) or judge_own(plan.policy, person, authors) is not None:
                continue
            yield account

    async def _accounts(self, plan: Plan, tenant: str, platform: ReachesPeople) -> AsyncGenerator[str]:
        """Those who are named come first: what the chat does not tell of a role is no reason to leave them out."""
        for account in accounts_in(plan.policy):
            yield account
        for role in dict.fromkeys(role for each in plan.policy.places for role in each.roles):
            for account in await platform.members_of(tenant, role, MOST_MEMBERS):
                yield account

    def _wanted(self, card: CardRecord, person: str, plan: Plan) -> CardCopy:
        return CardCopy(
            run=self.run,
            copy=f"dm:{person}",
            platform=card.platform,
            tenant=card.tenant,
            person=person,
            plan=short(plan.digest),
            made_at=self.context.clock.now(),
        )

    # --- one copy -----------------------------------------------------------------------------------------------------

    async def _tried(self, copy: CardCopy, card: CardRecord, view: RunView, *, is_check_due: bool) -> float | None:
        key, now = _key(copy), self.context.clock.now()
        if self.context.refusals.is_paused(key, now):
            return self._seconds_until(self.context.refusals.refused(key, now))
        try:
            pause = await self._brought_up(copy, card, view, is_check_due=is_check_due)
        except RateLimited as error:
            return max(error.seconds, self.context.intervals.edit)
        except _REFUSED as error:
            return await self._turned_away(copy, card, view, error)
        self.context.refusals.over(key)
        return pause

    async def _turned_away(self, copy: CardCopy, card: CardRecord, view: RunView, error: Exception) -> float | None:
        """One that stands is tried for days, for it must not lie.

        One that never stood is soon given up, and its person told.
        """
        if copy.message:
            is_late = self.context.clock.now() - view.updated_at >= GIVE_UP
            if not (isinstance(view.state, ENDED) and is_late):
                return self._seconds_until(self.context.refusals.refused(_key(copy), self.context.clock.now()))
        elif not copy.person:
            return await self._kept_out(copy, error)
        elif (again := self._refused(_key(copy), error)) is not None:
            return again
        copy = await self._again(copy)
        await self.context.store.save_copy(copy, replace(copy, state="gone"))
        if isinstance(view.state, AwaitingDecision) and not copy.message and copy.person:
            person = Person(tenant=copy.tenant, id=copy.person, name=copy.person)
            notice = await self.context.linked(reminder_card(view, view.state.plan, "new"), card)
            with suppress(RateLimited, *_REFUSED):
                await self.context.platform.notify_user(person, place_of(card), notice)
        return None

    async def _kept_out(self, copy: CardCopy, error: Exception) -> float | None:
        """Have the card say why nothing stands in the channel. What is missing may be given while the plan waits."""
        copy, note = await self._again(copy), note_of(error)
        state = "gone" if isinstance(error, KeptPrivate) else copy.state
        await self.context.store.save_copy(copy, replace(_closed(copy), note=note, state=state))
        again = self.context.refusals.refused(_key(copy), self.context.clock.now())
        return self.context.intervals.look if note != copy.note else self._seconds_until(again)

    async def _brought_up(self, copy: CardCopy, card: CardRecord, view: RunView, *, is_check_due: bool) -> float | None:
        """Post, edit, or leave a copy as it is.

        Raises:
            RateLimited, MessageNotFound, MissingPermission, CardTooLarge: the product would not.
        """
        state, snapshot = view.state, Snapshot(await self.context.linked(copy_of(view), card))
        if isinstance(state, AwaitingDecision | NeedsHuman) and self._is_out_of_place(copy, card, state):
            await self._taken_out(copy, state.plan)
            return None
        if not copy.message:
            return await self._begun(copy, card, view, snapshot)
        if copy.shown == snapshot.fingerprint:
            if isinstance(state, ENDED):
                await self.context.store.save_copy(copy, replace(copy, state="done"))
                return None
            return await self._checked(copy, view, snapshot) if is_check_due else None
        if isinstance(state, AwaitingDecision) and copy.plan != short(state.plan.digest):
            renewed = await self._opened(await self._renewed(copy, state.plan), card, state.plan)
            return await self._posted(renewed, view, snapshot)
        pause = self.context.throttle.seconds(_key(copy), self.context.clock.monotonic())
        if pause > 0:
            return pause
        try:
            await self._edited(copy, view, snapshot)
        except MessageNotFound:
            return await self._lost(copy, view)
        return None

    def _is_out_of_place(self, copy: CardCopy, card: CardRecord, state: AwaitingDecision | NeedsHuman) -> bool:
        """Whether a channel is to have no new message.

        That is so if the places for whose people it is are filled, or are none of this plan's.
        """
        is_wanted = bool(copy.person) or channel_named(copy.copy) in channels_of(state, place_of(card))
        return not is_wanted and (not copy.message or copy.plan != short(state.plan.digest))

    async def _taken_out(self, copy: CardCopy, plan: Plan) -> None:
        """What stands there is of an earlier plan, and says that it is out of date."""
        if copy.message:
            await self._renewed(copy, plan)

    async def _begun(self, copy: CardCopy, card: CardRecord, view: RunView, snapshot: Snapshot) -> float | None:
        """The first post of an attempt, while there is something to decide.

        After that only if one may stand already.
        """
        if isinstance(view.state, AwaitingDecision | NeedsHuman):
            return await self._posted(await self._opened(copy, card, view.state.plan), view, snapshot)
        if not isinstance(view.state, ENDED):
            return None
        if await self.context.store.issued(copy):
            return await self._posted(copy, view, snapshot)
        await self.context.store.save_copy(copy, replace(copy, state="gone"))
        return None

    async def _checked(self, copy: CardCopy, view: RunView, snapshot: Snapshot) -> float | None:
        """Post a copy again that was deleted. Where that can't be found out now, there will be another check."""
        ids = await issue_ids(self.context.store, copy, snapshot.card, view.state, self.context.clock.now())
        try:
            await self.context.platform.verify(_message(copy), snapshot.card, ids)
        except MessageNotFound as error:
            # Somebody's direct messages may be back, with the message in them. For a channel, the card tells.
            if not (isinstance(error, ChannelNotFound) and copy.person):
                return await self._lost(copy, view)
        except (MissingPermission, CardTooLarge, RateLimited) as error:
            _log.info("run %s: whether a copy of its card stands can't be seen now: %s", copy.run, error)
        return None

    async def _lost(self, copy: CardCopy, view: RunView) -> float | None:
        """The message is not there any more: another one is posted, while there is something to decide."""
        is_over = isinstance(view.state, ENDED)
        after = replace(copy, state="gone") if is_over else _closed(_next(copy))
        await self.context.store.save_copy(copy, after)
        return None if is_over else self.context.intervals.look

    async def _again(self, copy: CardCopy) -> CardCopy:
        """The copy as it is remembered now: what was tried may have begun another attempt."""
        copies = await self.context.store.copies(copy.run, copy.tenant)
        return next((each for each in copies if each.copy == copy.copy), copy)

    async def _opened(self, copy: CardCopy, card: CardRecord, plan: Plan) -> CardCopy:
        platform, channel = self.context.platform, copy.channel
        if channel:
            return copy
        if copy.person and isinstance(platform, ReachesPeople):
            person = Person(tenant=copy.tenant, id=copy.person, name=copy.person)
            channel = (await platform.direct_channel(person)).channel
        elif isinstance(platform, KnowsChannels):
            channel = channel_named(copy.copy)
            await check_open(platform, plan.policy, place_of(card), channel)
        after = replace(copy, channel=channel)
        await self.context.store.save_copy(copy, after)
        return after

    async def _renewed(self, copy: CardCopy, plan: Plan) -> CardCopy:
        """A new message for a new plan, which an edit would tell nobody of; the old one says that it is out of date."""
        with suppress(*_REFUSED):
            await self.context.platform.edit(_message(copy), superseded_snapshot(copy.run).card, IssuedIds({}))
        after = _closed(replace(_next(copy), plan=short(plan.digest)))
        await self.context.store.save_copy(copy, after)
        return after

    async def _posted(self, copy: CardCopy, view: RunView, snapshot: Snapshot) -> float | None:
        """Post a copy, unless that was done and its answer got lost.

        Returns the seconds until it is to be looked at again.
        """
        store, platform = self.context.store, self.context.platform
        issued = await store.issued(copy)
        at = max((each.issued_at for each in issued), default=None)
        if at is not None and not (platform.has_idempotent_posts and self.context.clock.now() - at < SAME):
            found = await self._found(copy, platform, at)
            if found is not None:
                await store.save_copy(copy, replace(copy, message=found, state="live", note=""))
                return self.context.intervals.edit
            after = _next(copy)
            await store.save_copy(copy, after)
            copy, issued = after, ()
        ids = await issue_ids(store, copy, snapshot.card, view.state, self.context.clock.now())
        try:
            stands = await platform.post(_place(copy), snapshot.card, ids, idempotency_key=_name(copy))
        finally:
            self.context.throttle.edited(_key(copy), self.context.clock.monotonic())
        shown = "" if issued else snapshot.fingerprint  # Of a message that stood already nobody knows what it shows.
        await store.save_copy(copy, replace(copy, message=stands.message, shown=shown, state="live", note=""))
        # Where the card said why there was none, it says so no longer.
        is_in_step = bool(shown) and not isinstance(view.state, ENDED) and not copy.note
        return None if is_in_step else self.context.intervals.edit

    async def _found(self, copy: CardCopy, platform: ChatPlatform, at: datetime) -> str | None:
        with suppress(RateLimited, *_REFUSED):
            found = await platform.find(_place(copy), idempotency_key=_name(copy), at=at)
            return None if found is None else found.message
        return None

    async def _edited(self, copy: CardCopy, view: RunView, snapshot: Snapshot) -> None:
        ids = await issue_ids(self.context.store, copy, snapshot.card, view.state, self.context.clock.now())
        try:
            try:
                await self.context.platform.edit(_message(copy), snapshot.card, ids)
            except CardTooLarge as error:
                shorter = without_plan(snapshot, is_blocked=isinstance(error, CardBlocked))
                await self.context.platform.edit(_message(copy), shorter.card, ids)
        finally:
            self.context.throttle.edited(_key(copy), self.context.clock.monotonic())
        state = "done" if isinstance(view.state, ENDED) else copy.state
        await self.context.store.save_copy(copy, replace(copy, shown=snapshot.fingerprint, state=state))

    # --- what is refused ----------------------------------------------------------------------------------------------

    def _refused(self, key: str, error: Exception) -> float | None:
        """Seconds until it is tried again; None: it was refused often enough."""
        if isinstance(error, RateLimited):
            return max(error.seconds, self.context.intervals.edit)
        _log.info("run %s: a copy of its card can't be brought: %s", self.run, error)
        again = self.context.refusals.refused(key, self.context.clock.now())
        return self._seconds_until(again) if self.context.refusals.count(key) < _FEW_REFUSALS else None

    def _seconds_until(self, at: datetime) -> float:
        return max((at - self.context.clock.now()).total_seconds(), self.context.intervals.look)


def _next(copy: CardCopy) -> CardCopy:
    return replace(copy, attempt=copy.attempt + 1, message="", shown="", state="wanted")


def _closed(copy: CardCopy) -> CardCopy:
    """Whether a channel is open for a plan is asked again before each message; direct messages stay whose they are."""
    return copy if copy.person else replace(copy, channel="")


def _key(copy: CardCopy) -> str:
    return f"{copy.run} {copy.copy}"


def _name(copy: CardCopy) -> str:
    """What the product knows the post of this attempt by."""
    return f"{copy.run}:{copy.copy}:{copy.attempt}"


def _place(copy: CardCopy) -> ChannelRef:
    return ChannelRef(platform=copy.platform, tenant=copy.tenant, channel=copy.channel)


def _message(copy: CardCopy) -> MessageRef:
    return MessageRef(place=_place(copy), message=copy.message)
