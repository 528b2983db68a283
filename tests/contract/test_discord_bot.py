"""What people do on Discord reaches the chat service as it was meant, and each of them is answered, in private."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from bot.cards.grants import grant_form
from bot.cards.plan_edits import selection_form
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.chat.card_sync.open_questions import question_card
from bot.chat.service_port import (
    AdminCommand,
    CancelRun,
    FollowUp,
    ListGrants,
    ListRuns,
    Nothing,
    PressButton,
    Private,
    Request,
    RetryRun,
    ShowHelp,
    ShowRun,
    Started,
    StartRun,
    SubmitText,
)
from bot.discord_app.client import DiscordClient
from bot.discord_app.interactions import text_input_modal
from bot.message import Action, Card, Target
from coordination.domain.canonical_json import canonical
from coordination.domain.plan import PlannedCall
from coordination.errors import StorageError
from coordination.text import Text
from tests.builders import REQUESTER, START, a_plan
from tests.contract.discord_harness import Ids, RecordingChatService, a_bot, here, note
from tests.sample_logs import POST, REMOVE, waiting
from tests.servers.discord_people import Someone, acknowledged, told
from tests.servers.discord_server import DiscordServer, Fault
from tests.servers.discord_world import Message


@pytest.fixture
async def server() -> AsyncGenerator[DiscordServer]:
    server = DiscordServer()
    async with server.serving():
        yield server
    assert server.diagnostics == []


@pytest.fixture
def chat_service() -> RecordingChatService:
    return RecordingChatService()


@pytest.fixture
async def bot(server: DiscordServer, chat_service: RecordingChatService) -> AsyncGenerator[DiscordClient]:
    async with a_bot(server, chat_service) as client:
        yield client


@pytest.fixture
def rita(server: DiscordServer, bot: DiscordClient) -> Someone:
    return Someone(server, "rita", server.guild, roles=("ops",))


def plan_card(*calls: PlannedCall) -> Card:
    view = view_of(waiting(*(calls or (POST,))))
    assert view is not None
    return card_for(view, view.updated_at)


async def a_card(
    server: DiscordServer, bot: DiscordClient, chat_service: RecordingChatService, card: Card | None = None
) -> Message:
    """A plan that waits, in the first channel."""
    ids = Ids()
    card = card or plan_card()
    message_ref = await bot.platform.post(here(server), card, ids)
    chat_service.know(message_ref, ids, card)
    return server.messages[message_ref.message]


async def test_a_request_is_acknowledged_in_private_and_reaches_the_chat_service(
    server: DiscordServer, rita: Someone, chat_service: RecordingChatService
) -> None:
    chat_service.says = Started("7Q4K")
    used = await rita.types("massgen", prompt="Tell everyone", config="ops")
    assert await acknowledged(server, used) == 5
    assert "7Q4K" in await told(server, used)
    assert all(message.is_private for message in used.private)
    assert chat_service.done == [StartRun(prompt="Tell everyone", config="ops", event_id=used.id)]
    assert chat_service.places == [here(server)]


async def test_a_person_is_who_discord_says_they_are(
    server: DiscordServer, rita: Someone, chat_service: RecordingChatService
) -> None:
    """The nickname, which anybody may choose, is not their name."""
    await told(server, await rita.types("massgen", prompt="x"))
    (person,) = chat_service.by
    ops = next(number for number, name in server.guild.roles.items() if name == "ops")
    assert (person.tenant, person.id, person.name, person.is_admin) == (
        f"discord:{server.guild.id}",
        rita.id,
        "rita",
        False,
    )
    assert ops in person.roles
    assert not {"ops", "leads"} & set(person.roles), "a name is whoever takes it"


async def test_a_request_without_words_is_a_call_for_help(
    server: DiscordServer, rita: Someone, chat_service: RecordingChatService
) -> None:
    await told(server, await rita.types("massgen"))
    assert chat_service.done == [ShowHelp()]


async def test_a_request_where_no_card_can_be_posted_is_not_begun(
    server: DiscordServer, rita: Someone, chat_service: RecordingChatService
) -> None:
    rita.app_permissions = 1 << 10
    used = await rita.types("massgen", prompt="x")
    assert "Send Messages, Embed Links, Attach Files" in await told(server, used)
    assert chat_service.done == []


@pytest.mark.parametrize(("kind", "lacks"), [(0, ""), (2, "Connect"), (13, "Connect")], ids=["text", "voice", "stage"])
async def test_in_the_chat_of_a_voice_channel_the_right_to_connect_counts(
    server: DiscordServer, rita: Someone, chat_service: RecordingChatService, kind: int, lacks: str
) -> None:
    server.guild.channels["77010"], server.guild.kinds["77010"] = "lounge", kind
    for rights, is_begun in ((0, not lacks), (1 << 20, True)):
        rita.app_permissions = (1 << 10) | (1 << 11) | (1 << 14) | (1 << 15) | rights
        said = await told(server, await rita.types("massgen", where="77010", prompt="x"))
        assert ("permissions here: Connect." in said) == (not is_begun), said
        assert bool(chat_service.done) == is_begun
        chat_service.done.clear()


async def test_configurations_are_completed(rita: Someone) -> None:
    assert await rita.completes("massgen", "config", "op") == ["ops", "ops-default"]


@pytest.mark.parametrize(
    ("command", "options", "asked"),
    [
        ("massgen-runs list", {"mine": True}, ListRuns(is_mine=True)),
        ("massgen-runs list", {"break_glass": True}, ListRuns(is_break_glass=True)),
        ("massgen-runs show", {"run": "7Q4K"}, ShowRun(run="7Q4K")),
        ("massgen-runs cancel", {"run": "7Q4K"}, CancelRun(run="7Q4K")),
        ("massgen-grants", {}, ListGrants()),
        ("massgen-grants", {"revoke": "9XW2"}, ListGrants(revoke="9XW2")),
    ],
)
async def test_commands_about_runs(
    server: DiscordServer,
    rita: Someone,
    chat_service: RecordingChatService,
    command: str,
    options: dict[str, Any],
    asked: Request,
) -> None:
    assert "as you wish" in await told(server, await rita.types(command, **options))
    assert chat_service.done == [asked]


@pytest.mark.parametrize(
    ("command", "options", "asked"),
    [
        ("config list", {}, AdminCommand(action="config-list")),
        ("config show", {}, AdminCommand(action="config-show")),
        ("config use", {"name": "ops"}, AdminCommand(action="config-use", name="ops", scope="channel")),
        ("config reset", {"scope": "server"}, AdminCommand(action="config-reset", scope="server")),
        ("config allow", {"names": "ops demo"}, AdminCommand(action="config-allow", name="ops demo", scope="channel")),
        ("config check", {"name": "ops"}, AdminCommand(action="config-check", name="ops")),
        ("approvers", {"value": "@ops"}, AdminCommand(action="approvers", value="@ops")),
        ("limits", {}, AdminCommand(action="limits")),
        ("freeze", {}, AdminCommand(action="freeze")),
        ("thaw", {}, AdminCommand(action="thaw")),
        ("audit", {"run": "7Q4K"}, AdminCommand(action="audit", name="7Q4K")),
    ],
)
async def test_commands_of_administrators(
    server: DiscordServer,
    rita: Someone,
    chat_service: RecordingChatService,
    command: str,
    options: dict[str, Any],
    asked: Request,
) -> None:
    rita.manages = True
    assert "as you wish" in await told(server, await rita.types(f"massgen-admin {command}", **options))
    assert chat_service.done == [asked]
    assert chat_service.by[0].is_admin


async def test_a_run_is_asked_for_again(
    server: DiscordServer, rita: Someone, chat_service: RecordingChatService
) -> None:
    used = await rita.types("massgen-runs retry", run="7Q4K")
    await told(server, used)
    assert chat_service.done == [RetryRun(run="7Q4K", event_id=used.id)]


async def test_a_command_of_another_version_says_who_must_do_what(server: DiscordServer, rita: Someone) -> None:
    assert "discord sync" in await told(server, await rita.types("massgen-old", prompt="x"))
    assert "discord sync" in await told(server, await rita.types("massgen-runs show", another="x"))


async def test_a_message_without_text_is_no_request(server: DiscordServer, rita: Someone) -> None:
    used = await rita.uses_on(await rita.writes(""), "Plan from this message")
    assert "no text" in await told(server, used)


async def test_a_bots_message_asks_for_nothing(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    """Two bots would never come to an end."""
    place = await bot.platform.open_thread(await bot.platform.post_text(here(server), note("x")), "talk")
    chat_service.threads[place.thread] = "7Q4K"
    robot = Someone(server, "robot", server.guild, is_bot=True)
    await robot.writes("go on", place.thread, mentions_bot=True)
    await rita.writes("go on", place.thread, mentions_bot=True)
    await server.until(lambda: chat_service.done)
    assert [each.name for each in chat_service.by] == ["rita"]


async def test_whoever_may_not_manage_the_server_is_no_administrator_whatever_discord_showed_them(
    server: DiscordServer, rita: Someone, chat_service: RecordingChatService
) -> None:
    """The chat service refuses, so that it can tell whom the operator named, and keep the attempt for the audit."""
    await told(server, await rita.types("massgen-admin config use", name="ops"))
    await told(server, await Someone(server, "ada", server.guild, manages=True).types("massgen-admin config list"))
    assert [each.is_admin for each in chat_service.by] == [False, True]


async def test_a_message_becomes_a_request_that_its_reader_can_change_first(
    server: DiscordServer, rita: Someone, chat_service: RecordingChatService
) -> None:
    message = await rita.writes("The power is off on Friday")
    used = await rita.uses_on(message, "Plan from this message")
    assert await acknowledged(server, used) == 9
    assert "The power is off on Friday" in str(used.response)
    sent = await rita.submits(used, "Tell everyone: the power is off on Friday")
    await told(server, sent)
    (request,) = chat_service.done
    assert isinstance(request, StartRun)
    assert request.prompt == "Tell everyone: the power is off on Friday"


async def test_a_click_is_taken_to_the_chat_service_with_its_message(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    message = await a_card(server, bot, chat_service)
    chat_service.says = Nothing()
    used = await rita.clicks(message, "Approve")
    await server.until(lambda: chat_service.done)
    assert used.kind == 6
    assert used.private == []
    approve = desk_id(chat_service, Action.APPROVE)
    press = PressButton(button=approve, message=message.id, is_confirmed=True, event_id=used.id)
    assert chat_service.done == [press]
    assert chat_service.places[-1] == here(server)


async def test_a_refusal_is_told_to_the_clicker_alone(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    message = await a_card(server, bot, chat_service)
    chat_service.says = Private(note("Only @ops can approve here."))
    used = await rita.clicks(message, "Approve")
    assert "Only @ops can approve here" in (await told(server, used)).replace("\\", "")
    assert all(each.is_private for each in used.private)


async def test_clicks_are_understood_by_a_bot_that_never_posted_the_card(
    server: DiscordServer, chat_service: RecordingChatService
) -> None:
    async with a_bot(server, chat_service) as first:
        message = await a_card(server, first, chat_service)
    async with a_bot(server, chat_service):
        rita = Someone(server, "rita", server.guild)
        await told(server, await rita.clicks(message, "Approve"))
        window = await rita.clicks(message, "Reject")
        assert await acknowledged(server, window) == 9
    async with a_bot(server, chat_service):
        await told(server, await rita.submits(window, "too early"))
    pressed, submitted = chat_service.done
    assert isinstance(pressed, PressButton)
    assert isinstance(submitted, SubmitText)
    assert submitted.text == "too early"
    assert {pressed.message, submitted.message} == {message.id}


async def test_wanted_changes_are_asked_for_in_a_window(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    message = await a_card(server, bot, chat_service)
    window = await rita.clicks(message, "Request changes")
    assert await acknowledged(server, window) == 9
    assert "What should be different?" in str(window.response)
    await told(server, await rita.submits(window, "shorter"))
    (submitted,) = chat_service.done
    assert isinstance(submitted, SubmitText)
    assert (submitted.button, submitted.text) == (desk_id(chat_service, Action.CHANGE), "shorter")


async def test_some_calls_are_ticked_in_a_window(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    message = await a_card(server, bot, chat_service, plan_card(POST, REMOVE))
    window = await rita.clicks(message, "Only some calls")
    assert await acknowledged(server, window) == 9
    (field,) = (each["component"] for each in (window.response or {})["data"]["components"])
    assert [(each["value"], each["label"], each["default"]) for each in field["options"]] == [
        ("1", "1. board · post_notice", True),
        ("2", "2. board · remove_notice", True),
    ]
    assert (field["type"], field["min_values"], field["max_values"]) == (22, 1, 2)
    await told(server, await rita.submits(window, "", ticked=["1", "2"]))
    (submitted,) = chat_service.done
    assert isinstance(submitted, SubmitText)
    assert (submitted.button, submitted.text) == (desk_id(chat_service, Action.SELECT), "1,2")


@pytest.mark.parametrize(("number", "kind"), [(10, 22), (11, 3)])
def test_calls_are_boxes_as_far_as_a_group_of_them_holds_and_a_menu_beyond(number: int, kind: int) -> None:
    form = selection_form(a_plan(*(replace(POST, arguments=f'{{"n":{each}}}') for each in range(number))))
    (label,) = text_input_modal("x" * 22, "1", form).to_dict()["components"]
    field = label["component"]
    assert (field["type"], len(field["options"]), field["max_values"]) == (kind, number, number)
    assert all(option["default"] for option in field["options"])


@pytest.mark.parametrize(("number", "kinds"), [(0, [3, 4]), (10, [3, 4, 22]), (11, [3, 4, 3])])
def test_a_grant_is_given_in_a_window_of_several_fields(number: int, kinds: list[int]) -> None:
    call = replace(POST, arguments=canonical({f"a{each:02}": "v" for each in range(number)}), origins=())
    window = text_input_modal("x" * 22, "1", grant_form(a_plan(call), "1"), "7Q4K", "1").to_dict()
    assert window["title"] == "Allow calls like call 1 (run 7Q4K)"
    fields = [label["component"] for label in window["components"]]
    assert [field["type"] for field in fields] == kinds
    assert [each["value"] for each in fields[0]["options"] if each["default"]] == ["24h"]
    assert fields[1]["value"] == "5"
    assert all((field["min_values"], field["required"]) == (0, False) for field in fields[2:])
    assert not any(option["default"] for field in fields[2:] for option in field["options"])


async def test_a_value_is_edited_in_a_window_that_begins_with_it(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    message = await a_card(server, bot, chat_service, plan_card(POST, REMOVE))
    window = await rita.chooses(message, "0.1", menu=1)
    assert await acknowledged(server, window) == 9
    (field,) = (each["component"] for each in (window.response or {})["data"]["components"])
    assert field["value"] == "Power off on Friday"
    await told(server, await rita.submits(window, "Power off on Monday"))
    (submitted,) = chat_service.done
    assert isinstance(submitted, SubmitText)
    assert (submitted.choice, submitted.text) == ("0.1", "Power off on Monday")


async def test_a_risky_plan_is_asked_for_once_more_in_private_naming_the_calls(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    message = await a_card(server, bot, chat_service, plan_card(POST, REMOVE))
    question = await rita.clicks(message, "Approve")
    assert "board · remove_notice" in (await told(server, question)).replace("\\", "")
    assert "Confirm" in question.private[0].text
    assert "deletes, may destroy" in question.private[0].text
    assert chat_service.done == []
    chat_service.says = Nothing()
    await rita.clicks(question.private[0], "Yes")
    await server.until(lambda: chat_service.done and not question.private[0].text)
    (pressed,) = chat_service.done
    assert isinstance(pressed, PressButton)
    assert (pressed.button, pressed.message) == (desk_id(chat_service, Action.APPROVE), message.id)
    assert pressed.is_confirmed


async def test_a_yes_counts_in_silence_although_its_question_was_dismissed(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    message = await a_card(server, bot, chat_service, plan_card(POST, REMOVE))
    question = await rita.clicks(message, "Approve")
    await told(server, question)
    chat_service.says = Nothing()
    question.private[0].is_dismissed = True
    yes = await rita.clicks(question.private[0], "Yes")
    await server.until(lambda: chat_service.done and "@original" in server.requests[-1][1])
    assert "something went wrong" not in (await told(server, await rita.types("massgen", prompt="x"))).lower()
    assert yes.private == []


async def test_an_answer_whose_place_was_dismissed_is_told_anew(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    message = await a_card(server, bot, chat_service, plan_card(POST, REMOVE))
    question = await rita.clicks(message, "Approve")
    await told(server, question)
    chat_service.says = Private(note("Only @ops can approve here."))
    question.private[0].is_dismissed = True
    yes = await rita.clicks(question.private[0], "Yes")
    assert "can approve here." in await told(server, yes)


@pytest.mark.parametrize("command", [{"prompt": "Tell everyone"}, {"run": "7Q4K"}])
async def test_where_only_the_commands_were_added_no_run_begins_and_the_link_for_the_bot_is_told(
    server: DiscordServer, bot: DiscordClient, chat_service: RecordingChatService, command: dict[str, str]
) -> None:
    other = server.add_guild("commands alone")
    assert bot.get_guild(int(other.id)) is None
    name = "massgen" if "prompt" in command else "massgen-runs retry"
    used = await Someone(server, "eve", other).types(name, **command)
    assert "`https://discord.com/oauth2/authorize?client_id=" in await told(server, used)
    assert chat_service.done == []


async def test_details_come_in_pages(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    message = await a_card(server, bot, chat_service)
    used = await rita.clicks(message, "Details")
    await server.until(lambda: len(used.private) == 2)
    assert "page two" in used.private[1].text


@pytest.mark.parametrize("custom_id", ["mg:b:" + "A" * 22, "mg:q:" + "A" * 22, "mg:w:" + "A" * 22, "mg:s:" + "A" * 22])
async def test_an_id_that_nobody_gave_out_is_left_to_the_chat_service_to_refuse(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService, custom_id: str
) -> None:
    message = await a_card(server, bot, chat_service)
    if custom_id.startswith("mg:s"):
        menu = {"type": 3, "custom_id": custom_id, "options": [{"label": "x", "value": "1"}]}
        message.payload["components"] = [{"type": 1, "components": [menu]}]
        used = await rita.chooses(message, "1")
    else:
        used = await rita.clicks(message, "", custom_id=custom_id)
    assert "as you wish" in await told(server, used)
    (pressed,) = chat_service.done
    assert isinstance(pressed, PressButton)
    assert pressed.button == "A" * 22


async def test_an_error_is_a_private_sentence_with_a_reference(
    server: DiscordServer,
    bot: DiscordClient,
    rita: Someone,
    chat_service: RecordingChatService,
    caplog: pytest.LogCaptureFixture,
) -> None:
    chat_service.error = RuntimeError("secret detail")
    text = await told(server, await rita.types("massgen", prompt="x"))
    assert "(ref " in text.replace("\\", "")
    assert "secret" not in text
    assert "secret detail" in caplog.text


async def test_a_database_that_does_not_serve_is_said_as_it_is(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    message = await a_card(server, bot, chat_service)
    chat_service.error = StorageError(Text("The database is locked; ask the operator."))
    said = await told(server, await rita.clicks(message, "Approve"))
    assert "I can't tell whether this was saved" in said
    assert "locked" not in said


async def test_a_mention_in_a_runs_thread_goes_on_with_the_conversation(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    message = await a_card(server, bot, chat_service)
    place = await bot.platform.open_thread(await bot.platform.post(here(server), plan_card(), Ids(50)), "Tell everyone")
    chat_service.threads[place.thread] = "7Q4K"
    await rita.writes("not for you", place.thread)
    await rita.writes("elsewhere", mentions_bot=True)
    said = await rita.writes("and take the old one down", place.thread, mentions_bot=True)
    await server.until(lambda: chat_service.done)
    assert chat_service.done == [FollowUp(prompt="and take the old one down", event_id=said.id)]
    assert chat_service.places == [here(server, thread=place.thread)]
    assert message.id != place.thread


QUESTION = question_card("shorter", Target(run="7Q4K"), REQUESTER, until=START)


async def test_whoever_is_asked_which_they_mean_is_asked_in_the_thread_until_they_answered(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    place = await bot.platform.open_thread(await bot.platform.post(here(server), plan_card(), Ids(50)), "Tell everyone")
    chat_service.threads[place.thread] = "7Q4K"
    chat_service.says = Private(QUESTION, ids=Ids(70), question="ask:1")
    await rita.writes("shorter", place.thread, mentions_bot=True)
    await server.until(lambda: any(each.controls for each in server.in_channel(place.thread)))
    (question,) = [each for each in server.in_channel(place.thread) if each.controls]
    assert "Change this plan, or start a new run?" in question.text
    await server.until(lambda: chat_service.shown == ["ask:1"])
    chat_service.says = Private(note("not yours"))
    assert "not yours" in await told(server, await rita.clicks(question, "Change this plan"))
    assert question.id in server.messages
    chat_service.says = Nothing()
    await rita.clicks(question, "Change this plan")
    await server.until(lambda: question.id not in server.messages)
    pressed = chat_service.done[-1]
    assert isinstance(pressed, PressButton)
    assert pressed.button == "70".zfill(22)
    assert rita.id not in server.private_channels


async def test_whoever_goes_on_while_the_chat_service_does_not_serve_is_told_in_private(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    place = await bot.platform.open_thread(await bot.platform.post_text(here(server), note("x")), "talk")
    chat_service.threads[place.thread] = "7Q4K"
    chat_service.error = StorageError(Text("The database is locked; ask the operator."))
    await rita.writes("elsewhere", mentions_bot=True)
    await rita.writes("go on", place.thread, mentions_bot=True)
    await server.until(lambda: rita.id in server.private_channels)
    await server.until(lambda: server.in_channel(server.private_channels[rita.id]))
    (word,) = server.in_channel(server.private_channels[rita.id])
    assert "I can't tell whether this was saved" in word.text


async def test_a_run_that_is_asked_for_in_a_thread_lives_there(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    """A click in the thread is made in the very place that the card was posted in."""
    opened = await bot.platform.open_thread(await bot.platform.post_text(here(server), note("x")), "talk")
    await told(server, await rita.types("massgen", where=opened.thread, prompt="x"))
    ids = Ids()
    message_ref = await bot.platform.post(chat_service.places[0], plan_card(), ids)
    chat_service.know(message_ref, ids)
    message = server.messages[message_ref.message]
    await told(server, await rita.clicks(message, "Approve"))
    assert message.channel == opened.thread
    assert chat_service.places == [opened, opened]


async def test_in_a_thread_the_permission_for_threads_counts(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    opened = await bot.platform.open_thread(await bot.platform.post_text(here(server), note("x")), "talk")
    rita.app_permissions = (1 << 10) | (1 << 11) | (1 << 14) | (1 << 15)
    used = await rita.types("massgen", where=opened.thread, prompt="x")
    assert "Send Messages in Threads" in await told(server, used)
    assert chat_service.done == []


async def test_an_interaction_that_discord_has_given_up_on_asks_nothing_of_the_chat_service(
    server: DiscordServer, rita: Someone, chat_service: RecordingChatService, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults.append(Fault("POST", "/callback$", 404, {"message": "Unknown interaction", "code": 10062}))
    lost = await rita.types("massgen", prompt="lost")
    await server.until(lambda: "10062" in caplog.text)
    await told(server, await rita.types("massgen", prompt="heard"))
    (request,) = chat_service.done
    assert isinstance(request, StartRun)
    assert request.prompt == "heard"
    assert lost.private == []


@pytest.mark.parametrize(
    "body",
    ["<html>error code: 1015</html>", {"message": "blocked", "code": 0}, {"message": "slow", "retry_after": 900}],
)
async def test_a_click_counts_at_once_however_long_discord_wants_to_be_left_alone(
    server: DiscordServer,
    bot: DiscordClient,
    rita: Someone,
    chat_service: RecordingChatService,
    monkeypatch: pytest.MonkeyPatch,
    body: dict[str, object] | str,
) -> None:
    monkeypatch.setattr("bot.discord_app.replies._WORTH_SAYING", 0.1)
    message = await a_card(server, bot, chat_service)
    server.faults.append(Fault("POST", "/callback$", 429, body, {"Via": "1.1 google"}, times=9))
    await rita.clicks(message, "Approve 1 call")
    await server.until(lambda: chat_service.done, 5)
    (request,) = chat_service.done
    assert isinstance(request, PressButton)


async def test_an_answer_that_discord_refuses_is_replaced_by_a_sentence(
    server: DiscordServer, rita: Someone, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults.append(Fault("PATCH", "/@original$", 400, {"message": "Invalid Form Body", "code": 50035}))
    text = await told(server, await rita.types("massgen", prompt="x"))
    assert "(ref " in text.replace("\\", "")
    assert "Invalid Form Body" in caplog.text


async def test_an_answer_after_the_tokens_death_is_let_go(
    server: DiscordServer, rita: Someone, chat_service: RecordingChatService, caplog: pytest.LogCaptureFixture
) -> None:
    chat_service.says = Private(note("too late"))
    chat_service.before = lambda: server.skip(16 * 60)
    used = await rita.types("massgen", prompt="x")
    await server.until(lambda: "50027" in caplog.text)
    assert used.private == []


async def test_the_same_account_on_another_server_is_another_person(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    elsewhere = server.add_guild("elsewhere")
    await server.dispatch("GUILD_CREATE", server.guild_json(elsewhere))
    twin = Someone(server, "rita", elsewhere, id=rita.id)
    await told(server, await rita.types("massgen", prompt="x"))
    await told(server, await twin.types("massgen", prompt="x"))
    first, second = chat_service.by
    assert not first.is_same_as(second)
    assert second.roles == (elsewhere.id,)


async def test_a_window_that_can_not_open_in_time_says_so(
    server: DiscordServer,
    bot: DiscordClient,
    rita: Someone,
    chat_service: RecordingChatService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.discord_app.interactions._PATIENCE", 0.01)
    message = await a_card(server, bot, chat_service)
    chat_service.slow = asyncio.Event()
    assert "click again" in await told(server, await rita.clicks(message, "Reject"))


async def test_a_dropped_gateway_is_resumed_and_nothing_is_lost(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    await server.drop_gateway()
    used = await rita.types("massgen", prompt="while you were away")
    assert "as you wish" in await told(server, used)
    assert server.resumed == 1
    assert len(server.identified) == 1


async def test_it_is_told_that_messages_are_gone_in_channels_and_in_direct_messages(
    server: DiscordServer, bot: DiscordClient, chat_service: RecordingChatService
) -> None:
    guild = server.guild.id
    await server.dispatch("MESSAGE_DELETE", {"id": "11", "channel_id": "21", "guild_id": guild})
    await server.dispatch("MESSAGE_DELETE_BULK", {"ids": ["12", "13"], "channel_id": "21", "guild_id": guild})
    await server.dispatch("MESSAGE_DELETE", {"id": "14", "channel_id": "22"})
    async with asyncio.timeout(30):
        while len(chat_service.deleted) < 4:
            await chat_service.heard.wait()
            chat_service.heard.clear()
    tenant = f"discord:{guild}"
    assert sorted(chat_service.deleted) == [
        ("", "22", "14"),
        *((tenant, "21", each) for each in ("11", "12", "13")),
    ]


async def test_nothing_privileged_is_asked_for(server: DiscordServer, bot: DiscordClient) -> None:
    (hello,) = server.identified
    assert hello["intents"] == (1 << 0) | (1 << 9) | (1 << 12)


def desk_id(chat_service: RecordingChatService, action: Action) -> str:
    return next(id_ for id_, issued in chat_service.known.items() if issued.action is action)
