"""Many workspaces install the app themselves; each install is asked for once, and what is revoked is gone at once."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from slack_bolt.context.async_context import AsyncBoltContext
from slack_sdk.oauth.installation_store.models.bot import Bot

from bot.chat.platform import ChannelRef, MissingPermission
from bot.chat.service_port import ShowHelp
from bot.slack_app.client import opened_slack
from bot.slack_app.identity import Admins
from bot.slack_app.installations import SCOPES, Authorize, InstalledWorkspaces, authorized_in, installed_workspaces
from bot.slack_app.settings import OAuthMode, SlackSettings, slack_settings
from bot.slack_app.setup import manifest
from bot.variables import Environment
from coordination.errors import ConfigError
from tests.contract.slack_harness import SECRET, Harness, a_team
from tests.contract.small_chat_service import SmallChatService, note
from tests.databases import sqlite_url
from tests.servers.slack_browser import Browser
from tests.servers.slack_people import HttpLine
from tests.servers.slack_server import SlackServer, Team, slack_serving

# slack_sdk 3.47 sends the client's id and secret with what aiohttp 3.14 calls its old way.
pytestmark = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")


@asynccontextmanager
async def many(
    server: SlackServer, folder: Path, scopes: Sequence[str] = SCOPES
) -> AsyncGenerator[tuple[Harness, Browser]]:
    """The app for whoever installs it."""
    mode = OAuthMode(
        client_id="1.2",
        client_secret="c",
        signing_secret=SECRET,
        public_address="",
        host="127.0.0.1",
        port=0,
        scopes=scopes,
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


@pytest.fixture
async def organisation() -> AsyncGenerator[SlackServer]:
    """Two workspaces of one organisation that installed the app as a whole."""
    both = {"T1": ("T2",), "T2": ("T1",)}
    teams = [
        replace(a_team(name), token="xoxb-E1", enterprise="E1", is_org_wide=True, sisters=others)
        for name, others in both.items()
    ]
    async with slack_serving(SlackServer(teams)) as server:
        yield server
    assert server.diagnostics == []


async def test_a_team_is_found_whichever_organisation_an_event_names_and_answers_for_its_own_tenant(
    server: SlackServer, tmp_path: Path
) -> None:
    """A window that somebody of another organisation submits in a shared channel names theirs."""
    server.teams[1].enterprise = "E1"
    async with many(server, tmp_path) as (harness, browser):
        await browser.install("code-T1")
        await browser.install("code-T2")
        authorize = Authorize(harness.app.workspaces)
        for enterprise, team, tenant in (("E7", "T1", "slack:-:T1"), (None, "T2", "slack:E1:T2")):
            context = AsyncBoltContext()
            told = await authorize(context=context, enterprise_id=enterprise, team_id=team, user_id="U1")
            workspace = authorized_in(context)
            assert workspace is not None
            assert told is not None
            assert (workspace.tenant, told.bot_token) == (tenant, f"xoxb-{team}")
        assert await harness.app.workspaces.of("E7", "T1") is None, "a tenant has one name"
        assert await harness.app.workspaces.of_team("T9") is None
        assert await harness.app.workspaces.of_team("") is None


async def test_an_organisation_installs_once_and_each_of_its_workspaces_is_a_tenant(
    organisation: SlackServer, tmp_path: Path
) -> None:
    async with many(organisation, tmp_path) as (harness, browser):
        await browser.install("code-E1")
        chat_service = harness.chat_service
        for team in (0, 1):
            person, count = harness.somebody(team=team), len(chat_service.asked)
            await person.command("help")
            await person.mention("help")
            await person.shortcut("the water is off", ts="1700000000.000001")
            await organisation.until(lambda count=count: len(chat_service.asked) == count + 3)
            asked = [by for _, by, _ in chat_service.asked[count:]]
            assert {by.tenant for by in asked} == {f"slack:E1:T{team + 1}"}
            assert {by.roles for by in asked} == {("S1",)}, "groups are those of the workspace"
            assert {by.home_team for by in asked} == {""}
        place = ChannelRef(platform="slack", tenant="slack:E1:T2", channel="C1")
        assert await harness.app.platform.ids_of(place.tenant, "role", "ops") == ["S1"]
        assert await harness.app.platform.ids_of(place.tenant, "user", "alice") == ["alice"]
        card, _ = await harness.card(note("hello"), place=place)
        assert "hello" in card.text


@pytest.mark.parametrize("revoked", ["app_uninstalled", "tokens_revoked"])
@pytest.mark.parametrize("is_told", [True, False])
async def test_an_organisation_that_uninstalls_is_gone_with_all_of_its_workspaces(
    organisation: SlackServer, tmp_path: Path, revoked: str, *, is_told: bool
) -> None:
    """Slack's word need not say that it is about the whole organisation, where nothing else is installed."""
    async with many(organisation, tmp_path) as (harness, browser):
        await browser.install("code-E1")
        tokens = {"tokens": {"oauth": [], "bot": [organisation.teams[0].bot]}} if revoked == "tokens_revoked" else {}
        event = harness.somebody().event({"type": revoked, **tokens})
        if not is_told:
            event["authorizations"][0]["is_enterprise_install"] = False
        await harness.line.send("event", event)
        async with asyncio.timeout(60):
            while await harness.app.workspaces.of("E1", "T2") is not None:
                pass  # Slack is answered before the installation is gone.
        with pytest.raises(MissingPermission, match="install"):
            await harness.app.platform.post_text(
                ChannelRef(platform="slack", tenant="slack:E1:T1", channel="C1"), note("hello")
            )


async def test_a_workspace_that_uninstalls_leaves_its_organisation_the_app(
    organisation: SlackServer, tmp_path: Path
) -> None:
    own = replace(a_team("T3"), enterprise="E1")
    organisation.teams.append(own)
    async with many(organisation, tmp_path) as (harness, browser):
        await browser.install("code-E1")
        await browser.install("code-T3")
        found = await harness.app.workspaces.of("E1", "T3")
        assert found is not None
        assert found.token == "xoxb-T3"
        await harness.line.send("event", harness.somebody(team=2).event({"type": "app_uninstalled"}))
        async with asyncio.timeout(60):
            while (found := await harness.app.workspaces.of("E1", "T3")) is not None and found.token == "xoxb-T3":
                pass
        assert await harness.app.workspaces.of("E1", "T1") is not None


@pytest.mark.parametrize(
    ("features", "is_agent", "has_chat_tools"),
    [("", True, False), ("none", False, False), ("chat-tools", False, True), ("agent, chat-tools", True, True)],
)
async def test_an_installation_asks_for_what_the_manifest_says(
    server: SlackServer, tmp_path: Path, features: str, *, is_agent: bool, has_chat_tools: bool
) -> None:
    made = json.loads(manifest("https://bot.example.org", is_agent=is_agent, has_chat_tools=has_chat_tools))
    environ = {"SLACK_CLIENT_ID": "1.2", "SLACK_CLIENT_SECRET": "c", "SLACK_SIGNING_SECRET": "s"}
    mode = slack_settings(Environment({**environ, "SLACK_FEATURES": features})).mode
    assert isinstance(mode, OAuthMode)
    async with many(server, tmp_path, mode.scopes) as (_, browser):
        assert sorted(await browser.asked_for()) == made["oauth_config"]["scopes"]["bot"]


def test_a_feature_that_there_is_not_is_named() -> None:
    environ = {"SLACK_CLIENT_ID": "1.2", "SLACK_CLIENT_SECRET": "c", "SLACK_SIGNING_SECRET": "s"}
    with pytest.raises(ConfigError, match="SLACK_FEATURES must be one or more of: agent, chat-tools, approvals, none"):
        slack_settings(Environment({**environ, "SLACK_FEATURES": "agents"}))


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
        async with asyncio.timeout(60):
            while await harness.app.workspaces.of("", "T1") is not None:
                pass  # Slack is answered before the installation is gone.
        with pytest.raises(MissingPermission, match="install"):
            await harness.app.platform.post_text(harness.place(), note("hello"))
        count = len(harness.chat_service.asked)
        await alice.command("help")
        await stranger.command("help")
        await harness.server.until(lambda: len(harness.chat_service.asked) > count)
        assert {by.tenant for _, by, _ in harness.chat_service.asked} == {"slack:-:T2"}


def rotating(server: SlackServer) -> Team:
    team = server.teams[0]
    team.token, team.refresh_token = "xoxe.xoxb-T1-0", "xoxe-T1-0"
    return team


async def nearly_over(harness: Harness, seconds: int = 3_600) -> None:
    """Let the time of the token run out, but for so much."""
    installed = harness.app.workspaces
    assert isinstance(installed, InstalledWorkspaces)
    bot = await installed.store.async_find_bot(enterprise_id=None, team_id="T1")
    assert bot is not None
    values: dict[str, Any] = {**bot.to_dict_for_copying(), "bot_token_expires_at": int(time.time()) + seconds}
    await installed.store.async_save_bot(Bot(**values))


def renewals(server: SlackServer) -> int:
    return len([each for each in server.called("oauth.v2.access") if each.get("grant_type") == "refresh_token"])


async def test_a_token_that_expires_is_renewed_once_before_its_end_and_stays_so_after_a_restart(
    server: SlackServer, tmp_path: Path
) -> None:
    team = rotating(server)
    async with many(server, tmp_path) as (harness, browser):
        await browser.install("code-T1")
        await harness.card(note("hello"))
        assert renewals(server) == 0, "it is good for half a day"
        await nearly_over(harness)
        await asyncio.gather(*(harness.card(note(f"{number}")) for number in range(5)))
        assert renewals(server) == 1
    team.expired |= team.former
    async with many(server, tmp_path) as (harness, _):
        await harness.somebody().command("help")
        await server.until(lambda: harness.chat_service.asked)
        await harness.card(note("still here"))
        assert renewals(server) == 1


async def test_of_two_processes_that_renew_a_token_one_is_first_and_the_other_goes_on_with_what_is_good(
    server: SlackServer, tmp_path: Path
) -> None:
    rotating(server)
    async with many(server, tmp_path) as (one, browser), many(server, tmp_path) as (other, _):
        await browser.install("code-T1")
        await nearly_over(one)
        await asyncio.gather(one.card(note("one")), other.card(note("other")))
        await asyncio.gather(one.card(note("one more")), other.card(note("another")))
        assert len(server.messages) == 4
        first, second = [await each.app.workspaces.of("", "T1") for each in (one, other)]
        assert first is not None
        assert second is not None
        assert first.token == second.token == server.teams[0].token


async def test_a_token_that_slack_does_not_renew_is_used_to_its_end_and_then_its_admins_must_act(
    server: SlackServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    team = rotating(server)
    async with many(server, tmp_path) as (harness, browser):
        await browser.install("code-T1")
        await nearly_over(harness)
        team.refresh_token = "xoxe-of-somebody-else"
        for _ in range(3):
            await harness.card(note("hello"))
        assert renewals(server) == 1, "not at every use"
        assert "invalid_refresh_token" in caplog.text
        team.expired.add(team.token)
        with pytest.raises(MissingPermission, match=r"\(token_expired\): a workspace admin must reinstall"):
            await harness.card(note("hello"))


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
        ({"SLACK_BOT_TOKEN": "xoxe.xoxb-1-Mi0y", "SLACK_APP_TOKEN": "xapp-1"}, "token rotation is on"),
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
