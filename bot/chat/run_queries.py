"""Looking at runs: lists, one run, everything about its plan, and a person's own page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.cards.amounts import money, tokens
from bot.cards.card import card_for
from bot.cards.table import coordination_table
from bot.cards.text import one_line
from bot.chat.config_catalog import ConfigShelf
from bot.chat.pages import pages_of
from bot.chat.platform import Place, Said
from bot.chat.sayings import listing
from bot.chat.store import CardRecord, DeskStore, RunLine
from bot.i18n import Words, joined
from bot.message import Card, Line, Moment, Paragraph, Section, Span, Who
from bot.run_lookup import seen_run
from coordination.domain.person import Person
from coordination.domain.policy import judge_own
from coordination.domain.states import AwaitingDecision, authors_of
from coordination.errors import RefusedError
from coordination.ports import Clock, RunLog, Spending
from coordination.service import Coordinator

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
