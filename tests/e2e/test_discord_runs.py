"""Whole runs on Discord: the real client library over real sockets, the real chat service, card sync, engine, database and tools."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bot.i18n import ENGLISH, GERMAN
from coordination.domain import events as e
from tests.e2e.discord_harness import Harness, a_harness, refusal, run_in
from tests.e2e.program import ROOT
from tests.servers.discord_people import Someone, acknowledged, told
from tests.servers.discord_server import Fault
from tests.servers.discord_world import Message


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with a_harness(tmp_path) as harness:
        yield harness


async def test_a_rejection_has_its_reason_although_the_bot_was_restarted_while_it_was_written(harness: Harness) -> None:
    async with harness.bot():
        card = await harness.planned()
        window = await harness.alice.clicks(card, "Reject")
        assert await acknowledged(harness.server, window) == 9
    async with harness.bot():
        await harness.alice.submits(window, "not on a *Friday*")
        await harness.ends(card, "Rejected")
        assert "not on a \\*Friday\\*" in card.text
        assert card.labels == ["Ask again"]
        await harness.server.until(
            lambda: "alice rejected" in harness.story(card) and harness.private_messages(harness.rita)
        )
        again = await harness.rita.clicks(card, "Ask again")
        await harness.server.until(lambda: len(harness.cards()) == 2)
        second = await harness.shows(harness.cards()[1], "Waiting for approval")
        assert run_in(second.text) != run_in(card.text)
        assert again.private == []
    assert harness.writes() == []


async def test_wanted_changes_lead_to_another_plan_and_old_buttons_say_so(harness: Harness) -> None:
    async with harness.bot():
        card = await harness.planned()
        old = card.button("Approve")
        await harness.rejects(harness.alice, card, "one line is enough", "Request changes")
        await harness.shows(card, "Waiting for approval", "short")
        first, second = [event.plan for event in await harness.events(card) if isinstance(event, e.PlanProposed)]
        assert first.digest != second.digest
        assert card.button("Approve 1 call") != old
        stale = await harness.alice.clicks(card, "", custom_id=old)
        assert "replaced by a newer one" in await refusal(harness.server, stale)
        assert harness.writes() == []
        own = await harness.alice.clicks(card, "Approve")
        assert "This plan follows what you said" in await refusal(harness.server, own)
        await harness.bob.clicks(card, "Approve")
        await harness.ends(card, "Done")
        assert "one line is enough" in harness.story(card)
    assert harness.writes() == ["short: Tell everyone"]


async def test_an_agents_question_is_answered_in_a_window_by_whoever_asked_and_by_nobody_else(harness: Harness) -> None:
    async with harness.bot():
        card = await harness.shows(await harness.asks("Tell everyone", "asks"), "Which channel?")
        other = await harness.alice.clicks(card, "Answer")
        assert "only they can answer" in await refusal(harness.server, other)
        await harness.rejects(harness.rita, card, "The second.", "Answer")
        await harness.shows(card, "Waiting for approval", "The second.")
        assert harness.writes() == []


async def test_another_agents_plan_is_chosen_in_the_menu(harness: Harness) -> None:
    async with harness.bot():
        card = await harness.planned()
        await harness.alice.chooses(card, "2")
        await harness.shows(card, "alice chose agent2's plan")
        own = await harness.alice.clicks(card, "Approve 1 call")
        assert "This plan follows what you said" in await refusal(harness.server, own)
        await harness.bob.clicks(card, "Approve 1 call")
        await harness.ends(card, "Done")
    assert harness.writes() == ["mine: Tell everyone"]


async def test_those_of_a_role_are_called_once_when_a_plan_waits(harness: Harness) -> None:
    (ops,) = (number for number, name in harness.server.guild.roles.items() if name == "ops")
    async with harness.bot():
        card = await harness.planned()
        await harness.server.until(lambda: _called(harness, card, ops))
        await harness.rejects(harness.alice, card, "shorter", "Request changes")
        await harness.shows(card, "Waiting for approval", "short")
        await harness.server.until(lambda: len(_called(harness, card, ops)) == 2)
    assert "waiting for your decision" in str(_called(harness, card, ops)[0])


def _called(harness: Harness, card: Message, role: str) -> list[object]:
    """The lines in a card's thread that notify a role."""
    payloads = [each.payload for each in harness.server.in_channel(card.id)]
    return [each["content"] for each in payloads if (each.get("allowed_mentions") or {}).get("roles") == [int(role)]]


def _named(harness: Harness, *people: Someone) -> None:
    """A configuration whose plans these people decide on, by their accounts."""
    folder = harness.folder / "configs"
    users = ", ".join(f'"{each.id}"' for each in people)
    ops = (folder / "ops.yaml").read_text(encoding="utf-8")
    (folder / "named.yaml").write_text(ops.replace("roles: [ops]", f"users: [{users}]"), encoding="utf-8")


async def test_named_approvers_decide_in_their_direct_messages_and_every_copy_tells_how_it_ended(
    harness: Harness,
) -> None:
    _named(harness, harness.alice, harness.bob, harness.mallory)
    async with harness.bot():
        harness.server.private_channels[harness.mallory.id] = harness.server.number()
        harness.server.closed_doors.add(harness.mallory.id)
        card = await harness.planned(config="named")
        people = (harness.alice, harness.bob)
        await harness.server.until(lambda: all(harness.private_messages(each) for each in people))
        mine, other = (harness.private_messages(each)[0] for each in people)
        assert mine.labels == card.labels
        assert len({each.button("Approve") for each in (card, mine, other)}) == 3
        strange = await harness.bob.clicks(mine, "Approve")
        assert "There is no such button here" in await refusal(harness.server, strange)
        moved = await harness.alice.clicks(card, "", custom_id=mine.button("Approve"))
        assert "There is no such button here" in await refusal(harness.server, moved)
        window = await harness.bob.clicks(other, "Reject")
        assert await acknowledged(harness.server, window) == 9
        await harness.alice.clicks(mine, "Approve")
        for each in (card, mine, other):
            await harness.ends(each, "Done")
            assert "alice" in each.text
        guild, channel = harness.server.guild.id, harness.server.channel
        link = f"[Open the card](<https://discord.com/channels/{guild}/{channel}/{card.id}>)"
        assert [link in each.text for each in (card, mine, other)] == [False, True, True]
        await harness.server.until(lambda: harness.private_messages(harness.rita))
        assert link in harness.private_messages(harness.rita)[0].text
        assert link in await told(harness.server, await harness.rita.types("massgen-runs list"))
    assert harness.writes() == ["Tell everyone", "again: Tell everyone"]
    assert harness.private_messages(harness.mallory) == []


async def test_who_is_no_member_any_more_decides_nothing_in_their_direct_messages(harness: Harness) -> None:
    _named(harness, harness.alice)
    async with harness.bot():
        await harness.planned(config="named")
        await harness.server.until(lambda: harness.private_messages(harness.alice))
        copy = harness.private_messages(harness.alice)[0]
        harness.alice.leaves()
        used = await harness.alice.clicks(copy, "Approve")
        assert "There is no such button here" in await refusal(harness.server, used)
        assert harness.writes() == []


async def test_who_clicks_while_discord_does_not_tell_who_they_are_hears_that_and_decides_a_moment_later(
    harness: Harness,
) -> None:
    _named(harness, harness.alice)
    async with harness.bot():
        card = await harness.planned(config="named")
        await harness.server.until(lambda: harness.private_messages(harness.alice))
        copy = harness.private_messages(harness.alice)[0]
        missing: dict[str, object] = {"message": "Missing Access", "code": 50001}
        harness.server.faults.append(Fault("GET", f"/members/{harness.alice.id}$", status=403, body=missing))
        silent = await harness.alice.clicks(copy, "Approve")
        assert "can't look up" in await refusal(harness.server, silent)
        assert harness.writes() == []
        await harness.alice.clicks(copy, "Approve")
        await harness.ends(card, "Done")


async def test_a_plan_expires_by_itself_after_reminders_of_once_each(harness: Harness) -> None:
    async with harness.bot():
        card = await harness.planned()
        approve = card.button("Approve")
        harness.skip(31 * 60)
        await harness.server.until(lambda: len(_reminders(harness)) == 1)
        harness.skip(20 * 60)
        await harness.server.until(lambda: len(_reminders(harness)) == 2)
    async with harness.bot():
        harness.skip(9 * 60)
        late = await harness.alice.clicks(card, "", custom_id=approve)
        assert "expired" in await refusal(harness.server, late)
        await harness.ends(await harness.card(run_in(card.text), after=[card]), "Expired")
        await harness.shows(card, "Out of date")
        await harness.server.until(lambda: harness.private_messages(harness.rita))
        assert "Nobody decided" in harness.private_messages(harness.rita)[0].text
    assert len(_reminders(harness)) == 2
    assert harness.writes() == []


def _reminders(harness: Harness) -> list[str]:
    return [each.text for each in harness.cards() if "Still waiting" in each.text]


async def test_a_run_is_cancelled_by_its_button_or_by_its_name_and_asked_again(harness: Harness) -> None:
    async with harness.bot():
        card = await harness.asks("Tell everyone", "slow")
        refused = await harness.mallory.clicks(card, "Cancel")
        assert "can cancel" in await refusal(harness.server, refused)
        await harness.rita.clicks(card, "Cancel")
        await harness.ends(card, "Cancelled")
        other = await harness.asks("Tell nobody", "slow")
        run = run_in(other.text)
        assert f"Run {run} was cancelled" in await told(
            harness.server, await harness.rita.types("massgen-runs cancel", run=run)
        )
        await harness.ends(other, "Cancelled")
        answer = await told(harness.server, await harness.rita.types("massgen-runs retry", run=run[:4]))
        third = await harness.card(run_in(answer))
        assert "Tell nobody" in third.text
        assert run_in(third.text) != run
        listed = await told(harness.server, await harness.mallory.types("massgen-runs list"))
        assert listed.index(run_in(third.text)) < listed.index(run) < listed.index(run_in(card.text))
        shown = await told(harness.server, await harness.mallory.types("massgen-runs show", run=run))
        assert "Cancelled" in shown
        assert all(each.is_private for used in harness.mallory.used for each in used.private)


async def test_a_mention_in_the_thread_goes_on_with_the_conversation(harness: Harness) -> None:
    async with harness.bot():
        card = await harness.planned("Tell everyone")
        await harness.alice.clicks(card, "Approve")
        await harness.ends(card, "Done")
        await harness.server.until(lambda: "every call has a result" in harness.story(card))
        await harness.mallory.writes("nice", card.id)
        await harness.rita.writes("Now the leads", card.id, mentions_bot=True)
        await harness.server.until(lambda: "Waiting for approval" in harness.story(card))
        (second,) = (each for each in harness.server.in_channel(card.id) if "Waiting for approval ·" in each.text)
        (asked, *_) = await harness.events(second)
        assert isinstance(asked, e.RunRequested)
        (earlier,) = asked.history
        assert earlier.prompt == "Tell everyone"
        assert "again: Tell everyone" in earlier.outcome
        await harness.bob.clicks(second, "Approve")
        await harness.ends(second, "Done")
        assert harness.cards() == [card]
    assert harness.writes()[2:] == ["Now the leads", "again: Now the leads"]


async def test_a_doubtful_call_waits_for_a_person_over_a_restart(harness: Harness) -> None:
    async with harness.bot():
        card = await harness.planned(config="doubt")
        question = await harness.alice.clicks(card, "Approve")
        assert "may destroy something" in await told(harness.server, question)
        assert harness.writes() == []
        await harness.alice.clicks(question.private[0], "Yes, approve")
        await harness.shows(card, "Needs attention", "ended before it answered.\n")
        assert len(harness.writes()) == 1
    async with harness.bot():
        assert card.labels == ["It happened", "Stop here"], "what its server had asked others may still be done"
        refused = await harness.mallory.clicks(card, "It happened")
        assert await refusal(harness.server, refused)
        await harness.alice.clicks(card, "It happened")
        await harness.ends(card, "Done")
        assert "alice says that it happened" in card.text
    assert len(harness.writes()) == 2


async def test_two_people_are_needed_where_the_configuration_says_so(harness: Harness) -> None:
    async with harness.bot():
        card = await harness.planned(config="two")
        await harness.alice.clicks(card, "Approve")
        await harness.shows(card, "1 of 2 given: alice")
        again = await harness.alice.clicks(card, "Approve")
        assert "2 different people" in await refusal(harness.server, again)
        assert harness.writes() == []
        await harness.bob.clicks(card, "Approve")
        await harness.ends(card, "Done")
        assert "Approved by alice, bob" in card.text


SENDERS = """
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{{tool: discord.list_channels}}]
            - expects: ["#general"]
              calls:
                - {{tool: discord.send_message, arguments: {{channel: "{here}", content: "{{prompt}} @everyone"}}}}
                - {{tool: discord.send_message, arguments: {{channel: "{elsewhere}", content: "{{prompt}}"}}}}
              answer: Two messages.
        report: [{{say: One of them was sent.}}]
"""


async def test_agents_act_on_the_server_that_they_were_asked_on_and_nowhere_else(harness: Harness) -> None:
    server = harness.server
    elsewhere = next(iter(server.add_guild("elsewhere").channels))
    shipped = (ROOT / "configs/discord.yaml").read_text(encoding="utf-8")
    text = SENDERS.format(here=server.channel, elsewhere=elsewhere) + shipped[shipped.index("\nmcp_servers:") :]
    (harness.folder / "configs" / "discord.yaml").write_text(text, encoding="utf-8")
    async with harness.bot():
        card = await harness.planned("The library is closed", config="discord")
        assert [each.text for each in harness.cards()] == [card.text]
        await harness.alice.clicks(card, "Approve 2 calls")
        await harness.ends(card, "Partly done")
        (sent,) = (each for each in harness.cards() if each.payload.get("content"))
        assert sent.text == "The library is closed @everyone"
        assert sent.payload["allowed_mentions"]["parse"] == []
        assert server.in_channel(elsewhere) == []


async def test_a_bot_that_speaks_german_does_so_on_cards_and_in_private(harness: Harness) -> None:
    harness.rita.locale = "de"
    async with harness.bot(MASSGEN_BOT_LANGUAGE="de"):
        used = await harness.rita.types("massgen", prompt="Sag es allen")
        await told(harness.server, used)
        await harness.server.until(harness.cards)
        (card,) = harness.cards()
        await harness.shows(card, GERMAN.text("status.decide"))
        assert card.labels[:2] == [GERMAN.text("button.approve", count=2), GERMAN.text("button.reject")]
        refused = await harness.rita.clicks(card, GERMAN.text("button.approve", count=2))
        assert "jemand anderes" in await refusal(harness.server, refused)


async def test_people_of_two_languages_are_told_in_their_own_and_the_card_keeps_its_places(harness: Harness) -> None:
    harness.rita.locale = "de"
    async with harness.bot():
        used = await harness.rita.types("massgen", prompt="Tell everyone")
        assert GERMAN.text("discord.begun") in await told(harness.server, used)
        await harness.server.until(harness.cards)
        (card,) = harness.cards()
        await harness.shows(card, ENGLISH.text("status.decide"))
        german, english = (
            await harness.rita.types("massgen-admin limits"),
            await harness.alice.types("massgen-admin limits"),
        )
        assert GERMAN.text("refuse.not_admin") in await told(harness.server, german)
        assert ENGLISH.text("refuse.not_admin") in await told(harness.server, english)
        refused = await harness.rita.clicks(card, "Approve 2 calls")
        assert "jemand anderes" in await refusal(harness.server, refused)
        await harness.alice.clicks(card, "Approve 2 calls")
        await harness.ends(card, ENGLISH.text("status.done"))
        harness.alice.locale = "fr"
        unknown = await harness.alice.types("massgen-admin limits")
        assert ENGLISH.text("refuse.not_admin") in await told(harness.server, unknown)


async def test_the_card_of_a_german_server_is_german_though_the_one_who_asks_is_not(harness: Harness) -> None:
    harness.server.guild.locale = "de"
    async with harness.bot():
        used = await harness.rita.types("massgen", prompt="Tell everyone")
        assert ENGLISH.text("discord.begun") in await told(harness.server, used)
        await harness.server.until(harness.cards)
        await harness.shows(harness.cards()[0], GERMAN.text("status.decide"))
    async with harness.bot(MASSGEN_BOT_LANGUAGE="en"):
        await harness.rita.types("massgen", prompt="Tell everyone")
        await harness.server.until(lambda: len(harness.cards()) == 2)
        await harness.shows(harness.cards()[1], ENGLISH.text("status.decide"))


async def test_runs_at_once_on_two_servers_keep_to_their_own_cards(harness: Harness) -> None:
    server = harness.server
    guilds = [server.guild, server.add_guild("elsewhere")]
    askers = [Someone(server, f"asker{number}", guilds[number % 2]) for number in range(6)]
    deciders = [Someone(server, "lead", guild, roles=("ops",)) for guild in guilds]
    async with harness.bot():
        used = [await each.types("massgen", prompt=f"for {each.name}") for each in askers]
        runs = [run_in(await told(server, each)) for each in used]
        for number, run in enumerate(runs):
            await server.until(partial(harness.cards, run, askers[number].home))
            (card,) = harness.cards(run, askers[number].home)
            await harness.shows(card, "Waiting for approval", f"for asker{number}")
            await deciders[number % 2].clicks(card, "Approve")
        for number, run in enumerate(runs):
            (card,) = harness.cards(run, askers[number].home)
            await harness.ends(card, "Done")
            await server.until(partial(harness.private_messages, askers[number]))
    assert len(set(runs)) == 6
    wanted = [f"{prefix}for asker{number}" for number in range(6) for prefix in ("", "again: ")]
    assert sorted(harness.writes()) == sorted(wanted)


async def test_fifty_clicks_at_once_are_one_decision(harness: Harness) -> None:
    crowd = [Someone(harness.server, f"ops{number}", harness.server.guild, roles=("ops",)) for number in range(25)]
    async with harness.bot():
        card = await harness.planned()
        approve, reject = card.button("Approve"), card.button("Reject")
        windows = [await each.clicks(card, "", custom_id=reject) for each in crowd]
        await harness.server.until(lambda: all(each.kind == 9 for each in windows))
        async with asyncio.TaskGroup() as group:
            for each, window in zip(crowd, windows, strict=True):
                group.create_task(each.clicks(card, "", custom_id=approve))
                group.create_task(each.submits(window, "no"))
        used = [each for someone in crowd for each in someone.used if each not in windows]
        await harness.server.until(lambda: sum(bool(each.private) for each in used) == 49)
        assert len(used) == 50
        assert all(each.kind for each in used), "somebody got no answer"
        await harness.server.until(lambda: "Done ·" in card.text or "Rejected ·" in card.text)
        decisions = [type(each) for each in await harness.events(card)]
        assert decisions.count(e.ApprovalGiven) + decisions.count(e.PlanRejected) == 1
        assert decisions.count(e.ActionRefused) == 49
        assert len(harness.writes()) == 2 * decisions.count(e.ApprovalGiven)


async def test_whoever_may_not_decide_is_told_why_in_private_changes_nothing_and_is_audited(harness: Harness) -> None:
    server = harness.server
    elsewhere = server.add_guild("elsewhere")
    [ops] = [number for number, name in server.guild.roles.items() if name == "ops"]
    async with harness.bot():
        card = await harness.planned()
        await server.until(lambda: "waits for approval" in harness.story(card))
        other = server.in_channel(card.id)[0]
        twin = Someone(server, "alice", elsewhere, roles=("ops",), id=harness.alice.id)
        copy = server.add_message(twin.home, card.payload, card.author, {})
        approve, shown = card.button("Approve"), dict(card.payload)
        forged = f"mg:b:{'A' * 22}"
        attempts = {
            "someone else must decide": await harness.rita.clicks(card, "Approve"),
            f"Only <@&{ops}> can decide on this plan": await harness.mallory.clicks(card, "Approve"),
            "no such button": await harness.alice.clicks(card, "", custom_id=forged),
            "out of date": await harness.alice.clicks(other, "", custom_id=approve),
            "no such button ": await twin.clicks(copy, "", custom_id=approve),
        }
        for sentence, used in attempts.items():
            assert sentence.strip() in await refusal(server, used)
        assert card.payload == shown
        refused = [each for each in await harness.events(card) if isinstance(each, e.ActionRefused)]
        assert {each.by.name for each in refused} == {"rita", "mallory"}
        audit = await harness.admin("audit")
        assert audit.count("refused no") == 1
        assert audit.count("refused superseded") == 1
        own = await harness.admin("audit", run=run_in(card.text))
        assert "rita" in own
        assert "mallory" in own
        ella = Someone(server, "ella", elsewhere, manages=True)
        assert "refused no" in await told(server, await ella.types("massgen-admin audit"))
        assert run_in(card.text) not in await told(server, await ella.types("massgen-runs list"))
    assert harness.writes() == []


async def test_a_click_that_arrives_twice_counts_once(harness: Harness) -> None:
    """Discord repeats events after a lost connection; a decision on the next plan must not come of it."""
    async with harness.bot():
        card = await harness.planned(config="two")
        await harness.alice.clicks(card, "Approve")
        await harness.shows(card, "1 of 2 given")
        (session,) = harness.server.sessions.values()
        click = next(each["d"] for each in reversed(session.sent) if each["t"] == "INTERACTION_CREATE")
        assert click["member"]["user"]["username"] == "alice"
        before = len(await harness.events(card))
        again = replace(harness.alice.used[-1], token="again", response=None, private=[])
        harness.server.interactions[again.token] = again
        await harness.server.dispatch("INTERACTION_CREATE", {**click, "token": again.token})
        await acknowledged(harness.server, again)
        await refusal(harness.server, await harness.alice.clicks(card, "Approve"))
        assert len(await harness.events(card)) == before + 1
        assert again.private == []
