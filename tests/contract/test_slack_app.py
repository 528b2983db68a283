"""Everything that people do in Slack becomes one verb of the chat service, by socket and by signed request."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

import pytest

from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.chat.service_port import (
    AdminCommand,
    CancelRun,
    CancelThread,
    ListRuns,
    PressButton,
    ShowHelp,
    ShowRun,
    StartRun,
    SubmitText,
)
from bot.message import Action, Card
from bot.slack_app.installations import Workspace
from coordination.domain.transitions import Recorded
from tests.contract.slack_harness import SECRET, Stage, a_stage, a_team, app_for, served
from tests.contract.small_chat_service import SmallChatService, note
from tests.sample_logs import POST, argued, recorded, waiting
from tests.servers.slack_people import HttpLine, SocketLine
from tests.servers.slack_server import Fault, SlackServer, slack_serving


@pytest.fixture(params=["socket", "http"])
async def stage(request: pytest.FixtureRequest) -> AsyncGenerator[Stage]:
    async with a_stage(request.param) as made:
        yield made


def card_of(log: list[Recorded]) -> Card:
    view = view_of(log)
    assert view is not None
    return card_for(view, log[-1].at)


DECIDE = card_of(waiting())


async def test_a_command_asks_once_and_says_that_it_was_heard(stage: Stage) -> None:
    await stage.somebody().command("post a summary &amp; tell <#C2|general>")
    await stage.server.until(lambda: stage.chat_service.done)
    request, by, place = stage.chat_service.asked[0]
    assert stage.chat_service.done == [request]
    assert isinstance(request, StartRun)
    assert request.prompt == "post a summary & tell #general (C2)"
    assert (by.tenant, by.id, by.name, by.roles, by.is_admin) == (
        "slack:-:T1",
        "UALICE",
        "Alice (UALICE)",
        ("S1",),
        False,
    )
    assert place == stage.place()
    assert "Got it" in stage.server.private_messages[0]["text"]


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
            await Stage(server, app, line, chat_service).somebody().command("help")
            await server.until(lambda: chat_service.asked)


async def test_a_command_in_a_channel_without_the_bot_asks_nothing_and_says_what_to_do(stage: Stage) -> None:
    stage.server.teams[0].absent.add("C7")
    await stage.somebody().command("post a summary", channel="C7")
    assert "/invite" in await stage.private_message()
    assert stage.chat_service.asked == []


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
        ("status report", StartRun),
        ("retry payment", StartRun),
        ("--config ops post it", StartRun),
    ],
)
async def test_words_after_the_command_are_orders(stage: Stage, text: str, kind: type) -> None:
    await stage.somebody().command(text)
    await stage.server.until(lambda: stage.chat_service.asked)
    assert isinstance(stage.chat_service.asked[0][0], kind)
    await stage.private_message()


async def test_a_cancel_without_a_run_is_answered_with_how_to_say_it(stage: Stage) -> None:
    await stage.somebody().command("cancel")
    assert "cancel RUN" in await stage.private_message()


async def test_administrators_are_those_of_slack_and_nobody_if_slack_is_silent(stage: Stage) -> None:
    await stage.somebody("UROOT").command("config use ops channel", name="/massgen-admin")
    await stage.private_message()
    command, by, _ = stage.chat_service.asked[-1]
    assert command == AdminCommand(action="config-use", name="ops", scope="channel")
    assert by.is_admin
    await stage.somebody("UALICE").command("audit", name="/massgen-admin")
    await stage.private_message(1)
    assert not stage.chat_service.asked[-1][1].is_admin
    await stage.somebody("UNOBODY").command("audit", name="/massgen-admin")
    await stage.private_message(2)
    assert not stage.chat_service.asked[-1][1].is_admin


@pytest.mark.parametrize("method", ["users.info", "usergroups.list"])
async def test_nobody_is_told_that_they_may_not_because_slack_was_silent_for_a_moment(
    stage: Stage, method: str
) -> None:
    stage.server.faults.append(Fault(method=method, error="internal_error", times=9))
    await stage.somebody("UROOT").command("audit", name="/massgen-admin")
    assert "does not tell at the moment who you are" in await stage.private_message()
    assert stage.chat_service.asked == []
    stage.server.faults.clear()
    await stage.somebody("UROOT").command("audit", name="/massgen-admin")
    await stage.private_message(1)
    assert stage.chat_service.asked[-1][1].is_admin


async def test_many_clicks_of_one_person_at_once_ask_slack_once_who_they_are(stage: Stage) -> None:
    alice = stage.somebody("UALICE")
    await asyncio.gather(*(alice.command("status", name="/massgen") for _ in range(20)))
    await stage.server.until(lambda: len(stage.chat_service.asked) == 20)
    assert len(stage.server.called("users.info")) == 1
    assert len(stage.server.called("usergroups.list")) == 1


async def test_an_order_that_no_administrator_has_is_answered_with_the_list(stage: Stage) -> None:
    await stage.somebody("UROOT").command("config explode", name="/massgen-admin")
    assert "config list" in await stage.private_message()


async def test_a_mention_in_a_thread_follows_up_the_threads_run(stage: Stage) -> None:
    stage.chat_service.threads["1690000000.000001"] = "7Q4K"
    await stage.somebody().mention("and now in German", thread="1690000000.000001")
    await stage.server.until(lambda: stage.chat_service.asked)
    request, _, place = stage.chat_service.asked[0]
    assert isinstance(request, StartRun)
    assert (request.prompt, request.follows_thread) == ("and now in German", True)
    assert place == stage.place(thread="1690000000.000001")


async def test_a_message_shortcut_plans_in_the_messages_thread(stage: Stage) -> None:
    await stage.somebody().shortcut("The power is off on Friday.", ts="1700000000.000009")
    await stage.server.until(lambda: stage.chat_service.asked)
    request, _, place = stage.chat_service.asked[0]
    assert isinstance(request, StartRun)
    assert request.prompt == "The power is off on Friday."
    assert place == stage.place(thread="1700000000.000009")


async def test_a_direct_message_is_an_order(stage: Stage) -> None:
    await stage.somebody().direct("post a summary")
    await stage.server.until(lambda: stage.chat_service.done)
    assert prompts(stage) == ["post a summary"]


async def test_the_same_event_delivered_again_asks_once(stage: Stage) -> None:
    alice = stage.somebody()
    event = await alice.mention("post a summary")
    for retry in (1, 2):
        await stage.line.send("event", event, retry=retry)
    await alice.mention("another")
    await stage.server.until(lambda: len(stage.chat_service.done) >= 2)
    assert prompts(stage) == ["post a summary", "another"]


async def test_what_a_bot_wrote_is_no_order(stage: Stage) -> None:
    alice = stage.somebody()
    event = alice.mention_event("post a summary")
    event["event"]["bot_id"] = "B9"
    await stage.line.send("event", event)
    await alice.mention("another")
    await stage.server.until(lambda: stage.chat_service.done)
    assert prompts(stage) == ["another"]


async def test_the_app_home_is_published_for_its_owner(stage: Stage) -> None:
    await stage.somebody("UBOB").opens_home()
    await stage.server.until(lambda: "UBOB" in stage.server.homes)
    assert "Home of Bob (UBOB)" in str(stage.server.homes["UBOB"])


async def test_a_yes_is_one_press_on_the_cards_message(stage: Stage) -> None:
    message, message_ref = await stage.card(DECIDE)
    await stage.somebody().click(message, "approve")
    await stage.server.until(lambda: stage.chat_service.asked)
    await until_done(stage, [("approve", "")])
    press, _, place = stage.chat_service.asked[0]
    assert isinstance(press, PressButton)
    assert (place, press.message, press.choice) == (message_ref.place, message_ref.message, "")


async def until_done(stage: Stage, done: list[tuple[str, str]]) -> None:
    await stage.server.until(lambda: len(stage.chat_service.done) >= len(done))
    assert stage.chat_service.decided() == done
    assert {by.id for _, by, _ in stage.chat_service.asked} == {"UALICE"}


def prompts(stage: Stage) -> list[str]:
    return [each.prompt for each in stage.chat_service.done if isinstance(each, StartRun)]


@pytest.mark.parametrize(("action", "text"), [("reject", "Too loud."), ("reject", ""), ("change", "Say it in German.")])
async def test_a_no_and_wanted_changes_are_asked_for_in_a_modal(stage: Stage, action: str, text: str) -> None:
    message, message_ref = await stage.card(DECIDE)
    alice = stage.somebody()
    await alice.click(message, action)
    view = await alice.opened()
    await alice.submit(view, text)
    await until_done(stage, [(action, text)])
    submitted, _, place = stage.chat_service.asked[-1]
    assert isinstance(submitted, SubmitText)
    assert (place, submitted.message) == (message_ref.place, message_ref.message)


async def test_another_agents_plan_is_chosen_from_the_menu(stage: Stage) -> None:
    message, _ = await stage.card(DECIDE)
    await stage.somebody().click(message, "choose", option="1")
    await until_done(stage, [("choose", "1")])


async def test_details_come_in_pages(stage: Stage) -> None:
    stage.chat_service.pages = [note("first page"), note("second page")]
    message, _ = await stage.card(DECIDE)
    alice = stage.somebody()
    await alice.click(message, "details")
    await stage.server.until(lambda: any("first page" in str(view) for view in stage.server.views.values()))
    (view,) = stage.server.views.values()
    await alice.press_in(view, "page_next")
    await stage.server.until(lambda: "second page" in str(stage.server.views[view["id"]]))
    assert stage.chat_service.done == []


async def test_a_forged_or_stale_button_is_refused_in_private(stage: Stage) -> None:
    message, _ = await stage.card(DECIDE)
    element = message.element("approve")
    alice = stage.somebody()
    for number, value in enumerate(["x" * 22, "approve:7Q4K:d", "", "\u202e" * 22]):
        payload = alice.click_on(message, {**element, "value": value})
        await stage.line.send("interaction", payload)
        assert "no such button" in await stage.private_message(number)
    elsewhere, _ = await stage.card(note("another message"))
    await stage.line.send("interaction", alice.click_on(elsewhere, element))
    assert "no such button" in await stage.private_message(4)
    assert stage.chat_service.done == []


async def test_the_same_click_delivered_again_counts_once(stage: Stage) -> None:
    message, _ = await stage.card(DECIDE)
    alice = stage.somebody()
    payload = alice.click_on(message, message.element("approve"))
    now = time.time()
    for seconds in range(3):
        if isinstance(stage.line, HttpLine):
            assert await stage.line.deliver(*stage.line.signed("interaction", payload, at=now - seconds)) == 200
        else:
            await stage.line.send("interaction", payload)
    await stage.private_message(1)
    assert stage.chat_service.decided() == [("approve", "")]


async def test_a_card_in_a_thread_is_the_same_place_when_it_is_clicked(stage: Stage) -> None:
    message, message_ref = await stage.card(DECIDE, place=stage.place(thread="1690000000.000001"))
    await stage.somebody().click(message, "approve")
    await until_done(stage, [("approve", "")])
    assert message_ref.place.thread == "1690000000.000001"


async def test_a_database_that_is_gone_is_said_in_private_with_a_reference(stage: Stage) -> None:
    message, _ = await stage.card(DECIDE)
    stage.chat_service.is_down = True
    await stage.somebody().click(message, "approve")
    answer = await stage.private_message()
    assert "database" in answer
    assert "ref" in answer


async def test_a_workspace_that_never_installed_the_app_is_not_listened_to(stage: Stage) -> None:
    message, _ = await stage.card(DECIDE)
    stranger = stage.somebody("UALICE")
    payload = stranger.click_on(message, message.element("approve"))
    payload["team"] = {"id": "T666", "domain": "evil"}
    payload["user"]["team_id"] = "T666"
    if isinstance(stage.line, HttpLine):
        await stage.line.deliver(*stage.line.signed("interaction", payload))
    else:
        await stage.server.send("interactive", payload)
    await stage.somebody().command("help")
    await stage.server.until(lambda: stage.chat_service.asked)
    await stage.server.until(lambda: len(stage.server.private_messages) == 2)
    assert sum("install the app" in each["text"] for each in stage.server.private_messages) == 1
    assert [request for request, _, _ in stage.chat_service.asked] == [ShowHelp()]


async def test_the_operators_admins_are_named_by_workspace() -> None:
    async with a_stage(teams=("T1", "T2"), admins=frozenset({"T1/UALICE", "UBOB"})) as stage:
        for user, team, is_admin in (("UALICE", 0, True), ("UALICE", 1, False), ("UBOB", 0, False)):
            count = len(stage.server.private_messages)
            await stage.somebody(user, team).command("audit", name="/massgen-admin")
            await stage.private_message(count)
            assert stage.chat_service.asked[-1][1].is_admin is is_admin


async def test_bad_old_and_future_signatures_are_refused_and_a_replay_does_nothing() -> None:
    async with a_stage("http") as stage:
        line = stage.line
        assert isinstance(line, HttpLine)
        alice = stage.somebody()
        message, _ = await stage.card(DECIDE)
        payload = alice.click_on(message, message.element("approve"))
        good = line.signed("interaction", payload)
        assert await line.deliver(*line.signed("interaction", payload, secret="another")) == 401
        assert await line.deliver(*line.signed("interaction", payload, at=time.time() - 301)) == 401
        assert await line.deliver(*line.signed("interaction", payload, at=time.time() + 301)) == 401
        assert await line.deliver(good[0] + b" ", good[1]) == 401
        assert await line.deliver(good[0], {**good[1], "X-Slack-Request-Timestamp": "soon"}) in {401, 500}
        assert await line.deliver(good[0], {"Content-Type": good[1]["Content-Type"]}) == 401
        assert stage.chat_service.asked == []
        assert await line.deliver(*good) == 200
        await until_done(stage, [("approve", "")])
        count = len(stage.chat_service.asked)
        assert await line.deliver(*good) == 200
        await alice.command("help")
        await stage.private_message()
        assert len(stage.chat_service.asked) == count + 1


async def test_an_envelope_sent_again_counts_once_and_a_new_connection_takes_over() -> None:
    async with a_stage("socket") as stage:
        line = stage.line
        assert isinstance(line, SocketLine)
        message, _ = await stage.card(DECIDE)
        await stage.somebody().click(message, "approve")
        await line.again()
        await stage.private_message()
        assert stage.chat_service.decided() == [("approve", "")]
        before = stage.server.called("apps.connections.open")
        await stage.server.disconnect()
        await stage.server.until(lambda: len(stage.server.called("apps.connections.open")) > len(before))
        await stage.server.until(lambda: stage.server.sockets)
        await stage.somebody().command("help")
        await stage.server.until(lambda: stage.chat_service.asked[-1][0] == ShowHelp())


async def test_the_end_waits_for_what_was_begun() -> None:
    async with a_stage("socket") as stage:
        stage.chat_service.pause = asyncio.Event()
        async with asyncio.TaskGroup() as group, stage.app.serving(stage.chat_service):
            await stage.server.until(lambda: len(stage.server.sockets) == 2)
            message, _ = await stage.card(DECIDE)
            for _ in range(2):
                await stage.somebody().click(message, "approve")
            await stage.server.until(lambda: len(stage.chat_service.asked) == 2)
            group.create_task(_let_go(stage))
        assert stage.chat_service.decided() == [("approve", "")]


async def _let_go(stage: Stage) -> None:
    await asyncio.sleep(0.05)
    assert stage.chat_service.pause is not None
    stage.chat_service.pause.set()


async def test_bolt_reads_nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_CLIENT_ID", "1.2")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "secret")
    monkeypatch.setenv("SLACK_SIGNING_SECRET", f"not {SECRET}")
    async with a_stage("http") as stage:
        await stage.somebody().command("help")
        await stage.private_message()
        line = stage.line
        assert isinstance(line, HttpLine)
        assert await line.deliver(b"", {}) == 401


async def test_a_run_that_works_can_be_cancelled_from_its_card(stage: Stage) -> None:
    message, _ = await stage.card(card_of(recorded(argued(POST)[:14])))
    assert "task_card" in message.text
    await stage.somebody().click(message, "cancel")
    await until_done(stage, [(Action.CANCEL.value, "")])


async def test_slacks_own_stop_cancels_the_run_of_the_thread(stage: Stage) -> None:
    stage.chat_service.threads["1690000000.000001"] = "7Q4K"
    alice = stage.somebody()
    for thread in ("1690000000.000002", "1690000000.000001"):
        event = {"type": "agent_session_stopped", "user": "UALICE", "channel": "C1", "thread_ts": thread}
        await stage.line.send("event", alice.event(event))
    await stage.server.until(lambda: stage.chat_service.asked)
    ((request, _, place),) = stage.chat_service.asked
    assert request == CancelThread()
    assert place.thread == "1690000000.000001"
    await stage.private_message()


async def test_a_no_that_is_delivered_twice_opens_one_modal(stage: Stage) -> None:
    message, _ = await stage.card(DECIDE)
    alice = stage.somebody()
    payload = alice.click_on(message, message.element("reject"))
    now = time.time()
    for seconds in range(2):
        if isinstance(stage.line, HttpLine):
            assert await stage.line.deliver(*stage.line.signed("interaction", payload, at=now - seconds)) == 200
        else:
            await stage.line.send("interaction", payload)
    await stage.server.until(lambda: len(stage.server.called("views.open")) == 2)
    assert len(stage.server.views) == 1
    assert stage.server.private_messages == []


async def test_an_error_of_ours_is_said_without_its_text(stage: Stage) -> None:
    stage.chat_service.breaks_with = "xoxb-secret in a traceback"
    await stage.somebody().command("help")
    answer = await stage.private_message()
    assert "ref" in answer
    assert "secret" not in answer


async def test_what_slack_refuses_to_show_is_said_to_whom_it_was_for(stage: Stage) -> None:
    stage.chat_service.pages = [note("page")]
    message, _ = await stage.card(DECIDE)
    stage.server.faults.append(Fault(method="views.open", error="missing_scope", needed="views:write"))
    await stage.somebody().click(message, "details")
    assert "views:write" in await stage.private_message()


async def test_an_answer_that_slack_does_not_take_is_let_go(stage: Stage) -> None:
    stage.server.faults.append(Fault(method="chat.postEphemeral", status=500, times=9))
    await stage.somebody().mention("help")
    await stage.server.until(lambda: stage.server.called("chat.postEphemeral"))
    await stage.somebody().command("help")
    assert "what I do" in await stage.private_message()
