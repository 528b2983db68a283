"""The app on bolt: everything about it is said here, and nothing of it is taken from the environment."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

import aiohttp
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.errors import SlackApiError

from bot.slack_app.answering import Answers
from bot.slack_app.faults import BAD_TOKEN, code_of
from bot.slack_app.in_flight import InFlight
from bot.slack_app.listeners import Listeners
from bot.slack_app.people import Admins, People
from bot.slack_app.replays import Replays
from bot.slack_app.settings import HttpMode, SlackSettings, SocketMode
from bot.slack_app.surface import SlackSurface
from bot.slack_app.workspaces import Clients, KnownWorkspaces, Workspaces, workspace_of_token
from bot.surface import Desk
from coordination.errors import ConfigError

_log = logging.getLogger(__name__)

EVENTS_PATH = "/slack/events"
GRACE_SECONDS = 10.0
"""How long the program waits at its end for what it has begun."""

_BOLTS_OWN = ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET")


@dataclass(frozen=True, kw_only=True)
class SlackApp:
    """One program's Slack. Its surface works at once; events come while it is served."""

    settings: SlackSettings
    workspaces: Workspaces
    clients: Clients
    surface: SlackSurface
    only_workspace: tuple[str, str] = ("", "")

    @asynccontextmanager
    async def serving(self, desk: Desk) -> AsyncGenerator[str]:
        """Take events until the context ends, and finish those that were taken. Gives the address, if there is one.

        Raises:
            ConfigError: Slack does not take the app token, or the port is taken.
        """
        in_flight = InFlight()
        listeners = Listeners(
            desk=desk,
            workspaces=self.workspaces,
            clients=self.clients,
            people=_people(self.workspaces, self.clients, self.settings.admins),
            answers=Answers(self.clients),
            in_flight=in_flight,
        )
        mode = self.settings.mode
        secret = mode.signing_secret if isinstance(mode, HttpMode) else ""
        app = self._bolt(listeners, secret)
        serving = _by_http(app, mode) if isinstance(mode, HttpMode) else _by_socket(app, mode)
        async with serving as address:
            yield address
        if not await in_flight.ended(GRACE_SECONDS):
            _log.warning("what people did last was not finished in time")

    def _bolt(self, listeners: Listeners, signing_secret: str) -> AsyncApp:
        client = self.clients.steady(None)
        with _without_bolts_own_environment():
            app = AsyncApp(
                name="massgen-bot",
                client=client,
                signing_secret=signing_secret,
                authorize=_authorizing(self.workspaces),  # type: ignore[arg-type]  # bolt takes None for an unknown one
                raise_error_for_unhandled_request=False,
            )
        app.use(Replays(time.monotonic).middleware)
        listeners.register(app)
        return app


async def open_slack(settings: SlackSettings) -> SlackApp:
    """The app of the settings' workspace.

    Raises:
        ConfigError: Slack does not take the bot token, or can't be reached.
    """
    clients = Clients(settings.address)
    try:
        workspace = await workspace_of_token(clients, settings.mode.bot_token)
    except SlackApiError as error:
        raise ConfigError([_why_not(error, "SLACK_BOT_TOKEN")]) from None
    except (aiohttp.ClientError, TimeoutError, OSError):
        raise ConfigError(
            [f"Slack can't be reached at {settings.address}; look at the network, or at SLACK_API_URL."]
        ) from None
    only = (workspace.enterprise, workspace.team)
    return replace(slack_app(settings, KnownWorkspaces((workspace,)), clients), only_workspace=only)


def slack_app(settings: SlackSettings, workspaces: Workspaces, clients: Clients) -> SlackApp:
    """The app of these workspaces."""
    return SlackApp(
        settings=settings, workspaces=workspaces, clients=clients, surface=SlackSurface(workspaces, clients)
    )


def _why_not(error: SlackApiError, name: str) -> str:
    code = code_of(error)
    if code in BAD_TOKEN or code == "not_allowed_token_type":
        return f"Slack does not take the token in {name} ({code}): copy it again from your app's page on api.slack.com."
    return f"Slack did not accept the start ({code or 'no answer'}); try again in a minute."


def _people(workspaces: Workspaces, clients: Clients, admins: Admins) -> People:
    return People(workspaces=workspaces, clients=clients, admins=admins, now=time.monotonic)


def _authorizing(workspaces: Workspaces) -> Callable[..., Awaitable[AuthorizeResult | None]]:
    """Which token an event is answered with; an unknown workspace has none, and is not listened to."""

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult | None:
        workspace = await workspaces.of(enterprise_id or "", team_id or "")
        if workspace is None:
            return None
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_user_id=workspace.bot_user,
            bot_id=workspace.bot,
            bot_token=workspace.token,
        )

    return authorize


@contextmanager
def _without_bolts_own_environment() -> Generator[None]:
    """Hide what bolt would read by itself: with a client id and secret there, it drops the token for OAuth."""
    hidden = {name: os.environ.pop(name) for name in _BOLTS_OWN if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


@asynccontextmanager
async def _by_socket(app: AsyncApp, mode: SocketMode) -> AsyncGenerator[str]:
    handler = AsyncSocketModeHandler(app, mode.app_token)
    try:
        await _connect(handler)
        yield ""
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]  # bolt leaves it without types


async def _connect(handler: AsyncSocketModeHandler) -> None:
    try:
        handler.client.wss_uri = await handler.client.issue_new_wss_url()
    except SlackApiError as error:
        raise ConfigError([_why_not(error, "SLACK_APP_TOKEN")]) from None
    await handler.connect_async()  # type: ignore[no-untyped-call]  # bolt leaves it without types


@asynccontextmanager
async def _by_http(app: AsyncApp, mode: HttpMode) -> AsyncGenerator[str]:
    pages = app.web_app(path=EVENTS_PATH)
    pages.router.add_get("/livez", _alive)
    runner = web.AppRunner(pages, access_log=None, shutdown_timeout=GRACE_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, mode.host, mode.port)
        try:
            await site.start()
        except OSError:
            raise ConfigError([f"Port {mode.port} is taken; name another one with PORT."]) from None
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}{EVENTS_PATH}"
    finally:
        await runner.cleanup()


async def _alive(request: web.Request) -> web.Response:
    del request
    await asyncio.sleep(0)
    return web.Response(text="ok")
