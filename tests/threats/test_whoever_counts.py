"""Whatever plan, people and place: who counts could read all of it where they pressed, and had no words in it.

People come from what Discord and Slack tell of accounts, by the real adapters; buttons are those that the real renderers
draw; and what counts is read from the log. What is asked of it here is written down anew, and not by the rules' own code.
"""

import asyncio
import functools
import html
import json
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import discord
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.chat.card_sync.snapshot import IssuedIds, issue_ids
from bot.chat.platform import ChannelRef
from bot.discord_app.identity import author_of, member_of
from bot.discord_app.render import render
from bot.message import Action, Card
from bot.slack_app.identity import Admins, People
from bot.slack_app.installations import Clients, KnownWorkspaces, Workspace
from bot.slack_app.render import Attached, FileLink, rendered
from coordination.domain import states as s
from coordination.domain.policy import Person
from tests.contract.slack_harness import a_user
from tests.servers.slack_blocks import parts
from tests.servers.slack_server import SlackServer, Team, slack_serving
from tests.service.chat_service_harness import ChatServiceHarness

GUILD, OPS_ROLE, OPS_GROUP = 1, "88", "S0123OPS9"
FILES = Attached((FileLink("plan.md", "https://files.test/1"), FileLink("plan.json", "https://files.test/2")))
Chat = Literal["discord", "slack"]


@dataclass(frozen=True)
class Someone:
    """A person as their chat tells of them, and what is true of them."""

    person: Person
    is_member: bool
    is_ops: bool


def discord_people() -> tuple[Someone, ...]:
    """Members with and without the role, and everybody who is none: a bot, people not screened, timed out, gone."""
    kinds: tuple[tuple[str, bool, dict[str, Any], dict[str, Any]], ...] = (
        ("alice", True, {}, {}),
        ("bob", True, {}, {}),
        ("carol", False, {}, {}),
        ("robot", True, {"bot": True}, {}),
        ("pending", True, {}, {"pending": True}),
        ("quiet", True, {}, {"communication_disabled_until": "2999-01-01T00:00:00+00:00"}),
    )
    state = discord.Client(intents=discord.Intents.none())._connection
    blank: dict[str, object] = {"permissions": "0", "color": 0, "hoist": False, "position": 1, "managed": False}
    blank |= {"mentionable": False, "flags": 0, "colors": {"primary_color": 0}, "name": "ops"}
    roles = [{**blank, "id": str(GUILD), "name": "@everyone"}, {**blank, "id": OPS_ROLE}]
    guild = discord.Guild(data=cast("Any", {"id": str(GUILD), "roles": roles}), state=state)
    found: list[Someone] = []
    for number, (name, is_ops, account, membership) in enumerate(kinds, 501):
        user = {"id": str(number), "username": name, "discriminator": "0", "avatar": None, **account}
        data = {"user": user, "roles": [OPS_ROLE] if is_ops else [], "joined_at": None, "flags": 0, **membership}
        person = member_of(discord.Member(data=cast("Any", data), guild=guild, state=state), GUILD)
        found.append(Someone(person, is_member=not account and not membership, is_ops=is_ops))
    gone = {"id": "599", "username": "gone", "discriminator": "0", "avatar": None}
    note = {"id": "7", "channel_id": "9", "author": gone, "content": "", "type": 0, "tts": False, "pinned": False}
    note |= {"timestamp": "2026-11-22T12:00:00+00:00", "edited_timestamp": None, "mention_everyone": False}
    note |= {"mentions": [], "mention_roles": [], "attachments": [], "embeds": []}
    channel = discord.PartialMessageable(state=state, id=9, guild_id=GUILD)
    author = author_of(discord.Message(state=state, channel=channel, data=cast("Any", note)), GUILD)
    return (*found, Someone(author, is_member=False, is_ops=False))


async def _slack_people() -> tuple[Someone, ...]:
    kinds: dict[str, tuple[bool, dict[str, object]]] = {
        "UALICE": (True, {}),
        "UBOB": (True, {}),
        "UCAROL": (False, {}),
        "UGUEST": (True, {"is_restricted": True}),
        "UROBOT": (True, {"is_bot": True}),
        "USTRANGER": (True, {"team_id": "T9"}),
        "UGONE": (True, {"deleted": True}),
    }
    users: dict[str, dict[str, Any]] = {name: {**a_user(name), **flags} for name, (_, flags) in kinds.items()}
    group = {"id": OPS_GROUP, "handle": "ops", "users": [name for name, (is_ops, _) in kinds.items() if is_ops]}
    async with slack_serving(SlackServer([Team(id="T1", token="xoxb-T1", users=users, groups=[group])])) as server:
        workspace = Workspace(enterprise="", team="T1", token="xoxb-T1")
        clients, nobody = Clients(f"{server.address}/api/"), Admins(names=frozenset())
        people = People(KnownWorkspaces([workspace]), clients, nobody, now=lambda: 0.0)
        return tuple(
            [
                Someone(await people.person(workspace, name), is_member=not flags, is_ops=is_ops)
                for name, (is_ops, flags) in kinds.items()
            ]
        )


@functools.cache
def everybody(chat: Chat) -> tuple[Someone, ...]:
    """The people of a chat; asked for once."""
    if chat == "discord":
        return discord_people()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _slack_people()).result()


@dataclass
class Noted:
    """Ids of a frame, and which of them the renderer gave to a button."""

    ids: IssuedIds
    drawn: dict[Action, str] = field(default_factory=dict[Action, str])

    def id_for(self, action: Action, value: str = "") -> str:
        self.drawn[action] = self.ids.id_for(action, value)
        return self.drawn[action]


@dataclass(frozen=True)
class Shown:
    """A message as it stands: the ids of its buttons, and whether a reader finds every argument in it or in its files."""

    buttons: dict[Action, str]
    is_whole: bool


def drawn(chat: Chat, card: Card, ids: IssuedIds) -> Shown:
    """The card as the chat's own renderer draws it."""
    noted = Noted(ids)
    if chat == "discord":
        message = render(card, noted)
        said = (each for embed in message.embeds for each in (embed.title, embed.description) if each)
        text = "\n".join((*said, *(file.text for file in message.files))).replace("⟨U+0060⟩", "`")
    else:
        sent = rendered(card, noted)
        files = ""
        if sent.needs_files and Action.APPROVE in noted.drawn:  # It stands so until the files are below it.
            return Shown(noted.drawn, is_whole=False)
        if sent.needs_files:
            noted = Noted(ids)
            sent, files = rendered(card, noted, FILES), "".join(file.text for file in card.attachments)
        written = "\n".join(part["text"] for part in parts(sent.blocks) if part.get("type") == "mrkdwn")
        form = r"(?:^|(?<=\n))(?:```\n(.*?)\n```|`[^`\n]+`  `([^`\n]+)`)(?=\n|$)"
        fenced = ["".join(each) for each in re.findall(form, written, re.DOTALL)]
        text = html.unescape("".join(fenced)).replace("⟨U+0060⟩", "`") + files
    calls = [call for section in card.sections for call in getattr(section, "calls", ())]
    return Shown(noted.drawn, is_whole=all(each.text in text for call in calls for each in call.arguments))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule of approval, as it is written into the configuration."""

    names_role: bool
    names_user: bool
    required: int
    requester: bool
    author: bool
    external: bool

    def text(self, chat: Chat) -> str:
        role = OPS_ROLE if chat == "discord" else OPS_GROUP
        named = {"roles": [role] if self.names_role else [], "users": [self.user(chat)] if self.names_user else []}
        return json.dumps(
            {
                "approvers": named,
                "required": self.required,
                "allow_requester": self.requester,
                "allow_author": self.author,
                "external": self.external,
            }
        )

    def user(self, chat: Chat) -> str:
        """Somebody without the role."""
        return everybody(chat)[2].person.id


RULES = st.builds(
    Rule,
    names_role=st.booleans(),
    names_user=st.booleans(),
    required=st.integers(1, 3),
    requester=st.booleans(),
    author=st.booleans(),
    external=st.booleans(),
)
WHERE = st.sampled_from(["here", "here", "here", "here", "other channel", "older message", "other tenant"])
ASKER = -1
WHO = st.sampled_from([ASKER, ASKER, 0, 0, 1, 1, 2, 3, 4, 5, 6])
PRESSES = st.lists(
    st.tuples(st.sampled_from([Action.APPROVE] * 3 + [Action.CHANGE, Action.CHOOSE, Action.SELECT]), WHO, WHERE),
    max_size=8,
)
TEXTS = {
    "short": "short",
    "code": "`" * 40,
    "escapes": "&<>" * 300,
    "long": "x" * 9_000,
    "longest": "long ` & <\n" * 4_000,
}


def config(chat: Chat, rule: Rule, calls: list[str]) -> str:
    """Two agents with a plan each; the second one's is chosen over the first one's by nobody but people."""
    planned = [{"tool": "board.post", "arguments": {"title": TEXTS[each]}} for each in calls]
    revisions = {"later": {"turns": [[{"calls": planned, "answer": "Again."}], [{"vote": "agent1"}]]}}
    scripts = [{"turns": [[{"calls": planned, "answer": "One."}], [{"vote": "agent1"}]], "revisions": revisions}]
    other = [{"tool": "board.post", "arguments": {"title": "mine"}}]
    second = {"later": {"turns": [[{"calls": other, "answer": "Mine again."}], [{"vote": "agent1"}]]}}
    scripts.append({"turns": [[{"calls": other, "answer": "Two."}], [{"vote": "agent1"}]], "revisions": second})
    agents = [
        {"id": name, "backend": {"type": "scripted", "script": script}}
        for name, script in zip(("one", "two"), scripts, strict=True)
    ]
    servers = json.dumps({"board": {"type": "stdio", "command": "board"}})
    return (
        f"agents: {json.dumps(agents)}\nmcp_servers: {servers}\nask: {{external: true}}\napproval: {rule.text(chat)}\n"
    )


@dataclass
class Trial:
    """One run from its request to what people pressed, and who had words in it."""

    chat: Chat
    rule: Rule
    harness: ChatServiceHarness
    place: ChannelRef
    asker: Someone
    shapers: list[Person] = field(default_factory=list[Person])
    run: str = ""
    messages: int = 0

    async def begins(self) -> bool:
        """Ask, and let the agents plan. False: nobody may ask for that."""
        self.run = (await self.harness.start_run(self.asker.person, self.place, "Post it.")).run
        await self.harness.work()
        return bool(self.run) and isinstance(await self.harness.people.state(self.run), s.AwaitingDecision)

    async def shown(self) -> Shown:
        """Card sync shows the card anew, as another message; the former one is out of date."""
        kept = await self.harness.card(self.run)
        if self.messages:
            kept = await self.harness.store.superseded(kept)
        self.messages += 1
        view = view_of(await self.harness.log.read(self.run))
        assert view is not None
        card = card_for(view, self.harness.clock.now())
        ids = await issue_ids(self.harness.store, kept, card, view.state, self.harness.clock.now())
        assert await self.harness.store.posted(kept, f"m-{self.messages}", self.harness.clock.now())
        return drawn(self.chat, card, ids)

    async def counted(self) -> tuple[Person, ...]:
        """Whose yes counts now."""
        state = await self.harness.people.state(self.run)
        return state.approvals if isinstance(state, s.AwaitingDecision | s.Executing) else ()

    async def presses(self, action: Action, by: Someone, where: str) -> None:
        """Press what the newest message has, and hold what counts then against what is asked of it."""
        message = await self.shown()
        button = message.buttons.get(action)
        if button is None:
            return
        standing = await self.harness.people.state(self.run)
        before, person = await self.counted(), by.person
        at = replace(self.place, channel="elsewhere", thread="", within="") if where == "other channel" else self.place
        if where == "other tenant":
            person, at = replace(person, tenant="slack:-:T8"), replace(at, tenant="slack:-:T8")
        stands = "m-0" if where == "older message" else f"m-{self.messages}"
        text = {Action.CHANGE: "Shorter.", Action.CHOOSE: "2", Action.SELECT: "1"}.get(action, "")
        await self.harness.press(person, button, place=at, message=stands, text=text)
        after = await self.counted()
        if action is Action.APPROVE and len(after) > len(before):
            assert where == "here", where
            assert message.is_whole
            self.may_count(by)
            event("an approval counted")
        elif action is not Action.APPROVE and (await self.harness.people.state(self.run)) != standing:
            self.shapers.append(person)
            event("words were taken")
        if isinstance(await self.harness.people.state(self.run), s.ChangesWanted):
            await self.harness.work()

    def may_count(self, by: Someone) -> None:
        """What is asked of an approver, in other words than those of the rules."""
        rule, person = self.rule, by.person
        assert person.tenant == self.asker.person.tenant
        assert by.is_member or (rule.external and not person.is_deleted), person
        if rule.names_role or rule.names_user:
            is_named = (rule.names_role and by.is_ops) or (rule.names_user and person.id == rule.user(self.chat))
            assert is_named, person
        if person.id == self.asker.person.id:
            assert rule.requester, "who asked counted"
        elif person.id in {each.id for each in self.shapers}:
            assert rule.author, "who shaped the plan counted"


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    chat=st.sampled_from(["discord", "slack"]),
    rule=RULES,
    calls=st.lists(st.sampled_from(sorted(TEXTS)), min_size=1, max_size=6),
    asker=st.sampled_from([0, 0, 1, 2, 3, 4, 5, 6]),
    is_private=st.booleans(),
    presses=PRESSES,
)
def test_who_counts_could_read_the_whole_plan_there_and_had_no_words_in_it(
    chat: Chat, rule: Rule, calls: list[str], asker: int, is_private: bool, presses: list[tuple[Action, int, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_tried(Path(folder), chat, rule, calls, asker=asker, is_private=is_private, presses=presses))


async def _tried(
    folder: Path,
    chat: Chat,
    rule: Rule,
    calls: list[str],
    *,
    asker: int,
    is_private: bool,
    presses: list[tuple[Action, int, str]],
) -> None:
    people = everybody(chat)
    harness = ChatServiceHarness(folder)
    harness.write("team", config(chat, rule, calls))
    place = ChannelRef(platform=chat, tenant=people[0].person.tenant, channel="C1")
    if is_private and chat == "discord":
        place = replace(place, channel="T9", thread="T9", within="C1")
    trial = Trial(chat, rule, harness, place, people[asker])
    if await trial.begins():
        for action, who, where in presses:
            if not isinstance(await harness.people.state(trial.run), s.AwaitingDecision):
                return
            await trial.presses(action, people[asker if who == ASKER else who], where)
