"""Threat: a worker that can't ask the chat runs what somebody approved who has lost the role since.

One process serves Discord and works on nothing; another one works, and has no connection to any chat.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.application import Application
from bot.chat.approvers import Approvers, with_approvers
from bot.chat.card_sync.context import SyncContext
from bot.chat.card_sync.leader import CardSync
from bot.chat.name_pins import PINS_KEY
from bot.chat.sql_store import SqlChatStore
from bot.chat.start_run import DEFAULT_LIMITS
from bot.chat.store import CardRecord
from bot.composition import open_application
from bot.discord_app.client import logged_in
from bot.discord_app.platform import DiscordPlatform
from bot.variables import Environment
from coordination.domain import states as s
from coordination.domain.policy import Person
from coordination.run_request import RunRequest
from tests.contract.chat_stores import a_setting
from tests.e2e.chat_harness import hurried
from tests.e2e.discord_harness import Harness, a_harness
from tests.servers.discord_people import Someone


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with a_harness(tmp_path) as harness:
        yield harness


@dataclass
class Served:
    """The process that serves Discord, and keeps the cards of its runs."""

    harness: Harness
    application: Application
    platform: DiscordPlatform
    store: SqlChatStore

    async def person(self, who: Someone) -> Person:
        """Somebody as Discord tells of them now."""
        tenant = f"discord:{who.guild.id}"
        found = await self.platform.person_now(Person(tenant=tenant, id=who.id, name=who.name))
        assert found is not None
        return found

    async def approved(self) -> str:
        """Rita asks, the agents plan, and alice approves; nobody works on it after that."""
        rita, guild = await self.person(self.harness.rita), self.harness.server.guild
        path = self.harness.folder / "configs" / "ops.yaml"
        role = guild.role("ops")
        await self.store.set(a_setting(PINS_KEY, json.dumps({"role:ops": role}), tenant=rita.tenant))
        rule = Approvers(roles=(role,), is_pinned=True)
        card = CardRecord(
            run="RUN1",
            platform="discord",
            tenant=rita.tenant,
            channel=self.harness.server.channel,
            thread="",
            requester=rita.id,
            requester_name=rita.name,
            asked_at=self.application.clock.now(),
        )
        await self.store.admit(card, event="", limits=DEFAULT_LIMITS)
        request = RunRequest(
            prompt="Tell everyone",
            requester=rita,
            config_name="ops",
            config_text=with_approvers(path.read_text(encoding="utf-8"), rule),
            origin=str(path),
            run=card.run,
            asked_in=card.channel,
        )
        await self.application.coordinator.start(request)
        async with worked(self.harness):
            message = await self.harness.card(card.run)
            await self.harness.shows(message, "Waiting for approval")
        state = await self.state(card.run)
        assert isinstance(state, s.AwaitingDecision)
        await self.application.coordinator.approve(card.run, state.plan.digest, await self.person(self.harness.alice))
        return card.run

    async def state(self, run: str) -> s.RunState:
        return await self.application.coordinator.state(run)

    async def kinds(self, run: str) -> list[str]:
        return [each.event.kind for each in await self.application.log.read(run)]


@asynccontextmanager
async def served(harness: Harness) -> AsyncGenerator[Served]:
    """Discord is served, and its cards are kept, by a process that takes up no job."""
    environment, overrides = Environment(harness.environ()), hurried(harness.clock, harness.pace, lambda log: None)
    async with (
        logged_in(environment) as client,
        open_application(environment, overrides, [client.platform]) as application,
        SqlChatStore.open(environment.database_url()) as store,
    ):
        context = SyncContext(
            platform=client.platform,
            store=store,
            log=application.log,
            clock=application.clock,
            intervals=overrides.intervals(client.platform.intervals),
            read_approvers=application.coordinator.read_approvers,
        )
        async with CardSync(context).running():
            yield Served(harness, application, client.platform, store)


@asynccontextmanager
async def worked(harness: Harness) -> AsyncGenerator[None]:
    """A process that works, and knows no chat."""
    overrides = hurried(harness.clock, harness.pace, lambda log: None)
    async with open_application(Environment(harness.environ()), overrides) as application, application.working():
        yield


async def test_it_has_the_process_that_serves_the_chat_ask_before_anything_runs(harness: Harness) -> None:
    async with served(harness) as here:
        run = await here.approved()
        async with worked(harness):
            await harness.ends(await harness.card(run), "Done")
        kinds = await here.kinds(run)
        assert kinds.index("approvers_asked") < kinds.index("approvers_read") < kinds.index("call_started")
    assert harness.writes() == ["Tell everyone", "again: Tell everyone"]


async def test_who_has_lost_the_role_a_moment_after_the_approval_has_nothing_run(harness: Harness) -> None:
    async with served(harness) as here:
        run = await here.approved()
        harness.alice.loses("ops")
        async with worked(harness):
            await harness.shows(await harness.card(run), "may no longer do so")
        again = await here.state(run)
        assert isinstance(again, s.AwaitingDecision)
        assert again.approvals == ()
    assert harness.writes() == []
