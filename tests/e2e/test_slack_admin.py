"""What people ask Slack about, and what administrators say: by the real chat service over real sockets."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.e2e.slack_harness import Harness, a_harness, run_in, said_in
from tests.servers.slack_server import Fault


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with a_harness(tmp_path) as harness, harness.bot():
        yield harness


async def test_words_after_the_command_are_answered_to_the_one_who_said_them(harness: Harness) -> None:
    for text in ("", "help"):
        assert "Needs 1 of ops" in await harness.told("mallory", text)
    assert "There are no runs" in await harness.told("rita", "status")
    card = await harness.planned()
    run = run_in(card.text)
    assert f"{run} · waiting for approval" in await harness.told("rita", "status")
    assert "There are no runs" in await harness.told("alice", "status")
    assert f"{run} · waiting for approval" in await harness.told("alice", "history")
    shown = await harness.told("alice", f"status {run.lower()}")
    assert "Tell everyone" in shown
    assert shown.index("round 1") < shown.index("agent1 voted agent1")
    assert "no run N0P3 here" in await harness.told("rita", "status N0P3")
    assert "cancel RUN" in await harness.told("rita", "cancel")
    before = len(harness.server.private_messages)
    assert "Got it" in await harness.told("rita", "--config nope do it")
    assert "no configuration nope" in await harness.private_message(before + 1)
    assert harness.cards() == [card]


async def test_details_come_in_pages(harness: Harness) -> None:
    card = await harness.planned()
    alice = harness.somebody("alice")
    await alice.click(card, "details")
    view = (await alice.opened())["id"]
    await harness.server.until(lambda: "Page 1 of 3" in str(harness.server.views[view]))
    assert "Written by agent1.final: 2 calls" in said_in(harness.server.views[view]["blocks"])
    await alice.press_in(harness.server.views[view], "page_next")
    await harness.server.until(lambda: "Page 2 of 3" in str(harness.server.views[view]))
    assert "again: Tell everyone" in said_in(harness.server.views[view]["blocks"])
    await alice.press_in(harness.server.views[view], "page_next")
    await harness.server.until(lambda: "Page 3 of 3" in str(harness.server.views[view]))
    assert '"arguments"' in said_in(harness.server.views[view]["blocks"])


async def test_the_app_home_shows_what_waits_for_its_owner_their_runs_the_config_and_usage(harness: Harness) -> None:
    run = run_in((await harness.planned()).text)
    homes: dict[str, str] = {}
    for who in ("alice", "rita", "mallory"):
        await harness.somebody(who).opens_home()
        await harness.server.until(lambda: len(harness.server.homes) == len(homes) + 1)
        homes[who] = said_in(harness.server.homes[f"U{who.upper()}"]["blocks"])
    waiting, _, own = homes["alice"].partition("Requested by you")
    assert run in waiting
    assert run not in own
    waiting, _, own = homes["rita"].partition("Requested by you")
    assert run in own
    assert run not in waiting, "someone else must decide"
    assert "Nothing is waiting for you" in homes["mallory"]
    assert run not in homes["mallory"]
    assert all("ops applies here: nothing else was set" in each and "1 run ·" in each for each in homes.values())


async def test_a_row_of_the_home_opens_the_whole_plan_for_those_who_may_read_it_and_decides(harness: Harness) -> None:
    card = await harness.planned()
    run = run_in(card.text)
    alice = harness.somebody("alice")
    await alice.opens_home()
    await harness.server.until(lambda: harness.server.homes)
    await alice.presses(harness.server.homes["UALICE"], f"open_{run}", channel="")
    window = await alice.opened(0)
    assert "again: Tell everyone" in said_in(window["blocks"])
    await alice.press_in(window, "details")
    details = await alice.opened(1)
    await alice.press_in(details, "page_next")
    await harness.server.until(lambda: "Page 2 of 3" in str(harness.server.views[details["id"]]))
    await alice.press_in(window, "reject")
    await alice.submit(await alice.opened(2), "too loud")
    await harness.server.until(lambda: "decision is saved" in said_in(harness.server.views[window["id"]]["blocks"]))
    await harness.ends(card, "Rejected")
    await alice.press_in(window, "approve")
    await harness.server.until(lambda: "Not done" in said_in(harness.server.views[window["id"]]["blocks"]))
    assert harness.writes() == []
    mallory, views = harness.somebody("mallory"), len(harness.server.views)
    await mallory.presses(harness.server.homes["UALICE"], f"open_{run}", channel="")
    refused = await mallory.opened(views)
    assert f"There is no run {run} here" in said_in(refused["blocks"])
    assert "Tell everyone" not in said_in(refused["blocks"])
    before = len(harness.server.private_messages)
    await harness.told("alice", "history")
    await harness.somebody("alice").presses(harness.server.private_messages[before], f"open_{run}")
    assert "Written by agent1.final" in said_in((await harness.somebody("alice").opened(views + 1))["blocks"])


async def test_a_window_over_that_of_a_plan_that_opens_too_late_is_said_in_the_lower_one(harness: Harness) -> None:
    """On somebody's own page there is no other place for it."""
    card, alice = await harness.planned(), harness.somebody("alice")
    await alice.opens_home()
    await harness.server.until(lambda: harness.server.homes)
    await alice.presses(harness.server.homes["UALICE"], f"open_{run_in(card.text)}", channel="")
    window = await alice.opened(0)
    harness.server.faults.append(Fault(method="views.push", error="expired_trigger_id"))
    await alice.press_in(window, "reject")
    await harness.server.until(lambda: "Nothing was done; click again" in str(harness.server.views[window["id"]]))
    assert len(harness.server.views) == 1


async def test_administrators_choose_the_configuration_and_the_next_run_uses_it(harness: Harness) -> None:
    answers = {
        "config list": "destroys",
        "config show": "ops applies here: nothing else was set",
        "config use two channel": "two applies in this channel",
        "config use doubt workspace": "doubt applies in all channels",
        "config use nope": "no configuration nope",
        "config check two": "two is valid",
        "config check broken": "broken.yaml:1: agents: found a number",
        "config reset server": "two applies here: it was set for this channel",
        "explode": "config list · config show",
        "": "config list · config show",
    }
    for text, wanted in answers.items():
        assert wanted in await harness.admin(text), text
    card = await harness.planned()
    assert "configuration two" in harness.plain(card)
    assert "ops applies here" in await harness.admin("config reset channel")
    assert "nothing to reset" in await harness.admin("config reset channel")


async def test_a_configuration_is_picked_from_a_menu_by_administrators_alone(harness: Harness) -> None:
    server, ada = harness.server, harness.somebody("ada")
    assert "ops applies here" in await harness.admin("config show")
    menu, before = server.private_messages[-1], len(server.private_messages)
    await ada.presses(menu, "use_config", option="two")
    assert "two applies in this channel" in await harness.private_message(before)
    await harness.somebody("mallory").presses(menu, "use_config", option="ops")
    assert "Only administrators" in await harness.private_message(before + 1)
    await ada.presses(menu, "use_config", option="broken")
    assert "agents: found a number" in await harness.private_message(before + 2)
    assert "two applies here" in await harness.admin("config show")


async def test_administrators_say_who_approves_and_how_much_and_all_of_it_is_kept(harness: Harness) -> None:
    assert "approval by UBOB" in await harness.admin("approvers &lt;@UBOB|bob&gt; requester=no")
    assert "Needs 1 of UBOB" in await harness.admin("approvers")
    assert "1 run an hour" in await harness.admin("limits hourly=1")
    card = await harness.planned()
    assert "Only UBOB" in await harness.refused("alice", card, card.element("approve"))
    await harness.clicks("bob", card, "approve")
    await harness.ends(card, "Done")
    before = len(harness.server.private_messages)
    assert "Got it" in await harness.told("rita", "another")
    assert "1 run within an hour" in await harness.private_message(before + 1)
    assert "what their configuration says" in await harness.admin("approvers reset")
    assert "30 runs an hour" in await harness.admin("limits reset")
    kept = await harness.admin("audit")
    assert "set approvers" in kept
    assert "reset limits" in kept
    of_run = await harness.admin(f"audit {run_in(card.text)}")
    assert of_run.index("rita (URITA) asked") < of_run.index("alice") < of_run.index("bob (UBOB) approved")


async def test_approvers_are_picked_in_a_window_by_administrators_alone(harness: Harness) -> None:
    server, ada = harness.server, harness.somebody("ada")
    harness.server.teams[0].groups.append({"id": "S0LEADERS1", "handle": "leads", "users": ["UBOB", "UALICE"]})
    harness.server.teams[0].users["U0BOBBY22"] = {"id": "U0BOBBY22", "name": "bobby"}
    await harness.admin("approvers")
    await ada.presses(server.private_messages[-1], "pick_approvers")
    window = await ada.opened()
    assert "Needs 1 of ops" in said_in(window["blocks"])
    picked = {
        "users": {"users": {"selected_users": ["U0BOBBY22"]}},
        "groups": {"groups": {"selected_options": [{"value": "S0LEADERS1"}]}},
        "required": {"required": {"value": "2"}},
        "requester": {"requester": {"selected_options": [{"value": "no"}]}},
        "scope": {"scope": {"selected_option": {"value": "server"}}},
    }
    before = len(server.private_messages)
    await ada.fills_in(window, picked)
    said = await harness.private_message(before)
    assert "in all channels" in said
    assert "at least 2 approvals" in said
    assert "not by the requester" in said
    for number in ("S0LEADERS1", "U0BOBBY22"):
        assert number in str(server.private_messages[before])
    before, views = len(server.private_messages), len(server.views)
    await harness.somebody("mallory").presses(server.private_messages[0], "pick_approvers")
    assert "Only administrators" in await harness.private_message(before)
    await harness.somebody("mallory").fills_in(window, picked)
    assert "Only administrators" in await harness.private_message(before + 1)
    assert len(server.views) == views


async def test_nobody_else_administers_and_the_attempt_is_kept(harness: Harness) -> None:
    for text in ("config use two", "limits hourly=9999", "audit", "approvers &lt;@UMALLORY|mallory&gt;"):
        assert "Only administrators" in await harness.admin(text, who="mallory")
    assert "mallory (UMALLORY) · refused config-use · two" in await harness.admin("audit")
    assert "ops applies here" in await harness.admin("config show")


async def test_nobody_decides_by_calling_themselves_like_an_approver(harness: Harness) -> None:
    await harness.admin("approvers &lt;@UBOB|bob&gt;")
    card = await harness.planned()
    users = harness.server.teams[0].users
    users["UMALLORY"]["profile"]["display_name"] = "UBOB"
    users["UADA"]["profile"]["display_name"] = "bob"
    for impostor in ("mallory", "ada"):
        assert "can decide on this plan" in await harness.refused(impostor, card, card.element("approve"))
    await harness.clicks("bob", card, "approve")
    await harness.ends(card, "Done")
