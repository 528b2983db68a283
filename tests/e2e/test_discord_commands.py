"""The real command line against a Discord on a loopback socket."""

import asyncio
import functools
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bot.chat.approvers import Approvers
from bot.chat.sql_store import SqlChatStore
from tests.contract.chat_stores import a_setting
from tests.e2e.program import Program
from tests.servers.discord_people import Someone
from tests.servers.discord_server import TOKEN, DiscordServer, Fault, Payload


@pytest.fixture
async def server() -> AsyncGenerator[DiscordServer]:
    server = DiscordServer()
    async with server.serving():
        yield server
    assert server.diagnostics == []


async def run(
    server: DiscordServer, folder: Path, *arguments: str, token: str = TOKEN, **environ: str
) -> tuple[int, str, str]:
    """One command, to its end."""
    program = Program(folder)
    ended = await asyncio.to_thread(
        functools.partial(program.run, *arguments, DISCORD_BOT_TOKEN=token, DISCORD_API_URL=server.api, **environ)
    )
    return ended.status, ended.out, ended.err


async def test_commands_are_written_once_and_again_only_when_they_changed(
    server: DiscordServer, tmp_path: Path
) -> None:
    assert await run(server, tmp_path, "discord", "sync") == (0, "Discord now has 5 commands.\n", "")
    assert await run(server, tmp_path, "discord", "sync") == (0, "Discord already has these commands.\n", "")
    names = {each["name"] for each in server.commands[""]}
    assert names == {"massgen", "massgen-runs", "massgen-grants", "massgen-admin", "Plan from this message"}
    (admin,) = (each for each in server.commands[""] if each["name"] == "massgen-admin")
    assert admin["default_member_permissions"] == str(1 << 5)
    assert all((each["contexts"], each["integration_types"]) == ([0], [0]) for each in server.commands[""])
    assert admin["description_localizations"] == {"de": "Konfigurationen, wer freigibt, Grenzen und das Protokoll."}
    assert not any(each.get("name_localizations") for each in server.commands[""] if each["name"] == "massgen")
    (from_message,) = (each for each in server.commands[""] if each["type"] == 3)
    assert from_message["name_localizations"] == {"de": "Plan aus dieser Nachricht"}
    admin["description_localizations"] = {"de": "ein älterer Text"}
    assert (await run(server, tmp_path, "discord", "sync"))[1] == "Discord now has 5 commands.\n"
    server.commands[""][0]["description"] = "an older text"
    assert (await run(server, tmp_path, "discord", "sync"))[1] == "Discord now has 5 commands.\n"
    assert sum(method == "PUT" for method, _ in server.requests) == 3


async def test_one_server_can_have_them_at_once(server: DiscordServer, tmp_path: Path) -> None:
    number = server.guild.id
    assert (await run(server, tmp_path, "discord", "sync", "--guild", number))[0] == 0
    assert (await run(server, tmp_path, "discord", "sync", "--guild", number))[1].endswith(
        "already has these commands.\n"
    )
    assert set(server.commands) == {number}


async def test_the_invitation_asks_for_the_least(server: DiscordServer, tmp_path: Path) -> None:
    status, out, _ = await run(server, tmp_path, "discord", "invite")
    assert status == 0
    assert "permissions=309237763072" in out
    assert "scope=bot+applications.commands" in out


async def test_a_bad_token_is_one_sentence(server: DiscordServer, tmp_path: Path) -> None:
    for command in (["discord"], ["discord", "sync"], ["doctor", "discord"]):
        status, out, err = await run(server, tmp_path, *command, token="wrong")
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert "DISCORD_BOT_TOKEN" in err
        assert "wrong" not in err
    assert json.loads((await run(server, tmp_path, "discord", token="wrong"))[2])["level"] == "error"


async def test_no_token_is_one_sentence(server: DiscordServer, tmp_path: Path) -> None:
    status, _, err = await run(server, tmp_path, "discord", token="")
    assert (status, err.count("\n")) == (2, 1)


async def test_the_doctor_says_what_is_missing_and_where(server: DiscordServer, tmp_path: Path) -> None:
    server.guild.denied[server.channel] = (1 << 14) | (1 << 35)
    status, out, _ = await run(server, tmp_path, "doctor", "discord")
    assert status == 2
    assert "ok  The token works: massgen" in out
    assert "!!  The commands registered with Discord are outdated." in out
    assert "!!  home: #general needs Create Public Threads, Embed Links" in out
    _, german, _ = await run(server, tmp_path, "doctor", "discord", MASSGEN_BOT_LANGUAGE="de")
    assert "ok  Das Token funktioniert: massgen" in german
    assert "!!  home: #general braucht Links einbetten, Öffentliche Threads erstellen" in german
    server.guild.denied.clear()
    await run(server, tmp_path, "discord", "sync")
    here = f"discord:{server.guild.id}/{server.channel}"
    anchors = {"MASSGEN_BOT_ANCHOR_FOLDER": str(tmp_path), "MASSGEN_BOT_ANCHOR_CHANNEL": here}
    status, out, _ = await run(server, tmp_path, "doctor", "discord", **anchors)
    assert (status, "!!" in out) == (0, False)
    assert f"ok  MASSGEN_BOT_ANCHOR_CHANNEL: I can post the digest in {here}." in out


async def test_the_doctor_says_whom_each_rule_of_approval_names(server: DiscordServer, tmp_path: Path) -> None:
    guild, twin = server.guild, server.number()
    guild.roles[twin] = "twins"
    guild.roles[server.number()] = "twins"
    ops, alice = guild.role("ops"), Someone(server, "alice", guild).id
    config = "agents: [{id: a, backend: {type: scripted, script: {}}}]\napproval: {approvers: {roles: %s, users: %s}}\n"
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "ops.yaml").write_text(config % ("[ops, twins, captains]", "[alice]"), encoding="utf-8")
    state = {"MASSGEN_BOT_STATE": str(tmp_path), "MASSGEN_BOT_CONFIGS": str(tmp_path / "configs")}
    tenant = f"discord:{guild.id}"
    async with SqlChatStore.open(f"sqlite:///{tmp_path / 'massgen-bot.sqlite'}") as store:
        for channel, role in ((server.channel, ops), ("", "4711")):
            await store.set(a_setting("approvers", Approvers(roles=(role,)).as_text(), tenant=tenant, channel=channel))
        await store.set(a_setting("names", json.dumps({"user:alice": alice, "role:ops": "42"}), tenant=tenant))
    status, out, _ = await run(server, tmp_path, "doctor", "discord", **state)
    assert status == 2
    assert f"ok  home: configuration ops: the user alice is {alice}." in out
    assert (
        f"!!  home: configuration ops: the role or group ops counts as 42, as when it was first looked up, but is {ops} now."
        in out
    )
    assert f"!!  home: configuration ops: the role or group twins matches 2 different ones ({twin}, " in out
    assert "!!  home: configuration ops: the role or group captains doesn't exist here. The operator must" in out
    assert f"ok  home: approvers set for the channel {server.channel}: the role or group {ops} is ops." in out
    assert (
        "!!  home: approvers set for all channels: the role or group 4711 doesn't exist here. An administrator" in out
    )


async def test_a_discord_that_does_not_answer_is_one_sentence(server: DiscordServer, tmp_path: Path) -> None:
    server.faults.append(Fault("GET", "/users/@me$", times=9))
    status, _, err = await run(server, tmp_path, "discord", "sync")
    assert (status, err.count("\n")) == (2, 1)
    assert "can't be reached" in err


async def test_tools_without_a_server_to_stay_in_are_not_lent(server: DiscordServer, tmp_path: Path) -> None:
    status, out, err = await run(server, tmp_path, "chat-tools", "discord")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "--guild" in err
    assert await run(server, tmp_path, "chat-tools", "discord", "--guild", server.guild.id) == (0, "", "")


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (403, {"message": "Missing Access", "code": 50001}, "the bot is not in it"),
        (404, {"message": "Unknown Guild", "code": 10004}, "the bot is not in it"),
        (400, {"message": "Invalid Form Body", "code": 50035}, "Discord refused the request: Invalid Form Body"),
    ],
)
async def test_a_server_whose_commands_discord_refuses_gets_one_sentence(
    server: DiscordServer, tmp_path: Path, status: int, body: Payload, sentence: str
) -> None:
    server.faults.append(Fault("GET", "/guilds/999/commands$", status=status, body=body))
    ended, out, err = await run(server, tmp_path, "discord", "sync", "--guild", "999")
    assert (ended, out, err.count("\n")) == (2, "", 1)
    assert sentence in err
