"""Looking at runs: lists, one run, its plan in pages, help, and who may see what.

But what was asked for in a private thread is seen there only: administrators need not be in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.cards.parts import approvers, call_items, plain, quoted
from bot.cards.parts import approvers as approvers_line
from bot.cards.plan_card import attachments
from bot.cards.run_card import card_for
from bot.cards.run_view import RunView
from bot.cards.table import coordination_table
from bot.cards.text import money, one_line, tokens
from bot.chat.approvers import rule_here
from bot.chat.card_sync.context import place_of
from bot.chat.config_catalog import ConfigShelf
from bot.chat.platform import Place, Said
from bot.chat.private_cards import DeskRefusal, listing, noted, refused
from bot.chat.store import CardRecord, DeskStore, RunLine
from bot.i18n import Words, joined
from bot.message import CallItem, CallList, Card, Line, Moment, Paragraph, Section, Span, Who
from bot.run_lookup import seen_run
from coordination.domain import states as s
from coordination.domain.policy import Person, judge_own
from coordination.domain.states import AwaitingDecision, authors_of
from coordination.errors import RefusedError, RunNotFoundError
from coordination.ports import Clock, RunLog, Spending
from coordination.service import Coordinator

_PAGE = 2_500
"""Characters of arguments on a page, unless one call alone has more."""

_CALLS = 10


def pages_of(view: RunView, now: datetime, words: Words) -> tuple[Card, ...]:
    """The pages. A run without a plan has one, which is its card."""
    front = replace(card_for(view, now, words), buttons=(), menu=None)
    state = view.state
    if not isinstance(
        state, s.AwaitingDecision | s.Executing | s.Reporting | s.NeedsHuman | s.Finished | s.Rejected | s.Expired
    ):
        return (front,)
    plan = state.plan
    files = attachments(view, plan, words)
    first = replace(
        front,
        sections=(
            plain(words.line("pages.author", author=plan.author, count=len(plan.calls))),
            quoted(plan.text),
            Paragraph(lines=(approvers(plan.policy, words), words.line("decide.digest", digest=plan.digest))),
        ),
        footer=(),
        attachments=files,
    )
    rest = [replace(first, sections=(CallList(calls=tuple(calls)),)) for calls in _grouped(call_items(plan, words))]
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
_LISTED = 15
_LOOKED_THROUGH = 50
_PROMPT = 80


@dataclass(frozen=True, kw_only=True)
class Looking:
    """Answers questions about runs. It changes nothing, except that a plan past its time expires."""

    store: DeskStore
    log: RunLog
    coordinator: Coordinator
    shelf: ConfigShelf
    spending: Spending
    clock: Clock
    words: Words

    async def runs(self, by: Person, place: Place, *, mine: bool, waiting: bool) -> Said:
        """The newest runs of this channel, or of this person; where there is no channel, of this person."""
        mine = mine or not place.channel
        states = WAITING if waiting else ()
        channel, requester = ("", by.id) if mine else (place.channel, "")
        found = await self.store.lines(by.tenant, channel=channel, requester=requester, states=states, limit=_LISTED)
        heading = self.words.line("runs.mine" if mine else "runs.here")
        lines = [self._line(each) for each in found]
        return Said(private=listing(self.words, heading, lines, empty=self.words.say("runs.none")))

    async def show(self, card: CardRecord) -> Said:
        """How a run stands, and who did what in which round."""
        view, records = await seen_run(self.log, self.coordinator, card.run)
        shown = card_for(view, self.clock.now(), self.words)
        table: list[Section] = []
        for part in coordination_table(records, self.words):
            lines: list[Line] = [(Span(part.note, "bold"),)] if part.note else []
            for row in part.rows:
                lines.append(self.words.line("runs.round", number=row.round))
                for agent, cell in enumerate(row.cells, 1):
                    if cell:
                        said = "; ".join(entry.text for entry in cell)
                        lines.append((Span(f"agent{agent} ", "bold"), Span(one_line(said, 400))))
            table.append(Paragraph(lines=tuple(lines)))
        return Said(private=replace(shown, buttons=(), menu=None, sections=(*shown.sections, *table)), run=card.run)

    async def details(self, card: CardRecord) -> Sequence[Card]:
        """Everything about a run's plan, in pages."""
        view, _ = await seen_run(self.log, self.coordinator, card.run)
        return pages_of(view, self.clock.now(), self.words)

    async def home(self, by: Person) -> Card:
        """Runs that wait for this person by name, their own runs, the configuration of the tenant, usage this month."""
        waiting = [self._line(each) for each in await self._waiting_for(by)]
        own = await self.store.lines(by.tenant, requester=by.id, limit=_LISTED)
        sections: list[Section] = [
            self._part("home.waiting", waiting, "home.nothing_waits"),
            self._part("home.own", [self._line(each) for each in own], "runs.none"),
            self._part("home.config", [await self._config_line(by.tenant)], "runs.none"),
            self._part("home.usage", [await self._usage_line(by.tenant)], "runs.none"),
        ]
        listed = listing(self.words, self.words.line("home.title"), (), empty="")
        return replace(listed, sections=tuple(sections))

    async def _waiting_for(self, by: Person) -> Sequence[RunLine]:
        """Plans that name this person or one of their roles. What anyone may decide waits for nobody in particular."""
        found = await self.store.lines(by.tenant, states=WAITING, limit=_LOOKED_THROUGH)
        theirs: list[RunLine] = []
        for each in found:
            state = await self.coordinator.state(each.run, by.tenant)
            if not isinstance(state, AwaitingDecision):
                continue
            policy = state.plan.policy
            is_own = judge_own(policy, by, authors_of(state)) is not None
            if (policy.roles or policy.users) and policy.names(by) and not is_own:
                theirs.append(each)
        return theirs[:_LISTED]

    async def _config_line(self, tenant: str) -> Line:
        try:
            chosen = self.shelf.chosen(tenant, "", await self.store.settings(tenant, ""))
        except RefusedError:
            return self.words.line("home.no_config")
        return self.words.line(f"config.from_{chosen.source}", name=Span(chosen.name, "bold"))

    async def _usage_line(self, tenant: str) -> Line:
        month = _month_of(self.clock.now())
        spent = await self.spending.since(month, tenant=tenant)
        number = await self.store.begun(tenant, month)
        parts: list[Line] = [
            self.words.line("home.runs", count=number),
            (Span(tokens(spent.tokens, self.words)),),
            (Span(money(spent.money, self.words)),),
        ]
        return joined(parts, " · ")

    def _part(self, heading: str, lines: Sequence[Line], empty: str) -> Paragraph:
        body = tuple(lines) or (self.words.line(empty),)
        return Paragraph(lines=((Span(self.words.say(heading), "bold"),), *body))

    def _line(self, run: RunLine) -> Line:
        parts: list[Line] = [
            (Span(run.run, "bold"),),
            self.words.line(f"state.{run.state}"),
            self.words.line("card.title", prompt=one_line(run.prompt, _PROMPT)),
            self.words.line("card.asked_by", who=Who(run.requester, one_line(run.requester_name, 60))),
            (Moment(run.asked_at),),
        ]
        return joined(parts, " · ")


def _month_of(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, kw_only=True)
class Visibility:
    """Finds runs for people. What they may not see is not there."""

    log: RunLog
    store: DeskStore

    async def found(self, by: Person, place: Place, prefix: str) -> CardRecord:
        """The card of the one run that is named so, or whose name begins so, among those that this person may see here.

        Raises:
            RunNotFoundError: there is none.
            RefusedError: there are several.
        """
        typed = prefix.strip()
        is_name = typed.isascii() and typed.isprintable() and typed
        runs = await self.log.find(typed, by.tenant) if is_name else ()
        cards = [await self.store.card(run, by.tenant) for run in runs]
        seen = [card for card in cards if card is not None and may_see(by, place, card)]
        whole = [card for card in seen if card.run.lower() == typed.lower()]
        if not seen:
            raise RunNotFoundError(prefix)
        if len(seen) > 1 and not whole:
            names = ", ".join(card.run for card in seen)
            raise refused("ambiguous_run", prefix=one_line(typed, 40), names=names)
        return (whole or seen)[0]


def may_see(by: Person, place: Place, card: CardRecord) -> bool:
    """Whether a run is a person's business in this place."""
    if by.tenant != card.tenant or place.tenant != card.tenant:
        return False
    if card.channel == place.channel or card.requester == by.id:
        return True
    return by.is_admin and not place_of(card).is_private_thread


@dataclass(frozen=True, kw_only=True)
class Helping:
    """Says what this is."""

    store: DeskStore
    shelf: ConfigShelf
    words: Words

    async def help(self, place: Place) -> Said:
        """Two sentences, one example, which configuration holds here, and who may approve."""
        set_here = await self.store.settings(place.tenant, place.settings_channel)
        lines: list[Line] = [self.words.line("desk.help_example")]
        try:
            chosen = self.shelf.chosen(place.tenant, place.settings_channel, set_here)
        except DeskRefusal as error:
            lines.append((Span(error.sentence(self.words)),))
        else:
            lines.append(self.words.line(f"config.from_{chosen.source}", name=Span(chosen.name, "bold")))
            policy = await rule_here(chosen, place.settings_channel, set_here)
            if policy is not None:
                lines.append(approvers_line(policy, self.words))
        return Said(private=noted(self.words, self.words.line("desk.help"), *lines))
