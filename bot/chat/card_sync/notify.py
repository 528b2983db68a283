"""What is said beside the card: the timeline in its thread, reminders, and a word to the requester."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import get_args

from bot.cards.parts import approvers, asked_by, quoted
from bot.cards.run_card import card_for
from bot.cards.run_view import RunView
from bot.cards.text import one_line, visible
from bot.cards.timeline import timeline_entry
from bot.chat.approvals_channel import name_of_copy
from bot.chat.card_sync.context import SyncContext, place_of, posted, requester_of
from bot.chat.card_sync.snapshot import ENDED, WORKING
from bot.chat.platform import (
    CardTooLarge,
    ChannelRef,
    EditRefused,
    MessageNotFound,
    MissingPermission,
    RateLimited,
    ReachesPeople,
)
from bot.chat.store import CardCopy, CardRecord, OutcomeReminder, PlanReminder, Reminded, Reminder
from bot.i18n import catalog, joined
from bot.message import Alert, Card, Mention, Paragraph, RichText, Section, Severity, StyledText, Timestamp
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.plan import Plan, short
from coordination.domain.policy import Person, Policy, judge_own
from coordination.domain.transitions import Recorded

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


_LINES = 12
_CHARACTERS = 2_500


@dataclass(frozen=True, kw_only=True)
class TimelineItem:
    """One thing that the story tells. `seq` is the number of its event; without sections there is nothing to say."""

    seq: int
    sections: tuple[Section, ...] = ()

    @property
    def size(self) -> int:
        """Characters, about."""
        return sum(len(repr(section)) for section in self.sections)


def item_of(recorded: Recorded, view: RunView) -> TimelineItem:
    """What one event adds to the story; `view` is the run after it. An answer is told in full, a vote with its reason."""
    event = recorded.event
    entry = timeline_entry(event, view)
    if entry is None or isinstance(
        event, e.ActionRefused
    ):  # Who clicked in vain was told alone; the rest is for the audit.
        return TimelineItem(seq=recorded.seq)
    about: RichText = (StyledText(entry.about, "bold"),) if entry.about else ()
    if not isinstance(event, e.AnswerAccepted) or not event.text.strip():
        lines = [joined([about, entry.line], " ")]
        if isinstance(event, e.RunFinished | e.RunAnswered):
            lines.append(catalog.rich("card_sync.follow_up"))
        return TimelineItem(seq=recorded.seq, sections=(Paragraph(lines=tuple(lines)),))
    heading = Paragraph(lines=(joined([about, _answered(event)], " "),))
    return TimelineItem(seq=recorded.seq, sections=(heading, quoted(event.text)))


def _answered(event: e.AnswerAccepted) -> RichText:
    """That there is an answer, without the beginning of its text, which follows whole."""
    label: RichText = (StyledText(f"agent{event.agent}.{event.number}", "bold"),)
    if event.calls:
        label = catalog.rich(
            "table.answered_with_plan", label=label, calls=catalog.text("calls", count=len(event.calls))
        )
    return catalog.rich("agent.answered", label=label)


def batches(items: Sequence[TimelineItem]) -> Iterator[tuple[TimelineItem, ...]]:
    """The items by the message that tells them."""
    batch: list[TimelineItem] = []
    for item in items:
        is_full = len(batch) >= _LINES or sum(each.size for each in batch) + item.size > _CHARACTERS
        if batch and is_full:
            yield tuple(batch)
            batch = []
        batch.append(item)
    if batch:
        yield tuple(batch)


def batch_card(batch: Sequence[TimelineItem]) -> Card | None:
    """The message for some items; None if there is nothing to tell."""
    sections = tuple(section for item in batch for section in item.sections)
    if not sections:
        return None
    return Card(
        severity=Severity.STOPPED, status=catalog.text("card_sync.story"), title=(), reference=(), sections=sections
    )


def thread_title(view: RunView) -> str:
    """What a run's thread is called."""
    return catalog.text("card_sync.thread", prompt=visible(" ".join(view.request.prompt.split())))


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
        status=catalog.text("chat.not_done"),
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
    """One run's story and notices. `timeline_at` is when the next part of the story may be told."""

    context: SyncContext
    timeline_at: float | None = None
    _items: list[TimelineItem] = field(default_factory=list[TimelineItem])

    def add_event(self, recorded: Recorded, view: RunView) -> None:
        """One more event, and the run after it."""
        if self.context.has_timelines:
            self._items.append(item_of(recorded, view))

    def patience(self, view: RunView) -> float:
        """Seconds until the story can go on. What people wait for is told at once."""
        if self.timeline_at is None or not isinstance(view.state, WORKING):
            return 0.0
        return max(0.0, self.timeline_at - self.context.clock.monotonic())

    async def post_timeline(self, card: CardRecord, view: RunView) -> CardRecord:
        """Go on with the story, as far as the run has come.

        A message that stands although its answer was lost is told again: rather twice than never.

        Raises:
            RateLimited: the product asks for patience.
        """
        if card.told >= view.seq or self.patience(view) > 0:
            return card
        items = [item for item in self._items if item.seq > card.told]
        for batch in batches(items):
            card = await self._post_batch(card, view, batch)
            self.timeline_at = self.context.clock.monotonic() + self.context.intervals.timeline
        self._items = []
        return await self.context.saved(card, replace(card, told=view.seq))

    async def _post_batch(self, card: CardRecord, view: RunView, batch: tuple[TimelineItem, ...]) -> CardRecord:
        told = batch_card(batch)
        if told is None:
            return card
        try:
            card = await self._opened(card, view)
            await self.context.platform.post_text(self._thread(card), told)
        except (MessageNotFound, EditRefused):
            # The thread is gone, or closed for good. There will be another with what comes next.
            return await self.context.saved(card, replace(card, story="", told=batch[-1].seq))
        except (MissingPermission, CardTooLarge) as error:
            _log.warning("run %s: a part of the story can't be told: %s", card.run, error)
        return await self.context.saved(card, replace(card, told=batch[-1].seq))

    async def _opened(self, card: CardRecord, view: RunView) -> CardRecord:
        if card.story:
            return card
        thread = await self.context.platform.open_thread(posted(card), thread_title(view))
        return await self.context.saved(card, replace(card, story=thread.thread))

    def _thread(self, card: CardRecord) -> ChannelRef:
        return ChannelRef(platform=card.platform, tenant=card.tenant, channel=card.channel, thread=card.story)

    async def remind(self, card: CardRecord, view: RunView) -> CardRecord:
        """Tell people what waits for them, when it is time, and remember when to look again.

        Raises:
            RateLimited: the product asks for patience.
        """
        match view.state:
            case s.AwaitingDecision(plan=plan):
                found = schedule(plan, self.context.clock.now(), card.reminded)
                copy = await self._in_channel(card, plan)
                # Whether the roles are called in the channel or here is known once the card stands there, or can't.
                is_settled = copy is None or bool(copy.message or copy.note) or copy.is_over
                if found.due is not None and (is_settled or found.due != "new"):
                    notice = reminder_card(view, plan, found.due)
                    is_first = found.due == "new"
                    is_copied = (
                        is_first and isinstance(self.context.platform, ReachesPeople) and not plan.policy.is_quiet
                    )
                    people = [] if is_copied else _named(card, plan, view)
                    audience = _Audience(
                        is_public=not is_first, people=people, called=plan if is_first else None, copy=copy
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

    async def _remind(self, card: CardRecord, notice: Card, audience: "_Audience", sent: Reminded) -> CardRecord:
        """Remembered before it is sent: once each is what people want, and with a lost reminder nothing else is lost."""
        before, notice = card.reminded, await self.context.linked(notice, card)
        card = await self.context.saved(card, replace(card, reminded=sent))
        try:
            if audience.is_public:
                await self.context.platform.post_text(place_of(card), notice)
                if audience.place is not None:
                    await self.context.platform.post_text(audience.place, notice)
            for person in audience.people:
                await self.context.platform.notify_user(person, place_of(card), notice)
            if audience.called is not None:
                await self._call(card, audience.called, audience.place)
        except RateLimited:
            await self.context.saved(card, replace(card, reminded=before))
            raise
        except (MessageNotFound, MissingPermission, CardTooLarge) as error:
            _log.warning("run %s: not everybody could be told what waits: %s", card.run, error)
        return card

    async def _in_channel(self, card: CardRecord, plan: Plan) -> CardCopy | None:
        """The copy in the channel that a configuration names, if there is one."""
        channel = plan.policy.approvals_channel
        copies = await self.context.store.copies(card.run, card.tenant) if channel else ()
        return next((each for each in copies if each.copy == name_of_copy(channel)), None)

    async def _call(self, card: CardRecord, plan: Plan, elsewhere: ChannelRef | None) -> None:
        """Notify the roles that may decide, by one line in the thread, or `elsewhere`; rather not at all than twice.

        In a private thread nobody is called: that would let them in.
        """
        named = dict.fromkeys(role for each in plan.policy.places for role in each.roles)
        if plan.policy.is_quiet or not named or place_of(card).is_private_thread:
            return
        roles = [(Mention(role, one_line(role, _NAME), "role", is_linked=True),) for role in named]
        until = Timestamp(plan.expires_at, is_countdown=True)
        line = catalog.rich("card_sync.call", approvers=joined(roles, " "), until=until)
        place = elsewhere or (self._thread(card) if card.story else place_of(card))
        try:
            await self.context.platform.call(place, line, once=f"{card.run}:{short(plan.digest)}")
        except RateLimited:
            if self.context.platform.posts_once:
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

    Where a `copy` stands in a channel, that is told as well, and the roles are called there.
    """

    is_public: bool
    people: list[Person]
    called: Plan | None = None
    copy: CardCopy | None = None

    @property
    def place(self) -> ChannelRef | None:
        """The channel where a copy stands; None: in none."""
        if self.copy is None or not self.copy.message:
            return None
        return ChannelRef(platform=self.copy.platform, tenant=self.copy.tenant, channel=self.copy.channel)


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
