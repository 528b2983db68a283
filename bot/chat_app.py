"""The chat service behind Discord and Slack, joined."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bot.application import Application, Overrides, database_url
from bot.chat.admin import Administering, Findings
from bot.chat.buttons import Pressing
from bot.chat.card_sync.context import DISCORD_PACE, SLACK_PACE, Tools
from bot.chat.card_sync.leader import Keeper
from bot.chat.config_catalog import DEFAULT_VARIABLE, FOLDER_VARIABLE, MEMBERS_VARIABLE, ConfigShelf
from bot.chat.name_pins import Names
from bot.chat.platform import Desk, Directory, Surface
from bot.chat.run_queries import Helping, Looking, Visibility
from bot.chat.service import FrontDesk
from bot.chat.sql_store import SqlDesk
from bot.chat.start_run import Asking, operator_limits
from bot.chat.store import DeskStore
from bot.check import checked_config
from bot.composition import open_application
from bot.environment import TENANT_VARIABLE, allowed_configs, configs_folder, named_admins, tells_stories
from bot.i18n import Words, words_for
from coordination.errors import ConfigError, ToolServerError
from coordination.ports import NewId, Spending
from coordination.storage.usage import SqlUsage

_PACES = {"discord": DISCORD_PACE, "slack": SLACK_PACE}
_CHECK_SECONDS = 60.0


@asynccontextmanager
async def open_desk(
    environ: Mapping[str, str], overrides: Overrides, surfaces: Sequence[Surface]
) -> AsyncGenerator[Desk]:
    """The desk that these surfaces turn to, with the application behind it at work.

    Raises:
        ConfigError: what the operator set is wrong.
        StorageError: the database can't be used.
    """
    words, has_stories = words_for(environ), tells_stories(environ)
    async with AsyncExitStack() as stack:
        application = await stack.enter_async_context(open_application(environ, overrides, surfaces))
        url = database_url(environ)
        store = await stack.enter_async_context(SqlDesk.open(url))
        tools = partial(
            Tools,
            store=store,
            log=application.log,
            clock=application.clock,
            words=words,
            has_stories=has_stories,
        )
        keepers = [Keeper(tools(surface=each, pace=overrides.pace(_PACES[each.name]))) for each in surfaces]
        joiner = _Joiner(
            environ=environ,
            application=application,
            store=store,
            directories={each.name: each for each in surfaces if isinstance(each, Directory)},
            spending=await stack.enter_async_context(SqlUsage.open(url)),
            new_id=overrides.new_id,
            words=words,
            nudge=partial(_nudge, keepers),
        )
        desk = joiner.desk()
        for keeper in keepers:
            await stack.enter_async_context(keeper.keeping())
        await stack.enter_async_context(application.working())
        yield desk


def _nudge(keepers: Sequence[Keeper]) -> None:
    for keeper in keepers:
        keeper.nudge()


@dataclass(frozen=True, kw_only=True)
class _Joiner:
    """Everything that the desk is made of."""

    environ: Mapping[str, str]
    application: Application
    store: DeskStore
    directories: Mapping[str, Directory]
    spending: Spending
    new_id: NewId
    words: Words
    nudge: Callable[[], None]

    def desk(self) -> FrontDesk:
        """The desk.

        Raises:
            ConfigError: what the operator set is wrong.
        """
        app = self.application
        shelf = ConfigShelf(
            folder=configs_folder(self.environ.get(FOLDER_VARIABLE, "")),
            default=self.environ.get(DEFAULT_VARIABLE, ""),
            allowed=allowed_configs(self.environ),
            members=allowed_configs(self.environ, MEMBERS_VARIABLE),
        ).checked()
        asking, looking = self._asking(shelf), self._looking(shelf)
        return FrontDesk(
            asking=asking,
            pressing=Pressing(
                store=self.store,
                coordinator=app.coordinator,
                asking=asking,
                looking=looking,
                clock=app.clock,
                nudge=self.nudge,
                words=self.words,
            ),
            looking=looking,
            administering=self._administering(shelf),
            helping=Helping(store=self.store, shelf=shelf, words=self.words),
            visibility=self._visibility,
            coordinator=app.coordinator,
            words=self.words,
        )

    @property
    def _visibility(self) -> Visibility:
        return Visibility(log=self.application.log, store=self.store)

    @property
    def _names(self) -> Names:
        return Names(store=self.store, clock=self.application.clock, directories=self.directories)

    def _asking(self, shelf: ConfigShelf) -> Asking:
        app = self.application
        return Asking(
            store=self.store,
            log=app.log,
            coordinator=app.coordinator,
            shelf=shelf,
            names=self._names,
            limits=operator_limits(self.environ),
            clock=app.clock,
            new_id=self.new_id,
            nudge=self.nudge,
            words=self.words,
        )

    def _looking(self, shelf: ConfigShelf) -> Looking:
        app = self.application
        return Looking(
            store=self.store,
            log=app.log,
            coordinator=app.coordinator,
            shelf=shelf,
            spending=self.spending,
            clock=app.clock,
            words=self.words,
        )

    def _administering(self, shelf: ConfigShelf) -> Administering:
        return Administering(
            store=self.store,
            shelf=shelf,
            names=self._names,
            limits=operator_limits(self.environ),
            check=_Checker(self.environ),
            visibility=self._visibility,
            coordinator=self.application.coordinator,
            clock=self.application.clock,
            words=self.words,
            admins=named_admins(self.environ),
        )


class _Checker:
    """Puts a configuration to the test as a tenant's run would use it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    async def __call__(self, path: Path, tenant: str) -> Findings:
        """What was found.

        Raises:
            ConfigError: the configuration can't be used.
        """
        environ = {**self._environ, TENANT_VARIABLE: tenant}
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                checked = await checked_config(environ, path, connects=True, accepts=False)
        except ToolServerError as error:
            raise ConfigError([str(error)]) from None
        except TimeoutError:
            raise ConfigError([f"{path.name}: its servers did not answer within {_CHECK_SECONDS:g} s"]) from None
        return Findings(policy=checked.policy, problems=checked.complaints, warnings=checked.warnings)
