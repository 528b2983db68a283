"""The bot may read more than the people whom it works for: what it reads and does for them is what they could themselves.

Nothing that only some can read is told in a place where others listen.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.tool_servers import discord_api as sight
from coordination.domain.caller import CALLER, KEY_VARIABLE, Caller, signed, verified
from coordination.domain.events import ToolRead
from coordination.mcp_tools.hub import McpHub
from coordination.ports import ReadTools, ServerSpec
from tests import forked
from tests.e2e.discord_harness import Harness as DiscordStage
from tests.e2e.discord_harness import a_harness as a_discord_stage
from tests.e2e.discord_harness import run_in
from tests.e2e.slack_harness import a_harness as a_slack_stage
from tests.e2e.slack_harness import a_workspace
from tests.servers.discord_people import Someone, told
from tests.servers.discord_server import TOKEN, DiscordServer
from tests.servers.discord_world import BOT, TALK
from tests.servers.slack_server import Message, SlackServer, slack_serving

ROOT = Path(__file__).parents[2]
SECRET = "the merger is on Friday"
VISIBLE = ("--scope", "visible")


# --- Discord ----------------------------------------------------------------------------------------------------------


class Town:
    """A server with #general, an open #news, and #board, which only ops see."""

    def __init__(self, server: DiscordServer) -> None:
        self.server, guild = server, server.guild
        self.tenant = f"discord:{guild.id}"
        self.general, self.news, self.board = server.channel, server.number(), server.number()
        guild.channels.update({self.news: "news", self.board: "board"})
        guild.hide(self.board, "ops")
        self.alice = Someone(server, "alice", guild, roles=("ops",))
        self.mallory = Someone(server, "mallory", guild)
        for channel, text in ((self.general, "hello"), (self.news, "rain"), (self.board, SECRET)):
            server.add_message(channel, {"content": text}, BOT, {})

    def caller(self, who: Someone, channel: str, *approvers: Someone) -> Caller:
        accounts = tuple(each.id for each in approvers)
        return Caller(tenant=self.tenant, requester=who.id, approvers=accounts, channel=channel)

    @asynccontextmanager
    async def tools(self, *options: str) -> AsyncGenerator["Lent"]:
        """The tool server as a run uses it: a process of its own, behind the hub."""
        spec = ServerSpec(
            name="chat",
            transport="stdio",
            identity="chat",
            command=forked.python(),
            args=("-m", "bot.tool_servers.discord_server", *options),
            env=(
                ("DISCORD_BOT_TOKEN", TOKEN),
                ("DISCORD_API_URL", self.server.api),
                ("MASSGEN_BOT_TENANT", self.tenant),
            ),
            cwd=str(ROOT),
        )
        async with McpHub() as hub:
            yield Lent(hub, spec)


class Lent:
    """Tools, lent for the people behind a run."""

    def __init__(self, hub: McpHub, spec: ServerSpec) -> None:
        self.hub, self.spec = hub, spec

    def reader(self, caller: Caller | None) -> ReadTools:
        """As a run's agents have it. Every tool is allowed here, so that writes can be tried without a plan."""
        names = ("list_channels", "read_messages", "look_up", "send_message", "delete_message", "post_message")
        return self.hub.reader([self.spec], frozenset(("chat", name) for name in names), caller)

    async def read(self, caller: Caller | None, channel: str = "") -> str:
        given = {"channel": channel} if channel else {}
        return (await self.reader(caller).read("chat", "read_messages", given)).text

    async def listed(self, caller: Caller | None) -> str:
        return (await self.reader(caller).read("chat", "list_channels", {})).text

    async def use(self, caller: Caller | None, tool: str, **arguments: str) -> str:
        return (await self.reader(caller).read("chat", tool, arguments)).text


@pytest.fixture
async def town() -> AsyncGenerator[Town]:
    server = DiscordServer()
    async with server.serving():
        yield Town(server)
    assert server.diagnostics == []


async def test_a_run_reads_only_the_channel_that_it_was_asked_for_in(town: Town) -> None:
    async with town.tools() as tools:
        mine = town.caller(town.mallory, town.general)
        assert "hello" in await tools.read(mine)
        assert "hello" in await tools.read(mine, town.general)
        assert sight.NOT_OWN in await tools.read(mine, town.news)
        assert sight.NOT_SEEN in await tools.read(mine, town.board)
        assert SECRET in await tools.read(town.caller(town.alice, town.board))
        listed = await tools.listed(mine)
    assert "#general" in listed
    assert "#board" not in listed


async def test_no_wider_scope_shows_what_the_one_who_asked_or_anybody_there_can_not_read(town: Town) -> None:
    async with town.tools(*VISIBLE) as tools:
        assert "rain" in await tools.read(town.caller(town.mallory, town.general), town.news)
        assert "rain" in await tools.read(town.caller(town.alice, town.board), town.news)
        assert sight.NOT_SEEN in await tools.read(town.caller(town.mallory, town.general), town.board)
        # She may read it, and those who would read it over her shoulder may not.
        assert sight.NOT_HERE in await tools.read(town.caller(town.alice, town.general), town.board)
        assert "#board" not in await tools.listed(town.caller(town.alice, town.general))
        assert "#board" in await tools.listed(town.caller(town.alice, town.board))


async def test_who_left_or_never_came_in_reads_nothing(town: Town) -> None:
    pending = Someone(town.server, "pete", town.server.guild, is_pending=True)
    town.alice.leaves()
    async with town.tools(*VISIBLE) as tools:
        for who in (pending, town.alice):
            assert sight.NOT_SEEN in await tools.read(town.caller(who, town.general))
        nobody = Caller(tenant=town.tenant, requester="404", channel=town.general)
        assert sight.NOT_SEEN in await tools.read(nobody)


async def test_a_private_thread_is_read_by_those_in_it_and_told_nowhere_else(town: Town) -> None:
    thread = town.server.add_private_thread(town.general, town.alice.id)
    town.server.add_message(thread, {"content": SECRET}, BOT, {})
    async with town.tools(*VISIBLE) as tools:
        assert SECRET in await tools.read(town.caller(town.alice, thread))
        assert "hello" in await tools.read(town.caller(town.alice, thread), town.general)
        assert sight.NOT_HERE in await tools.read(town.caller(town.alice, town.general), thread)
        assert sight.NOT_SEEN in await tools.read(town.caller(town.mallory, thread))
        assert sight.NOT_SEEN in await tools.read(town.caller(town.mallory, town.general), thread)


async def test_a_call_for_nobody_or_for_people_of_another_server_is_refused(town: Town) -> None:
    async with town.tools() as tools:
        assert "on whose behalf" in await tools.read(None, town.general)
        elsewhere = replace(town.caller(town.alice, town.general), tenant="discord:1")
        assert "another server" in await tools.read(elsewhere, town.general)
        assert "hello" in await tools.read(Caller(tenant="console", requester="uid:0"), town.general)


async def test_what_an_id_is_is_told_to_nobody_who_could_not_see_it(town: Town) -> None:
    """Everybody where the run is shown can read #news, but a run of its own channel is not given its texts."""
    rain = town.server.in_channel(town.news)[0].id
    secret = town.server.in_channel(town.board)[0].id
    async with town.tools() as tools:
        mine = town.caller(town.mallory, town.general)
        told = await tools.use(mine, "look_up", channel=town.news, message=rain)
        assert "#news" in told
        assert "rain" not in told
        assert sight.NOT_SEEN in await tools.use(mine, "look_up", channel=town.board, message=secret)
        ops = town.caller(town.alice, town.general)
        assert sight.NOT_HERE in await tools.use(ops, "look_up", channel=town.board, message=secret)
        assert "on whose behalf" in await tools.use(None, "look_up", channel=town.general)


async def test_a_write_needs_somebody_who_could_do_it_and_nobody_for_whom_the_place_is_hidden(town: Town) -> None:
    message = town.server.in_channel(town.general)[0].id
    here = {"channel": town.general, "message": message}
    async with town.tools() as tools:
        asked = town.caller(town.mallory, town.general, town.alice)
        assert "Nobody who asked" in await tools.use(asked, "delete_message", **here)
        assert message in town.server.messages
        hidden = await tools.use(asked, "send_message", channel=town.board, content="x")
        assert sight.NOT_SEEN in hidden
        town.server.guild.granted[town.server.guild.role("ops")] = sight.MANAGE_MESSAGES
        assert "Deleted" in await tools.use(asked, "delete_message", **here)
        assert "Sent message" in await tools.use(asked, "send_message", channel=town.news, content="x")


# --- what Discord would say, for any server ---------------------------------------------------------------------------

ROLES = ("1", "2", "3")
BITS = st.sampled_from([0, sight.VIEW, sight.HISTORY, sight.VIEW | sight.HISTORY, sight.CONNECT, sight.SEND])
OVERWRITES = st.lists(
    st.builds(
        lambda of, allow, deny: {"id": of[0], "type": of[1], "allow": str(allow), "deny": str(deny & ~allow)},
        st.sampled_from([("1", 0), ("2", 0), ("3", 0), ("10", 1), ("11", 1)]),
        BITS,
        BITS,
    ),
    max_size=4,
    unique_by=lambda each: each["id"],
)
CHANNELS = st.builds(
    lambda number, kind, overwrites: {"id": number, "type": kind, "permission_overwrites": overwrites},
    st.sampled_from(["100", "101", "102"]),
    st.sampled_from([0, 2, 5, 13]),
    OVERWRITES,
)
GUILDS = st.builds(
    lambda bits: {
        "id": "1",
        "owner_id": "99",
        "roles": [{"id": role, "permissions": str(each)} for role, each in zip(ROLES, bits, strict=True)],
    },
    st.tuples(BITS, BITS, BITS | st.just(sight.ADMINISTRATOR)),
)
MEMBERS = st.builds(
    lambda user, roles, pending: {"user": {"id": user}, "roles": roles, "pending": pending},
    st.sampled_from(["10", "11", "12", "99"]),
    st.lists(st.sampled_from(["2", "3"]), unique=True),
    st.booleans(),
)


def site(channel: dict[str, Any], *, is_private: bool) -> sight.Site:
    return sight.Site({"id": "7", "type": 12, "parent_id": channel["id"]} if is_private else channel, channel)


@given(GUILDS, MEMBERS, CHANNELS, CHANNELS, st.booleans(), st.booleans())
def test_what_is_told_in_a_channel_everybody_there_could_have_read(
    guild: dict[str, Any],
    member: dict[str, Any],
    here: dict[str, Any],
    there: dict[str, Any],
    is_thread: bool,
    other_is_thread: bool,
) -> None:
    """For any roles and overwrites: who can read the run's own channel can read each one that it may be told of."""
    there = here if here["id"] == there["id"] else there
    own, other = site(here, is_private=is_thread), site(there, is_private=other_is_thread)
    reads_own = sight.permissions(guild, member, here, 0.0) & own.needed == own.needed
    if reads_own and sight.is_wide_enough(own, other, guild):
        assert not other.is_private
        assert sight.permissions(guild, member, there, 0.0) & other.needed == other.needed


def test_permissions_are_those_that_discord_documents() -> None:
    everyone = {"id": "1", "permissions": str(TALK)}
    guild: dict[str, Any] = {"id": "1", "owner_id": "99", "roles": [everyone, {"id": "2", "permissions": "0"}]}
    deny_all = {"id": "1", "type": 0, "allow": "0", "deny": str(sight.VIEW)}
    allow_role = {"id": "2", "type": 0, "allow": str(sight.VIEW), "deny": "0"}
    deny_one = {"id": "10", "type": 1, "allow": "0", "deny": str(sight.VIEW)}
    channel: dict[str, Any] = {"id": "5", "type": 0, "permission_overwrites": [deny_all, allow_role, deny_one]}

    def sees(user: str, *roles: str, **more: object) -> bool:
        member: dict[str, Any] = {"user": {"id": user}, "roles": list(roles), **more}
        return bool(sight.permissions(guild, member, channel, 1_000.0) & sight.VIEW)

    assert (sees("11"), sees("11", "2"), sees("10", "2"), sees("99")) == (False, True, False, True)
    assert not sees("11", "2", pending=True)
    assert not sight.permissions(guild, {}, channel, 0.0)
    silenced: dict[str, Any] = {
        "user": {"id": "11"},
        "roles": ["2"],
        "communication_disabled_until": "2999-01-01T00:00:00+00:00",
    }
    assert sight.permissions(guild, silenced, channel, 1_000.0) == sight.VIEW | sight.HISTORY
    past: dict[str, Any] = {**silenced, "communication_disabled_until": "1970-01-01T00:00:01+00:00"}
    assert sight.permissions(guild, past, channel, 1_000.0) & sight.SEND


# --- the fact ---------------------------------------------------------------------------------------------------------

CALLERS = st.builds(
    Caller,
    tenant=st.text(max_size=20),
    requester=st.text(max_size=20),
    approvers=st.lists(st.text(max_size=9), max_size=3).map(tuple),
    channel=st.text(max_size=20),
)


@given(CALLERS, st.text(min_size=1, max_size=9))
def test_only_who_has_the_key_can_say_on_whose_behalf_a_call_is_made(caller: Caller, key: str) -> None:
    fact = signed(caller, key, tool="read")
    assert verified(fact, key, tool="read") == caller
    assert verified(fact, key, tool="write") is None
    assert verified(fact, key + "x", tool="read") is None
    assert verified(fact, "", tool="read") is None
    assert verified({**fact, "fact": str(fact["fact"]).replace("read", "reed")}, key, tool="reed") is None
    for junk in (None, "", [], {}, {"fact": 1, "mac": 2}, {"fact": "{}", "mac": "0"}):
        assert verified(junk, key, tool="read") is None


def test_the_names_that_travel_are_those_of_the_documentation() -> None:
    assert (CALLER, KEY_VARIABLE) == ("massgen-bot/caller", "MASSGEN_BOT_CALLER_KEY")


# --- Slack ------------------------------------------------------------------------------------------------------------


class SlackHarness:
    """A workspace with #general, an open #news, a private board of rita and alice, and a channel shared with mallory's company."""

    def __init__(self, server: SlackServer) -> None:
        self.server, team = server, server.teams[0]
        team.users["UMALLORY"].update({"team_id": "T9"})
        private = {"is_channel": True, "is_private": True, "name": "board", "members": ["URITA", "UALICE"]}
        shared = {"is_shared": True, "is_ext_shared": True, "name": "shared", "members": ["URITA", "UMALLORY"]}
        inner = [each for each in team.users if each != "UMALLORY"]
        team.conversations.update(
            {
                "CNEWS": {"name": "news", "members": inner},
                "CBOARD": private,
                "CSHARED": shared,
                "CLUNCH": {"members": inner},
            }
        )
        for channel, text in (("CNEWS", "rain"), ("CBOARD", SECRET), ("CSHARED", "hello"), ("CLUNCH", "soup")):
            ts = server.new_ts()
            server.messages[channel, ts] = Message(team.id, channel, ts, "", [{"text": text}], "UALICE")

    @asynccontextmanager
    async def tools(self, *options: str) -> AsyncGenerator[Lent]:
        """As on Discord."""
        spec = ServerSpec(
            name="chat",
            transport="stdio",
            identity="chat",
            command=forked.python(),
            args=("-m", "bot.tool_servers.slack_server", *options),
            env=(
                ("SLACK_BOT_TOKEN", "xoxb-T1"),
                ("SLACK_API_URL", f"{self.server.address}/api/"),
                ("MASSGEN_BOT_TENANT", "slack:-:T1"),
            ),
            cwd=str(ROOT),
        )
        async with McpHub() as hub:
            yield Lent(hub, spec)


def slacker(who: str, channel: str, *approvers: str) -> Caller:
    accounts = tuple(f"U{each.upper()}" for each in approvers)
    return Caller(tenant="slack:-:T1", requester=f"U{who.upper()}", approvers=accounts, channel=channel)


@pytest.fixture
async def slack() -> AsyncGenerator[SlackHarness]:
    server = SlackServer([a_workspace()])
    async with slack_serving(server):
        yield SlackHarness(server)
    assert server.diagnostics == []


async def test_what_an_id_is_is_told_in_slack_to_nobody_who_could_not_see_it(slack: SlackHarness) -> None:
    (rain, secret) = (
        next(ts for channel, ts in slack.server.messages if channel == name) for name in ("CNEWS", "CBOARD")
    )
    async with slack.tools() as tools:
        mine = slacker("rita", "CLUNCH")
        told = await tools.use(mine, "look_up", channel="CNEWS", message=rain)
        assert "sha256" in told
        assert "rain" not in told
        assert sight.NOT_HERE in await tools.use(mine, "look_up", channel="CBOARD", message=secret)
        assert sight.NOT_SEEN in await tools.use(slacker("mallory", "CSHARED"), "look_up", channel="CBOARD")


async def test_a_partner_in_a_shared_channel_has_no_private_channel_read_out(slack: SlackHarness) -> None:
    async with slack.tools(*VISIBLE) as tools:
        assert "hello" in await tools.read(slacker("mallory", "CSHARED"))
        for channel in ("CBOARD", "CNEWS"):
            assert sight.NOT_SEEN in await tools.read(slacker("mallory", "CSHARED"), channel)
            # A member may read it; but not out to a partner.
            assert sight.NOT_HERE in await tools.read(slacker("rita", "CSHARED"), channel)
        listed = await tools.listed(slacker("rita", "CSHARED"))
    assert "#shared" in listed
    assert "#news" not in listed


async def test_a_slack_run_reads_its_own_channel_and_more_only_where_that_is_no_leak(slack: SlackHarness) -> None:
    async with slack.tools() as tools:
        assert "soup" in await tools.read(slacker("rita", "CLUNCH"))
        assert sight.NOT_OWN in await tools.read(slacker("rita", "CLUNCH"), "CNEWS")
    async with slack.tools(*VISIBLE) as tools:
        assert "rain" in await tools.read(slacker("rita", "CLUNCH"), "CNEWS")
        assert "rain" in await tools.read(slacker("rita", "CBOARD"), "CNEWS")
        assert SECRET in await tools.read(slacker("rita", "CBOARD"))
        assert sight.NOT_HERE in await tools.read(slacker("rita", "CLUNCH"), "CBOARD")
        assert sight.NOT_SEEN in await tools.read(slacker("bob", "CLUNCH"), "CBOARD")


async def test_a_slack_write_goes_nowhere_that_one_of_its_people_can_not_see(slack: SlackHarness) -> None:
    async with slack.tools() as tools:
        refused = await tools.use(slacker("bob", "CLUNCH", "alice"), "post_message", channel="CBOARD", text="x")
        assert sight.NOT_SEEN in refused
        assert "Posted" in await tools.use(
            slacker("rita", "CLUNCH", "alice"), "post_message", channel="CBOARD", text="x"
        )
        assert "on whose behalf" in await tools.use(None, "post_message", channel="CLUNCH", text="x")


# --- over the whole bot -----------------------------------------------------------------------------------------------

_READER = """
agents:
  - id: first
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{{tool: chat.read_messages, arguments: {{channel: "{channel}"}}}}]
            - answer: I have read it.
mcp_servers:
  chat:
    command: ${{MASSGEN_BOT_PYTHON}}
    args: [-m, {module}, --scope, visible]
    cwd: {root}
    env: {env}
tools: [{{match: "chat.read_*", effect: read}}]
"""


def write_reader(folder: Path, module: str, channel: str, env: Mapping[str, str]) -> None:
    """A configuration whose only agent reads one channel."""
    quoted = ", ".join(f'{name}: "{value}"' for name, value in env.items())
    text = _READER.format(channel=channel, module=module, root=ROOT, env=f"{{{quoted}}}")
    (folder / "configs" / "reader.yaml").write_text(text, encoding="utf-8")


def excerpts(events: Sequence[object]) -> str:
    return "\n".join(each.excerpt for each in events if isinstance(each, ToolRead))


async def test_on_discord_a_bystander_has_no_hidden_channel_read_into_the_thread(tmp_path: Path) -> None:
    async with a_discord_stage(tmp_path) as harness:
        board = harness.server.number()
        harness.server.guild.channels[board] = "board"
        harness.server.guild.hide(board, "ops")
        harness.server.add_message(board, {"content": SECRET}, BOT, {})
        env = {
            "DISCORD_BOT_TOKEN": TOKEN,
            "DISCORD_API_URL": harness.server.api,
            "MASSGEN_BOT_TENANT": "${MASSGEN_BOT_TENANT}",
        }
        write_reader(tmp_path, "bot.tool_servers.discord_server", board, env)
        async with harness.bot():
            for who, sentence in ((harness.mallory, sight.NOT_SEEN), (harness.rita, sight.NOT_HERE)):
                card = await harness.asks("Read it to me", "reader", who)
                await harness.ends(card, "Answered")
                assert sentence in excerpts(await harness.events(card))
        assert all(SECRET not in each.text for each in harness.server.messages.values() if each.channel != board)


async def test_on_slack_a_bystander_has_no_private_channel_read_into_the_thread(tmp_path: Path) -> None:
    async with a_slack_stage(tmp_path) as harness:
        slack = SlackHarness(harness.server)
        env = {
            "SLACK_BOT_TOKEN": "xoxb-T1",
            "SLACK_API_URL": f"{harness.server.address}/api/",
            "MASSGEN_BOT_TENANT": "${MASSGEN_BOT_TENANT}",
        }
        write_reader(tmp_path, "bot.tool_servers.slack_server", "CBOARD", env)
        async with harness.bot():
            for who, sentence in (("bob", sight.NOT_SEEN), ("rita", sight.NOT_HERE)):
                card = await harness.asks("Read it to me", "reader", who)
                await harness.ends(card, "Answered")
                assert sentence in excerpts(await harness.events(card))
        assert slack.server.called("conversations.history") == []


# --- private threads --------------------------------------------------------------------------------------------------


async def planned_in(harness: DiscordStage, thread: str) -> tuple[str, str]:
    """Rita asks in a private thread; the run and its card's message, once the plan waits."""
    used = await harness.rita.types("massgen", prompt="Tell everyone", where=thread)
    run = run_in(await told(harness.server, used))
    await harness.server.until(
        lambda: any("Waiting for approval" in each.text for each in harness.server.in_channel(thread))
    )
    card = next(each for each in harness.server.in_channel(thread) if "Waiting for approval" in each.text)
    return run, card.id


async def test_a_plan_of_a_private_thread_is_seen_and_decided_there_only(tmp_path: Path) -> None:
    async with a_discord_stage(tmp_path) as harness:
        server = harness.server
        thread = server.add_private_thread(server.channel, harness.rita.id, harness.bob.id)
        async with harness.bot():
            run, message = await planned_in(harness, thread)
            for who in (harness.mallory, harness.alice, harness.ada):
                assert run not in await told(server, await who.types("massgen-runs list"))
                for action in ("show", "cancel", "retry"):
                    answer = await told(server, await who.types(f"massgen-runs {action}", run=run))
                    assert "no run" in answer, (who.name, action, answer)
            card = server.messages[message]
            shown_elsewhere = replace(card, channel=server.channel)
            refused = await told(server, await harness.alice.clicks(shown_elsewhere, "Approve"))
            assert "no such button" in refused
            assert harness.writes() == []
            assert harness.private_messages(harness.alice) == []
            await harness.bob.clicks(card, "Approve")
            await server.until(lambda: "Done ·" in card.text)
        assert all(run not in each.text for each in server.in_channel(server.channel))


async def test_what_was_set_for_a_channel_holds_in_its_private_threads(tmp_path: Path) -> None:
    async with a_discord_stage(tmp_path) as harness:
        thread = harness.server.add_private_thread(harness.server.channel, harness.rita.id, harness.ada.id)
        async with harness.bot():
            await harness.admin("config use", name="two")
            answer = await told(harness.server, await harness.ada.types("massgen-admin config show", where=thread))
            assert "**two** applies here" in answer
