"""The real app over real sockets, between a strict Slack and a small chat service."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.chat.platform import ChannelRef, MessageRef
from bot.chat.service_port import ChatService
from bot.message import Card
from bot.slack_app.client import SlackApp, slack_app
from bot.slack_app.identity import Admins
from bot.slack_app.installations import Clients, KnownWorkspaces, Workspace
from bot.slack_app.settings import HttpMode, SlackSettings, SocketMode
from tests.contract.small_chat_service import IssuedIds, SmallChatService
from tests.servers.slack_people import HttpLine, Line, SocketLine, Somebody
from tests.servers.slack_server import Message, SlackServer, Team, slack_serving

SECRET = "signing-secret"


def a_user(name: str, *, is_admin: bool = False) -> dict[str, object]:
    return {"id": name, "name": name, "is_admin": is_admin, "profile": {"display_name": name.title()}}


def a_team(name: str = "T1") -> Team:
    users = {"UALICE": a_user("alice"), "UBOB": a_user("bob"), "UROOT": a_user("root", is_admin=True)}
    groups = [{"id": "S1", "handle": "ops", "users": ["UALICE"]}]
    return Team(id=name, token=f"xoxb-{name}", users=users, groups=groups)


@dataclass
class Harness:
    """Slack, the app, the chat service, and people."""

    server: SlackServer
    app: SlackApp
    line: Line
    chat_service: SmallChatService = field(default_factory=SmallChatService)

    def somebody(self, user: str = "UALICE", team: int = 0) -> Somebody:
        return Somebody(self.server, self.line, self.server.teams[team], user, user.lower())

    def place(self, channel: str = "C1", thread: str = "", team: int = 0) -> ChannelRef:
        tenant = f"slack:-:{self.server.teams[team].id}"
        return ChannelRef(platform="slack", tenant=tenant, channel=channel, thread=thread)

    async def card(
        self, card: Card, *, run: str = "7Q4K", place: ChannelRef | None = None
    ) -> tuple[Message, MessageRef]:
        """A card, posted as card sync posts it."""
        ids = IssuedIds(self.chat_service, run)
        message_ref = await self.app.platform.post(place or self.place(), card, ids)
        ids.bind(message_ref)
        return self.server.messages[message_ref.place.channel, message_ref.message], message_ref

    async def private_message(self, before: int = 0) -> str:
        """The newest private answer, as Slack got it."""
        await self.server.until(lambda: len(self.server.private_messages) > before)
        newest: Mapping[str, object] = self.server.private_messages[-1]
        return f"{newest['text']} {newest.get('blocks')}"


def settings_for(server: SlackServer, kind: str, admins: frozenset[str] = frozenset()) -> SlackSettings:
    mode = (
        SocketMode(bot_token=server.teams[0].token, app_token=server.app_token)
        if kind == "socket"
        else HttpMode(bot_token=server.teams[0].token, signing_secret=SECRET, host="127.0.0.1", port=0)
    )
    return SlackSettings(mode=mode, address=f"{server.address}/api/", admins=Admins(names=admins))


def app_for(server: SlackServer, kind: str, admins: frozenset[str] = frozenset()) -> SlackApp:
    installed = [
        Workspace(enterprise=team.enterprise or "", team=team.id, bot_user=team.bot, bot=team.bot_id, token=team.token)
        for team in server.teams
    ]
    settings = settings_for(server, kind, admins)
    return slack_app(settings, KnownWorkspaces(installed), Clients(settings.address))


@asynccontextmanager
async def served(server: SlackServer, app: SlackApp, kind: str, chat_service: ChatService) -> AsyncGenerator[Line]:
    """The app while it takes events."""
    async with app.serving(chat_service) as address:
        if kind == "socket":
            await server.until(lambda: server.sockets)
        yield SocketLine(server) if kind == "socket" else HttpLine(address, SECRET)


@asynccontextmanager
async def a_harness(
    kind: str = "socket", *, teams: tuple[str, ...] = ("T1",), admins: frozenset[str] = frozenset()
) -> AsyncGenerator[Harness]:
    """Everything, running. At the end nothing was sent that Slack forbids."""
    server = SlackServer([a_team(name) for name in teams])
    async with slack_serving(server):
        app = app_for(server, kind, admins)
        chat_service = SmallChatService(changed=server.changed)
        async with served(server, app, kind, chat_service) as line:
            yield Harness(server, app, line, chat_service)
    assert server.diagnostics == []
