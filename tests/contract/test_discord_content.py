"""What a message of Discord says reaches the agents: embeds of alerts, and text files with their hash."""

from collections.abc import AsyncGenerator

import pytest

from bot.attached_files import LONGEST_FILE, files_in
from bot.chat.service_port import FollowUp
from bot.discord_app.client import DiscordClient
from tests.contract.discord_harness import RecordingChatService, a_bot, here, note
from tests.servers.discord_people import Someone, acknowledged, told
from tests.servers.discord_server import DiscordServer
from tests.servers.discord_world import Payload

ALERT: Payload = {
    "type": "rich",
    "author": {"name": "Datadog"},
    "title": "Disk full on db1",
    "url": "https://pd.test/i/42",
    "description": "97 % of /var",
    "fields": [{"name": "Urgency", "value": "High", "inline": True}],
    "footer": {"text": "eu-west"},
}


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
def rita(server: DiscordServer) -> Someone:
    return Someone(server, "rita", server.guild)


async def a_thread(server: DiscordServer, bot: DiscordClient, chat_service: RecordingChatService) -> str:
    """A thread of a run."""
    place = await bot.platform.open_thread(await bot.platform.post_text(here(server), note("x")), "talk")
    chat_service.threads[place.thread] = "7Q4K"
    return place.thread


@pytest.mark.usefixtures("bot")
async def test_an_alert_is_read_where_its_text_is_and_its_files_are_with_it(
    server: DiscordServer, rita: Someone
) -> None:
    message = await rita.writes("", embeds=[ALERT], files={"log.txt": "line 1\nline 2"})
    used = await rita.uses_on(message, "Plan from this message")
    assert await acknowledged(server, used) == 9
    default = (used.response or {})["data"]["components"][0]["component"]["value"]
    assert default.startswith(
        "Datadog\nDisk full on db1\nhttps://pd.test/i/42\n97 % of /var\nUrgency: High\neu-west\n\n[attached file: log.txt"
    )
    assert [each.size for each in files_in(default)] == [13]


@pytest.mark.usefixtures("bot")
async def test_what_does_not_fit_the_window_and_pictures_are_left_out_and_said(
    server: DiscordServer, rita: Someone
) -> None:
    message = await rita.writes("the site is down", files={"shot.png": "x", "log.txt": "y" * 3_000})
    used = await rita.uses_on(message, "Plan from this message")
    answer = await told(server, used)
    assert "can't show images" in answer
    assert "can hold 2000 characters" in answer
    assert (used.response or {})["data"]["components"][0]["component"]["value"] == "the site is down"


async def test_a_text_file_with_a_mention_goes_to_the_agents_whole_with_its_hash(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService
) -> None:
    thread = await a_thread(server, bot, chat_service)
    content = "line\n" * 2_000
    await rita.writes("sum it up", thread, mentions_bot=True, files={"log.txt": content})
    await server.until(lambda: chat_service.done)
    (request,) = chat_service.done
    assert isinstance(request, FollowUp)
    assert request.prompt.startswith("sum it up\n\n[attached file: log.txt")
    assert [each.size for each in files_in(request.prompt)] == [len(content)]


@pytest.mark.parametrize(("name", "size"), [("shot.png", 3), ("log.txt", LONGEST_FILE + 1)])
async def test_a_file_that_agents_can_not_have_is_refused_in_words_and_nothing_begins(
    server: DiscordServer, bot: DiscordClient, rita: Someone, chat_service: RecordingChatService, name: str, size: int
) -> None:
    thread = await a_thread(server, bot, chat_service)
    await rita.writes("look at it", thread, mentions_bot=True, files={name: "x" * size})
    await server.until(lambda: server.in_channel(server.private_channels.get(rita.id, "none")))
    (answer,) = server.in_channel(server.private_channels[rita.id])
    assert name.replace(".", "") in answer.text.replace("\\", "").replace(".", "")
    assert "Nothing was started" in answer.text
    assert chat_service.done == []
