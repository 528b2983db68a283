"""The app on bolt: all of its parts are named here, and a request that Slack sends twice is handled once.

Slack's own retries are signed anew. Several processes behind one address each see their share; beyond that the chat
service knows each event by its id.
"""

import asyncio
import json
import logging
import os
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

from aiohttp import WSMessage, web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient

from bot.chat.platform import ChatAwayError
from bot.chat.service_port import ChatService
from bot.i18n import catalog
from bot.slack_app.errors import BAD_TOKEN, FAULTS, code_of, is_switched_off, may_pass, retry_after
from bot.slack_app.identity import People
from bot.slack_app.installations import (
    Authorize,
    Clients,
    InstalledWorkspaces,
    KnownWorkspaces,
    Workspaces,
    installed_workspaces,
    workspace_of_token,
)
from bot.slack_app.listeners import InFlight, Listeners, Revocations
from bot.slack_app.payloads import text_in
from bot.slack_app.platform import SlackPlatform
from bot.slack_app.replies import Replies
from bot.slack_app.settings import HttpMode, OAuthMode, SlackSettings, SocketMode
from bot.telemetry.health import Health
from coordination.errors import ConfigError

GOOD_SECONDS = 600.0
"""Five minutes to either side: https://docs.slack.dev/authentication/verifying-requests-from-slack"""

_MOST = 100_000


class Replays:
    """Remembers signatures that were verified, and the ids of events. `now` is in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Nothing was seen."""
        self._now = now
        self._seen: OrderedDict[str, float] = OrderedDict()

    async def middleware(
        self,
        req: AsyncBoltRequest,
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002  # bolt passes it by this name
    ) -> BoltResponse:
        """Runs behind the verification of the signature."""
        if req.mode == "http" and self._is_replay(req.headers.get("x-slack-signature", [""])[0]):
            return BoltResponse(status=200, body="")
        # An event that is delivered again is signed anew, or comes in another envelope; its id is the same:
        # https://docs.slack.dev/apis/events-api/#retries
        event = str(req.body.get("event_id", ""))
        if event and self._is_replay(event):
            return BoltResponse(status=200, body="")
        return await next()

    def _is_replay(self, signature: str) -> bool:
        now = self._now()
        while self._seen and (len(self._seen) >= _MOST or now - next(iter(self._seen.values())) > GOOD_SECONDS):
            self._seen.popitem(last=False)
        if signature in self._seen:
            return True
        self._seen[signature] = now
        return False


_log = logging.getLogger(__name__)


async def _limited(
    req: AsyncBoltRequest,
    next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002  # bolt passes it by this name
) -> BoltResponse:
    """Tell in the log that Slack keeps events from us, which comes like an event and is none.

    https://docs.slack.dev/reference/events/app_rate_limited
    """
    if req.body.get("type") != "app_rate_limited":
        return await next()
    _log.error(
        "Slack limits or has stopped the events of workspace %s: not all that people say there arrives",
        req.body["team_id"],
    )
    return BoltResponse(status=200, body="")


EVENTS_PATH = "/slack/events"
PING_SECONDS = 5.0
"""How often a connection is looked at, and made anew if it is dead."""

GRACE_SECONDS = 10.0
"""How long the program waits at its end for what it has begun."""

_BOLTS_OWN = (
    "SLACK_BOT_TOKEN",
    "SLACK_CLIENT_ID",
    "SLACK_CLIENT_SECRET",
    "SLACK_REDIRECT_URI",
    "SLACK_SIGNING_SECRET",
    "SLACK_VERIFICATION_TOKEN",
)


@dataclass(frozen=True, kw_only=True)
class SlackApp:
    """One program's Slack. Its platform works at once; events come while it is served."""

    settings: SlackSettings
    workspaces: Workspaces
    clients: Clients
    platform: SlackPlatform
    people: People
    only_workspace: tuple[str, str] = ("", "")

    @asynccontextmanager
    async def serving(self, chat_service: ChatService, health: Health | None = None) -> AsyncGenerator[str]:
        """Take events until the context ends, and finish those that were taken. Gives the address, if there is one.

        Raises:
            ConfigError: Slack does not take the app token, or the port is taken.
            ChatAwayError: Slack can't be reached.
        """
        health, in_flight = health or Health(), InFlight()
        listeners = Listeners(
            chat_service=chat_service,
            clients=self.clients,
            people=self.people,
            replies=Replies(self.clients),
            in_flight=in_flight,
        )
        mode = self.settings.mode
        if isinstance(mode, SocketMode):
            serving = _by_socket(self._bolt(listeners, ""), mode, self.settings.address, health)
        else:
            serving = _by_http(self._bolt(listeners, mode.signing_secret), mode)
        async with serving as address:
            with health.serving():
                yield address
        if not await in_flight.ended(GRACE_SECONDS):
            _log.warning("what people did last was not finished in time")

    def _bolt(self, listeners: Listeners, signing_secret: str) -> AsyncApp:
        installed = self.workspaces
        with _without_bolts_own_environment():
            app = AsyncApp(
                name="massgen-bot",
                client=self.clients.with_retries(None),
                signing_secret=signing_secret,
                authorize=Authorize(self.workspaces),  # type: ignore[arg-type]  # bolt's own class is missing in its type
                oauth_flow=installed.flow(self.clients) if isinstance(installed, InstalledWorkspaces) else None,
                user_facing_authorize_error_message=catalog.text("slack.refused.workspace"),
                raise_error_for_unhandled_request=False,
            )
        if isinstance(installed, InstalledWorkspaces):
            Revocations(installed).register(app)
        app.use(_limited)
        app.use(Replays(time.monotonic).middleware)
        listeners.register(app)
        return app


@asynccontextmanager
async def opened_slack(settings: SlackSettings, database: str) -> AsyncGenerator[SlackApp]:
    """The app, for one workspace or for as many as install it; those are kept in the database.

    Raises:
        ConfigError: Slack does not take the bot token, or can't be reached.
        StorageError: the database can't be used.
    """
    mode = settings.mode
    if not isinstance(mode, OAuthMode):
        yield await open_slack(settings)
        return
    async with installed_workspaces(
        database,
        client_id=mode.client_id,
        client_secret=mode.client_secret,
        public_address=mode.public_address,
        scopes=mode.scopes,
        address=settings.address,
    ) as installed:
        yield slack_app(settings, installed, Clients(settings.address))


async def open_slack(settings: SlackSettings) -> SlackApp:
    """The app of the settings' one workspace.

    Raises:
        ConfigError: Slack does not take the bot token.
        ChatAwayError: Slack can't be reached.
    """
    clients = Clients(settings.address)
    if isinstance(settings.mode, OAuthMode):
        raise ConfigError([catalog.text("slack.no_bot_token")])
    try:
        workspace = await workspace_of_token(clients, settings.mode.bot_token)
    except FAULTS as error:
        raise _no_start(error, "SLACK_BOT_TOKEN", settings.address) from None
    only = (workspace.enterprise, workspace.team)
    return replace(slack_app(settings, KnownWorkspaces((workspace,)), clients), only_workspace=only)


def slack_app(settings: SlackSettings, workspaces: Workspaces, clients: Clients) -> SlackApp:
    """The app of these workspaces."""
    people = _people(workspaces, clients, settings)
    platform = SlackPlatform(workspaces, clients, people)
    return SlackApp(settings=settings, workspaces=workspaces, clients=clients, platform=platform, people=people)


def _no_start(error: Exception, name: str, address: str) -> ConfigError:
    """Why nothing can be served now, and whether it may pass by itself. `name` is the variable of the token."""
    if not isinstance(error, SlackApiError) or may_pass(error):
        return ChatAwayError([catalog.text("slack.unreachable", address=address)])
    code = code_of(error)
    if code in BAD_TOKEN or code == "not_allowed_token_type":
        return ConfigError([catalog.text("slack.bad_token", variable=name, code=code)])
    return ConfigError([catalog.text("slack.no_start", code=code or "-")])


def _people(workspaces: Workspaces, clients: Clients, settings: SlackSettings) -> People:
    return People(workspaces, clients, settings.admins, now=time.monotonic, records_email=settings.records_email)


@contextmanager
def _without_bolts_own_environment() -> Generator[None]:
    """Hide what bolt would read by itself: with a client id and secret there, it drops the token for OAuth."""
    hidden = {name: os.environ.pop(name) for name in _BOLTS_OWN if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


_UNTROUBLED_ENDS = frozenset({"", "warning", "refresh_requested"})
"""Why Slack ends a connection as a matter of course: https://docs.slack.dev/apis/events-api/using-socket-mode"""


class Connections:
    """Gets each connection of Socket Mode, and puts into the log why none can be had, or why nothing will come over it.

    Slack's library tries on for ever, and says neither.
    """

    def __init__(self, client: SocketModeClient) -> None:
        """From now on the client asks here for the address of each connection."""
        self.trouble = ""
        self._client = client
        setattr(client, "issue_new_wss_url", self.address)  # noqa: B010 - it has no setting for this
        client.on_message_listeners.append(self._heard)

    async def address(self) -> str:
        """Where to connect.

        Raises:
            SlackApiError: Slack refuses.
        """
        try:
            answer = await self._client.web_client.apps_connections_open(app_token=self._client.app_token)
        except SlackApiError as error:
            if code_of(error) == "ratelimited":
                await asyncio.sleep(retry_after(error))
                return await self.address()
            trouble = "" if may_pass(error) else f"Slack refuses connections: {code_of(error)}"
            if trouble and trouble != self.trouble:
                _log.error("%s: check SLACK_APP_TOKEN, and that Socket Mode is on in the app's settings", trouble)
            self.trouble = trouble
            raise
        self.trouble = ""
        if is_switched_off(answer):
            _log.warning("Slack says that Socket Mode is off in the app's settings: then nothing comes from there")
        return str(answer["url"])

    async def _heard(self, message: WSMessage) -> None:
        text = str(message.data)
        told: object = json.loads(text) if '"disconnect"' in text else {}
        reason = text_in(told, "reason") if text_in(told, "type") == "disconnect" else ""
        if reason not in _UNTROUBLED_ENDS:  # As where Socket Mode was switched off, or more than ten processes connect.
            _log.warning("Slack ended a connection: %s", reason)


@asynccontextmanager
async def _by_socket(app: AsyncApp, mode: SocketMode, address: str, health: Health) -> AsyncGenerator[str]:
    handler = AsyncSocketModeHandler(app, mode.app_token, ping_interval=PING_SECONDS)
    connections = Connections(handler.client)

    async def hears() -> str:
        return "" if await handler.client.is_connected() else connections.trouble or "Slack does not hear us"

    try:
        await _connect(handler, address)
        with health.watched("slack", hears):
            yield ""
    finally:
        closing: Callable[[], Awaitable[object]] = handler.close_async
        await closing()


async def _connect(handler: AsyncSocketModeHandler, address: str) -> None:
    connecting: Callable[[], Awaitable[object]] = handler.connect_async
    try:
        handler.client.wss_uri = await handler.client.issue_new_wss_url()
        await connecting()
    except FAULTS as error:
        raise _no_start(error, "SLACK_APP_TOKEN", address) from None


@asynccontextmanager
async def _by_http(app: AsyncApp, mode: HttpMode | OAuthMode) -> AsyncGenerator[str]:
    pages = app.web_app(path=EVENTS_PATH)
    pages.router.add_get("/livez", _alive)
    runner = web.AppRunner(pages, access_log=None, shutdown_timeout=GRACE_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, mode.host, mode.port)
        try:
            await site.start()
        except OSError:
            raise ConfigError([catalog.text("slack.port_taken", port=mode.port)]) from None
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}{EVENTS_PATH}"
    finally:
        await runner.cleanup()


async def _alive(request: web.Request) -> web.Response:
    del request
    await asyncio.sleep(0)
    return web.Response(text="ok")
