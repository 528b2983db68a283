"""Everything that people do in Slack becomes one verb of the chat service, by socket and by signed request."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

import pytest

from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.chat.card_sync.open_questions import question_card
from bot.chat.card_sync.snapshot import IssuedIds
from bot.chat.service_port import (
    AdminCommand,
    CancelRun,
    CancelThread,
    ListGrants,
    ListRuns,
    PressButton,
    Private,
    ShowHelp,
    ShowRun,
    StartRun,
    SubmitText,
)
from bot.message import Action, Card, Target
from bot.slack_app.client import slack_app
from bot.slack_app.commands import default_prompts
from bot.slack_app.installations import Clients, KnownWorkspaces, Workspace
from bot.slack_app.interactions import Clicks
from bot.slack_app.payloads import EventSource
from bot.slack_app.replies import Replies
from bot.telemetry.health import Health
from coordination.domain.transitions import Recorded
from tests.builders import REQUESTER, START
from tests.contract.slack_harness import SECRET, Harness, a_harness, a_team, a_user, app_for, served, settings_for
from tests.contract.small_chat_service import Issued, SmallChatService, note
from tests.sample_logs import POST, argued, recorded, waiting
from tests.servers.slack_people import HttpLine, SocketLine, Somebody
from tests.servers.slack_server import Fault, SlackServer, Team, slack_serving


@pytest.fixture(params=["socket", "http"])
async def harness(request: pytest.FixtureRequest) -> AsyncGenerator[Harness]:
    async with a_harness(request.param) as made:
        yield made


def card_of(log: list[Recorded]) -> Card:
    view = view_of(log)
    assert view is not None
    return card_for(view, log[-1].at)


DECIDE = card_of(waiting())


async def test_a_command_asks_once_and_says_that_it_was_heard(harness: Harness) -> None:
    await harness.somebody().command("post a summary &amp; tell <#C2|general>")
    await harness.server.until(lambda: harness.chat_service.done)
    request, by, place = harness.chat_service.asked[0]
    assert harness.chat_service.done == [request]
    assert isinstance(request, StartRun)
    assert request.prompt == "post a summary & tell #general (C2)"
    assert (by.tenant, by.id, by.name, by.roles, by.is_admin) == (
        "slack:-:T1",
        "UALICE",
        "Alice (UALICE)",
        ("S1",),
        False,
    )
    assert place == harness.place()
    assert "Got it" in harness.server.private_messages[0]["text"]


@dataclass
class GoneAfterOneLook:
    """A workspace that removes the app while its command is on its way."""

    workspace: Workspace | None
    is_single: bool = True

    async def of(self, enterprise: str, team: str) -> Workspace | None:
        """The installation, once."""
        workspace, self.workspace = self.workspace, None
        return workspace


async def test_a_command_that_was_let_in_is_answered_even_if_the_app_is_removed_meanwhile() -> None:
    async with slack_serving(SlackServer([a_team()])) as server:
        app = app_for(server, "socket")
        app = replace(app, workspaces=GoneAfterOneLook(await app.workspaces.of("", "T1")))
        chat_service = SmallChatService(changed=server.changed)
        async with served(server, app, "socket", chat_service) as line:
            await Harness(server, app, line, chat_service).somebody().command("help")
            await server.until(lambda: chat_service.asked)


async def test_a_command_in_a_channel_without_the_bot_asks_nothing_and_says_what_to_do(harness: Harness) -> None:
    harness.server.teams[0].absent.add("C7")
    await harness.somebody().command("post a summary", channel="C7")
    assert "/invite" in await harness.private_message()
    assert harness.chat_service.asked == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", ShowHelp),
        ("help", ShowHelp),
        ("status", ListRuns),
        ("status 7Q4K", ShowRun),
        ("history", ListRuns),
        ("cancel 7Q4K", CancelRun),
        ("history of the town in a notice", StartRun),
        ("cancel subscriptions", StartRun),
        ("grants", ListGrants),
        ("grants revoke 7Q4K", ListGrants),
        ("grants revoke permissions", StartRun),
        ("grants for museums in three lines", StartRun),
        ("status report", StartRun),
        ("retry payment", StartRun),
        ("--config ops post it", StartRun),
        ("\u2014config ops post it", StartRun),
        ("\u2013config=ops post it", StartRun),
    ],
)
async def test_words_after_the_command_are_orders(harness: Harness, text: str, kind: type) -> None:
    await harness.somebody().command(text)
    await harness.server.until(lambda: harness.chat_service.asked)
    request = harness.chat_service.asked[0][0]
    assert isinstance(request, kind)
    if isinstance(request, StartRun) and "config" in text:
        assert (request.config, request.prompt) == ("ops", "post it")
    await harness.private_message()


async def test_a_cancel_without_a_run_is_answered_with_how_to_say_it(harness: Harness) -> None:
    await harness.somebody().command("cancel")
    assert "cancel RUN" in await harness.private_message()


async def test_administrators_are_those_of_slack_and_nobody_if_slack_is_silent(harness: Harness) -> None:
    await harness.somebody("UROOT").command("config use ops channel", name="/massgen-admin")
    await harness.private_message()
    command, by, _ = harness.chat_service.asked[-1]
    assert command == AdminCommand(action="config-use", name="ops", scope="channel")
    assert by.is_admin
    await harness.somebody("UALICE").command("audit", name="/massgen-admin")
    await harness.private_message(1)
    assert not harness.chat_service.asked[-1][1].is_admin
    await harness.somebody("UNOBODY").command("audit", name="/massgen-admin")
    await harness.private_message(2)
    assert not harness.chat_service.asked[-1][1].is_admin


@pytest.mark.parametrize("method", ["users.info", "usergroups.list"])
async def test_nobody_is_told_that_they_may_not_because_slack_was_silent_for_a_moment(
    harness: Harness, method: str
) -> None:
    harness.server.faults.append(Fault(method=method, error="internal_error", times=9))
    await harness.somebody("UROOT").command("audit", name="/massgen-admin")
    assert "can't look up your roles and groups right now" in await harness.private_message()
    assert harness.chat_service.asked == []
    harness.server.faults.clear()
    await harness.somebody("UROOT").command("audit", name="/massgen-admin")
    await harness.private_message(1)
    assert harness.chat_service.asked[-1][1].is_admin


async def test_many_clicks_of_one_person_at_once_ask_slack_once_who_they_are(harness: Harness) -> None:
    alice = harness.somebody("UALICE")
    await asyncio.gather(*(alice.command("status", name="/massgen") for _ in range(20)))
    await harness.server.until(lambda: len(harness.chat_service.asked) == 20)
    assert len(harness.server.called("users.info")) == 1
    assert len(harness.server.called("usergroups.list")) == 1


async def test_an_order_that_no_administrator_has_is_answered_with_the_list(harness: Harness) -> None:
    await harness.somebody("UROOT").command("config explode", name="/massgen-admin")
    assert "config list" in await harness.private_message()


async def test_a_mention_in_a_thread_follows_up_the_threads_run(harness: Harness) -> None:
    harness.chat_service.threads["1690000000.000001"] = "7Q4K"
    await harness.somebody().mention("and now in German", thread="1690000000.000001")
    await harness.server.until(lambda: harness.chat_service.asked)
    request, _, place = harness.chat_service.asked[0]
    assert isinstance(request, StartRun)
    assert (request.prompt, request.follows_thread) == ("and now in German", True)
    assert place == harness.place(thread="1690000000.000001")


async def test_whoever_is_asked_which_they_mean_is_asked_in_private_until_they_answered(harness: Harness) -> None:
    card = question_card("shorter", Target(run="7Q4K"), REQUESTER, until=START)
    ids = IssuedIds({Action.CHANGE_THIS: "c" * 22, Action.START_NEW: "n" * 22})
    harness.chat_service.question = Private(card, ids=ids, question="ask:1")
    rita = harness.somebody()
    await rita.mention("shorter", thread="1690000000.000001")
    assert "Change this plan, or start a new run?" in await harness.private_message()
    await harness.server.until(lambda: harness.chat_service.shown == ["ask:1"])
    (question,) = harness.server.private_messages
    assert (question["channel"], question["thread_ts"]) == ("C1", "1690000000.000001")
    await rita.presses(question, "change_this")
    assert "no such button" in await harness.private_message(1)
    harness.chat_service.buttons["n" * 22] = Issued("7Q4K", Action.START_NEW, harness.place(), "1700000001.000001")
    await rita.presses(question, "start_new")
    await harness.server.until(lambda: len(harness.server.private_messages) == 3)
    assert harness.server.private_messages[2]["delete_original"] is True


async def test_a_message_shortcut_plans_in_the_messages_thread(harness: Harness) -> None:
    await harness.somebody().shortcut("The power is off on Friday.", ts="1700000000.000009")
    await harness.server.until(lambda: harness.chat_service.asked)
    request, _, place = harness.chat_service.asked[0]
    assert isinstance(request, StartRun)
    assert request.prompt == "The power is off on Friday."
    assert place == harness.place(thread="1700000000.000009")


async def test_a_direct_message_is_an_order(harness: Harness) -> None:
    await harness.somebody().direct("post a summary")
    await harness.server.until(lambda: harness.chat_service.done)
    assert prompts(harness) == ["post a summary"]


async def test_it_is_told_that_messages_are_gone_and_that_is_no_order(harness: Harness) -> None:
    await harness.somebody().deletes("1700000000.000009", channel="DUALICE")
    await harness.server.until(lambda: harness.chat_service.deleted)
    tenant = harness.place().tenant
    assert harness.chat_service.deleted == [(tenant, "DUALICE", "1700000000.000009")]
    assert harness.chat_service.asked == []


async def test_the_same_event_delivered_again_asks_once(harness: Harness) -> None:
    alice = harness.somebody()
    event = await alice.mention("post a summary")
    for retry in (1, 2):
        await harness.line.send("event", event, retry=retry)
    await alice.mention("another")
    await harness.server.until(lambda: len(harness.chat_service.done) >= 2)
    assert prompts(harness) == ["post a summary", "another"]


async def test_that_slack_keeps_events_from_us_is_taken_and_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with a_harness("http") as harness:
        limited = {
            "type": "app_rate_limited",
            "team_id": "T1",
            "minute_rate_limited": 1_518_467_820,
            "api_app_id": "A1",
        }
        await harness.line.send("event", limited)
        assert "Slack limits or has stopped the events of workspace T1" in caplog.text
        assert harness.chat_service.asked == []


async def test_a_message_that_is_edited_is_done_once_and_its_writer_is_told(harness: Harness) -> None:
    alice = harness.somebody()
    event = await alice.mention("post a summary")
    await harness.server.until(lambda: harness.chat_service.done)
    await alice.edits(event, "post a long summary")
    assert "already handled" in await harness.private_message()
    assert prompts(harness) == ["post a summary"]


async def test_a_message_that_is_edited_to_mention_the_app_is_an_order(harness: Harness) -> None:
    alice = harness.somebody()
    await alice.edits(alice.mention_event(""), "post a summary")
    await alice.mention("another")
    await harness.server.until(lambda: len(harness.chat_service.done) == 2)
    assert sorted(prompts(harness)) == ["another", "post a summary"]
    assert harness.server.private_messages == []


@pytest.mark.parametrize(("subtype", "is_order"), [
    ("thread_broadcast", True), ("me_message", True), ("message_changed", False), ("bot_message", False),
])  # fmt: skip
async def test_what_somebody_has_just_written_to_the_app_is_an_order(
    harness: Harness, subtype: str, *, is_order: bool
) -> None:
    await harness.somebody().direct("post a summary", subtype=subtype)
    await harness.somebody().direct("another")
    wanted = ["another", "post a summary"] if is_order else ["another"]
    await harness.server.until(lambda: len(harness.chat_service.done) == len(wanted))
    assert sorted(prompts(harness)) == wanted


async def test_what_a_bot_wrote_is_no_order(harness: Harness) -> None:
    alice = harness.somebody()
    event = alice.mention_event("post a summary")
    event["event"]["bot_id"] = "B9"
    await harness.line.send("event", event)
    await alice.mention("another")
    await harness.server.until(lambda: harness.chat_service.done)
    assert prompts(harness) == ["another"]


async def test_the_app_home_is_published_for_its_owner(harness: Harness) -> None:
    await harness.somebody("UBOB").opens_home()
    await harness.server.until(lambda: "UBOB" in harness.server.homes)
    assert "Home of Bob (UBOB)" in str(harness.server.homes["UBOB"])


@pytest.mark.parametrize(
    ("scopes", "written", "suggested"),
    [
        (("assistant:write",), ("Post the minutes", "x" * 200), ["Post the minutes", "x" * 200]),
        (("assistant:write",), (), [each["message"] for each in default_prompts()]),
        ((), ("Post the minutes",), None),
    ],
    ids=["set", "nothing set", "no agent"],
)
async def test_who_opens_the_messages_is_suggested_what_administrators_set(
    scopes: tuple[str, ...], written: tuple[str, ...], suggested: list[str] | None
) -> None:
    server = SlackServer([a_team()])
    async with slack_serving(server):
        workspace = Workspace(enterprise="", team="T1", bot_user="UBOT", token="xoxb-T1", scopes=scopes)
        settings, chat_service = (
            settings_for(server, "socket"),
            SmallChatService(changed=server.changed, prompts=written),
        )
        app = slack_app(settings, KnownWorkspaces([workspace]), Clients(settings.address))
        async with served(server, app, "socket", chat_service) as line:
            somebody = Somebody(server, line, server.teams[0], "UALICE", "ualice")
            server.faults.append(Fault(method="assistant.threads.setSuggestedPrompts", error="missing_scope"))
            for _ in range(2):
                await somebody.opens_messages()
            await somebody.opens_home()
            await server.until(lambda: "UALICE" in server.homes)
            await server.until(lambda: suggested is None or "DUALICE" in server.suggested)
    told = server.suggested.get("DUALICE")
    assert (None if told is None else [each["message"] for each in told]) == suggested
    assert all(len(each["title"]) <= 75 for each in told or ())


async def test_a_yes_is_one_press_on_the_cards_message(harness: Harness) -> None:
    message, message_ref = await harness.card(DECIDE)
    await harness.somebody().click(message, "approve")
    await harness.server.until(lambda: harness.chat_service.asked)
    await until_done(harness, [("approve", "")])
    press, _, place = harness.chat_service.asked[0]
    assert isinstance(press, PressButton)
    assert (place, press.message, press.choice) == (message_ref.place, message_ref.message, "")


async def until_done(harness: Harness, done: list[tuple[str, str]]) -> None:
    await harness.server.until(lambda: len(harness.chat_service.done) >= len(done))
    assert harness.chat_service.decided() == done
    assert {by.id for _, by, _ in harness.chat_service.asked} == {"UALICE"}


def prompts(harness: Harness) -> list[str]:
    return [each.prompt for each in harness.chat_service.done if isinstance(each, StartRun)]


@pytest.mark.parametrize(("action", "text"), [("reject", "Too loud."), ("reject", ""), ("change", "Say it in German.")])
async def test_a_no_and_wanted_changes_are_asked_for_in_a_modal(harness: Harness, action: str, text: str) -> None:
    message, message_ref = await harness.card(DECIDE)
    alice = harness.somebody()
    await alice.click(message, action)
    view = await alice.opened()
    await alice.submit(view, text)
    await until_done(harness, [(action, text)])
    submitted, _, place = harness.chat_service.asked[-1]
    assert isinstance(submitted, SubmitText)
    assert (place, submitted.message) == (message_ref.place, message_ref.message)


async def test_some_calls_are_ticked_in_a_modal(harness: Harness) -> None:
    message, _ = await harness.card(DECIDE)
    alice = harness.somebody()
    await alice.click(message, "select")
    view = await alice.opened()
    field = view["blocks"][0]["element"]
    assert (field["type"], [each["value"] for each in field["initial_options"]]) == ("checkboxes", ["1", "2"])
    await alice.submit(view, "", ticked=["2"])
    await until_done(harness, [("select", "2")])


async def test_a_value_is_edited_in_a_modal_that_begins_with_it(harness: Harness) -> None:
    message, _ = await harness.card(DECIDE)
    alice = harness.somebody()
    await alice.click(message, "edit", option="0.1")
    view = await alice.opened()
    assert view["blocks"][0]["element"]["initial_value"] == "Power off on Friday"
    await alice.submit(view, "Power off on Monday")
    await until_done(harness, [("edit", "Power off on Monday")])
    submitted = harness.chat_service.asked[-1][0]
    assert isinstance(submitted, SubmitText)
    assert submitted.choice == "0.1"


async def test_another_agents_plan_is_chosen_from_the_menu(harness: Harness) -> None:
    message, _ = await harness.card(DECIDE)
    await harness.somebody().click(message, "choose", option="1")
    await until_done(harness, [("choose", "1")])


async def test_details_come_in_pages(harness: Harness) -> None:
    harness.chat_service.pages = [note("first page"), note("second page")]
    message, _ = await harness.card(DECIDE)
    alice = harness.somebody()
    await alice.click(message, "details")
    await harness.server.until(lambda: any("first page" in str(view) for view in harness.server.views.values()))
    (view,) = harness.server.views.values()
    await alice.press_in(view, "page_next")
    await harness.server.until(lambda: "second page" in str(harness.server.views[view["id"]]))
    assert harness.chat_service.done == []


@pytest.mark.parametrize("action", ["reject", "details"])
async def test_a_window_that_opens_too_late_says_so_or_is_shown_as_a_message(harness: Harness, action: str) -> None:
    harness.chat_service.pages = [note("first page")]
    message, _ = await harness.card(DECIDE)
    harness.server.faults.append(Fault(method="views.open", error="expired_trigger_id"))
    await harness.somebody().click(message, action)
    told = await harness.private_message()
    assert ("Nothing was done; click again" if action == "reject" else "first page") in told
    assert harness.chat_service.done == []
    assert harness.server.views == {}


async def test_a_page_of_a_window_that_was_closed_is_let_go(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    harness.chat_service.pages = [note("first page"), note("second page")]
    message, _ = await harness.card(DECIDE)
    alice = harness.somebody()
    await alice.click(message, "details")
    await harness.server.until(lambda: harness.server.views)
    (view,) = harness.server.views.values()
    harness.server.views.clear()
    await alice.press_in(view, "page_next")
    await harness.server.until(lambda: harness.server.called("views.update"))
    await alice.command("help")
    assert "Slack refused" not in await harness.private_message()
    assert len(harness.server.private_messages) == 1
    assert "Slack refused" not in caplog.text


async def test_a_forged_or_stale_button_is_refused_in_private(harness: Harness) -> None:
    message, _ = await harness.card(DECIDE)
    element = message.element("approve")
    alice = harness.somebody()
    for number, value in enumerate(["x" * 22, "approve:7Q4K:d", "", "\u202e" * 22]):
        payload = alice.click_on(message, {**element, "value": value})
        await harness.line.send("interaction", payload)
        assert "no such button" in await harness.private_message(number)
    elsewhere, _ = await harness.card(note("another message"))
    await harness.line.send("interaction", alice.click_on(elsewhere, element))
    assert "no such button" in await harness.private_message(4)
    assert harness.chat_service.done == []


async def test_the_same_click_delivered_again_counts_once(harness: Harness) -> None:
    message, _ = await harness.card(DECIDE)
    alice = harness.somebody()
    payload = alice.click_on(message, message.element("approve"))
    now = time.time()
    for seconds in range(3):
        if isinstance(harness.line, HttpLine):
            assert await harness.line.deliver(*harness.line.signed("interaction", payload, at=now - seconds)) == 200
        else:
            await harness.line.send("interaction", payload)
    await harness.private_message(1)
    assert harness.chat_service.decided() == [("approve", "")]


async def test_a_card_in_a_thread_is_the_same_place_when_it_is_clicked(harness: Harness) -> None:
    message, message_ref = await harness.card(DECIDE, place=harness.place(thread="1690000000.000001"))
    await harness.somebody().click(message, "approve")
    await until_done(harness, [("approve", "")])
    assert message_ref.place.thread == "1690000000.000001"


async def test_a_database_that_is_gone_is_said_in_private_with_a_reference(harness: Harness) -> None:
    message, _ = await harness.card(DECIDE)
    harness.chat_service.is_down = True
    await harness.somebody().click(message, "approve")
    answer = await harness.private_message()
    assert "database" in answer
    assert "ref" in answer


async def test_a_workspace_that_never_installed_the_app_is_not_listened_to(harness: Harness) -> None:
    message, _ = await harness.card(DECIDE)
    stranger = harness.somebody("UALICE")
    payload = stranger.click_on(message, message.element("approve"))
    payload["team"] = {"id": "T666", "domain": "evil"}
    payload["user"]["team_id"] = "T666"
    if isinstance(harness.line, HttpLine):
        await harness.line.deliver(*harness.line.signed("interaction", payload))
    else:
        await harness.server.send("interactive", payload)
    await harness.somebody().command("help")
    await harness.server.until(lambda: harness.chat_service.asked)
    await harness.server.until(lambda: len(harness.server.private_messages) == 2)
    assert sum("install the app" in each["text"] for each in harness.server.private_messages) == 1
    assert [request for request, _, _ in harness.chat_service.asked] == [ShowHelp()]


@pytest.mark.parametrize("enterprise", ["", "E1"], ids=["a workspace", "one of an organisation"])
@pytest.mark.parametrize("home", [("", "T7"), ("E7", "T7")], ids=["from a workspace", "from an organisation"])
async def test_what_somebody_of_another_organisation_submits_in_a_shared_channel_arrives_as_theirs(
    home: tuple[str, str], enterprise: str
) -> None:
    server = SlackServer([replace(a_team(), enterprise=enterprise or None)])
    async with slack_serving(server):
        app, chat_service = app_for(server, "socket"), SmallChatService(changed=server.changed)
        async with served(server, app, "socket", chat_service) as line:
            harness = Harness(server, app, line, chat_service)
            tenant = f"slack:{enterprise or '-'}:T1"
            message, _ = await harness.card(DECIDE, place=replace(harness.place(), tenant=tenant))
            stranger = replace(harness.somebody(), home=home)
            server.teams[0].users["UALICE"] |= {"team_id": home[1], "is_stranger": True}
            await stranger.click(message, "reject")
            await stranger.submit(await stranger.opened(), "Too loud.")
            await server.until(lambda: chat_service.done)
            request, by, _ = chat_service.asked[-1]
            assert isinstance(request, SubmitText)
            assert (by.tenant, by.home_team, by.is_external) == (tenant, home[1], True)
    assert server.diagnostics == []


async def test_the_operators_admins_are_named_by_workspace() -> None:
    async with a_harness(teams=("T1", "T2"), admins=frozenset({"T1/UALICE", "UBOB"})) as harness:
        for user, team, is_admin in (("UALICE", 0, True), ("UALICE", 1, False), ("UBOB", 0, False)):
            count = len(harness.server.private_messages)
            await harness.somebody(user, team).command("audit", name="/massgen-admin")
            await harness.private_message(count)
            assert harness.chat_service.asked[-1][1].is_admin is is_admin


async def test_bad_old_and_future_signatures_are_refused_and_a_replay_does_nothing() -> None:
    async with a_harness("http") as harness:
        line = harness.line
        assert isinstance(line, HttpLine)
        alice = harness.somebody()
        message, _ = await harness.card(DECIDE)
        payload = alice.click_on(message, message.element("approve"))
        good = line.signed("interaction", payload)
        assert await line.deliver(*line.signed("interaction", payload, secret="another")) == 401
        assert await line.deliver(*line.signed("interaction", payload, at=time.time() - 301)) == 401
        assert await line.deliver(*line.signed("interaction", payload, at=time.time() + 360)) == 401
        assert await line.deliver(good[0] + b" ", good[1]) == 401
        assert await line.deliver(good[0], {**good[1], "X-Slack-Request-Timestamp": "soon"}) in {401, 500}
        assert await line.deliver(good[0], {"Content-Type": good[1]["Content-Type"]}) == 401
        assert harness.chat_service.asked == []
        assert await line.deliver(*good) == 200
        await until_done(harness, [("approve", "")])
        count = len(harness.chat_service.asked)
        assert await line.deliver(*good) == 200
        await alice.command("help")
        await harness.private_message()
        assert len(harness.chat_service.asked) == count + 1


async def test_an_envelope_sent_again_counts_once_and_a_new_connection_takes_over() -> None:
    async with a_harness("socket") as harness:
        line = harness.line
        assert isinstance(line, SocketLine)
        message, _ = await harness.card(DECIDE)
        await harness.somebody().click(message, "approve")
        await line.again()
        await harness.private_message()
        assert harness.chat_service.decided() == [("approve", "")]
        before = harness.server.called("apps.connections.open")
        await harness.server.disconnect()
        await harness.server.until(lambda: len(harness.server.called("apps.connections.open")) > len(before))
        await harness.server.until(lambda: harness.server.sockets)
        await harness.somebody().command("help")
        await harness.server.until(lambda: harness.chat_service.asked[-1][0] == ShowHelp())


async def test_why_slack_lets_nobody_listen_any_more_is_in_the_log_once_and_what_is_said_after_that_arrives(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack's library tries on without a word; a process that nobody can reach is not ready."""
    monkeypatch.setattr("bot.slack_app.client.PING_SECONDS", 0.1)
    health = Health()
    async with a_harness("http") as harness:
        server, app = harness.server, app_for(harness.server, "socket")
        async with app.serving(harness.chat_service, health):
            await server.until(lambda: server.sockets)
            server.faults.append(Fault(method="apps.connections.open", error="invalid_auth", times=3))
            await server.disconnect("link_disabled")
            await server.drop()
            await server.until(lambda: not server.sockets and "check SLACK_APP_TOKEN" in caplog.text)
            assert "Slack ended a connection: link_disabled" in caplog.text
            assert "Slack refuses connections: invalid_auth" in (await health.problems())["slack"]
            await server.until(lambda: server.sockets)
            assert caplog.text.count("check SLACK_APP_TOKEN") == 1
            line = SocketLine(server)
            await Somebody(server, line, server.teams[0], "UALICE", "alice").command("help")
            await server.until(lambda: harness.chat_service.asked)
            assert (await health.problems())["slack"] == ""


async def test_a_connection_over_which_nothing_will_come_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with a_harness("http") as harness:
        server = harness.server
        for has_it in (True, False):
            server.has_socket_mode = has_it
            async with app_for(server, "socket").serving(harness.chat_service):
                await server.until(lambda: server.sockets)
            assert ("Socket Mode is off" in caplog.text) == (not has_it)


async def test_the_end_waits_for_what_was_begun() -> None:
    async with a_harness("socket") as harness:
        harness.chat_service.pause = asyncio.Event()
        async with asyncio.TaskGroup() as group, harness.app.serving(harness.chat_service):
            await harness.server.until(lambda: len(harness.server.sockets) == 2)
            message, _ = await harness.card(DECIDE)
            for _ in range(2):
                await harness.somebody().click(message, "approve")
            await harness.server.until(lambda: len(harness.chat_service.asked) == 2)
            group.create_task(_let_go(harness))
        assert harness.chat_service.decided() == [("approve", "")]


async def _let_go(harness: Harness) -> None:
    await asyncio.sleep(0.05)
    assert harness.chat_service.pause is not None
    harness.chat_service.pause.set()


async def test_bolt_reads_nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_CLIENT_ID", "1.2")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "secret")
    monkeypatch.setenv("SLACK_SIGNING_SECRET", f"not {SECRET}")
    async with a_harness("http") as harness:
        await harness.somebody().command("help")
        await harness.private_message()
        line = harness.line
        assert isinstance(line, HttpLine)
        assert await line.deliver(b"", {}) == 401


async def test_a_run_that_works_can_be_cancelled_from_its_card(harness: Harness) -> None:
    message, _ = await harness.card(card_of(recorded(argued(POST)[:14])))
    assert "task_card" in message.text
    await harness.somebody().click(message, "cancel")
    await until_done(harness, [(Action.CANCEL.value, "")])


async def test_slacks_own_stop_cancels_the_run_of_the_thread(harness: Harness) -> None:
    harness.chat_service.threads["1690000000.000001"] = "7Q4K"
    alice = harness.somebody()
    for thread in ("1690000000.000002", "1690000000.000001"):
        event = {"type": "agent_session_stopped", "user": "UALICE", "channel": "C1", "thread_ts": thread}
        await harness.line.send("event", alice.event(event))
    await harness.server.until(lambda: harness.chat_service.asked)
    ((request, _, place),) = harness.chat_service.asked
    assert request == CancelThread()
    assert place.thread == "1690000000.000001"
    await harness.private_message()


async def test_a_no_that_is_delivered_twice_opens_one_modal(harness: Harness) -> None:
    message, _ = await harness.card(DECIDE)
    alice = harness.somebody()
    payload = alice.click_on(message, message.element("reject"))
    now = time.time()
    for seconds in range(2):
        if isinstance(harness.line, HttpLine):
            assert await harness.line.deliver(*harness.line.signed("interaction", payload, at=now - seconds)) == 200
        else:
            await harness.line.send("interaction", payload)
    await harness.server.until(lambda: len(harness.server.called("views.open")) == 2)
    assert len(harness.server.views) == 1
    assert harness.server.private_messages == []


async def test_an_error_of_ours_is_said_without_its_text(harness: Harness) -> None:
    harness.chat_service.breaks_with = "xoxb-secret in a traceback"
    await harness.somebody().command("help")
    answer = await harness.private_message()
    assert "ref" in answer
    assert "secret" not in answer


async def test_what_slack_refuses_to_show_is_said_to_whom_it_was_for(harness: Harness) -> None:
    harness.chat_service.pages = [note("page")]
    message, _ = await harness.card(DECIDE)
    harness.server.faults.append(Fault(method="views.open", error="missing_scope", needed="views:write"))
    await harness.somebody().click(message, "details")
    assert "views:write" in await harness.private_message()


async def test_an_answer_that_slack_does_not_take_is_let_go(harness: Harness) -> None:
    harness.server.faults.append(Fault(method="chat.postEphemeral", status=500, times=9))
    await harness.somebody().mention("help")
    await harness.server.until(lambda: harness.server.called("chat.postEphemeral"))
    await harness.somebody().command("help")
    assert "what I do" in await harness.private_message()


@pytest.mark.parametrize("records", [False, True])
@pytest.mark.parametrize("is_told", [False, True])
@pytest.mark.parametrize("is_confirmed", [False, True])
async def test_an_address_is_recorded_where_the_operator_wants_it_and_slack_has_confirmed_it(
    *, records: bool, is_told: bool, is_confirmed: bool
) -> None:
    profile = {"display_name": "Alice", "email": "alice@example.org"}
    user = {**a_user("alice"), "id": "UALICE", "profile": profile, "is_email_confirmed": is_confirmed}
    team = Team(id="T1", token="xoxb-T1", users={"UALICE": user}, tells_email=is_told)
    async with slack_serving(SlackServer([team])) as server:
        settings = replace(settings_for(server, "http"), records_email=records)
        workspace = Workspace(enterprise="", team="T1", token="xoxb-T1")
        app = slack_app(settings, KnownWorkspaces([workspace]), Clients(settings.address))
        person = await app.people.person(workspace, "UALICE")
        now = await app.people.read_anew(workspace, "UALICE")
    assert (person.name, person.shown_as) == ("Alice (UALICE)", "Alice")
    assert person.email == ("alice@example.org" if records and is_told and is_confirmed else "")
    assert now is not None
    assert now.email == person.email


@pytest.mark.parametrize(
    ("organization", "theirs", "recorded"),
    [("E1", {"id": "W7", "enterprise_id": "E1"}, "W7"), ("E1", {"id": "W7", "enterprise_id": "E2"}, ""),
     ("E1", {"id": "UALICE", "enterprise_id": "E1"}, ""), ("", {"id": "W7", "enterprise_id": ""}, "")],
    ids=["two ids", "another organization", "one id", "no organization"],
)  # fmt: skip
async def test_an_account_of_an_organization_is_kept_with_its_id_there(
    organization: str, theirs: dict[str, str], recorded: str
) -> None:
    user = {**a_user("alice"), "id": "UALICE", "enterprise_user": {**theirs, "teams": ["T1"]}}
    team = Team(id="T1", token="xoxb-T1", enterprise=organization or None, users={"UALICE": user})
    async with slack_serving(SlackServer([team])) as server:
        workspace = Workspace(enterprise=organization, team="T1", token="xoxb-T1")
        app = slack_app(settings_for(server, "http"), KnownWorkspaces([workspace]), Clients(f"{server.address}/api/"))
        person = await app.people.person(workspace, "UALICE")
    assert (person.id, person.global_id) == ("UALICE", recorded)


async def test_an_answer_whose_address_has_expired_is_shown_beside_the_card(harness: Harness) -> None:
    harness.server.answers_expired = True
    await harness.somebody().command("help")
    assert "what I do" in await harness.private_message()
    assert harness.server.called("chat.postEphemeral")


async def test_what_was_done_is_no_error_where_its_window_or_its_question_is_gone() -> None:
    async with slack_serving(SlackServer([a_team()])) as server:
        app = app_for(server, "http")
        workspace = await app.workspaces.of("", "T1")
        assert workspace is not None
        replies = Replies(app.clients)
        clicks = Clicks(chat_service=SmallChatService(), people=app.people, replies=replies, clients=app.clients)
        gone = EventSource(workspace=workspace, user="UALICE", channel="C1", view="V404")
        await clicks.tell_in_window(gone, note("Only ops can approve."))
        assert "Only ops can approve." in str(server.private_messages[-1]["blocks"])
        await clicks.tell_in_window(replace(gone, channel=""), note("Only ops can approve."))
        nowhere = replace(gone, view="", reply_address="http://127.0.0.1:9/nobody")
        await replies.withdraw(nowhere)
        await replies.reply_card(nowhere, note("Noted."))
        assert "Noted." in str(server.private_messages[-1]["blocks"])
        assert len(server.private_messages) == 2
