"""The commands for Slack, as processes: the manifest, the doctor, and what happens with a bad token."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest
from jsonschema import Draft7Validator
from slack_sdk.oauth.installation_store import Bot

from bot.chat.service_port import AdminCommand, ListRuns, ShowHelp, StartRun
from bot.i18n import ENGLISH, GERMAN, speaking
from bot.slack_app.commands import parse_admin_command, parse_command
from bot.slack_app.installations import AGENT_SCOPE, CHAT_TOOL_SCOPES, SCOPES, installed_workspaces
from bot.slack_app.setup import manifest
from tests import forked
from tests.contract.slack_harness import a_team
from tests.e2e.program import KEPT
from tests.servers.slack_server import Fault, SlackServer, slack_serving

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
SOCKET = {"SLACK_BOT_TOKEN": "xoxb-T1", "SLACK_APP_TOKEN": "xapp-1-test"}


@pytest.fixture
async def server() -> AsyncGenerator[SlackServer]:
    async with slack_serving(SlackServer([a_team()])) as server:
        yield server


class Runs(Protocol):
    """Runs a command; gives its status, output and complaints."""

    async def __call__(self, *arguments: str, **environ: str) -> tuple[int, str, str]: ...


@pytest.fixture
def ran(tmp_path: Path) -> Runs:
    async def run(*arguments: str, **environ: str) -> tuple[int, str, str]:
        return await _ran(arguments, {"MASSGEN_BOT_STATE": str(tmp_path), **environ})

    return run


async def _ran(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[int, str, str]:
    env = {**{name: os.environ[name] for name in KEPT if name in os.environ}, **environ}
    with forked.start("bot", *arguments, environ=env) as process:
        try:
            out, err = await asyncio.to_thread(process.communicate, PATIENCE)
        finally:
            process.kill()
    return process.wait(), out, err


@pytest.mark.parametrize("url", ["", "https://bot.example.org", "https://bot.example.org/"])
@pytest.mark.parametrize("has_more", [False, True])
def test_the_manifest_is_what_slack_takes(url: str, *, has_more: bool) -> None:
    path = os.environ.get("SLACK_MANIFEST_SCHEMA", "")
    if not path:
        pytest.skip("SLACK_MANIFEST_SCHEMA names no schema: it is Slack's, and not part of this project")
    schema = json.loads(Path(path).read_text(encoding="utf-8"))
    with speaking(GERMAN if has_more else ENGLISH):
        made = json.loads(manifest(url, has_chat_tools=has_more, is_agent=has_more))
    assert [error.message for error in Draft7Validator(schema).iter_errors(made)] == []


def test_the_manifest_asks_for_the_least_and_has_one_way_in() -> None:
    socket, http = json.loads(manifest(is_agent=False)), json.loads(manifest("https://bot.example.org"))
    assert socket["oauth_config"]["scopes"]["bot"] == sorted(SCOPES)
    assert "user" not in socket["oauth_config"]["scopes"]
    assert socket["settings"]["socket_mode_enabled"]
    assert "request_url" not in json.dumps(socket)
    assert not http["settings"]["socket_mode_enabled"]
    address = "https://bot.example.org/slack/events"
    assert [each["url"] for each in http["features"]["slash_commands"]] == [address, address]
    routed = json.loads(manifest(has_approvals_channel=True, is_agent=False))["oauth_config"]["scopes"]["bot"]
    assert set(routed) - set(socket["oauth_config"]["scopes"]["bot"]) == {"channels:read", "groups:read"}
    tools = json.loads(manifest(has_chat_tools=True, is_agent=False))["oauth_config"]["scopes"]["bot"]
    assert set(tools) == {*SCOPES, *CHAT_TOOL_SCOPES}
    assert socket["settings"]["org_deploy_enabled"] is False, "one token is one workspace's"
    assert http["settings"]["org_deploy_enabled"] is True


def test_an_app_is_an_agent_that_suggests_what_to_say_unless_that_is_not_wanted() -> None:
    made, plain = json.loads(manifest()), json.loads(manifest(is_agent=False))
    assert set(made["oauth_config"]["scopes"]["bot"]) == {*SCOPES, AGENT_SCOPE}
    prompts = [each["message"] for each in made["features"]["agent_view"]["suggested_prompts"]]
    assert [type(parse_command(each)) for each in prompts] == [ShowHelp, ListRuns, StartRun]
    assert "agent_view" not in plain["features"]


async def test_the_manifest_is_printed(ran: Runs) -> None:
    status, out, _ = await ran("slack", "manifest", "--url", "https://bot.example.org")
    assert (status, json.loads(out)) == (0, json.loads(manifest("https://bot.example.org")))
    _, out, _ = await ran("slack", "manifest", MASSGEN_BOT_LANGUAGE="de")
    with speaking(GERMAN):
        german = json.loads(manifest())
    assert json.loads(out) == german != json.loads(manifest())


async def test_an_address_that_slack_would_not_call_is_refused(ran: Runs) -> None:
    status, out, err = await ran("slack", "manifest", "--url", "http://bot.example.org")
    assert (status, out) == (2, "")
    assert "https" in err


async def test_the_doctor_finds_everything_well(ran: Runs, server: SlackServer) -> None:
    here = str(Path(__file__).parent)
    anchors = {"MASSGEN_BOT_ANCHOR_FOLDER": here, "MASSGEN_BOT_ANCHOR_CHANNEL": "slack:-:T1/C1, slack:-:T1/C9"}
    status, out, _ = await ran("doctor", "slack", SLACK_API_URL=f"{server.address}/api", **SOCKET, **anchors)
    assert status == 2, out
    assert [line[:2] for line in out.splitlines()] == [*["ok"] * 6, "!!", "ok", "ok"]
    assert "any full member may approve" in out
    german = {"MASSGEN_BOT_LANGUAGE": "de", "SLACK_API_URL": f"{server.address}/api", **SOCKET}
    _, out, _ = await ran("doctor", "slack", **german)
    assert "ok  Das App-Token funktioniert: Socket Mode ist bereit." in out
    _, _, err = await ran("slack", MASSGEN_BOT_LANGUAGE="de")
    assert json.loads(err)["message"].startswith("In SLACK_BOT_TOKEN gehört das Bot-Token der Slack-App (xoxb-…)")
    assert "#general" in out


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "SLACK_BOT_TOKEN"),
        ({"SLACK_BOT_TOKEN": "xoxb-T1"}, "SLACK_APP_TOKEN"),
        ({"SLACK_BOT_TOKEN": "xapp-1", "SLACK_APP_TOKEN": "xapp-1"}, "xoxb-"),
        ({"SLACK_BOT_TOKEN": "xoxb-bad", "SLACK_APP_TOKEN": "xapp-1"}, "copy it again"),
        ({"SLACK_BOT_TOKEN": "xoxb-T1", "SLACK_APP_TOKEN": "xapp-bad"}, "connections:write"),
    ],
)
async def test_the_doctor_names_what_a_person_must_do(
    ran: Runs, server: SlackServer, environ: dict[str, str], words: str
) -> None:
    status, out, _ = await ran("doctor", "slack", SLACK_API_URL=f"{server.address}/api", **environ)
    assert status == 2
    assert words in out
    assert "Traceback" not in out


async def test_the_doctor_says_that_socket_mode_is_off_though_slack_gives_a_connection(
    ran: Runs, server: SlackServer
) -> None:
    server.has_socket_mode = False
    status, out, _ = await ran("doctor", "slack", SLACK_API_URL=f"{server.address}/api", **SOCKET)
    assert status == 2
    assert "Socket Mode is off: turn it on in the app's settings" in out


async def test_the_doctor_names_missing_permissions(ran: Runs, server: SlackServer) -> None:
    server.teams[0].lacks.add("files:write")
    status, out, _ = await ran("doctor", "slack", SLACK_API_URL=f"{server.address}/api", **SOCKET)
    assert status == 2
    assert "files:write" in out


async def test_the_doctor_says_whom_each_rule_of_approval_names(ran: Runs, server: SlackServer, tmp_path: Path) -> None:
    config = "agents: [{id: a, backend: {type: scripted, script: {}}}]\napproval: {approvers: {roles: %s, users: %s}}\n"
    (tmp_path / "ops.yaml").write_text(
        config % ("[ops, captains]", "[UALICE0001, UNOBODY001, alice]"), encoding="utf-8"
    )
    team = server.teams[0]
    team.users["UALICE0001"] = {"id": "UALICE0001", "name": "alice", "profile": {"display_name": "alice"}}
    environ = {"SLACK_API_URL": f"{server.address}/api", "MASSGEN_BOT_CONFIGS": str(tmp_path), **SOCKET}
    status, out, _ = await ran("doctor", "slack", **environ)
    assert status == 2
    assert "ok  configuration ops: the role or group ops is S1." in out
    assert "!!  configuration ops: the role or group captains doesn't exist here. The operator must" in out
    assert "ok  configuration ops: the user UALICE0001 is alice." in out
    assert "!!  configuration ops: the user UNOBODY001 doesn't exist here." in out
    assert "!!  configuration ops: the user alice matches 2 different ones (" in out
    server.teams[0].lacks.add("usergroups:read")
    _, out, _ = await ran("doctor", "slack", **environ)
    assert "!!  configuration ops: I can't look up the role or group ops: Slack says that I lack the perm" in out
    server.faults.append(Fault(method="usergroups.list", error="internal_error", times=9))
    _, out, _ = await ran("doctor", "slack", **environ)
    assert "!!  configuration ops: the chat can't look up the role or group ops right now." in out


async def test_the_doctor_looks_at_each_workspace_that_installed_the_app(
    ran: Runs, server: SlackServer, tmp_path: Path
) -> None:
    config = (
        "agents: [{id: a, backend: {type: scripted, script: {}}}]\napproval: {approvers: {roles: [ops, captains]}}\n"
    )
    (tmp_path / "ops.yaml").write_text(config, encoding="utf-8")
    url = f"sqlite:///{tmp_path}/bot.db"
    async with installed_workspaces(url, client_id="1.2", client_secret="c") as installed:
        for team, token in (("T1", "xoxb-T1"), ("T9", "xoxb-gone")):
            await installed.store.async_save_bot(
                Bot(
                    app_id="A1",
                    team_id=team,
                    team_name=f"team {team}",
                    bot_token=token,
                    bot_id="B1",
                    bot_user_id="U1",
                    bot_scopes=list(SCOPES),
                    bot_refresh_token="xoxe-1" if team == "T1" else None,
                    bot_token_expires_in=43_200 if team == "T1" else None,
                    installed_at=1.0,
                )
            )
    environ = {
        "SLACK_API_URL": f"{server.address}/api",
        "MASSGEN_BOT_CONFIGS": str(tmp_path),
        "DATABASE_URL": url,
        "SLACK_CLIENT_ID": "1.2",
        "SLACK_CLIENT_SECRET": "c",
        "SLACK_SIGNING_SECRET": "s",
    }
    status, out, _ = await ran("doctor", "slack", **environ)
    assert status == 2
    assert "ok  configuration ops: the role or group ops is S1." in out
    assert "!!  configuration ops: the role or group captains doesn't exist here. The operator must" in out
    assert "!!  Slack no longer accepts the token of team T9 (invalid_auth): an admin there must reinstall" in out
    assert out.count("ok  The workspace's token expires, and is renewed before that") == 1


async def test_not_seeing_its_channels_is_no_fault(ran: Runs, server: SlackServer) -> None:
    server.faults.append(Fault(method="users.conversations", error="missing_scope"))
    status, out, _ = await ran("doctor", "slack", SLACK_API_URL=f"{server.address}/api", **SOCKET)
    assert status == 0, out


async def test_a_bad_token_ends_the_program_with_one_sentence(ran: Runs, server: SlackServer) -> None:
    environ = {**SOCKET, "SLACK_BOT_TOKEN": "xoxb-bad", "SLACK_API_URL": f"{server.address}/api"}
    status, out, err = await ran("slack", **environ)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "SLACK_BOT_TOKEN" in err
    assert "xoxb-bad" not in err


def test_the_slack_configuration_means_what_it_says() -> None:
    """Its reads run while agents plan; everything else of it is asked about."""
    text = (ROOT / "configs/slack.yaml").read_text(encoding="utf-8")
    assert text.count("effect: read") == 2
    assert "effect: auto" not in text


@pytest.mark.parametrize(
    ("text", "scope", "value"),
    [
        ("prompts", "", ""),
        ("prompts reset workspace", "server", "reset"),
        ("prompts workspace", "server", ""),
        ("prompts Summarize this channel", "", "Summarize this channel"),
        ("prompts Say hello | Say bye | workspace", "server", "Say hello | Say bye |"),
    ],
)
def test_a_prompt_may_end_in_a_word_that_elsewhere_says_where(text: str, scope: str, value: str) -> None:
    assert parse_admin_command(text) == AdminCommand(action="prompts", scope=scope, value=value)
