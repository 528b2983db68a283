"""`massgen-bot slack` as it is: a process of its own, killed and started again, at its own pace."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.e2e.program import ROOT
from tests.e2e.slack_harness import Stage, a_stage, run_in
from tests.servers.slack_browser import Browser
from tests.servers.slack_server import Fault


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    async with a_stage(tmp_path) as stage:
        yield stage


async def test_the_demo_goes_from_the_command_over_kill_nine_to_the_receipts_by_socket(stage: Stage) -> None:
    server, prompt = stage.server, "Announce the street party on 12 June"
    demo = {"MASSGEN_BOT_CONFIGS": str(ROOT / "configs"), "MASSGEN_BOT_CONFIG": "demo", "MASSGEN_BOT_DEMO_PACE": "1"}
    server.watches_rate = True
    async with stage.process(**demo):
        card = await stage.asks(prompt)
        assert "Got it" in server.private_messages[0]["text"]
        await stage.shows(card, "Decide")
        approve = card.element("approve")
        assert run_in(card.text) not in approve["value"]
        assert stage.demo_writes() == []
    async with stage.process(**demo):
        await stage.clicks("alice", card, "approve")
        await stage.ends(card, "Done")
        await server.until(lambda: stage.direct("rita"))
    assert stage.demo_writes() == [prompt, f"Reminder: {prompt}"]
    assert "Approved by alice" in stage.plain(card)
    assert stage.plain(card).count("✓") == 2
    assert card.has("details")
    assert not card.has("approve")
    assert stage.cards() == [card]
    story = stage.story(card)
    assert (
        story.index("rita (URITA) asked")
        < story.index("agent1.1")
        < story.index("voted")
        < story.index("alice (UALICE) approved")
    )
    (told,) = stage.direct("rita")
    assert run_in(card.text) in stage.plain(told)
    assert len(card.versions) >= 4


async def test_workspaces_that_installed_it_by_http_decide_each_on_their_own_over_kill_nine(tmp_path: Path) -> None:
    """The first process is killed before it hears that its card stands; the next one finds it."""
    async with a_stage(tmp_path, "T1", "T2") as stage:
        server = stage.server
        server.watches_rate = True
        async with stage.process("oauth") as process:
            await Browser(stage.root).install("code-T1")
            await Browser(stage.root).install("code-T2")
            lost = Fault(method="chat.postMessage", is_done_first=True, silence=asyncio.Event())
            server.faults.append(lost)
            card = await stage.asks()
            process.send_signal(signal.SIGKILL)
            await process.wait()
        assert lost.times == 0
        async with stage.process("oauth") as process:
            await stage.shows(card, "Decide", seconds=30)
            stranger, before = stage.somebody("alice", team=1), len(server.private_messages)
            await stage.line.send("interaction", stranger.click_on(card, card.element("approve")))
            assert "no such button" in await stage.private_message(before)
            await stage.clicks("alice", card, "approve")
            await stage.ends(card, "Done")
            await server.until(lambda: stage.direct("rita"))
            for event in ({"type": "app_uninstalled"}, {"type": "tokens_revoked", "tokens": {"bot": ["UBOTT1"]}}):
                await stage.line.send("event", stage.somebody("ada").event(event))
            async with asyncio.timeout(10):
                while "not installed in your workspace" not in await stage.told("rita", "help"):
                    pass  # Slack is answered before the installation is gone.
            before = len(server.private_messages)
            await stranger.command("history")
            assert "There are none" in await stage.private_message(before)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await process.wait() == 0
        assert stage.writes() == ["Tell everyone", "again: Tell everyone"]
        assert stage.cards() == [card]


async def test_two_processes_on_one_database_decide_once_and_one_goes_on_when_the_other_ends(stage: Stage) -> None:
    server = stage.server
    async with stage.process() as process, stage.bot():
        assert len(server.sockets) == 2
        card = await stage.planned()
        private_messages, approve = len(server.private_messages), card.element("approve")
        async with asyncio.TaskGroup() as group:
            for number in range(50):
                click = stage.somebody(f"ops{number % 25}").click_on(card, approve)
                group.create_task(stage.line.send("interaction", click))
        await server.until(lambda: len(server.private_messages) == private_messages + 49)
        await stage.ends(card, "Done")
        assert len(stage.writes()) == 2
        slow = await stage.asks("Tell nobody", "calm")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
        await stage.shows(slow, "Decide", seconds=30)
        await stage.clicks("alice", slow, "approve")
        await stage.ends(slow, "Done")
        assert len(stage.writes()) == 4
        assert stage.cards() == [card, slow]
