"""What people make of a plan in whole chats: take a yes back, keep some calls, edit one, cancel, try the rest, undo."""

import json
from pathlib import Path

from bot.message import Action
from tests.e2e import discord_harness, slack_harness
from tests.e2e.chat_configs import two_calls

DENY = '\ntools: [{match: "world.write", effect: deny}]\n'
"""What the operator writes below a configuration in the place of its rules."""


def taken_back(writer: Path) -> list[str]:
    """The texts whose writes were taken back, in that order."""
    lines = [json.loads(line)["arguments"] for line in writer.read_text(encoding="utf-8").splitlines()]
    return [each["channel"] for each in lines if each["text"] == "taken back"]


async def test_on_discord_a_yes_is_taken_back_and_only_the_ticked_call_runs_with_its_new_value(tmp_path: Path) -> None:
    async with discord_harness.a_harness(tmp_path) as discord, discord.bot():
        card = await discord.planned("Tell everyone", "two")
        await discord.alice.clicks(card, "Approve")
        await discord.shows(card, "1 of 2")
        await discord.alice.clicks(card, "Withdraw my approval")
        await discord.server.until(lambda: "Withdraw my approval" not in card.labels and "1 of 2" not in card.text)
        window = await discord.rita.clicks(card, "Only some calls")
        await discord.server.until(lambda: window.kind == 9)
        await discord.rita.submits(window, "", ticked=["2"])
        await discord.shows(card, "Revision 2")
        window = await discord.rita.chooses(card, "0.1", menu=1)
        await discord.server.until(lambda: window.kind == 9)
        await discord.rita.submits(window, "Only this")
        await discord.shows(card, "Revision 3", "Only this")
        await discord.alice.clicks(card, "Approve")
        await discord.shows(card, "1 of 2")
        assert discord.writes() == []
        await discord.bob.clicks(card, "Approve")
        await discord.ends(card, "Done")
    assert discord.writes() == ["Only this"]


async def test_on_slack_a_yes_is_taken_back_and_only_the_ticked_call_runs_with_its_new_value(tmp_path: Path) -> None:
    async with slack_harness.a_harness(tmp_path) as slack, slack.bot():
        card = await slack.planned("Tell everyone", "two")
        await slack.clicks("alice", card, Action.APPROVE)
        await slack.shows(card, "1 of 2")
        await slack.clicks("alice", card, Action.WITHDRAW)
        await slack.server.until(lambda: "1 of 2" not in slack.plain(card))
        rita, windows = slack.somebody("rita"), len(slack.server.views)
        await slack.clicks("rita", card, Action.SELECT)
        await rita.submit(await rita.opened(windows), "", ticked=["2"])
        await slack.shows(card, "Revision 2")
        windows = len(slack.server.views)
        await slack.clicks("rita", card, Action.EDIT, option="0.1")
        await rita.submit(await rita.opened(windows), "Only this")
        await slack.shows(card, "Revision 3", "Only this")
        await slack.clicks("alice", card, Action.APPROVE)
        await slack.shows(card, "1 of 2")
        assert slack.writes() == []
        await slack.clicks("bob", card, Action.APPROVE)
        await slack.ends(card, "Done")
    assert slack.writes() == ["Only this"]


async def test_on_discord_a_run_is_cancelled_between_two_calls(tmp_path: Path) -> None:
    async with discord_harness.a_harness(tmp_path) as discord, discord.bot():
        held = discord.writer.with_name(f"{discord.writer.name}.held")
        held.touch()
        card = await discord.planned()
        await discord.alice.clicks(card, "Approve")
        await discord.server.until(lambda: discord.writes() == ["Tell everyone"] and "Cancel" in card.labels)
        await discord.rita.clicks(card, "Cancel")
        await discord.shows(card, "rita cancelled the run", "no other call starts")
        held.unlink()
        await discord.ends(card, "Stopped")
    assert discord.writes() == ["Tell everyone"]


async def test_on_slack_a_run_is_cancelled_between_two_calls(tmp_path: Path) -> None:
    async with slack_harness.a_harness(tmp_path) as slack, slack.bot():
        held = slack.writer.with_name(f"{slack.writer.name}.held")
        held.touch()
        card = await slack.planned()
        await slack.clicks("alice", card, Action.APPROVE)
        await slack.server.until(lambda: slack.writes() == ["Tell everyone"])
        await slack.shows(card, "Running")
        await slack.clicks("rita", card, Action.CANCEL)
        await slack.shows(card, "cancelled the run", "no other call starts")
        held.unlink()
        await slack.ends(card, "Stopped")
    assert slack.writes() == ["Tell everyone"]


async def test_on_discord_what_was_denied_in_between_is_tried_again_and_then_taken_back(tmp_path: Path) -> None:
    async with discord_harness.a_harness(tmp_path) as discord, discord.bot():
        config = tmp_path / "configs" / "undoable.yaml"
        two_calls(config, discord.writer)
        rules = config.read_text(encoding="utf-8")
        first = await discord.planned("One", "undoable")
        await discord.admin("freeze")
        await discord.bob.clicks(first, "Approve")
        await discord.shows(first, "Approved by bob", "froze everything")
        config.write_text(rules.partition("\ntools:")[0] + DENY + rules.rpartition("\n\n")[2], encoding="utf-8")
        await discord.admin("thaw")
        await discord.server.until(lambda: "Try the rest" in first.labels)
        assert discord.writes() == []
        config.write_text(rules, encoding="utf-8")
        known = discord.cards()
        await discord.rita.clicks(first, "Try the rest")
        rest = await discord.card("", after=known)
        await discord.shows(rest, "Waiting for approval")
        await discord.bob.clicks(rest, "Approve")
        await discord.ends(rest, "Done")
        assert discord.writes() == ["One", "again: One"]
        known = discord.cards()
        await discord.rita.clicks(rest, "Plan to undo")
        undo = await discord.card("", after=known)
        await discord.shows(undo, "Waiting for approval")
        await discord.bob.clicks(undo, "Approve")
        await discord.ends(undo, "Done")
    assert taken_back(discord.writer) == ["again: One", "One"]


async def test_on_slack_what_was_denied_in_between_is_tried_again_and_then_taken_back(tmp_path: Path) -> None:
    async with slack_harness.a_harness(tmp_path) as slack, slack.bot():
        config = tmp_path / "configs" / "undoable.yaml"
        two_calls(config, slack.writer)
        rules = config.read_text(encoding="utf-8")
        first = await slack.planned("One", "undoable")
        await slack.admin("freeze")
        await slack.clicks("bob", first, Action.APPROVE)
        await slack.shows(first, "Approved by", "froze everything")
        config.write_text(rules.partition("\ntools:")[0] + DENY + rules.rpartition("\n\n")[2], encoding="utf-8")
        await slack.admin("thaw")
        await slack.shows(first, "Try the rest")
        assert slack.writes() == []
        config.write_text(rules, encoding="utf-8")
        known = slack.cards()
        await slack.clicks("rita", first, Action.TRY_REST)
        rest = await slack.shows(await slack.card(after=known), "Waiting for approval")
        await slack.clicks("bob", rest, Action.APPROVE)
        await slack.ends(rest, "Done")
        assert slack.writes() == ["One", "again: One"]
        known = slack.cards()
        await slack.clicks("rita", rest, Action.PLAN_UNDO)
        undo = await slack.shows(await slack.card(after=known), "Waiting for approval")
        await slack.clicks("bob", undo, Action.APPROVE)
        await slack.ends(undo, "Done")
    assert taken_back(slack.writer) == ["again: One", "One"]
