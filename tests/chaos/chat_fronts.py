"""Two front ends of Discord and Slack, which die, freeze and lose connections and database, while people use both."""

import asyncio
import random
import re
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import psycopg

from bot.application import Application
from bot.cards.run_view import view_of
from coordination.domain import states as s
from coordination.errors import StorageError
from tests.chaos.chat_people import InDiscord, InSlack, Product, Standing, a_slack, soon
from tests.chaos.deployment import CONFIG, Deployment, history, until
from tests.chaos.fronts import APPROVAL, CALL, LIMITS
from tests.chaos.world import effects_in
from tests.e2e.program import Process
from tests.servers.discord_server import DiscordServer
from tests.servers.slack_server import slack_serving

FRONT_ENDS = 2
LEASE = 15.0
PATIENCE = 8.0
"""Seconds without a change after which a person does again what they did."""

LONGEST = 120.0
QUICK = ("kill", "freeze", "outage", "lost connections")
ALL = (*QUICK, "terminate", "freeze beyond the lease", "cut")


@dataclass
class ChatFronts:
    """The two chats, and the processes that serve both of them. `struck` counts the faults."""

    deployment: Deployment
    chats: Sequence[Product]
    dice: random.Random
    faults: Sequence[str]
    living: list[Process] = field(default_factory=list[Process])
    struck: Counter[str] = field(default_factory=Counter[str])
    asked: Counter[str] = field(default_factory=Counter[str])

    def __post_init__(self) -> None:
        """The configuration that people use."""
        folder = self.deployment.folder / "configs"
        folder.mkdir()
        text = CONFIG.format(calls=CALL, journal=self.deployment.writer, limit=self.deployment.limit)
        (folder / "ops.yaml").write_text(text + APPROVAL, encoding="utf-8")
        given = {"MASSGEN_BOT_CONFIGS": str(folder), "MASSGEN_BOT_CONFIG": "ops"}
        self.deployment.environ.update(given | dict.fromkeys(LIMITS, "1000"))

    def start(self) -> None:
        """One more front end."""
        told = {name: value for chat in self.chats for name, value in chat.environ().items()}
        self.living.append(self.deployment.start("up", "--no-work", environ=told))

    # --- what goes wrong ----------------------------------------------------------------------------------------------

    async def strike(self, over: asyncio.Event) -> None:
        """One fault after the other: each kind once, then any, until it is over."""
        faults: Mapping[str, Callable[[], Awaitable[None]]] = {
            "kill": self._kill,
            "terminate": self._terminate,
            "freeze": lambda: self._freeze(self.dice.uniform(0.5, 4)),
            "freeze beyond the lease": lambda: self._freeze(LEASE + self.dice.uniform(2, 5)),
            "outage": self._outage,
            "cut": self._cut,
            "lost connections": self._lose_connections,
        }
        left = list(self.faults)
        while left or not over.is_set():
            await asyncio.sleep(self.dice.uniform(0.3, 1.5))
            fault = left.pop(self.dice.randrange(len(left))) if left else self.dice.choice(self.faults)
            await faults[fault]()
            self.struck[fault] += 1

    async def _kill(self) -> None:
        self.living.pop(self.dice.randrange(len(self.living))).kill()
        await asyncio.to_thread(self.start)

    async def _terminate(self) -> None:
        """Its replacement is there before it has ended."""
        front = self.living.pop(self.dice.randrange(len(self.living)))
        front.terminate()
        await asyncio.to_thread(self.start)
        assert await asyncio.to_thread(front.wait, LONGEST) == 0

    async def _freeze(self, seconds: float) -> None:
        front = self.dice.choice(self.living)
        front.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        front.send_signal(signal.SIGCONT)

    async def _outage(self) -> None:
        assert self.deployment.server is not None
        await asyncio.to_thread(self.deployment.server.stop, immediately=True)
        await asyncio.sleep(self.dice.uniform(0.5, 3))
        await asyncio.to_thread(self.deployment.server.start)

    async def _cut(self) -> None:
        assert self.deployment.server is not None
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        with suppress(psycopg.OperationalError), self.deployment.server.connect() as connection:
            connection.execute(cut)

    async def _lose_connections(self) -> None:
        await self.dice.choice(self.chats).lose_connections()

    # --- what people do -----------------------------------------------------------------------------------------------

    async def accompany(self, chat: Product, prompt: str) -> None:
        """One person asks, another one approves; each does it again if nothing comes of it. Two runs may come of that."""

        def cards() -> Sequence[Standing]:
            return [each for each in chat.standing() if f"{prompt}." in each.words]

        while not cards():
            self.asked[prompt] += 1
            await chat.ask(f"{prompt}.")
            await soon(cards, PATIENCE)
        while not all(_has_ended(each) for each in cards()):
            waiting = [each.approve for each in cards() if each.approve is not None]
            for approve in waiting:
                await approve()
            shown = [each.words for each in cards()]
            await soon(lambda shown=shown: [each.words for each in cards()] != shown, PATIENCE)

    async def through(self, runs: int) -> None:
        """So many runs in each chat, at once, under all that.

        Raises:
            AssertionError: a call happened twice, or not, or without a yes, or a card is not what the log says.
        """
        for _ in range(FRONT_ENDS):
            self.start()
        await asyncio.gather(*(chat.reached(FRONT_ENDS) for chat in self.chats))
        over = asyncio.Event()
        prompts = {f"{chat.name} order {number}": chat for chat in self.chats for number in range(runs)}
        async with self.deployment.front() as front:
            try:
                async with asyncio.timeout(LONGEST):
                    await self._all_through(front, prompts, over)
            except TimeoutError:
                left = [f"{each.prompt} {await front.coordinator.state(each.run)}" for each in await front.log.runs()]
                raise AssertionError(f"not over after {LONGEST} s: {self._unfinished()}, {left}") from None
            await self._judge(front, prompts)

    async def _all_through(self, front: Application, prompts: Mapping[str, Product], over: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.strike(over))
            await asyncio.gather(*(self.accompany(chat, prompt) for prompt, chat in prompts.items()))
            over.set()
        # A command that somebody gave twice may show its second card only now.
        while not await self._all_ended(front):
            await asyncio.gather(*(self.accompany(chat, prompt) for prompt, chat in prompts.items()))
            await asyncio.sleep(0.5)

    def _unfinished(self) -> Sequence[str]:
        return [each.words for chat in self.chats for each in chat.standing() if not _has_ended(each)]

    async def _all_ended(self, front: Application) -> bool:
        with suppress(StorageError):
            states = [await front.coordinator.state(each.run) for each in await front.log.runs(limit=1000)]
            return all(isinstance(state, s.Ended) for state in states)
        return False

    async def _judge(self, front: Application, prompts: Mapping[str, Product]) -> None:
        listed = await front.log.runs(limit=1000)
        runs = Counter(each.prompt.removesuffix(".") for each in listed)
        assert runs.keys() == prompts.keys(), "a command was lost, or is nobody's"
        assert all(runs[prompt] <= self.asked[prompt] for prompt in prompts), "one command became two runs"
        effects = Counter(effect["name"].removesuffix(".") for effect in effects_in(self.deployment.writer))
        assert effects == runs, "each run has one call, which everybody approved"
        for each in listed:
            view = view_of(await history(front, each.run))
            assert view is not None
            assert isinstance(view.state, s.Finished), f"{each.run}: {view.state}"
            chat = prompts[each.prompt.removesuffix(".")]
            await until(
                lambda chat=chat, run=each.run, view=view: _cards_of(chat, run) == [chat.drawn(view)],
                seconds=60,
                what=f"{chat.name}: {_cards_of(chat, each.run)}, and the log says {chat.drawn(view)}",
            )
        assert self.deployment.broken() == [], "the log does not verify"
        assert [each.poll() for each in self.living] == [None] * FRONT_ENDS, "a front end ended by itself"
        for chat in self.chats:
            assert chat.diagnostics == [], f"{chat.name} would have refused something"


def _has_ended(card: Standing) -> bool:
    return "Done ·" in card.words


def _cards_of(chat: Product, run: str) -> list[object]:
    return [each.drawn for each in chat.standing() if re.search(rf"\b[Rr]un \W*{run}\b", each.words)]


@asynccontextmanager
async def both_chats(dice: random.Random) -> AsyncGenerator[Sequence[Product]]:
    """Discord and Slack, each on a port of its own."""
    discord = DiscordServer()
    async with discord.serving(), slack_serving(a_slack()) as slack:
        yield [InDiscord(discord), InSlack(slack, dice)]


async def chat_fronts(deployment: Deployment, seed: int, *, runs: int, faults: Sequence[str] = ALL) -> ChatFronts:
    """One such story over a deployment with a worker. Returns what it was."""
    dice = random.Random(seed)  # noqa: S311 - the same seed is to be the same order
    async with both_chats(dice) as chats:
        story = ChatFronts(deployment, chats, dice, faults)
        deployment.start_worker()
        try:
            await story.through(runs)
        finally:
            deployment.close()
    return story
