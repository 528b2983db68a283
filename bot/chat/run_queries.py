"""Looking at runs: lists, one run, its plan in pages, help, and who may see what.

But what was asked for in a private thread is seen there only: administrators need not be in it.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import assert_never

from bot.cards.parts import approvers, call_items, plain, quoted
from bot.cards.parts import approvers as approvers_line
from bot.cards.plan_card import attachments
from bot.cards.results import first_link
from bot.cards.run_card import card_for
from bot.cards.run_view import RunView
from bot.cards.table import coordination_table
from bot.cards.text import money, one_line, tokens
from bot.chat.approvers import rule_here
from bot.chat.card_sync.context import place_of, with_link
from bot.chat.card_sync.snapshot import copy_of, issue_ids
from bot.chat.config_catalog import ConfigCatalog
from bot.chat.platform import ChannelRef, LinksMessages, MessageRef
from bot.chat.private_cards import ChatRefusal, done_card, list_card, refused
from bot.chat.service_port import ListRuns, Pages, Private, Reply, ShowHome, ShowPlan, ShowRun
from bot.chat.store import ButtonRecord, CardCopy, CardRecord, ChatStore, RunListItem
from bot.chat.suggested_prompts import example_lines, prompts_here
from bot.i18n import catalog, joined
from bot.message import (
    Action,
    CallItem,
    CallList,
    Card,
    Confirmation,
    Link,
    Mention,
    Paragraph,
    RichText,
    Section,
    StyledText,
    Timestamp,
)
from bot.run_lookup import may_break_glass, seen_run
from coordination.authorization import judge_plan, judge_shaping
from coordination.domain import states as s
from coordination.domain.plan import short
from coordination.domain.policy import Person, RunAction, judge_own
from coordination.domain.states import AwaitingDecision, authors_of
from coordination.errors import RefusedError, RunNotFoundError
from coordination.ports import Clock, RunLog, Spending
from coordination.service import Coordinator

_PAGE = 2_500
"""Characters of arguments on a page, unless one call alone has more."""

_CALLS = 10


def pages_of(view: RunView, now: datetime) -> tuple[Card, ...]:
    """The pages. A run without a plan has one, which is its card."""
    front = replace(card_for(view, now), buttons=(), menus=())
    state = view.state
    if not isinstance(
        state, s.AwaitingDecision | s.Executing | s.Reporting | s.NeedsHuman | s.Finished | s.Rejected | s.Expired
    ):
        return (front,)
    plan = state.plan
    files = attachments(view, plan)
    first = replace(
        front,
        sections=(
            plain(catalog.rich("pages.author", author=plan.author, count=len(plan.calls))),
            *((quoted(plan.text),) if plan.text else ()),
            Paragraph(lines=(approvers(plan.policy), catalog.rich("decide.digest", digest=plan.digest))),
        ),
        footer=(),
        attachments=files,
        has_files=True,
    )
    rest = [
        replace(first, has_files=False, sections=(CallList(calls=tuple(calls)),))
        for calls in _grouped(call_items(plan))
    ]
    return (first, *rest)


def _grouped(calls: tuple[CallItem, ...]) -> Iterator[list[CallItem]]:
    """Calls that one page can hold."""
    page: list[CallItem] = []
    size = 0
    for call in calls:
        weight = sum(len(argument.name) + len(argument.text) for argument in call.arguments)
        if page and (size + weight > _PAGE or len(page) >= _CALLS):
            yield page
            page, size = [], 0
        page.append(call)
        size += weight
    if page:
        yield page


WAITING = ("awaiting_decision", "needs_human")
_DECIDED_AT_HOME = {
    Action.APPROVE: RunAction.APPROVE,
    Action.REJECT: RunAction.REJECT,
    Action.CHANGE: RunAction.CHANGE,
    Action.BREAK_GLASS: RunAction.BREAK_GLASS,
}
_WITH_RECEIPTS = ("executing", "needs_human", "reporting", "finished")
_LISTED = 15
_LOOKED_THROUGH = 50
_PROMPT = 80


@dataclass(frozen=True, kw_only=True)
class RunQueries:
    """Answers questions about runs. It changes nothing, except that a plan past its time expires."""

    store: ChatStore
    log: RunLog
    coordinator: Coordinator
    config_catalog: ConfigCatalog
    spending: Spending
    clock: Clock
    links: Mapping[str, LinksMessages] = field(default_factory=dict[str, LinksMessages])

    async def answer(self, request: ListRuns | ShowRun | ShowPlan | ShowHome, by: Person, place: ChannelRef) -> Reply:
        """A list, a run, its plan, or a person's own page.

        Raises:
            RunNotFoundError, RefusedError: no run, or more than one, is named so among those that this person may see.
        """
        match request:
            case ListRuns():
                return await self._runs(request, by, place)
            case ShowRun(run=run):
                return await self._show(await find_card(self.log, self.store, by, place, run))
            case ShowPlan(run=run):
                card = await self.readable(run, by, place)
                return Pages(card.run, await self.pages(card), await self._decision(card, by, place))
            case ShowHome():
                return await self._home(by)
            case _:
                assert_never(request)

    async def readable(self, run: str, by: Person, place: ChannelRef) -> CardRecord:
        """The card of a run that this person may see, or whose plan waits for them: who decides reads it all.

        Raises:
            RunNotFoundError, RefusedError: no run, or more than one, is named so among those.
        """
        try:
            return await find_card(self.log, self.store, by, place, run)
        except RunNotFoundError:
            is_home = not place.channel and place.tenant == by.tenant
            waiting, alone = await self._waiting_for(by) if is_home else ((), ())
            is_theirs = run in {each.run for each in (*waiting, *alone)}
            card = await self.store.card(run, by.tenant) if is_theirs else None
            if card is None or place_of(card).is_private_thread:
                raise
            return card

    async def _runs(self, request: ListRuns, by: Person, place: ChannelRef) -> Reply:
        """The newest runs of this channel, or of this person; where there is no channel, of this person."""
        mine = request.is_mine or not place.channel
        states = WAITING if request.is_waiting else ()
        channel, requester = ("", by.id) if mine else (place.channel, "")
        key, none = "runs.mine" if mine else "runs.here", "runs.none"
        if request.is_break_glass:
            key, none = "home.break_glass", "runs.no_break_glass"
            found = await self._for_break_glass(by, place)
        else:
            found = await self.store.list_runs(
                by.tenant, channel=channel, requester=requester, states=states, limit=_LISTED
            )
        card = list_card(catalog.rich(key), await self._lines(found, by), empty=catalog.text(none))
        return Private(card, tuple(each.run for each in found))

    async def _for_break_glass(self, by: Person, place: ChannelRef) -> Sequence[RunListItem]:
        """Plans that this person may approve alone in an emergency.

        Of what is in a private thread only whoever is in it hears.
        """
        found = await self.store.list_runs(by.tenant, states=WAITING, limit=_LOOKED_THROUGH)
        seen = [each for each in found if each.channel == place.channel or not _place_of(each).is_private_thread]
        return [each for each in seen if await self._may_break_glass(each, by)][:_LISTED]

    async def _may_break_glass(self, run: RunListItem, by: Person) -> bool:
        if run.state != AwaitingDecision.kind:
            return False
        return may_break_glass(await self.coordinator.state(run.run, run.tenant), by, self.clock.now())

    async def _show(self, card: CardRecord) -> Reply:
        """How a run stands, and who did what in which round."""
        view, records = await seen_run(self.log, self.coordinator, card.run)
        shown = card_for(view, self.clock.now())
        table: list[Section] = []
        for part in coordination_table(records):
            lines: list[RichText] = [(StyledText(part.note, "bold"),)] if part.note else []
            for row in part.rows:
                lines.append(catalog.rich("runs.round", number=row.round))
                for agent, cell in enumerate(row.cells, 1):
                    if cell:
                        said = "; ".join(entry.text for entry in cell)
                        lines.append((StyledText(f"agent{agent} ", "bold"), StyledText(one_line(said, 400))))
            table.append(Paragraph(lines=tuple(lines)))
        return Private(replace(shown, buttons=(), menus=(), sections=(*shown.sections, *table)))

    async def _decision(self, card: CardRecord, by: Person, place: ChannelRef) -> Private | None:
        """The card of a plan that waits with what this person may decide on it, for their own page.

        None: nothing, or not there.

        Its buttons have ids of their own, on disk before anybody sees them, which count for this person on that page
        alone.
        """
        view, _ = await seen_run(self.log, self.coordinator, card.run)
        state, now = view.state, self.clock.now()
        if place.channel or place_of(card).is_private_thread or not isinstance(state, AwaitingDecision):
            return None
        plan = state.plan
        refused = {action: judge_plan(state, plan.digest, by, of, now) for action, of in _DECIDED_AT_HOME.items()}
        if judge_shaping(state, by) is not None:
            refused.pop(Action.CHANGE)
        open_to = {action for action, refusal in refused.items() if refusal is None}
        shown = copy_of(view)
        buttons = tuple(each for each in shown.buttons if each.action in open_to | {Action.DETAILS})
        if not open_to:
            return None
        shown = with_link(replace(shown, buttons=buttons, menus=()), await self.link_of(card))
        at_home = CardCopy(
            run=card.run,
            copy=home_of(by),
            platform=card.platform,
            tenant=card.tenant,
            person=by.id,
            plan=short(plan.digest),
            made_at=now,
        )
        return Private(shown, ids=await issue_ids(self.store, at_home, shown, state, now))

    async def pages(self, card: CardRecord) -> Sequence[Card]:
        """Everything about the plan of a card's run, in pages."""
        view, _ = await seen_run(self.log, self.coordinator, card.run)
        return pages_of(view, self.clock.now())

    async def question(self, card: CardRecord, digest: str) -> Confirmation | None:
        """What is asked once more before a yes to this plan counts.

        None: nothing is, or it is not the one that waits.
        """
        view, _ = await seen_run(self.log, self.coordinator, card.run)
        is_waiting = isinstance(view.state, AwaitingDecision) and view.state.plan.digest == digest
        approve = (each for each in card_for(view, self.clock.now()).buttons if is_waiting)
        return next((each.confirmation for each in approve if each.action is Action.APPROVE), None)

    async def _home(self, by: Person) -> Reply:
        """Runs that wait for this person by name, their own runs, the configuration of the tenant, usage this month.

        Plans that they may approve alone in an emergency are only shown where there are any.
        """
        waiting, alone = await self._waiting_for(by)
        own = await self.store.list_runs(by.tenant, requester=by.id, limit=_LISTED)
        sections: list[Section] = [
            self._part("home.waiting", await self._lines(waiting), "home.nothing_waits"),
            *([self._part("home.break_glass", await self._lines(alone), "runs.none")] if alone else []),
            self._part("home.own", await self._lines(own), "runs.none"),
            self._part("home.config", [await self._config_line(by.tenant)], "runs.none"),
            self._part("home.usage", [await self._usage_line(by.tenant)], "runs.none"),
        ]
        listed = list_card(catalog.rich("home.title"), (), empty="")
        runs = dict.fromkeys(each.run for each in (*waiting, *alone, *own))
        return Private(replace(listed, sections=tuple(sections)), tuple(runs))

    async def _waiting_for(self, by: Person) -> tuple[Sequence[RunListItem], Sequence[RunListItem]]:
        """Plans that name this person or one of their roles, and others that they may approve alone in an emergency.

        What anyone may decide waits for nobody in particular.
        """
        found = await self.store.list_runs(by.tenant, states=WAITING, limit=_LOOKED_THROUGH)
        theirs: list[RunListItem] = []
        alone: list[RunListItem] = []
        now = self.clock.now()
        for each in found:
            state = await self.coordinator.state(each.run, by.tenant)
            if not isinstance(state, AwaitingDecision):
                continue
            policy = state.plan.policy
            is_own = judge_own(policy, by, authors_of(state)) is not None
            is_named = any(not each.is_open and each.names(by) for each in policy.places)
            if is_named and policy.counts(by, state.approvals) and not is_own:
                theirs.append(each)
            elif may_break_glass(state, by, now):
                alone.append(each)
        return theirs[:_LISTED], alone[:_LISTED]

    async def _config_line(self, tenant: str) -> RichText:
        try:
            chosen = self.config_catalog.chosen(tenant, "", await self.store.settings(tenant, ""))
        except RefusedError:
            return catalog.rich("home.no_config")
        return catalog.rich(f"config.from_{chosen.source}", name=StyledText(chosen.name, "bold"))

    async def _usage_line(self, tenant: str) -> RichText:
        month = _month_of(self.clock.now())
        spent = await self.spending.since(month, tenant=tenant)
        number = await self.store.begun(tenant, month)
        parts: list[RichText] = [
            catalog.rich("home.runs", count=number),
            (StyledText(tokens(spent.tokens)),),
            (StyledText(money(spent.money)),),
        ]
        return joined(parts, " · ")

    def _part(self, heading: str, lines: Sequence[RichText], empty: str) -> Paragraph:
        body = tuple(lines) or (catalog.rich(empty),)
        return Paragraph(lines=((StyledText(catalog.text(heading), "bold"),), *body))

    async def _lines(self, runs: Sequence[RunListItem], by: Person | None = None) -> list[RichText]:
        """A line for each run, with what `by` may do about it in an emergency."""
        return await asyncio.gather(*(self._line(each, by) for each in runs))

    async def _line(self, run: RunListItem, by: Person | None) -> RichText:
        may_alone = by is not None and await self._may_break_glass(run, by)
        parts: list[RichText] = [
            (StyledText(run.run, "bold"),),
            catalog.rich(f"state.{run.state}"),
            catalog.rich("runs.break_glass") if may_alone else (),
            catalog.rich("card.title", prompt=one_line(run.prompt, _PROMPT)),
            catalog.rich("card.asked_by", who=Mention(run.requester, one_line(run.requester_name, 60))),
            (Timestamp(run.asked_at),),
            (Link(catalog.text("card_sync.open"), url),) if (url := await self.link_of(run)) else (),
            await self._came_of(run),
        ]
        return joined(parts, " · ")

    async def _came_of(self, run: RunListItem) -> RichText:
        """Where to find what its calls have done; nothing where none has, or none has an address."""
        if run.state not in _WITH_RECEIPTS:
            return ()
        state = await self.coordinator.state(run.run, run.tenant)
        if not isinstance(state, s.Executing | s.NeedsHuman | s.Reporting | s.Finished):
            return ()
        return first_link(state.receipts)

    async def link_of(self, run: RunListItem | CardRecord) -> str:
        """The address of its card; empty where that has none."""
        chat = self.links.get(run.platform)
        if chat is None or not run.message:
            return ""
        return await chat.link_to(MessageRef(place=_place_of(run), message=run.message))


def _place_of(run: RunListItem | CardRecord) -> ChannelRef:
    return ChannelRef(platform=run.platform, tenant=run.tenant, channel=run.channel, thread=run.thread)


_HOME = "home:"


def home_of(person: Person) -> str:
    """What the buttons on somebody's own page are remembered by."""
    return f"{_HOME}{person.id}"


def is_at_home(known: ButtonRecord) -> bool:
    """Whether a button is on somebody's own page."""
    return known.copy.startswith(_HOME)


def _month_of(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


async def find_card(log: RunLog, store: ChatStore, by: Person, place: ChannelRef, prefix: str) -> CardRecord:
    """The card of the one run that is named so, or whose name begins so, among those that this person may see here.

    Raises:
        RunNotFoundError: there is none.
        RefusedError: there are several.
    """
    typed = prefix.strip()
    is_name = typed.isascii() and typed.isprintable() and typed
    runs = await log.find(typed, by.tenant) if is_name else ()
    cards = [await store.card(run, by.tenant) for run in runs]
    seen = [
        card
        for card in cards
        if card is not None and (may_see(by, place, card) or await _has_copy(store, by, place, card))
    ]
    whole = [card for card in seen if card.run.lower() == typed.lower()]
    if not seen:
        raise RunNotFoundError(prefix)
    if len(seen) > 1 and not whole:
        names = ", ".join(card.run for card in seen)
        raise refused("ambiguous_run", prefix=one_line(typed, 40), names=names)
    return (whole or seen)[0]


async def _has_copy(store: ChatStore, by: Person, place: ChannelRef, card: CardRecord) -> bool:
    """Whether the card stands in this channel, or in these direct messages of a person, too."""
    if not by.tenant == place.tenant == card.tenant:
        return False
    copies = await store.copies(card.run, card.tenant)
    return any(each.message and each.is_before(by, place.channel) for each in copies)


def may_see(by: Person, place: ChannelRef, card: CardRecord) -> bool:
    """Whether a run is a person's business in this place."""
    if by.tenant != card.tenant or place.tenant != card.tenant:
        return False
    if card.channel == place.channel or card.requester == by.id:
        return True
    return by.is_admin and not place_of(card).is_private_thread


@dataclass(frozen=True, kw_only=True)
class HelpCards:
    """Says what this is."""

    store: ChatStore
    config_catalog: ConfigCatalog

    async def help(self, place: ChannelRef) -> Reply:
        """Two sentences, one example, which configuration holds here, and who may approve."""
        channel_settings = await self.store.settings(place.tenant, place.settings_channel)
        lines = example_lines(prompts_here(place.settings_channel, channel_settings))
        try:
            chosen = self.config_catalog.chosen(place.tenant, place.settings_channel, channel_settings)
        except ChatRefusal as error:
            lines.append((StyledText(error.sentence()),))
        else:
            lines.append(catalog.rich(f"config.from_{chosen.source}", name=StyledText(chosen.name, "bold")))
            policy = await rule_here(chosen, place.settings_channel, channel_settings)
            if policy is not None:
                lines.append(approvers_line(policy))
        return Private(done_card(catalog.rich("chat.help"), *lines))
