"""Many workspaces: their installations on the project's database, by Slack's own OAuth."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import sqlalchemy as sa
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.errors import SlackApiError, SlackClientError, SlackTokenRotationError
from slack_sdk.http_retry.builtin_async_handlers import AsyncConnectionErrorRetryHandler, AsyncServerErrorRetryHandler
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.oauth.installation_store.sqlalchemy import AsyncSQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.sqlalchemy import AsyncSQLAlchemyOAuthStateStore
from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from typing_extensions import override

from bot.slack_app.errors import FAULTS, code_of
from coordination.storage.database import describe_error, parse_url

SLACK_API = "https://slack.com/api/"
_TIMEOUT = 20


def tenant_of(enterprise: str, team: str) -> str:
    """How the rest of the program names a workspace."""
    return f"slack:{enterprise or '-'}:{team or '-'}"


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """One installation. Its token stays out of every text; with `has_rotation` it expires, and is renewed."""

    enterprise: str
    team: str
    name: str = ""
    bot_user: str = ""
    bot: str = ""
    scopes: tuple[str, ...] = ()
    token: str = field(repr=False)
    has_rotation: bool = False

    @property
    def tenant(self) -> str:
        """How the rest of the program names it."""
        return tenant_of(self.enterprise, self.team)


class Workspaces(Protocol):
    """Finds installations."""

    @property
    def is_single(self) -> bool:
        """Whether there is one workspace only, as the operator named it by its token."""
        ...

    async def of(self, enterprise: str, team: str) -> Workspace | None:
        """The installation in a workspace; None if there is none."""
        ...

    async def of_team(self, team: str) -> Workspace | None:
        """The installation that a workspace made itself, by its team alone: no two in all of Slack have the same."""
        ...


@dataclass(frozen=True)
class KnownWorkspaces:
    """Installations that do not change while the program runs."""

    installed: Sequence[Workspace]

    @property
    def is_single(self) -> bool:
        """Whether there is one only."""
        return len(self.installed) == 1

    async def of(self, enterprise: str, team: str) -> Workspace | None:
        """The one of that team, and of that enterprise."""
        named = (enterprise, team)
        return next((each for each in self.installed if (each.enterprise, each.team) == named), None)

    async def of_team(self, team: str) -> Workspace | None:
        """The one of that team."""
        return next((each for each in self.installed if team and each.team == team), None)


async def in_tenant(workspaces: Workspaces, tenant: str) -> Workspace | None:
    """The installation of a tenant."""
    platform, _, rest = tenant.partition(":")
    enterprise, _, team = rest.partition(":")
    if platform != "slack" or not team:
        return None
    return await workspaces.of("" if enterprise == "-" else enterprise, "" if team == "-" else team)


@dataclass(frozen=True)
class Clients:
    """Makes clients. None retries what must not happen twice."""

    address: str = SLACK_API

    def without_retries(self, token: str | None) -> AsyncWebClient:
        """For calls that have an effect each time: posting, opening, sharing."""
        return _Client(token=token, base_url=self.address, timeout=_TIMEOUT, retry_handlers=[])

    def with_retries(self, token: str | None) -> AsyncWebClient:
        """For calls that may be sent again: reading, and making a message show what it shall show."""
        handlers = [
            AsyncConnectionErrorRetryHandler(max_retry_count=2),
            AsyncServerErrorRetryHandler(max_retry_count=2),
        ]
        return _Client(token=token, base_url=self.address, timeout=_TIMEOUT, retry_handlers=list(handlers))


class _Client(AsyncWebClient):
    """To Slack's own client an answer with status 200 is an object, whoever before Slack sent it."""

    @override
    async def api_call(self, *args: Any, **kwargs: Any) -> AsyncSlackResponse:
        try:
            return await super().api_call(*args, **kwargs)
        except AttributeError:
            raise SlackClientError("an answer that is none of Slack's") from None


async def workspace_of_token(clients: Clients, token: str) -> Workspace:
    """The workspace that a bot token belongs to, as Slack says.

    Raises:
        SlackApiError: Slack does not take the token.
    """
    answer = await clients.with_retries(token).auth_test()
    scopes = str(answer.headers.get("x-oauth-scopes", answer.headers.get("X-OAuth-Scopes", "")))
    return Workspace(
        enterprise=str(answer.get("enterprise_id") or ""),
        team=str(answer.get("team_id") or ""),
        name=str(answer.get("team") or ""),
        bot_user=str(answer.get("user_id") or ""),
        bot=str(answer.get("bot_id") or ""),
        scopes=tuple(scope for each in scopes.split(",") if (scope := each.strip())),
        token=token,
    )


_KEY = "workspace"


class Authorize(AsyncAuthorize):
    """Which token an event is answered with; an unknown workspace has none, and is not listened to."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    @override
    async def __call__(
        self,
        *,
        context: AsyncBoltContext,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None,
        actor_enterprise_id: str | None = None,
        actor_team_id: str | None = None,
        actor_user_id: str | None = None,
    ) -> AuthorizeResult | None:
        # In a shared channel a window is submitted in the name of the organisation of whoever submits it, to our team.
        workspace = await self._workspaces.of(enterprise_id or "", team_id or "")
        workspace = workspace or await self._workspaces.of_team(team_id or "")
        if workspace is None:
            return None
        context[_KEY] = workspace
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_user_id=workspace.bot_user,
            bot_id=workspace.bot,
            bot_token=workspace.token,
        )


def authorized_in(context: AsyncBoltContext) -> Workspace | None:
    """The workspace that an event was let in from; None where Bolt lets in what belongs to none."""
    workspace = context.get(_KEY)
    return workspace if isinstance(workspace, Workspace) else None


SCOPES = (
    "app_mentions:read",  # to be called in channels and threads
    "chat:write",  # cards and private answers
    "commands",  # /massgen, /massgen-admin and the shortcut
    "files:read",  # text files that come with a request
    "files:write",  # plan.md and plan.json, where a message is too small
    "im:history",  # to be talked to in the app's own tab
    "im:write",  # to reach somebody who is not in the channel
    "usergroups:read",  # approvers by group
    "users:read",  # names, and who administers the workspace
)
"""The bot's, each with its reason. Users give none."""

CHAT_TOOL_SCOPES = (
    "channels:history",
    "channels:read",
    "groups:history",
    "groups:read",
    "pins:write",
    "reactions:write",
)
"""What `massgen-bot chat-tools slack` needs besides."""

AGENT_SCOPE = "assistant:write"
"""What an app needs besides to be an agent of Slack's, with its Stop button."""

APPROVALS_SCOPES = ("channels:read", "groups:read")
"""What tells who can read a channel, for plans that are shown in another one."""

EMAIL_SCOPE = "users:read.email"
"""What tells the addresses of people, where the operator has them recorded."""

AGENT, CHAT_TOOLS, APPROVALS = "agent", "chat-tools", "approvals"
FEATURES = {AGENT: (AGENT_SCOPE,), CHAT_TOOLS: CHAT_TOOL_SCOPES, APPROVALS: APPROVALS_SCOPES}
"""What an app may be made with besides, and the scopes that each takes."""


def scopes_with(features: Collection[str], *, has_email: bool = False) -> tuple[str, ...]:
    """The scopes of an app that is made with these features, for its manifest and for installations."""
    of_features = (scope for each in features for scope in FEATURES[each])
    return tuple(sorted({*SCOPES, *of_features, *([EMAIL_SCOPE] if has_email else [])}))


_log = logging.getLogger(__name__)

INSTALL_PATH = "/slack/install"
REDIRECT_PATH = "/slack/oauth_redirect"
_MAKES = 0x51AC
"""The number of PostgreSQL's lock for making these tables."""
STATE_SECONDS = 600


MINUTES_BEFORE = 120
AGAIN_SECONDS = 60.0
"""After which a renewal that failed is tried again; while it is needed, every use of the token asks for one."""


@dataclass
class TokenRenewal:
    """Renews bot tokens that expire, where token rotation is on in the app's settings: two hours before their end.

    A refresh token is good once, and another process may have used it. What that one got stands in the database soon;
    until then, the token before is still good. `now` is in seconds since 1970.

    https://docs.slack.dev/authentication/using-token-rotation
    """

    store: AsyncInstallationStore
    rotator: AsyncTokenRotator
    now: Callable[[], float] = time.time
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _failed_at: dict[str, float] = field(default_factory=dict[str, float])

    async def renewed(self, bot: Bot) -> Bot:
        """The same installation with a token that is good for now, as far as Slack gives one."""
        if not self._is_due(bot):
            return bot
        async with self._lock:
            latest = await self._stored(bot)
            return await self._renew(latest) if self._is_due(latest) else latest

    def _is_due(self, bot: Bot) -> bool:
        ends_at = bot.bot_token_expires_at
        if ends_at is None or not bot.bot_refresh_token or ends_at > self.now() + MINUTES_BEFORE * 60:
            return False
        return self.now() - self._failed_at.get(bot.bot_refresh_token, 0.0) >= AGAIN_SECONDS

    async def _renew(self, bot: Bot) -> Bot:
        try:
            renewed = await self.rotator.perform_bot_token_rotation(bot=bot, minutes_before_expiration=MINUTES_BEFORE)
        except FAULTS as error:
            cause = error.api_error if isinstance(error, SlackTokenRotationError) else error
            why = code_of(cause) if isinstance(cause, SlackApiError) else type(cause).__name__
            _log.warning("the token of a workspace was not renewed: %s", why)
            self._failed_at[bot.bot_refresh_token or ""] = self.now()
            return await self._stored(bot)
        if renewed is None:
            return bot
        await self.store.async_save_bot(renewed)
        return renewed

    async def _stored(self, bot: Bot) -> Bot:
        found = await self.store.async_find_bot(
            enterprise_id=bot.enterprise_id, team_id=bot.team_id, is_enterprise_install=bot.is_enterprise_install
        )
        return found or bot


@dataclass(frozen=True, kw_only=True)
class InstalledWorkspaces:
    """Installations as the database has them at the moment of each event: what was revoked is gone at once."""

    store: AsyncSQLAlchemyInstallationStore
    states: AsyncSQLAlchemyOAuthStateStore
    client_id: str
    client_secret: str = field(repr=False)
    redirect: str = ""
    scopes: Sequence[str] = SCOPES
    renewal: TokenRenewal
    is_single: bool = False

    async def of(self, enterprise: str, team: str) -> Workspace | None:
        """The installation in a workspace, or in its whole organisation."""
        bot = await self._bot(enterprise, team)
        if bot is None and enterprise and team:
            bot = await self._bot(enterprise, "")
        if bot is None:
            return None
        bot = await self.renewal.renewed(bot)
        return Workspace(
            enterprise=enterprise,
            team=team,
            name=bot.team_name or "",
            bot_user=bot.bot_user_id or "",
            bot=bot.bot_id or "",
            scopes=tuple(bot.bot_scopes or ()),
            token=bot.bot_token,
            has_rotation=bot.bot_token_expires_at is not None,
        )

    async def of_team(self, team: str) -> Workspace | None:
        """The newest of that team, with the organisation that it was installed in."""
        bots = self.store.bots.c
        query = (
            sa.select(bots.enterprise_id)
            .where(bots.client_id == self.client_id, bots.team_id == team)
            .order_by(bots.installed_at.desc())
            .limit(1)
        )
        async with self.store.engine.connect() as connection:
            found = (await connection.execute(query)).first() if team else None
        return None if found is None else await self.of(found[0] or "", team)

    async def _bot(self, enterprise: str, team: str) -> Bot | None:
        """The installation of exactly this workspace, or, without a `team`, of the organisation."""
        return await self.store.async_find_bot(
            enterprise_id=enterprise or None, team_id=team or None, is_enterprise_install=not team
        )

    async def forget(self, enterprise: str, team: str, *, bots: Collection[str] | None = None) -> None:
        """Give up what was uninstalled: the workspace's own installation or, where it has none, the organisation's.

        Of an app whose tokens were revoked `bots` are the bot users, and of both installations those of them go.
        """
        own = [(enterprise, team)] if team else []
        found = [
            (place, bot)
            for place in [*own, *([(enterprise, "")] if enterprise else [])]
            if (bot := await self._bot(*place)) is not None
        ]
        named = [(place, bot) for place, bot in found if bots is not None and bot.bot_user_id in bots]
        for (organisation, workspace), _ in named or found[:1]:
            await self.store.async_delete_all(enterprise_id=organisation or None, team_id=workspace or None)

    async def newest(self, most: int) -> Sequence[Workspace]:
        """The workspaces, or whole organisations, that installed the app last, and still have it."""
        bots = self.store.bots
        latest = sa.func.max(bots.c.installed_at)
        query = (
            sa.select(bots.c.enterprise_id, bots.c.team_id)
            .where(bots.c.client_id == self.client_id)
            .group_by(bots.c.enterprise_id, bots.c.team_id)
            .order_by(latest.desc())
            .limit(most)
        )
        async with self.store.engine.connect() as connection:
            rows = (await connection.execute(query)).all()
        found = [await self.of(enterprise or "", team or "") for enterprise, team in rows]
        return [each for each in found if each is not None]

    def flow(self, clients: Clients) -> AsyncOAuthFlow:
        """The pages that install the app: each state is good once, for ten minutes, in its own browser."""
        return AsyncOAuthFlow(
            client=clients.without_retries(None),
            logger=_log,
            settings=AsyncOAuthSettings(
                client_id=self.client_id,
                client_secret=self.client_secret,
                scopes=list(self.scopes),
                user_scopes=[],
                redirect_uri=self.redirect or None,
                install_path=INSTALL_PATH,
                redirect_uri_path=REDIRECT_PATH,
                installation_store=self.store,
                installation_store_bot_only=True,
                state_validation_enabled=True,
                state_store=self.states,
                state_expiration_seconds=STATE_SECONDS,
                logger=_log,
            ),
        )


async def _make_tables(engine: AsyncEngine, *tables: sa.MetaData) -> None:
    """Make the tables that are not there, one process at a time: another could make them after a look for them."""
    one_at_a_time = "BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else f"SELECT pg_advisory_xact_lock({_MAKES})"
    async with engine.begin() as connection:
        await connection.exec_driver_sql(one_at_a_time)
        for each in tables:
            await connection.run_sync(each.create_all)


def _rotator(client_id: str, client_secret: str, address: str) -> AsyncTokenRotator:
    client = Clients(address).without_retries(None)
    return AsyncTokenRotator(client_id=client_id, client_secret=client_secret, client=client)


@asynccontextmanager
async def installed_workspaces(
    database: str,
    *,
    client_id: str,
    client_secret: str,
    public_address: str = "",
    scopes: Sequence[str] = SCOPES,
    address: str = SLACK_API,
) -> AsyncGenerator[InstalledWorkspaces]:
    """The installations in a database; their tables are made if they are not there.

    Raises:
        StorageError: the database can't be used.
    """
    url = parse_url(database)
    is_sqlite = url.get_backend_name() == "sqlite"
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite") if is_sqlite else url,
        connect_args={"timeout": 30} if is_sqlite else {},
    )
    store = AsyncSQLAlchemyInstallationStore(client_id, engine, logger=_log)
    states = AsyncSQLAlchemyOAuthStateStore(STATE_SECONDS, engine, logger=_log)
    try:
        try:
            await _make_tables(engine, store.metadata, states.metadata)
        except SQLAlchemyError as error:
            raise describe_error(error, url) from None
        yield InstalledWorkspaces(
            store=store,
            renewal=TokenRenewal(store, _rotator(client_id, client_secret, address)),
            states=states,
            client_id=client_id,
            client_secret=client_secret,
            redirect=f"{public_address.rstrip('/')}{REDIRECT_PATH}" if public_address else "",
            scopes=scopes,
        )
    finally:
        await engine.dispose()
