"""Two front ends of one chat, every event delivered to both and again, while they die and the database goes away."""

import asyncio
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bot.application import Application
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from tests import forked
from tests.chaos.deployment import CONFIG, Deployment, history, until
from tests.e2e.line_chat import rendered
from tests.e2e.program import Process

NAMES = ("east", "west")
LONGEST = 120.0
LIMITS = ("MASSGEN_BOT_RUNS_AT_ONCE", "MASSGEN_BOT_RUNS_AT_ONCE_EACH", "MASSGEN_BOT_RUNS_PER_HOUR")
CALL = "{tool: world.write, arguments: {name: '{prompt}', seconds: 0}}"
APPROVAL = "approval: {approvers: {roles: [ops]}}\n"


@dataclass
class Fronts:
    """The chat, and the two processes that serve it."""

    deployment: Deployment
    dice: random.Random
    living: dict[str, Process] = field(default_factory=dict[str, Process])
    count: int = 0
    kills: int = 0

    def __post_init__(self) -> None:
        """The folders of the chat, and its configuration."""
        for each in ("cards", *NAMES, "configs"):
            (self.chat / each).mkdir(parents=True)
        text = CONFIG.format(calls=CALL, journal=self.deployment.writer, limit=self.deployment.limit)
        (self.chat / "configs" / "ops.yaml").write_text(text + APPROVAL, encoding="utf-8")
        given = {"MASSGEN_BOT_CONFIGS": str(self.chat / "configs"), "MASSGEN_BOT_CONFIG": "ops"}
        self.deployment.environ.update(given | dict.fromkeys(LIMITS, "1000"))

    @property
    def chat(self) -> Path:
        return self.deployment.folder / "chat"

    def start(self, name: str) -> None:
        """Serve, as that front end."""
        environ = self.deployment.program.surroundings()
        self.living[name] = forked.start("tests.chaos.front", str(self.chat), name, environ=environ)

    def kill(self, name: str) -> None:
        """End one of them at once, wherever it is."""
        process = self.living.pop(name, None)
        if process is not None:
            with process:
                process.kill()

    def deliver(self, who: str, line: str, event_id: str) -> None:
        """One event, to both and twice to each, under one id."""
        for name in (*NAMES, *NAMES):
            self.count += 1
            event = self.chat / f"event-{self.count}"
            event.write_text(json.dumps({"who": who, "line": line, "event_id": event_id}), encoding="utf-8")
            event.rename(self.chat / name / f"{self.count:06}")

    def cards(self, prompt: str) -> list[tuple[str, str, str]]:
        """The messages with a run's card: the message, its card, and the card with buttons."""
        found = [
            (file.name, *file.read_text(encoding="utf-8").splitlines()) for file in (self.chat / "cards").iterdir()
        ]
        return [(name, bare, whole) for name, bare, whole in found if f"“{prompt}”" in bare]

    async def shows(self, prompt: str, words: str) -> tuple[str, str, str]:
        """The one card of a run, once it has these words."""
        await until(
            lambda: any(words in each[2] for each in self.cards(prompt)), seconds=LONGEST, what=f"{prompt}: {words}"
        )
        (card,) = self.cards(prompt)
        return card

    async def accompany(self, prompt: str) -> None:
        """One run from the command to its end."""
        self.deliver("rita", f"ask {prompt}", f"ask {prompt}")
        message, _, card = await self.shows(prompt, "<Approve 1 call=")
        found = re.search(r"<Approve 1 call=([\w-]{22})>", card)
        assert found is not None
        self.deliver("alice", f"yes {found[1]} {message}", f"yes {prompt}")
        await self.shows(prompt, "Done |")

    async def strike(self, over: asyncio.Event) -> None:
        """Kill one and start it again, until it is over; the second time the database goes away, too."""
        assert self.deployment.server is not None
        while not over.is_set():
            await asyncio.sleep(self.dice.uniform(0.5, 2))
            name = self.dice.choice(NAMES)
            await asyncio.to_thread(self.kill, name)
            self.kills += 1
            if self.kills == 2:
                await asyncio.to_thread(self.deployment.server.stop, immediately=True)
                await asyncio.sleep(self.dice.uniform(0.5, 2))
                await asyncio.to_thread(self.deployment.server.start)
            await asyncio.to_thread(self.start, name)
            await asyncio.sleep(self.dice.uniform(2, 5))

    async def through(self, runs: int) -> None:
        """So many runs at once under all that.

        Raises:
            AssertionError: a command became two runs, a call happened twice or not, or a card is not what the log says.
        """
        prompts = [f"order {number}" for number in range(runs)]
        for name in NAMES:
            self.start(name)
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.strike(over))
            await asyncio.gather(*(self.accompany(prompt) for prompt in prompts))
            over.set()
        async with self.deployment.front() as front:
            await self._judge(front, prompts)

    async def _judge(self, front: Application, prompts: list[str]) -> None:
        listed = await front.log.runs(limit=200)
        assert Counter(each.prompt for each in listed) == Counter(prompts), "a command became two runs"
        assert self.deployment.effects() == Counter(prompts)
        for each in listed:
            view = view_of(await history(front, each.run))
            assert view is not None
            wanted = " ".join(rendered(card_for(view, view.updated_at)).split())
            await until(
                lambda prompt=each.prompt, wanted=wanted: [card[1] for card in self.cards(prompt)] == [wanted],
                seconds=30,
                what=f"{wanted}, not {self.cards(each.prompt)}",
            )
        assert self.deployment.broken() == [], "the log does not verify"


async def fronts(deployment: Deployment, seed: int, *, runs: int) -> Fronts:
    """One such story over a deployment with a worker. Returns what it was."""
    story = Fronts(deployment, random.Random(seed))  # noqa: S311 - the same seed is to be the same order
    deployment.start_worker()
    try:
        await story.through(runs)
    finally:
        for name in NAMES:
            story.kill(name)
        deployment.close()
    return story
