"""`massgen-bot slack` as it is: a process of its own, killed and started again, at its own pace."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.e2e.program import ROOT
from tests.e2e.slack_harness import Harness, a_harness, run_in
from tests.servers.slack_browser import Browser
from tests.servers.slack_server import Fault


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with a_harness(tmp_path) as harness:
        yield harness


async def test_the_demo_goes_from_the_command_over_kill_nine_to_the_receipts_by_socket(harness: Harness) -> None:
    server, prompt = harness.server, "Announce the street party on 12 June"
    demo = {"MASSGEN_BOT_CONFIGS": str(ROOT / "configs"), "MASSGEN_BOT_CONFIG": "demo", "MASSGEN_BOT_DEMO_PACE": "1"}
    server.watches_rate = True
    async with harness.process(**demo):
        card = await harness.asks(prompt)
        assert "Got it" in server.private_messages[0]["text"]
        await harness.shows(card, "Waiting for approval")
        approve = card.element("approve")
        assert run_in(card.text) not in approve["value"]
        assert harness.demo_writes() == []
    async with harness.process(**demo):
        await harness.clicks("alice", card, "approve")
        await harness.ends(card, "Done")
        await server.until(lambda: harness.direct("rita"))
    assert harness.demo_writes() == [prompt, f"Reminder: {prompt}"]
    assert "Approved by alice" in harness.plain(card)
    assert harness.plain(card).count("✓") == 2
    assert card.has("details")
    assert not card.has("approve")
    assert harness.cards() == [card]
    story = harness.story(card)
    assert (
        story.index("rita (URITA) asked")
        < story.index("agent1.1")
        < story.index("voted")
        < story.index("alice (UALICE) approved")
    )
    (told,) = harness.direct("rita")
    assert run_in(card.text) in harness.plain(told)
    assert len(card.versions) >= 4


async def test_workspaces_that_installed_it_by_http_decide_each_on_their_own_over_kill_nine(tmp_path: Path) -> None:
    """The first process is killed before it hears that its card stands; the next one finds it."""
    async with a_harness(tmp_path, "T1", "T2") as harness:
        server = harness.server
        server.watches_rate = True
        async with harness.process("oauth") as process:
            await Browser(harness.root).install("code-T1")
            await Browser(harness.root).install("code-T2")
            lost = Fault(method="chat.postMessage", is_done_first=True, silence=asyncio.Event())
            server.faults.append(lost)
            card = await harness.asks()
            process.send_signal(signal.SIGKILL)
            await process.wait()
        assert lost.times == 0
        async with harness.process("oauth") as process:
            await harness.shows(card, "Waiting for approval", seconds=30)
            stranger, before = harness.somebody("alice", team=1), len(server.private_messages)
            await harness.line.send("interaction", stranger.click_on(card, card.element("approve")))
            assert "no such button" in await harness.private_message(before)
            await harness.clicks("alice", card, "approve")
            await harness.ends(card, "Done")
            await server.until(lambda: harness.direct("rita"))
            for event in ({"type": "app_uninstalled"}, {"type": "tokens_revoked", "tokens": {"bot": ["UBOTT1"]}}):
                await harness.line.send("event", harness.somebody("ada").event(event))
            async with asyncio.timeout(60):
                while "not installed in your workspace" not in await harness.told("rita", "help"):
                    pass  # Slack is answered before the installation is gone.
            before = len(server.private_messages)
            await stranger.command("history")
            assert "There are no" in await harness.private_message(before)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(60):
                assert await process.wait() == 0
        assert harness.writes() == ["Tell everyone", "again: Tell everyone"]
        assert harness.cards() == [card]


async def test_two_processes_on_one_database_decide_once_and_one_goes_on_when_the_other_ends(harness: Harness) -> None:
    server = harness.server
    async with harness.process() as process, harness.bot():
        assert len(server.sockets) == 2
        card = await harness.planned()
        private_messages, approve = len(server.private_messages), card.element("approve")
        async with asyncio.TaskGroup() as group:
            for number in range(50):
                click = harness.somebody(f"ops{number % 25}").click_on(card, approve)
                group.create_task(harness.line.send("interaction", click))
        await server.until(lambda: len(server.private_messages) == private_messages + 49)
        await harness.ends(card, "Done")
        assert len(harness.writes()) == 2
        slow = await harness.asks("Tell nobody", "calm")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await process.wait() == 0
        await harness.shows(slow, "Waiting for approval", seconds=30)
        await harness.clicks("alice", slow, "approve")
        await harness.ends(slow, "Done")
        assert len(harness.writes()) == 4
        assert harness.cards() == [card, slow]
