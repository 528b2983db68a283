"""What people ask Slack about, and what administrators say: by the real chat service over real sockets."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.e2e.slack_harness import Stage, a_stage, run_in, said_in


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    async with a_stage(tmp_path) as stage, stage.bot():
        yield stage


async def test_words_after_the_command_are_answered_to_the_one_who_said_them(stage: Stage) -> None:
    for text in ("", "help"):
        assert "Needs 1 of ops" in await stage.told("mallory", text)
    assert "There are none" in await stage.told("rita", "status")
    card = await stage.planned()
    run = run_in(card.text)
    assert f"{run} · waits for a decision" in await stage.told("rita", "status")
    assert "There are none" in await stage.told("alice", "status")
    assert f"{run} · waits for a decision" in await stage.told("alice", "history")
    shown = await stage.told("alice", f"status {run.lower()}")
    assert "Tell everyone" in shown
    assert shown.index("round 1") < shown.index("agent1 voted agent1")
    assert "no run N0P3 here" in await stage.told("rita", "status N0P3")
    assert "cancel RUN" in await stage.told("rita", "cancel")
    before = len(stage.server.private_messages)
    assert "Got it" in await stage.told("rita", "--config nope do it")
    assert "no configuration nope" in await stage.private_message(before + 1)
    assert stage.cards() == [card]


async def test_details_come_in_pages(stage: Stage) -> None:
    card = await stage.planned()
    alice = stage.somebody("alice")
    await alice.click(card, "details")
    view = (await alice.opened())["id"]
    await stage.server.until(lambda: "Page 1 of 3" in str(stage.server.views[view]))
    assert "Written by agent1.final: 2 calls" in said_in(stage.server.views[view]["blocks"])
    await alice.press_in(stage.server.views[view], "page_next")
    await stage.server.until(lambda: "Page 2 of 3" in str(stage.server.views[view]))
    assert "again: Tell everyone" in said_in(stage.server.views[view]["blocks"])
    await alice.press_in(stage.server.views[view], "page_next")
    await stage.server.until(lambda: "Page 3 of 3" in str(stage.server.views[view]))
    assert '"arguments"' in said_in(stage.server.views[view]["blocks"])


async def test_the_app_home_shows_what_waits_for_its_owner_their_runs_the_config_and_usage(stage: Stage) -> None:
    run = run_in((await stage.planned()).text)
    homes: dict[str, str] = {}
    for who in ("alice", "rita", "mallory"):
        await stage.somebody(who).opens_home()
        await stage.server.until(lambda: len(stage.server.homes) == len(homes) + 1)
        homes[who] = said_in(stage.server.homes[f"U{who.upper()}"]["blocks"])
    waiting, _, own = homes["alice"].partition("Asked by you")
    assert run in waiting
    assert run not in own
    waiting, _, own = homes["rita"].partition("Asked by you")
    assert run in own
    assert run not in waiting, "somebody else must decide"
    assert "Nothing waits for you" in homes["mallory"]
    assert run not in homes["mallory"]
    assert all("ops holds here: nothing else was set" in each and "1 run ·" in each for each in homes.values())


async def test_administrators_choose_the_configuration_and_the_next_run_uses_it(stage: Stage) -> None:
    answers = {
        "config list": "destroys",
        "config show": "ops holds here: nothing else was set",
        "config use two channel": "two holds in this channel",
        "config use doubt workspace": "doubt holds in all channels",
        "config use nope": "no configuration nope",
        "config check two": "two is a good configuration",
        "config check broken": "broken.yaml:1: agents: found a number",
        "config reset server": "two holds here: it was set for this channel",
        "explode": "config list · config show",
        "": "config list · config show",
    }
    for text, wanted in answers.items():
        assert wanted in await stage.admin(text), text
    card = await stage.planned()
    assert "config two" in stage.plain(card)
    assert "ops holds here" in await stage.admin("config reset channel")
    assert "nothing to forget" in await stage.admin("config reset channel")


async def test_administrators_say_who_approves_and_how_much_and_all_of_it_is_kept(stage: Stage) -> None:
    assert "approval by UBOB" in await stage.admin("approvers &lt;@UBOB|bob&gt; requester=no")
    assert "Needs 1 of UBOB" in await stage.admin("approvers")
    assert "1 run an hour" in await stage.admin("limits hourly=1")
    card = await stage.planned()
    assert "Only UBOB" in await stage.refused("alice", card, card.element("approve"))
    await stage.clicks("bob", card, "approve")
    await stage.ends(card, "Done")
    before = len(stage.server.private_messages)
    assert "Got it" in await stage.told("rita", "another")
    assert "1 run within an hour" in await stage.private_message(before + 1)
    assert "what their configuration says" in await stage.admin("approvers reset")
    assert "30 runs an hour" in await stage.admin("limits reset")
    kept = await stage.admin("audit")
    assert "set approvers" in kept
    assert "reset limits" in kept
    of_run = await stage.admin(f"audit {run_in(card.text)}")
    assert of_run.index("rita (URITA) asked") < of_run.index("alice") < of_run.index("bob (UBOB) approved")


async def test_nobody_else_administers_and_the_attempt_is_kept(stage: Stage) -> None:
    for text in ("config use two", "limits hourly=9999", "audit", "approvers &lt;@UMALLORY|mallory&gt;"):
        assert "Only administrators" in await stage.admin(text, who="mallory")
    assert "mallory (UMALLORY) · refused config-use · two" in await stage.admin("audit")
    assert "ops holds here" in await stage.admin("config show")


async def test_nobody_decides_by_calling_themselves_like_an_approver(stage: Stage) -> None:
    await stage.admin("approvers &lt;@UBOB|bob&gt;")
    card = await stage.planned()
    users = stage.server.teams[0].users
    users["UMALLORY"]["profile"]["display_name"] = "UBOB"
    users["UADA"]["profile"]["display_name"] = "bob"
    for impostor in ("mallory", "ada"):
        assert "can decide on this plan" in await stage.refused(impostor, card, card.element("approve"))
    await stage.clicks("bob", card, "approve")
    await stage.ends(card, "Done")
