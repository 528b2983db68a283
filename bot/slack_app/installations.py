"""Many workspaces: their installations on the project's database, by Slack's own OAuth."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.oauth.installation_store.sqlalchemy import AsyncSQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.sqlalchemy import AsyncSQLAlchemyOAuthStateStore
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from bot.slack_app.manifest_scopes import SCOPES
from bot.slack_app.workspaces import Clients, Workspace
from coordination.storage.database import complaint, parse_url

_log = logging.getLogger(__name__)

INSTALL_PATH = "/slack/install"
REDIRECT_PATH = "/slack/oauth_redirect"
STATE_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class InstalledWorkspaces:
    """Installations as the database has them at the moment of each event: what was revoked is gone at once."""

    store: AsyncSQLAlchemyInstallationStore
    states: AsyncSQLAlchemyOAuthStateStore
    client_id: str
    client_secret: str = field(repr=False)
    redirect: str = ""
    is_single: bool = False

    async def of(self, enterprise: str, team: str) -> Workspace | None:
        """The installation in a workspace, or in its whole organisation."""
        bot = await self.store.async_find_bot(
            enterprise_id=enterprise or None, team_id=team or None, is_enterprise_install=not team
        )
        if bot is None and enterprise and team:
            bot = await self.store.async_find_bot(enterprise_id=enterprise, team_id=None, is_enterprise_install=True)
        if bot is None:
            return None
        return Workspace(
            enterprise=enterprise,
            team=team,
            name=bot.team_name or "",
            bot_user=bot.bot_user_id or "",
            bot=bot.bot_id or "",
            scopes=tuple(bot.bot_scopes or ()),
            token=bot.bot_token,
        )

    def flow(self, clients: Clients) -> AsyncOAuthFlow:
        """The pages that install the app: each state is good once, for ten minutes, in the browser that it was given."""
        return AsyncOAuthFlow(
            client=clients.once(None),
            logger=_log,
            settings=AsyncOAuthSettings(
                client_id=self.client_id,
                client_secret=self.client_secret,
                scopes=list(SCOPES),
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


@asynccontextmanager
async def installed_workspaces(
    database: str, *, client_id: str, client_secret: str, public_address: str = ""
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
            async with engine.begin() as connection:
                await connection.run_sync(store.metadata.create_all)
                await connection.run_sync(states.metadata.create_all)
        except SQLAlchemyError as error:
            raise complaint(error, url) from None
        yield InstalledWorkspaces(
            store=store,
            states=states,
            client_id=client_id,
            client_secret=client_secret,
            redirect=f"{public_address.rstrip('/')}{REDIRECT_PATH}" if public_address else "",
        )
    finally:
        await engine.dispose()
