"""Whole runs on Discord: the real client library over real sockets, the real chat service, card sync, engine, database and tools."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bot.i18n import ENGLISH, GERMAN
from coordination.domain import events as e
from tests.e2e.discord_harness import Stage, a_stage, refusal, run_in
from tests.e2e.program import ROOT
from tests.servers.discord_people import Someone, acknowledged, told
from tests.servers.discord_world import Message


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    async with a_stage(tmp_path) as stage:
        yield stage


async def test_a_rejection_has_its_reason_although_the_bot_was_restarted_while_it_was_written(stage: Stage) -> None:
    async with stage.bot():
        card = await stage.planned()
        window = await stage.alice.clicks(card, "Reject")
        assert await acknowledged(stage.server, window) == 9
    async with stage.bot():
        await stage.alice.submits(window, "not on a *Friday*")
        await stage.ends(card, "Rejected")
        assert "not on a \\*Friday\\*" in card.text
        assert card.labels == ["Ask again"]
        await stage.server.until(lambda: "alice rejected" in stage.story(card) and stage.private_messages(stage.rita))
        again = await stage.rita.clicks(card, "Ask again")
        await stage.server.until(lambda: len(stage.cards()) == 2)
        second = await stage.shows(stage.cards()[1], "Decide")
        assert run_in(second.text) != run_in(card.text)
        assert again.private == []
    assert stage.writes() == []


async def test_wanted_changes_lead_to_another_plan_and_old_buttons_say_so(stage: Stage) -> None:
    async with stage.bot():
        card = await stage.planned()
        old = card.button("Approve")
        await stage.rejects(stage.alice, card, "one line is enough", "Request changes")
        await stage.shows(card, "Decide", "short")
        first, second = [event.plan for event in await stage.events(card) if isinstance(event, e.PlanProposed)]
        assert first.digest != second.digest
        assert card.button("Approve 1 call") != old
        stale = await stage.alice.clicks(card, "", custom_id=old)
        assert "not the plan that waits now" in await refusal(stage.server, stale)
        assert stage.writes() == []
        own = await stage.alice.clicks(card, "Approve")
        assert "This plan follows what you said" in await refusal(stage.server, own)
        await stage.bob.clicks(card, "Approve")
        await stage.ends(card, "Done")
        assert "one line is enough" in stage.story(card)
    assert stage.writes() == ["short: Tell everyone"]


async def test_an_agents_question_is_answered_in_a_window_by_whoever_asked_and_by_nobody_else(stage: Stage) -> None:
    async with stage.bot():
        card = await stage.shows(await stage.asks("Tell everyone", "asks"), "Which channel?")
        other = await stage.alice.clicks(card, "Answer the agent")
        assert "only they can answer" in await refusal(stage.server, other)
        await stage.rejects(stage.rita, card, "The second.", "Answer the agent")
        await stage.shows(card, "Decide", "The second.")
        assert stage.writes() == []


async def test_another_agents_plan_is_chosen_in_the_menu(stage: Stage) -> None:
    async with stage.bot():
        card = await stage.planned()
        await stage.alice.chooses(card, "2")
        await stage.shows(card, "alice chose agent2's plan")
        own = await stage.alice.clicks(card, "Approve 1 call")
        assert "This plan follows what you said" in await refusal(stage.server, own)
        await stage.bob.clicks(card, "Approve 1 call")
        await stage.ends(card, "Done")
    assert stage.writes() == ["mine: Tell everyone"]


async def test_those_of_a_role_are_called_once_when_a_plan_waits(stage: Stage) -> None:
    (ops,) = (number for number, name in stage.server.guild.roles.items() if name == "ops")
    async with stage.bot():
        card = await stage.planned()
        await stage.server.until(lambda: _called(stage, card, ops))
        await stage.rejects(stage.alice, card, "shorter", "Request changes")
        await stage.shows(card, "Decide", "short")
        await stage.server.until(lambda: len(_called(stage, card, ops)) == 2)
    assert "waits for your decision" in str(_called(stage, card, ops)[0])


def _called(stage: Stage, card: Message, role: str) -> list[object]:
    """The lines in a card's thread that notify a role."""
    payloads = [each.payload for each in stage.server.in_channel(card.id)]
    return [each["content"] for each in payloads if (each.get("allowed_mentions") or {}).get("roles") == [int(role)]]


async def test_a_plan_expires_by_itself_after_reminders_of_once_each(stage: Stage) -> None:
    async with stage.bot():
        card = await stage.planned()
        approve = card.button("Approve")
        stage.skip(31 * 60)
        await stage.server.until(lambda: len(_reminders(stage)) == 1)
        stage.skip(20 * 60)
        await stage.server.until(lambda: len(_reminders(stage)) == 2)
    async with stage.bot():
        stage.skip(9 * 60)
        late = await stage.alice.clicks(card, "", custom_id=approve)
        assert "expired" in await refusal(stage.server, late)
        await stage.ends(await stage.card(run_in(card.text), after=[card]), "Expired")
        await stage.shows(card, "Out of date")
        await stage.server.until(lambda: stage.private_messages(stage.rita))
        assert "Nobody decided" in stage.private_messages(stage.rita)[0].text
    assert len(_reminders(stage)) == 2
    assert stage.writes() == []


def _reminders(stage: Stage) -> list[str]:
    return [each.text for each in stage.cards() if "Still waiting" in each.text]


async def test_a_run_is_cancelled_by_its_button_or_by_its_name_and_asked_again(stage: Stage) -> None:
    async with stage.bot():
        card = await stage.asks("Tell everyone", "slow")
        refused = await stage.mallory.clicks(card, "Cancel")
        assert "can cancel" in await refusal(stage.server, refused)
        await stage.rita.clicks(card, "Cancel")
        await stage.ends(card, "Cancelled")
        other = await stage.asks("Tell nobody", "slow")
        run = run_in(other.text)
        assert f"Run {run} is stopped" in await told(
            stage.server, await stage.rita.types("massgen-runs cancel", run=run)
        )
        await stage.ends(other, "Cancelled")
        answer = await told(stage.server, await stage.rita.types("massgen-runs retry", run=run[:4]))
        third = await stage.card(run_in(answer))
        assert "Tell nobody" in third.text
        assert run_in(third.text) != run
        listed = await told(stage.server, await stage.mallory.types("massgen-runs list"))
        assert listed.index(run_in(third.text)) < listed.index(run) < listed.index(run_in(card.text))
        shown = await told(stage.server, await stage.mallory.types("massgen-runs show", run=run))
        assert "Cancelled" in shown
        assert all(each.is_private for used in stage.mallory.used for each in used.private)


async def test_a_mention_in_the_thread_goes_on_with_the_conversation(stage: Stage) -> None:
    async with stage.bot():
        card = await stage.planned("Tell everyone")
        await stage.alice.clicks(card, "Approve")
        await stage.ends(card, "Done")
        await stage.server.until(lambda: "every call has its receipt" in stage.story(card))
        await stage.mallory.writes("nice", card.id)
        await stage.rita.writes("Now the leads", card.id, mentions_bot=True)
        await stage.server.until(lambda: "Decide" in stage.story(card))
        (second,) = (each for each in stage.server.in_channel(card.id) if "Decide ·" in each.text)
        (asked, *_) = await stage.events(second)
        assert isinstance(asked, e.RunRequested)
        (earlier,) = asked.history
        assert earlier.prompt == "Tell everyone"
        assert "again: Tell everyone" in earlier.outcome
        await stage.bob.clicks(second, "Approve")
        await stage.ends(second, "Done")
        assert stage.cards() == [card]
    assert stage.writes()[2:] == ["Now the leads", "again: Now the leads"]


async def test_a_doubtful_call_waits_for_a_person_over_a_restart(stage: Stage) -> None:
    async with stage.bot():
        card = await stage.planned(config="doubt")
        question = await stage.alice.clicks(card, "Approve")
        assert "may destroy something" in await told(stage.server, question)
        assert stage.writes() == []
        await stage.alice.clicks(question.private[0], "Yes, approve")
        await stage.shows(card, "Needs a person", "went away before it answered.\n")
        assert len(stage.writes()) == 1
    async with stage.bot():
        assert card.labels == ["It happened", "It did not, run it", "Stop here"]
        refused = await stage.mallory.clicks(card, "It happened")
        assert await refusal(stage.server, refused)
        await stage.alice.clicks(card, "It happened")
        await stage.ends(card, "Done")
        assert "alice says that it happened" in card.text
    assert len(stage.writes()) == 2


async def test_two_people_are_needed_where_the_configuration_says_so(stage: Stage) -> None:
    async with stage.bot():
        card = await stage.planned(config="two")
        await stage.alice.clicks(card, "Approve")
        await stage.shows(card, "1 of 2 given: alice")
        again = await stage.alice.clicks(card, "Approve")
        assert "2 different people" in await refusal(stage.server, again)
        assert stage.writes() == []
        await stage.bob.clicks(card, "Approve")
        await stage.ends(card, "Done")
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


async def test_agents_act_on_the_server_that_they_were_asked_on_and_nowhere_else(stage: Stage) -> None:
    server = stage.server
    elsewhere = next(iter(server.add_guild("elsewhere").channels))
    shipped = (ROOT / "configs/discord.yaml").read_text(encoding="utf-8")
    text = SENDERS.format(here=server.channel, elsewhere=elsewhere) + shipped[shipped.index("\nmcp_servers:") :]
    (stage.folder / "configs" / "discord.yaml").write_text(text, encoding="utf-8")
    async with stage.bot():
        card = await stage.planned("The library is closed", config="discord")
        assert [each.text for each in stage.cards()] == [card.text]
        await stage.alice.clicks(card, "Approve 2 calls")
        await stage.ends(card, "Not all done")
        (sent,) = (each for each in stage.cards() if each.payload.get("content"))
        assert sent.text == "The library is closed @everyone"
        assert sent.payload["allowed_mentions"]["parse"] == []
        assert server.in_channel(elsewhere) == []


async def test_a_bot_that_speaks_german_does_so_on_cards_and_in_private(stage: Stage) -> None:
    stage.rita.locale = "de"
    async with stage.bot(MASSGEN_BOT_LANGUAGE="de"):
        used = await stage.rita.types("massgen", prompt="Sag es allen")
        await told(stage.server, used)
        await stage.server.until(stage.cards)
        (card,) = stage.cards()
        await stage.shows(card, GERMAN.text("status.decide"))
        assert card.labels[:2] == [GERMAN.text("button.approve", count=2), GERMAN.text("button.reject")]
        refused = await stage.rita.clicks(card, GERMAN.text("button.approve", count=2))
        assert "jemand anderes" in await refusal(stage.server, refused)


async def test_people_of_two_languages_are_told_in_their_own_and_the_card_keeps_its_places(stage: Stage) -> None:
    stage.rita.locale = "de"
    async with stage.bot():
        used = await stage.rita.types("massgen", prompt="Tell everyone")
        assert GERMAN.text("discord.begun") in await told(stage.server, used)
        await stage.server.until(stage.cards)
        (card,) = stage.cards()
        await stage.shows(card, ENGLISH.text("status.decide"))
        german, english = (
            await stage.rita.types("massgen-admin limits"),
            await stage.alice.types("massgen-admin limits"),
        )
        assert GERMAN.text("refuse.not_admin") in await told(stage.server, german)
        assert ENGLISH.text("refuse.not_admin") in await told(stage.server, english)
        refused = await stage.rita.clicks(card, "Approve 2 calls")
        assert "jemand anderes" in await refusal(stage.server, refused)
        await stage.alice.clicks(card, "Approve 2 calls")
        await stage.ends(card, ENGLISH.text("status.done"))
        stage.alice.locale = "fr"
        unknown = await stage.alice.types("massgen-admin limits")
        assert ENGLISH.text("refuse.not_admin") in await told(stage.server, unknown)


async def test_the_card_of_a_german_server_is_german_though_the_one_who_asks_is_not(stage: Stage) -> None:
    stage.server.guild.locale = "de"
    async with stage.bot():
        used = await stage.rita.types("massgen", prompt="Tell everyone")
        assert ENGLISH.text("discord.begun") in await told(stage.server, used)
        await stage.server.until(stage.cards)
        await stage.shows(stage.cards()[0], GERMAN.text("status.decide"))
    async with stage.bot(MASSGEN_BOT_LANGUAGE="en"):
        await stage.rita.types("massgen", prompt="Tell everyone")
        await stage.server.until(lambda: len(stage.cards()) == 2)
        await stage.shows(stage.cards()[1], ENGLISH.text("status.decide"))


async def test_runs_at_once_on_two_servers_keep_to_their_own_cards(stage: Stage) -> None:
    server = stage.server
    guilds = [server.guild, server.add_guild("elsewhere")]
    askers = [Someone(server, f"asker{number}", guilds[number % 2]) for number in range(6)]
    deciders = [Someone(server, "lead", guild, roles=("ops",)) for guild in guilds]
    async with stage.bot():
        used = [await each.types("massgen", prompt=f"for {each.name}") for each in askers]
        runs = [run_in(await told(server, each)) for each in used]
        for number, run in enumerate(runs):
            await server.until(partial(stage.cards, run, askers[number].home))
            (card,) = stage.cards(run, askers[number].home)
            await stage.shows(card, "Decide", f"for asker{number}")
            await deciders[number % 2].clicks(card, "Approve")
        for number, run in enumerate(runs):
            (card,) = stage.cards(run, askers[number].home)
            await stage.ends(card, "Done")
            await server.until(partial(stage.private_messages, askers[number]))
    assert len(set(runs)) == 6
    wanted = [f"{prefix}for asker{number}" for number in range(6) for prefix in ("", "again: ")]
    assert sorted(stage.writes()) == sorted(wanted)


async def test_fifty_clicks_at_once_are_one_decision(stage: Stage) -> None:
    crowd = [Someone(stage.server, f"ops{number}", stage.server.guild, roles=("ops",)) for number in range(25)]
    async with stage.bot():
        card = await stage.planned()
        approve, reject = card.button("Approve"), card.button("Reject")
        windows = [await each.clicks(card, "", custom_id=reject) for each in crowd]
        await stage.server.until(lambda: all(each.kind == 9 for each in windows))
        async with asyncio.TaskGroup() as group:
            for each, window in zip(crowd, windows, strict=True):
                group.create_task(each.clicks(card, "", custom_id=approve))
                group.create_task(each.submits(window, "no"))
        used = [each for someone in crowd for each in someone.used if each not in windows]
        await stage.server.until(lambda: sum(bool(each.private) for each in used) == 49, 20)
        assert len(used) == 50
        assert all(each.kind for each in used), "somebody got no answer"
        await stage.server.until(lambda: "Done ·" in card.text or "Rejected ·" in card.text)
        decisions = [type(each) for each in await stage.events(card)]
        assert decisions.count(e.ApprovalGiven) + decisions.count(e.PlanRejected) == 1
        assert decisions.count(e.ActionRefused) == 49
        assert len(stage.writes()) == 2 * decisions.count(e.ApprovalGiven)


async def test_whoever_may_not_decide_is_told_why_in_private_changes_nothing_and_is_audited(stage: Stage) -> None:
    server = stage.server
    elsewhere = server.add_guild("elsewhere")
    [ops] = [number for number, name in server.guild.roles.items() if name == "ops"]
    async with stage.bot():
        card = await stage.planned()
        await server.until(lambda: "waits for a decision" in stage.story(card))
        other = server.in_channel(card.id)[0]
        twin = Someone(server, "alice", elsewhere, roles=("ops",), id=stage.alice.id)
        copy = server.add_message(twin.home, card.payload, card.author, {})
        approve, shown = card.button("Approve"), dict(card.payload)
        forged = f"mg:b:{'A' * 22}"
        attempts = {
            "somebody else must decide": await stage.rita.clicks(card, "Approve"),
            f"Only <@&{ops}> can decide on this plan": await stage.mallory.clicks(card, "Approve"),
            "no such button": await stage.alice.clicks(card, "", custom_id=forged),
            "out of date": await stage.alice.clicks(other, "", custom_id=approve),
            "no such button ": await twin.clicks(copy, "", custom_id=approve),
        }
        for sentence, used in attempts.items():
            assert sentence.strip() in await refusal(server, used)
        assert card.payload == shown
        refused = [each for each in await stage.events(card) if isinstance(each, e.ActionRefused)]
        assert {each.by.name for each in refused} == {"rita", "mallory"}
        audit = await stage.admin("audit")
        assert audit.count("refused no") == 1
        assert audit.count("refused superseded") == 1
        own = await stage.admin("audit", run=run_in(card.text))
        assert "rita" in own
        assert "mallory" in own
        ella = Someone(server, "ella", elsewhere, manages=True)
        assert "refused no" in await told(server, await ella.types("massgen-admin audit"))
        assert run_in(card.text) not in await told(server, await ella.types("massgen-runs list"))
    assert stage.writes() == []


async def test_a_click_that_arrives_twice_counts_once(stage: Stage) -> None:
    """Discord repeats events after a lost connection; a decision on the next plan must not come of it."""
    async with stage.bot():
        card = await stage.planned(config="two")
        await stage.alice.clicks(card, "Approve")
        await stage.shows(card, "1 of 2 given")
        (session,) = stage.server.sessions.values()
        click = next(each["d"] for each in reversed(session.sent) if each["t"] == "INTERACTION_CREATE")
        assert click["member"]["user"]["username"] == "alice"
        before = len(await stage.events(card))
        again = replace(stage.alice.used[-1], token="again", response=None, private=[])
        stage.server.interactions[again.token] = again
        await stage.server.dispatch("INTERACTION_CREATE", {**click, "token": again.token})
        await acknowledged(stage.server, again)
        await refusal(stage.server, await stage.alice.clicks(card, "Approve"))
        assert len(await stage.events(card)) == before + 1
        assert again.private == []
