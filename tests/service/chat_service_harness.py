"""The chat service behind the chats for tests: real rules and configurations over a memory log; agents who follow a script."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.chat.admin import AdminService, Findings
from bot.chat.buttons import ButtonHandler
from bot.chat.card_sync.snapshot import issue_ids
from bot.chat.config_catalog import ConfigCatalog
from bot.chat.name_pins import NamePins
from bot.chat.own_grants import GrantLists
from bot.chat.platform import ChannelRef, NameDirectory
from bot.chat.private_cards import error_card
from bot.chat.run_queries import HelpCards, RunQueries
from bot.chat.service import RequestRouter
from bot.chat.service_port import (
    AdminCommand,
    AskForText,
    CancelRun,
    ListRuns,
    Pages,
    PressButton,
    Private,
    Reply,
    Request,
    RetryRun,
    ShowHelp,
    ShowHome,
    ShowPlan,
    ShowRun,
    Started,
    StartRun,
    SubmitText,
)
from bot.chat.start_run import RunStarter
from bot.chat.store import Asked, CardRecord, Freezing, Limits
from bot.composition import Configurations
from bot.message import Action, Alert, CallList, Card, Mention, Paragraph, RichText, StatusList, Timestamp
from coordination.config import load
from coordination.domain.policy import Person, Policy
from coordination.domain.states import AwaitingDecision
from coordination.errors import StorageError
from coordination.llm.registry import Models
from coordination.ports import BudgetWarning, Model, Spent
from coordination.service import Coordinator
from coordination.worker import Worker
from tests.builders import REQUESTER
from tests.fakes import FakeClock, FakeHub, IdleEngine, MemoryLog, World
from tests.memory_chat_store import MemoryChatStore

GENERAL = ChannelRef(platform="discord", tenant="here", channel="general")
RANDOM = ChannelRef(platform="discord", tenant="here", channel="random")
ELSEWHERE = ChannelRef(platform="discord", tenant="elsewhere", channel="general")
EVERYTHING = {"*": frozenset({"*"})}
"""Every member may ask for every configuration."""

ADMIN = Person(tenant="here", id="u-admin", name="ada", is_admin=True)
NAMED_ADMIN = Person(tenant="here", id="u-named", name="nan")

TEAM = """
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{tool: board.post, arguments: {title: "{prompt}"}}]
              answer: Post it.
        report: [{say: It is posted.}]
        revisions:
          later:
            turns: [[{calls: [{tool: board.post, arguments: {title: shorter}}], answer: Shorter.}]]
mcp_servers:
  board: {type: stdio, command: board}
approval: {approvers: {roles: [ops]}}
"""


@dataclass(frozen=True)
class Answer:
    """What somebody got, as their chat would show it."""

    reply: Reply

    @property
    def private(self) -> Card | None:
        """The card for them alone, or its first page."""
        match self.reply:
            case Private(card=card) | Started(note=Card() as card) | Pages(cards=[card, *_]):
                return card
            case _:
                return None

    @property
    def run(self) -> str:
        """The run that began, or that the pages are of."""
        return self.reply.run if isinstance(self.reply, Started | Pages) else ""


class MonthOfWork:
    """Spending that anybody would remember."""

    def __init__(self) -> None:
        self.asked: list[tuple[datetime, str]] = []

    async def since(self, moment: datetime, *, tenant: str, user: str | None = None, place: str | None = None) -> Spent:
        self.asked.append((moment, tenant))
        return Spent(tokens=21_000, money=0.5)

    async def calls_since(self, moment: datetime, *, tenant: str) -> Mapping[str, int]:
        return {}

    async def warn(self, warning: BudgetWarning) -> None:
        raise AssertionError(warning)


class ChatServiceHarness:
    """A chat service with its surroundings. Configurations are files in a folder; the test says when a worker comes by."""

    def __init__(
        self,
        folder: Path,
        *,
        default: str = "team",
        allowed: Mapping[str, frozenset[str]] | None = None,
        members: Mapping[str, frozenset[str]] | None = None,
        limits: Limits = Limits(at_once=10, waiting=100, hourly=30, each=10),  # noqa: B008 - it is frozen
        directories: Mapping[str, NameDirectory] | None = None,
        operator_policy: str = "",
    ) -> None:
        self.folder = folder
        self.write("team", TEAM)
        self.clock = FakeClock()
        self.log = MemoryLog()
        self.store = MemoryChatStore(self.log)
        self.world = World()
        self.engine = IdleEngine()
        self.spending = MonthOfWork()
        self.checked: list[tuple[Path, str]] = []
        self.wakes = 0
        names = (f"RUN{number}" for number in itertools.count(1))
        configure = Configurations(environ={}, build=Models(self.clock), adapt=_as_they_are)
        freezes = Freezing(opened=self._opened)
        self.people = Coordinator(
            self.log,
            self.engine,
            clock=self.clock,
            new_id=lambda: next(names),
            configure=configure,
            freezes=freezes,
        )
        self.hub = FakeHub(self.world)
        self.worker = Worker(
            self.log,
            self.hub,
            clock=self.clock,
            new_id=lambda: next(names),
            configure=configure,
            freezes=freezes,
        )
        self.config_catalog = ConfigCatalog(
            folder=folder, default=default, allowed=allowed or {}, members=EVERYTHING if members is None else members
        )
        names_ = NamePins(store=self.store, clock=self.clock, directories=directories or {})
        run_starter = RunStarter(
            store=self.store,
            log=self.log,
            coordinator=self.people,
            config_catalog=self.config_catalog,
            name_pins=names_,
            limits=limits,
            clock=self.clock,
            new_id=lambda: next(names),
            wake=self._wake,
            operator_policy=operator_policy,
        )
        run_queries = RunQueries(
            store=self.store,
            log=self.log,
            coordinator=self.people,
            config_catalog=self.config_catalog,
            spending=self.spending,
            clock=self.clock,
        )
        self.chat_service = RequestRouter(
            run_starter=run_starter,
            button_handler=ButtonHandler(
                store=self.store,
                coordinator=self.people,
                run_starter=run_starter,
                run_queries=run_queries,
                clock=self.clock,
                wake=self._wake,
            ),
            run_queries=run_queries,
            admin_service=AdminService(
                store=self.store,
                config_catalog=self.config_catalog,
                name_pins=names_,
                limits=limits,
                check=self.check,
                log=self.log,
                coordinator=self.people,
                grants=GrantLists(store=self.store, coordinator=self.people, clock=self.clock),
                clock=self.clock,
                admins=frozenset({(NAMED_ADMIN.tenant, NAMED_ADMIN.id)}),
            ),
            help_cards=HelpCards(store=self.store, config_catalog=self.config_catalog),
        )

    async def _opened(self) -> MemoryChatStore:
        return self.store

    def _wake(self) -> None:
        self.wakes += 1

    def write(self, name: str, text: str = TEAM) -> Path:
        """Put a configuration into the folder."""
        path = self.folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    async def check(self, path: Path, tenant: str) -> Findings:
        """What a check finds without starting a server."""
        self.checked.append((path, tenant))
        settings = load(path, {})
        policy = settings.profile(allow_requester_default=False).policy
        return Findings(policy=policy, problems=(), warnings=settings.warnings)

    async def work(self) -> None:
        """Perform every job that was submitted, oldest first."""
        while self.log.jobs:
            await self.worker.perform(self.log.jobs.pop(0))

    async def ask(self, prompt: str = "Post hello.", *, by: Person = REQUESTER, place: ChannelRef = GENERAL) -> str:
        """Somebody asks, and the agents come to a plan."""
        reply = await self.start_run(by, place, prompt)
        assert reply.private is None, texts(reply)
        await self.work()
        return reply.run

    async def shown(self, run: str, *, message: str = "m-1") -> dict[Action, str]:
        """Card sync shows the run's card as it is now. Returns the ids of its buttons."""
        kept = await self.card(run)
        view = view_of(await self.log.read(run))
        assert view is not None
        card = card_for(view, self.clock.now())
        ids = await issue_ids(self.store, kept, card, view.state, self.clock.now())
        assert await self.store.posted(kept, message, self.clock.now())
        return dict(ids.ids)

    async def card(self, run: str) -> CardRecord:
        """What is remembered of a run's card."""
        card = await self.store.card(run)
        assert card is not None
        return card

    async def press(
        self,
        by: Person,
        button: str,
        *,
        place: ChannelRef = GENERAL,
        message: str = "m-1",
        text: str = "",
        event_id: str = "",
    ) -> Answer:
        """Somebody clicks, says yes to what is asked once more, and writes what they are asked to."""
        press = PressButton(button=button, message=message, choice=text, is_confirmed=True, event_id=event_id)
        answer = await self.say(press, by, place)
        if isinstance(answer.reply, AskForText):
            return await self.say(SubmitText(button=button, message=message, text=text, event_id=event_id), by, place)
        return answer

    async def allow(self, by: Person, menu: str, number: str, **fields: str) -> Answer:
        """Somebody chooses a call in the menu of a card, and fills in for how long and how often such calls may run."""
        press = PressButton(button=menu, message="m-1", choice=number)
        answer = await self.say(press, by)
        assert isinstance(answer.reply, AskForText)
        given = {"lasts": "24h", "most": "5", **fields}
        return await self.say(SubmitText(button=menu, message="m-1", choice=number, fields=given), by)

    async def told(self, run: str) -> str:
        """The words of a run's card as it is now."""
        view = view_of(await self.log.read(run))
        assert view is not None
        return texts(card_for(view, self.clock.now()))

    async def say(self, request: Request, by: Person = REQUESTER, place: ChannelRef = GENERAL) -> Answer:
        """Ask the chat service as a front end does, to which every error becomes a card."""
        try:
            return Answer(await self.chat_service.handle(request, by, place))
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - as in every front end: whoever asked gets a sentence
            return Answer(Private(error_card(error)))

    async def start_run(
        self, by: Person, place: ChannelRef, prompt: str, *, config: str = "", thread_of: str = "", event_id: str = ""
    ) -> Answer:
        """Somebody asks; in the thread that tells the story of another run, if one is named."""
        if thread_of:
            story = f"t-{thread_of}"
            self.store.cards[thread_of] = replace(await self.card(thread_of), story=story)
            place = replace(place, thread=story)
        start = StartRun(prompt=prompt, config=config, follows_thread=bool(thread_of), event_id=event_id)
        return await self.say(start, by, place)

    async def cancel(self, by: Person, place: ChannelRef, run: str) -> Answer:
        return await self.say(CancelRun(run=run), by, place)

    async def retry(self, by: Person, place: ChannelRef, run: str, *, event_id: str = "") -> Answer:
        return await self.say(RetryRun(run=run, event_id=event_id), by, place)

    async def show(self, by: Person, place: ChannelRef, run: str) -> Answer:
        return await self.say(ShowRun(run=run), by, place)

    async def runs(self, by: Person, place: ChannelRef, *, mine: bool = False, waiting: bool = False) -> Answer:
        return await self.say(ListRuns(is_mine=mine, is_waiting=waiting), by, place)

    async def help(self, by: Person, place: ChannelRef) -> Answer:
        return await self.say(ShowHelp(), by, place)

    async def home(self, by: Person) -> Answer:
        return await self.say(ShowHome(), by, replace(GENERAL, tenant=by.tenant, channel=""))

    async def details(self, by: Person, place: ChannelRef, run: str) -> Sequence[Card]:
        """The pages, or why there are none."""
        answer = await self.say(ShowPlan(run=run), by, place)
        if isinstance(answer.reply, Pages):
            return answer.reply.cards
        assert answer.private is not None
        return (answer.private,)

    async def admin(
        self,
        action: str,
        *,
        by: Person = ADMIN,
        place: ChannelRef = GENERAL,
        name: str = "",
        scope: str = "channel",
        value: str = "",
    ) -> Answer:
        """An administrator's order."""
        return await self.say(AdminCommand(action=action, name=name, scope=scope, value=value), by, place)

    async def policy(self, run: str) -> Policy:
        """The rule of the plan that waits."""
        state = await self.people.state(run)
        assert isinstance(state, AwaitingDecision), state
        return state.plan.policy

    def snapshot(self) -> object:
        """Everything that a person's word could change, but for the audit."""
        kinds = {
            run: [each.event.kind for each in log if each.event.kind != "action_refused"]
            for run, log in self.log.events.items()
        }
        cards = {run: replace(card, stale=(), state=Asked()) for run, card in self.store.cards.items()}
        return kinds, cards, dict(self.store.scopes), list(self.world.done)

    @property
    def audit(self) -> list[tuple[str, str]]:
        """The chat service's own audit: who, and what."""
        return [(each.by, each.what) for each in self.store.audit]

    def refusals(self, run: str) -> list[str]:
        """The refusals in a run's log."""
        return [str(each.event.refusal) for each in self.log.events[run] if each.event.kind == "action_refused"]


def _as_they_are(models: Sequence[Model]) -> Sequence[Model]:
    return models


def texts(said: Answer | Card) -> str:
    """Everything that a private card says, or nothing."""
    card = said.private if isinstance(said, Answer) else said
    if card is None:
        return ""
    lines: list[RichText] = [card.title]
    for section in card.sections:
        match section:
            case Paragraph(lines=more):
                lines += more
            case Alert(line=line):
                lines.append(line)
            case StatusList(rows=rows):
                lines += [row.line for row in rows]
            case CallList(calls=calls):
                for call in calls:
                    arguments = "\n".join(f"{each.name}: {each.text}" for each in call.arguments)
                    lines.append(((f"{call.server}.{call.tool}\n{arguments}"),))  # type: ignore[arg-type]  # a text will do
    return "\n".join("".join(_piece(piece) for piece in line) for line in (*lines, card.footer))


def _piece(piece: object) -> str:
    match piece:
        case str():
            return piece
        case Mention(name=name):
            return name
        case Timestamp(at=at):
            return at.isoformat()
        case _:
            return str(getattr(piece, "text", ""))
