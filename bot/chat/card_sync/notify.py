"""What is said beside the card and its story: reminders, and a word to the requester."""

import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import get_args

from bot.cards.break_glass import break_glass_notice
from bot.cards.parts import approvers, asked_by
from bot.cards.run_card import card_for
from bot.cards.run_view import BreakGlassUse, RunView
from bot.cards.text import one_line, visible
from bot.chat.approvals_channel import channels_of, name_of_copy
from bot.chat.card_sync.context import SyncContext, place_of, requester_of, timeline_place
from bot.chat.card_sync.snapshot import ENDED
from bot.chat.platform import (
    CardTooLarge,
    ChannelRef,
    FindsText,
    MessageNotFound,
    MessageRef,
    MissingPermission,
    RateLimited,
    ReachesPeople,
)
from bot.chat.store import CardCopy, CardRecord, OutcomeReminder, PlanReminder, Reminded, Reminder
from bot.i18n import catalog, joined
from bot.message import Alert, Card, Mention, Paragraph, Severity, StyledText, Timestamp
from coordination.domain import states as s
from coordination.domain.plan import Plan, short
from coordination.domain.policy import Person, Policy, judge_own

_ORDER: tuple[Reminder, ...] = get_args(Reminder)
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


def schedule(plan: Plan, now: datetime, reminded: Reminded | None) -> Schedule:
    """What is due. `reminded` is what was sent last; of another plan it counts for nothing."""
    sent: tuple[Reminder, ...] = ()
    if isinstance(reminded, PlanReminder) and reminded.plan == short(plan.digest):
        sent = _ORDER[: _ORDER.index(reminded.last) + 1]
    lifetime = timedelta(seconds=plan.policy.expires_after)
    half = plan.expires_at - lifetime / 2
    times: list[tuple[Reminder, datetime]] = [("new", plan.expires_at - lifetime), ("half", half)]
    if (last := plan.expires_at - LAST) > half:
        times.append(("last", last))
    open_: list[tuple[Reminder, datetime]] = [(which, at) for which, at in times if which not in sent]
    due: Reminder | None = None
    for which, at in open_:
        if at <= now < plan.expires_at:
            due = which
    return Schedule(due=due, next=min((at for _, at in open_ if at > now), default=None))


def reminder_card(view: RunView, plan: Plan, which: Reminder) -> Card:
    """A word to those who may decide."""
    line = catalog.rich(
        f"card_sync.reminder_{which}",
        run=StyledText(view.run, "bold"),
        until=Timestamp(plan.expires_at, is_countdown=True),
    )
    shown = card_for(view, view.updated_at)
    return Card(
        severity=Severity.DECIDE,
        status=catalog.text("card_sync.wanted" if which == "new" else "card_sync.reminder"),
        title=shown.title,
        reference=asked_by(view),
        sections=(Paragraph(lines=(line, approvers(plan.policy))),),
    )


def unknown_outcome_card(view: RunView) -> Card:
    """A word to those who may settle it that a call is in doubt: what is known, and where to look."""
    shown = card_for(view, view.updated_at)
    alerts = tuple(section for section in shown.sections if isinstance(section, Alert))
    line = catalog.rich("card_sync.doubt_line", run=StyledText(view.run, "bold"))
    return Card(
        severity=shown.severity,
        status=shown.status,
        title=shown.title,
        reference=asked_by(view),
        sections=(*alerts, Paragraph(lines=(line,))),
    )


def outcome_card(view: RunView) -> Card:
    """What the one who asked is told at the end: how it ended, in the card's own words."""
    shown = card_for(view, view.updated_at)
    heading = Paragraph(lines=(catalog.rich("card_sync.outcome", run=StyledText(view.run, "bold")),))
    return Card(
        severity=shown.severity,
        status=shown.status,
        title=shown.title,
        reference=asked_by(view),
        sections=(heading, *shown.sections),
        footer=shown.footer,
    )


def trouble_card(run: str, reason: str) -> Card:
    """What the one who asked is told where the card can't be shown."""
    line = catalog.rich("card_sync.forbidden", run=StyledText(run, "bold"), reason=visible(reason))
    return Card(
        severity=Severity.ATTENTION,
        status=catalog.text("card_sync.not_shown"),
        title=(),
        reference=(),
        sections=(Alert(line=line),),
    )


_log = logging.getLogger(__name__)

_ACCOUNT = re.compile(r"\d{5,25}|[UW][A-Z0-9]{2,24}")
_MOST_REMINDED = 20
_NAME = 60


@dataclass
class Notifier:
    """One run's reminders and notices."""

    context: SyncContext

    async def remind(self, card: CardRecord, view: RunView) -> CardRecord:
        """Tell people what waits for them, when it is time, and remember when to look again.

        Raises:
            RateLimited: the product asks for patience.
        """
        match view.state:
            case s.AwaitingDecision(plan=plan):
                found = schedule(plan, self.context.clock.now(), card.reminded)
                copies = await self._in_channels(card, view.state)
                # Whether the roles are called in the channels or here is known once the card stands there, or can't.
                is_settled = all(copy.message or copy.note or copy.is_over for copy in copies)
                if found.due is not None and (is_settled or found.due != "new"):
                    notice = reminder_card(view, plan, found.due)
                    is_first = found.due == "new"
                    is_copied = (
                        is_first and isinstance(self.context.platform, ReachesPeople) and not plan.policy.is_quiet
                    )
                    people = [] if is_copied else _named(card, plan, view)
                    audience = _Audience(
                        is_public=not is_first, people=people, called=plan if is_first else None, copies=copies
                    )
                    sent = PlanReminder(plan=short(plan.digest), last=found.due)
                    card = await self._remind(card, notice, audience, sent)
                return await self.context.saved(card, card.waking(found.next))
            case s.NeedsHuman(plan=plan, attempt=attempt):
                asked = OutcomeReminder(plan=short(plan.digest), attempt=attempt)
                if card.reminded != asked:
                    audience = _Audience(is_public=True, people=[*_named(card, plan, view), requester_of(card)])
                    card = await self._remind(card, unknown_outcome_card(view), audience, asked)
                return await self.context.saved(card, card.waking(None))
            case _:
                return await self.context.saved(card, card.waking(None))

    async def announce(self, card: CardRecord, view: RunView) -> CardRecord:
        """Tell everybody, by a message of its own, that somebody approved a plan alone in an emergency.

        One that stands although its answer was lost is found, as far as the product lets us look, or else told again.

        Raises:
            RateLimited: the product asks for patience.
            MissingPermission: it can't be told now.
        """
        for use in [each for each in view.break_glass if each.seq > card.announced]:
            notice = await self.context.linked(break_glass_notice(view, use), card)
            await self._post_once(place_of(card), notice, use, f"{card.run}:break-glass:{use.seq}")
            for place in await self._channels_with_a_copy(card):
                try:
                    await self._post_once(place, notice, use, f"{card.run}:break-glass:{use.seq}:{place.channel}")
                except MissingPermission as error:  # Its copy says so too, and must not hold the card up.
                    _log.warning("the use of break-glass can't be told in %s: %s", place.channel, error)
            card = await self.context.saved(card, replace(card, announced=use.seq))
        return card

    async def _channels_with_a_copy(self, card: CardRecord) -> list[ChannelRef]:
        copies = await self.context.store.copies(card.run, card.tenant)
        return list(_places_of([each for each in copies if not each.person]).values())

    async def _post_once(self, place: ChannelRef, notice: Card, use: BreakGlassUse, idempotency_key: str) -> None:
        try:
            if await self._stands(place, use, idempotency_key) is None:
                await self.context.platform.post_text(place, notice, idempotency_key=idempotency_key)
        except (MessageNotFound, CardTooLarge) as error:
            _log.warning("the use of break-glass can't be told in %s: %s", place.channel, error)

    async def _stands(self, place: ChannelRef, use: BreakGlassUse, idempotency_key: str) -> MessageRef | None:
        """The message of an earlier attempt; whoever may not look for it does not find it."""
        platform = self.context.platform
        # The story and the card name the plan as well; only the notice has this for its status.
        words = (catalog.text("break_glass.status"), short(use.digest))
        with suppress(MissingPermission):
            stands = await platform.find(place, idempotency_key=idempotency_key, at=use.at)
            if stands is None and isinstance(platform, FindsText):
                return await platform.find_text(place, words, at=use.at)
            return stands
        return None

    async def _remind(self, card: CardRecord, notice: Card, audience: "_Audience", sent: Reminded) -> CardRecord:
        """Remembered before it is sent.

        Once each is what people want, and with a lost reminder nothing else is lost.
        """
        before, notice = card.reminded, await self.context.linked(notice, card)
        card = await self.context.saved(card, replace(card, reminded=sent))
        try:
            if audience.is_public:
                await self.context.platform.post_text(place_of(card), notice)
                for place in audience.places.values():
                    await self.context.platform.post_text(place, notice)
            for person in audience.people:
                await self.context.platform.notify_user(person, place_of(card), notice)
            if audience.called is not None:
                for roles, where in _calls(audience.called, audience.places):
                    await self._call(card, audience.called, roles, where)
        except RateLimited:
            await self.context.saved(card, replace(card, reminded=before))
            raise
        except (MessageNotFound, MissingPermission, CardTooLarge) as error:
            _log.warning("run %s: not everybody could be told what waits: %s", card.run, error)
        return card

    async def _in_channels(self, card: CardRecord, state: s.AwaitingDecision) -> list[CardCopy]:
        """The copies in the channels where a plan is to be shown now."""
        wanted = [name_of_copy(each) for each in channels_of(state, place_of(card))]
        copies = await self.context.store.copies(card.run, card.tenant) if wanted else ()
        return [each for each in copies if each.copy in wanted]

    async def _call(self, card: CardRecord, plan: Plan, named: Sequence[str], elsewhere: ChannelRef | None) -> None:
        """Notify roles that may decide, by one line in the thread, or `elsewhere`; rather not at all than twice.

        In a private thread nobody is called: that would let them in.
        """
        if plan.policy.is_quiet or place_of(card).is_private_thread:
            return
        roles = [(Mention(role, one_line(role, _NAME), "role", is_linked=True),) for role in named]
        until = Timestamp(plan.expires_at, is_countdown=True)
        line = catalog.rich("card_sync.call", approvers=joined(roles, " "), until=until)
        place = elsewhere or (timeline_place(card) if card.story else place_of(card))
        try:
            idempotency_key = f"{card.run}:{short(plan.digest)}" + (
                f":{elsewhere.channel}" if elsewhere is not None else ""
            )
            await self.context.platform.notify_roles(place, line, idempotency_key=idempotency_key)
        except RateLimited:
            if self.context.platform.has_idempotent_posts:
                raise

    async def post_outcome(self, card: CardRecord, view: RunView) -> CardRecord:
        """Tell the one who asked how it ended, unless they ended it themselves.

        Raises:
            RateLimited: the product asks for patience.
        """
        if not isinstance(view.state, ENDED) or card.is_outcome_told:
            return card
        if not _ended_it(view, card.requester):
            await self._notify_user(card, await self.context.linked(outcome_card(view), card))
        return await self.context.saved(card, replace(card, is_outcome_told=True))

    async def post_trouble(self, card: CardRecord, reason: str) -> CardRecord:
        """Tell the one who asked, once, that their card can't be shown.

        Raises:
            RateLimited: the product asks for patience.
        """
        _log.warning("run %s: its card can't be shown: %s", card.run, reason)
        if card.is_trouble_told:
            return card
        await self._notify_user(card, trouble_card(card.run, reason))
        return await self.context.saved(card, replace(card, is_trouble_told=True))

    async def _notify_user(self, card: CardRecord, notice: Card) -> None:
        """Tell the one who asked, where that can be done at all."""
        try:
            await self.context.platform.notify_user(requester_of(card), place_of(card), notice)
        except (MessageNotFound, MissingPermission, CardTooLarge) as error:
            _log.info("run %s: the one who asked can't be told: %s", card.run, error)


@dataclass(frozen=True, kw_only=True)
class _Audience:
    """Who is told: the place of the card, if it `is_public`, some people by themselves, and the roles of a plan.

    Where `copies` stand in channels, those are told as well, and the roles are called there.
    """

    is_public: bool
    people: list[Person]
    called: Plan | None = None
    copies: Sequence[CardCopy] = ()

    @property
    def places(self) -> Mapping[str, ChannelRef]:
        """The channels where a copy stands, by their ids."""
        return _places_of(self.copies)


def _places_of(copies: Sequence[CardCopy]) -> Mapping[str, ChannelRef]:
    return {
        each.channel: ChannelRef(platform=each.platform, tenant=each.tenant, channel=each.channel)
        for each in copies
        if each.message
    }


def _calls(plan: Plan, places: Mapping[str, ChannelRef]) -> list[tuple[list[str], ChannelRef | None]]:
    """Which roles are called where: those of a place in its own channels, all others in the configuration's.

    Where the card does not stand they are called below the run's own card, which is told as None.
    """
    usual = places.get(plan.policy.approvals_channel)
    called: dict[str, tuple[list[str], ChannelRef | None]] = {}
    for each in plan.policy.places:
        own: list[ChannelRef | None] = [places[channel] for channel in each.channels if channel in places]
        for where in own or [usual]:
            roles, _ = called.setdefault("" if where is None else where.channel, ([], where))
            roles += [role for role in each.roles if role not in roles]
    return [(roles, where) for roles, where in called.values() if roles]


def accounts_in(policy: Policy) -> Sequence[str]:
    """The accounts of the approvers who are named by them, as many as are told one by one."""
    users = dict.fromkeys(user for each in policy.places for user in each.users)
    return [user for user in users if _ACCOUNT.fullmatch(user)][:_MOST_REMINDED]


def _named(card: CardRecord, plan: Plan, view: RunView) -> list[Person]:
    """The approvers who are named by their accounts and may decide; roles are not told one by one.

    Of a plan in a private thread nobody is told who may not be in it.
    """
    if place_of(card).is_private_thread:
        return []
    asker = view.request.requester
    named = [Person(tenant=asker.tenant, id=account, name=account) for account in accounts_in(plan.policy)]
    state = view.state
    if isinstance(state, s.AwaitingDecision | s.NeedsHuman):
        authors = s.authors_of(state)
        named = [person for person in named if judge_own(plan.policy, person, authors) is None]
    return named


def _ended_it(view: RunView, requester: str) -> bool:
    state = view.state
    return isinstance(state, s.Rejected | s.Cancelled) and state.by.id == requester
