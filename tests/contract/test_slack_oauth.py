"""Many workspaces install the app themselves; each install is asked for once, and what is revoked is gone at once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.chat.platform import ChannelRef, MissingPermission
from bot.chat.service_port import ShowHelp
from bot.slack_app.client import opened_slack
from bot.slack_app.identity import Admins
from bot.slack_app.installations import installed_workspaces
from bot.slack_app.settings import OAuthMode, SlackSettings, slack_settings
from bot.variables import Environment
from coordination.errors import ConfigError
from tests.contract.slack_harness import SECRET, Harness, a_team
from tests.contract.small_chat_service import SmallChatService, note
from tests.databases import sqlite_url
from tests.servers.slack_browser import Browser
from tests.servers.slack_people import HttpLine
from tests.servers.slack_server import SlackServer, slack_serving

# slack_sdk 3.47 sends the client's id and secret with what aiohttp 3.14 calls its old way.
pytestmark = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")


@asynccontextmanager
async def many(server: SlackServer, folder: Path) -> AsyncGenerator[tuple[Harness, Browser]]:
    """The app for whoever installs it."""
    mode = OAuthMode(
        client_id="1.2", client_secret="c", signing_secret=SECRET, public_address="", host="127.0.0.1", port=0
    )
    settings = SlackSettings(mode=mode, address=f"{server.address}/api/", admins=Admins(names=frozenset({"UALICE"})))
    chat_service = SmallChatService(changed=server.changed)
    async with (
        opened_slack(settings, f"sqlite:///{folder / 'bot.sqlite'}") as app,
        app.serving(chat_service) as address,
    ):
        harness = Harness(server, app, HttpLine(address, SECRET), chat_service)
        yield harness, Browser(address.removesuffix("/slack/events"))


@pytest.fixture
async def server() -> AsyncGenerator[SlackServer]:
    async with slack_serving(SlackServer([a_team("T1"), a_team("T2")])) as server:
        yield server
    assert server.diagnostics == []


async def test_an_installed_workspace_is_served_and_stays_so_after_a_restart(
    server: SlackServer, tmp_path: Path
) -> None:
    async with many(server, tmp_path) as (harness, browser):
        await harness.somebody().command("help")
        await browser.install("code-T1")
    async with many(server, tmp_path) as (harness, _):
        await harness.somebody().command("help")
        await harness.server.until(lambda: harness.chat_service.asked)
        assert [request for request, _, _ in harness.chat_service.asked] == [ShowHelp()]
        assert not harness.chat_service.asked[0][1].is_admin, (
            "a bare id says nothing where there are several workspaces"
        )
        await harness.card(note("hello"))
        with pytest.raises(MissingPermission):
            await harness.app.platform.post_text(
                ChannelRef(platform="slack", tenant="slack:-:T2", channel="C1"), note("hello")
            )


async def test_a_state_is_good_once_and_only_in_its_browser(server: SlackServer, tmp_path: Path) -> None:
    async with many(server, tmp_path) as (_, browser):
        state, cookie = await browser.begin()
        _, other_cookie = await browser.begin()
        assert await browser.come_back("code-T1", state, "") == 400
        assert await browser.come_back("code-T1", state, other_cookie) == 400
        assert await browser.come_back("code-T1", "made-up", "slack-app-oauth-state=made-up") == 401
        assert server.used_codes == set()
        assert await browser.come_back("code-T1", state, cookie) == 200
        assert await browser.come_back("code-T2", state, cookie) == 401
        assert server.used_codes == {"code-T1"}


@pytest.mark.parametrize(
    "event", [{"type": "app_uninstalled"}, {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["UBOTT1"]}}]
)
async def test_what_is_revoked_is_gone_at_once_and_only_there(
    server: SlackServer, tmp_path: Path, event: dict[str, object]
) -> None:
    async with many(server, tmp_path) as (harness, browser):
        await browser.install("code-T1")
        await browser.install("code-T2")
        alice, stranger = harness.somebody(), harness.somebody(team=1)
        await harness.line.send("event", alice.event(event))
        await stranger.command("help")
        await harness.private_message()
        async with asyncio.timeout(10):
            while await harness.app.workspaces.of("", "T1") is not None:
                pass  # Slack is answered before the installation is gone.
        with pytest.raises(MissingPermission, match="install"):
            await harness.app.platform.post_text(harness.place(), note("hello"))
        count = len(harness.chat_service.asked)
        await alice.command("help")
        await stranger.command("help")
        await harness.server.until(lambda: len(harness.chat_service.asked) > count)
        assert {by.tenant for _, by, _ in harness.chat_service.asked} == {"slack:-:T2"}


def test_the_environment_says_plainly_which_of_the_three_it_is() -> None:
    pair = {"SLACK_CLIENT_ID": "1.2", "SLACK_CLIENT_SECRET": "c", "SLACK_SIGNING_SECRET": "s"}
    kinds = {
        "SocketMode": {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", **pair},
        "HttpMode": {"SLACK_BOT_TOKEN": "xoxb-1", **pair},
        "OAuthMode": pair,
    }
    for kind, environ in kinds.items():
        assert type(slack_settings(Environment(environ)).mode).__name__ == kind
        assert "xoxb-1" not in repr(slack_settings(Environment(environ)))


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "SLACK_BOT_TOKEN"),
        ({"SLACK_CLIENT_ID": "1", "SLACK_CLIENT_SECRET": "c"}, "SLACK_SIGNING_SECRET"),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xoxb-1"}, "xapp-"),
        ({"SLACK_BOT_TOKEN_FILE": "/nowhere/at/all"}, "SLACK_BOT_TOKEN_FILE"),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s", "PORT": "many"}, "PORT"),
    ],
)
def test_what_is_missing_in_the_environment_is_named(environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        slack_settings(Environment(environ))


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "bot").write_text("xoxb-1\n", encoding="utf-8")
    settings = slack_settings(Environment({"SLACK_BOT_TOKEN_FILE": str(tmp_path / "bot"), "SLACK_APP_TOKEN": "xapp-1"}))
    assert type(settings.mode).__name__ == "SocketMode"


async def test_many_processes_may_be_the_first_to_keep_installations_in_a_file(tmp_path: Path) -> None:
    """Each looks whether the tables are there; between that look and the making, another makes them."""
    for attempt in range(10):
        folder = tmp_path / str(attempt)
        folder.mkdir()

        async def first(url: str = sqlite_url(folder)) -> None:
            async with installed_workspaces(url, client_id="1.2", client_secret="x"):
                pass

        await asyncio.gather(*(first() for _ in range(6)))
