"""Whatever goes wrong between us and Discord: the card comes to show what the log says, and nothing is decided twice."""

import json
import random
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.discord_app import errors, platform
from bot.discord_app.render import render
from coordination.domain import events as e
from tests.contract.discord_harness import Ids
from tests.e2e.discord_harness import Harness, a_harness, refusal, run_in
from tests.servers.discord_people import told
from tests.servers.discord_server import Fault
from tests.servers.discord_world import Message

CARD = r"/channels/\d+/messages/\d+$"
POST = r"/channels/\d+/messages$"


@pytest.fixture
async def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Harness]:
    for module in (errors, platform):
        monkeypatch.setattr(module, "LATER", 0.2)
    async with a_harness(tmp_path) as harness:
        yield harness


def busy(seconds: float = 0.1) -> Fault:
    """Discord asks for patience."""
    body = {"message": "You are being rate limited.", "retry_after": seconds, "global": False}
    return Fault("", "", 429, body, {"Via": "1.1 test", "Retry-After": str(seconds)})


async def is_in_step(harness: Harness, card: Message) -> bool:
    """Whether a message shows what the log says, to the letter."""
    assert harness.log is not None
    view = view_of(await harness.log.read(run_in(card.text)))
    assert view is not None
    rendered = render(card_for(view, view.updated_at), Ids())
    payload = {"embeds": [each.to_dict() for each in rendered.embeds]}
    return card.text == replace(card, payload=payload).text


@pytest.mark.parametrize("seed", range(2))
async def test_in_a_storm_the_card_comes_to_show_the_log_and_one_decision_counts(harness: Harness, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # chance that comes again with its seed is what is wanted
    lost, troubles = Fault("", ""), [busy(0.05), busy(0.3), Fault("", "", 503)]
    server = harness.server
    for method, path in (("PATCH", CARD), ("POST", POST), ("POST", "/threads$"), ("POST", "/channels$")):
        some = [lost, *(chance.choice(troubles) for _ in range(4))]
        for each in chance.sample(some, len(some)):
            server.faults.append(replace(each, method=method, path=path))
    async with harness.bot():
        card = await harness.planned(config="calm")
        await harness.alice.clicks(card, "Approve")
        await server.drop_gateway()
        await harness.bob.clicks(card, "", custom_id=card.button("Approve"))
        await harness.ends(card, "Done")
        await server.until(lambda: harness.private_messages(harness.rita))
        assert await is_in_step(harness, card)
        decisions = [each for each in await harness.events(card) if isinstance(each, e.ApprovalGiven)]
        assert len(decisions) == 1
        await server.until(lambda: "every call has a result" in harness.story(card))
        assert harness.cards() == [card]
    assert harness.writes() == ["Tell everyone", "again: Tell everyone"]
    assert server.resumed == 1
    assert min(harness.gaps()) > harness.pace * 0.8


async def test_a_bot_that_starts_while_discord_is_away_listens_once_it_is_there(harness: Harness) -> None:
    away = Fault("GET", "/users/@me$", status=503, body="<html>upstream</html>", times=2)
    harness.server.faults.append(away)
    async with harness.process() as process:
        assert process.stderr is not None
        said = [json.loads(await process.stderr.readline())["message"] for _ in range(4)]
    assert away.times == 0
    assert [each.split(":")[0] for each in said] == [
        "the login failed",
        "Discord can't be reached; check the network and try again. Waiting up to 5 minutes for it.",
        "the login failed",
        said[3],
    ]
    assert "Press Ctrl-C" in said[3]


async def test_the_first_answer_to_an_interaction_may_be_lost(harness: Harness) -> None:
    server = harness.server
    async with harness.bot():
        server.faults.append(Fault("POST", "/callback$"))
        server.faults.append(Fault("PATCH", "/@original$"))
        card = await harness.planned(config="ops")
        server.faults.append(Fault("POST", "/callback$"))
        refused = await harness.rita.clicks(card, "Approve")
        assert "someone else must decide" in await refusal(server, refused)
        server.faults.append(Fault("POST", "/callback$"))
        await harness.alice.clicks(card, "Approve")
        await harness.ends(card, "Done")
        assert all(each.times == 0 for each in server.faults)
        assert len(harness.cards()) == 1


async def test_a_deleted_card_is_posted_again_with_buttons_that_work(harness: Harness) -> None:
    server = harness.server
    async with harness.bot():
        card = await harness.planned()
        run, old = run_in(card.text), card.button("Approve")
        del server.messages[card.id]
        await harness.rejects(harness.alice, card, "shorter", "Request changes")
        second = await harness.shows(await harness.card(run), "Waiting for approval", "short")
        stale = await harness.alice.clicks(second, "", custom_id=old)
        assert "out of date" in await refusal(server, stale)
        await harness.bob.clicks(second, "Approve")
        await harness.ends(second, "Done")
    assert harness.writes() == ["short: Tell everyone"]


async def test_a_card_that_is_deleted_while_its_plan_waits_is_back_at_once(harness: Harness) -> None:
    server = harness.server
    async with harness.bot():
        card = await harness.planned()
        await server.deletes(card)
        second = await harness.shows(await harness.card(run_in(card.text)), "Waiting for approval", "Tell everyone")
        await harness.alice.clicks(second, "Approve")
        await harness.ends(second, "Done")
    assert len(harness.writes()) == 2


async def test_a_card_whose_deletion_nobody_told_of_is_back_within_a_minute(harness: Harness) -> None:
    server = harness.server
    async with harness.bot():
        card = await harness.planned(config="patient")
        run = run_in(card.text)
        del server.messages[card.id]
        await server.until(lambda: harness.clock.skip(31) or harness.cards(run))
        await harness.shows(await harness.card(run), "Waiting for approval")
    assert sum(method == "GET" and "/messages/" in path for method, path in server.requests) >= 1


@pytest.mark.parametrize("code", [(404, 10062, "Unknown interaction"), (400, 50035, "Invalid Form Body")])
async def test_a_decision_counts_although_discord_does_not_take_the_word_that_it_arrived(
    harness: Harness, code: tuple[int, int, str]
) -> None:
    status, number, words = code
    async with harness.bot():
        card = await harness.planned(config="ops")
        harness.server.faults.append(Fault("POST", "/callback$", status, {"code": number, "message": words}))
        await harness.alice.clicks(card, "Approve")
        await harness.ends(card, "Done")
    assert len(harness.writes()) == 2


async def test_a_last_edit_that_was_refused_is_made_when_it_is_allowed_and_at_any_click(harness: Harness) -> None:
    server = harness.server
    async with harness.bot():
        card = await harness.planned()
        approve = card.button("Approve")
        forbidden = {"code": 50013, "message": "Missing Permissions"}
        server.faults.append(Fault("PATCH", CARD, 403, forbidden, times=4))
        await harness.alice.clicks(card, "Approve")
        await server.until(lambda: server.faults[0].times < 4)
        assert "Waiting for approval" in card.text
        for _ in range(4):
            late = await harness.bob.clicks(card, "", custom_id=approve)
            assert "decided" in await refusal(server, late)
        await harness.ends(card, "Done")
    assert harness.cards() == [card]


async def test_a_run_goes_on_although_its_channel_was_deleted(harness: Harness) -> None:
    server = harness.server
    other = server.number()
    server.guild.channels[other] = "elsewhere"
    async with harness.bot():
        card = await harness.planned()
        run = run_in(card.text)
        del server.guild.channels[card.channel]
        cancelled = await harness.rita.types("massgen-runs cancel", where=other, run=run)
        assert "was cancelled" in await told(server, cancelled)
        shown = await told(server, await harness.rita.types("massgen-runs show", where=other, run=run))
        assert "Cancelled" in shown
        fine = await told(server, await harness.rita.types("massgen", where=other, prompt="x"))
        (next_one,) = await _cards_in(harness, other)
        assert run_in(next_one.text) == run_in(fine)


async def test_who_asked_hears_that_the_channel_of_a_plan_that_waits_was_deleted(harness: Harness) -> None:
    server = harness.server
    async with harness.bot():
        card = await harness.planned(config="patient")
        del server.guild.channels[card.channel]
        await server.until(lambda: harness.clock.skip(31) or harness.private_messages(harness.rita))
        (told_once,) = harness.private_messages(harness.rita)
        assert "Card not shown" in told_once.text
        assert "The channel was deleted, or I can no longer see it" in told_once.text


async def _cards_in(harness: Harness, channel: str) -> list[Message]:
    await harness.server.until(lambda: harness.cards(channel=channel))
    return harness.cards(channel=channel)


async def test_where_the_bot_may_not_write_any_more_who_asked_is_told_and_it_goes_on_when_it_may(
    harness: Harness,
) -> None:
    server = harness.server
    async with harness.bot():
        card = await harness.planned()
        server.guild.denied[server.channel] = 1 << 10
        await harness.rejects(harness.alice, card, "shorter", "Request changes")
        await server.until(lambda: harness.private_messages(harness.rita))
        assert "A server admin must give my role these permissions" in harness.private_messages(harness.rita)[0].text
        assert "Two lines" in card.text
        server.guild.denied.clear()
        harness.clock.skip(5)
        await harness.shows(card, "Waiting for approval", "short")
        assert await is_in_step(harness, card)
    assert len(harness.private_messages(harness.rita)) == 1


async def test_an_old_card_is_posted_anew_and_the_old_one_says_so(harness: Harness) -> None:
    server = harness.server
    async with harness.bot():
        card = await harness.planned(config="patient")
    harness.skip(2 * 3600)
    async with harness.bot():
        assert harness.cards() == [card]
        approve = card.button("Approve")
        await harness.alice.clicks(card, "Approve")
        await harness.shows(card, "Out of date")
        new = await harness.ends(await harness.card(run_in(approved(harness)), after=[card]), "Done")
        assert card.labels == []
        late = await harness.bob.clicks(card, "", custom_id=approve)
        assert "out of date" in await refusal(server, late)
        assert await is_in_step(harness, new)
    assert harness.writes() == ["Tell everyone", "again: Tell everyone"]


def approved(harness: Harness) -> str:
    return harness.cards()[-1].text


async def test_an_old_card_that_discord_lets_nobody_edit_is_left_as_it_is_and_does_nothing(harness: Harness) -> None:
    server = harness.server
    server.old_edits_left = 0
    async with harness.bot():
        card = await harness.planned(config="patient")
        harness.skip(2 * 3600)
        approve = card.button("Approve")
        await harness.alice.clicks(card, "Approve")
        await server.until(lambda: len(harness.cards()) == 2)
        await harness.ends(harness.cards()[1], "Done")
        late = await harness.bob.clicks(card, "", custom_id=approve)
        assert "out of date" in await refusal(server, late)


async def test_a_plan_that_can_be_shown_neither_inline_nor_as_a_file_has_no_approve_button(harness: Harness) -> None:
    server = harness.server
    async with harness.bot():
        whole = await harness.planned(config="long")
        assert set(whole.files) == {"plan.md", "plan.json"}
        assert "characters are only in plan" in whole.text.replace("\\", "")
        server.takes_files = False
        card = await harness.planned(config="long")
        assert "fits neither on this card nor into a file" in card.text
        assert "Approve 1 call" not in card.labels
        await harness.rejects(harness.alice, card, "too long")
        await harness.ends(card, "Rejected")
        await harness.alice.clicks(whole, "Approve")
        await harness.ends(whole, "Done")
    assert harness.writes() == ["long " * 3000]
