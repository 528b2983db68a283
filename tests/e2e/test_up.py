"""`massgen-bot up`: every chat whose variables are set, in one process, on one database."""

import asyncio
from pathlib import Path

from tests.e2e import discord_harness, slack_harness
from tests.e2e.program import Program
from tests.e2e.slack_harness import said_in


async def test_discord_and_slack_are_served_by_one_process_and_ended_by_one_signal(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    async with (
        discord_harness.a_harness(tmp_path / "shared") as discord,
        slack_harness.a_harness(tmp_path / "shared") as slack,
    ):
        async with slack.process(command="up", **discord.environ()) as process:
            await discord.server.until(lambda: discord.server.identified)
            in_discord, in_slack = await asyncio.gather(discord.planned("In Discord"), slack.planned("In Slack"))
            await discord.alice.clicks(in_discord, "Approve 2 calls")
            await slack.clicks("alice", in_slack, "approve")
            await asyncio.gather(discord.ends(in_discord, "Done"), slack.ends(in_slack, "Done"))
            history = await slack.told("ada", "history")
            process.terminate()
            async with asyncio.timeout(60):
                assert await process.wait() == 0
        assert sorted(slack.writes()) == ["In Discord", "In Slack", "again: In Discord", "again: In Slack"]
        assert "In Slack" in history
        assert "In Discord" not in history
        assert slack.cards() == [in_slack]
        assert discord.cards() == [in_discord]
        assert "In Discord" not in said_in([each.now for each in slack.server.messages.values()])


def test_without_a_chat_it_says_what_to_set(tmp_path: Path) -> None:
    ended = Program(tmp_path).run("up")
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "DISCORD_BOT_TOKEN" in ended.err
    assert "SLACK_BOT_TOKEN" in ended.err


def test_what_is_wrong_with_the_one_that_is_set_is_one_sentence(tmp_path: Path) -> None:
    ended = Program(tmp_path).run("up", SLACK_BOT_TOKEN="xoxp-1")
    assert (ended.status, ended.out) == (2, "")
    assert "xoxb-" in ended.err
