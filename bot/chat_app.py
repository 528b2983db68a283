"""The composition root of the chat service behind Discord and Slack."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bot.anchors import AnchorPosts, AnchorSettings
from bot.application import Application, Overrides
from bot.cards.text import one_line
from bot.chat.admin import AdminService, Findings
from bot.chat.buttons import ButtonHandler
from bot.chat.card_sync.budget_notices import BudgetNotices
from bot.chat.card_sync.context import SyncContext
from bot.chat.card_sync.leader import CardSync
from bot.chat.config_catalog import ConfigCatalog
from bot.chat.name_pins import NamePins
from bot.chat.name_report import NameReport
from bot.chat.own_grants import GrantLists
from bot.chat.platform import ChatPlatform, Checkup, LinksMessages, NameDirectory
from bot.chat.run_queries import HelpCards, RunQueries
from bot.chat.service import RequestRouter
from bot.chat.service_port import ChatService
from bot.chat.sql_store import SqlChatStore
from bot.chat.start_run import RunStarter, operator_limits
from bot.chat.store import ChatSetting, ChatStore
from bot.check import checked_config, read_for_rules, unusable_models
from bot.composition import open_application
from bot.i18n import ENGLISH, catalog, catalog_for
from bot.variables import Environment
from coordination.errors import ConfigError, MissingLibraryError, StorageError, ToolServerError
from coordination.ports import NewId, Spending
from coordination.storage.budget_warnings import SqlBudgetWarnings
from coordination.storage.database import parse_url, place
from coordination.storage.usage import SqlUsage
from coordination.text import Text

_CHECK_SECONDS = 60.0
_REASON = 500
_NO_TENANT = "none"
"""What `${MASSGEN_BOT_TENANT}` says while nobody's run is prepared."""


@asynccontextmanager
async def open_chat_service(
    environment: Environment, overrides: Overrides, platforms: Sequence[ChatPlatform], *, works: bool = True
) -> AsyncGenerator[ChatService]:
    """The chat service of these platforms, with the application behind it at work, unless others do all of that.

    Raises:
        ConfigError: what the operator set is wrong.
        StorageError: the database can't be used.
    """
    url = environment.database_url()
    async with AsyncExitStack() as stack:
        application = await stack.enter_async_context(open_application(environment, overrides, platforms, works=works))
        store = await stack.enter_async_context(SqlChatStore.open(url, environment.direct_database_url()))
        warnings = await stack.enter_async_context(SqlBudgetWarnings.open(url))
        context = partial(_sync_context, environment, overrides, application, store, warnings)
        card_syncs = [CardSync(context(each)) for each in platforms]
        chat_service = _Joiner(
            environment=environment,
            application=application,
            store=store,
            directories={each.name: each for each in platforms if isinstance(each, NameDirectory)},
            spending=await stack.enter_async_context(SqlUsage.open(url)),
            new_id=overrides.new_id,
            wake=partial(_wake, card_syncs),
            works=works,
        ).chat_service()
        for card_sync in card_syncs:
            await stack.enter_async_context(card_sync.running())
        await stack.enter_async_context(AnchorPosts.of(environment, platforms, application.clock).running())
        if works:
            await stack.enter_async_context(application.working())
        yield chat_service


def _sync_context(
    environment: Environment,
    overrides: Overrides,
    application: Application,
    store: ChatStore,
    warnings: SqlBudgetWarnings,
    platform: ChatPlatform,
) -> SyncContext:
    return SyncContext(
        platform=platform,
        store=store,
        log=application.log,
        clock=application.clock,
        intervals=overrides.intervals(platform.intervals),
        chosen=catalog_for(environment.language) if environment.language.strip() else None,
        has_timelines=environment.posts_timelines(),
        read_approvers=application.coordinator.read_approvers,
        tell_administrators=_notices(environment, application, store, warnings, platform).tell,
    )


def _notices(
    environment: Environment,
    application: Application,
    store: ChatStore,
    warnings: SqlBudgetWarnings,
    platform: ChatPlatform,
) -> BudgetNotices:
    return BudgetNotices(
        platform=platform,
        clock=application.clock,
        take=lambda scope: warnings.take(scope, application.clock.now()),
        changed_by=store.changed_by,
        named=environment.named_admins(),
        candidates=environment.admins_of,
        language=catalog_for(environment.language) if environment.language.strip() else ENGLISH,
    )


def _config_catalog(environment: Environment) -> ConfigCatalog:
    return ConfigCatalog(
        folder=environment.configs_folder(),
        default=environment.config,
        allowed=environment.allowed_configs(),
        members=environment.member_configs(),
    )


async def installation_report(environment: Environment) -> list[Checkup]:
    """Lines for the doctor about what every chat needs: the database, the configurations and their models.

    Nothing is paid for: no model is asked, and no tool server is started.

    Raises:
        ConfigError: what the operator set is wrong.
    """
    config_catalog = _config_catalog(environment)
    found = [await _database_checkup(environment)]
    if skipped := config_catalog.skipped():
        found.append(_checkup("config.skipped", is_well=False, files=", ".join(skipped)))
    try:
        config_catalog.checked()
    except ConfigError as error:
        return [*found, *(Checkup(is_well=False, text=each) for each in error.diagnostics)]
    # Without a folder of the operator's own, the others are the examples that come with the program.
    names = config_catalog.names("") if environment.configs.strip() else ()
    names = tuple(dict.fromkeys((environment.config, *names))) if environment.config else names
    if not environment.config and len(config_catalog.names("")) > 1:
        found.append(_checkup("doctor.no_default", is_well=True))
    for name in names:
        found += await _config_checkups(environment, name)
    return found


def _checkup(key: str, *, is_well: bool, **values: str) -> Checkup:
    return Checkup(is_well=is_well, text=catalog.text(key, **values))


async def _database_checkup(environment: Environment) -> Checkup:
    try:
        url = environment.database_url()
        async with SqlChatStore.open(url):
            return _checkup("doctor.database", is_well=True, database=place(parse_url(url)))
    except StorageError as error:
        return Checkup(is_well=False, text=one_line(error.text, _REASON))


async def _config_checkups(environment: Environment, name: str) -> list[Checkup]:
    """A line for a configuration that can be used, or one for each thing that is wrong with it or its models."""
    path = environment.configs_folder() / f"{name}.yaml"
    try:
        problems: Sequence[str] = await unusable_models(environment, path, tenant=_NO_TENANT)
    except MissingLibraryError as error:
        problems = [*error.diagnostics, *error.commands]
    except ConfigError as error:
        problems = list(error.diagnostics)
    if not problems:
        return [_checkup("doctor.config", is_well=True, name=name)]
    return [
        _checkup("doctor.config_wrong", is_well=False, name=name, problem=one_line(each, _REASON)) for each in problems
    ]


def name_report(environment: Environment) -> NameReport:
    """What looks up whom the rules of approval name, in the operator's configurations and in what administrators set.

    Raises:
        ConfigError: what the operator set is wrong.
    """

    async def settings_of(tenant: str) -> Sequence[ChatSetting]:
        async with SqlChatStore.open(environment.database_url()) as store:
            return await store.all_settings(tenant)

    anchors = AnchorSettings.of(environment).channels
    return NameReport(config_catalog=_config_catalog(environment), settings_of=settings_of, anchors=anchors)


def _wake(card_syncs: Sequence[CardSync]) -> None:
    for card_sync in card_syncs:
        card_sync.wake()


@dataclass(frozen=True, kw_only=True)
class _Joiner:
    """Everything that the chat service is made of."""

    environment: Environment
    application: Application
    store: ChatStore
    directories: Mapping[str, NameDirectory]
    spending: Spending
    new_id: NewId
    wake: Callable[[], None]
    works: bool

    def chat_service(self) -> RequestRouter:
        """The chat service.

        Raises:
            ConfigError: what the operator set is wrong.
        """
        app = self.application
        config_catalog = _config_catalog(self.environment).checked()
        run_starter, run_queries = self._asking(config_catalog), self._run_queries(config_catalog)
        return RequestRouter(
            run_starter=run_starter,
            button_handler=ButtonHandler(
                store=self.store,
                coordinator=app.coordinator,
                run_starter=run_starter,
                run_queries=run_queries,
                clock=app.clock,
                wake=self.wake,
            ),
            run_queries=run_queries,
            admin_service=self._admin_service(config_catalog),
            help_cards=HelpCards(store=self.store, config_catalog=config_catalog),
        )

    @property
    def _names(self) -> NamePins:
        return NamePins(store=self.store, clock=self.application.clock, directories=self.directories)

    def _asking(self, config_catalog: ConfigCatalog) -> RunStarter:
        app = self.application
        return RunStarter(
            store=self.store,
            log=app.log,
            coordinator=app.coordinator,
            config_catalog=config_catalog,
            name_pins=self._names,
            limits=operator_limits(self.environment),
            clock=app.clock,
            new_id=self.new_id,
            wake=self.wake,
            operator_policy=self.environment.operator_policy,
        )

    def _run_queries(self, config_catalog: ConfigCatalog) -> RunQueries:
        app = self.application
        return RunQueries(
            store=self.store,
            log=app.log,
            coordinator=app.coordinator,
            config_catalog=config_catalog,
            spending=self.spending,
            clock=app.clock,
            links={name: each for name, each in self.directories.items() if isinstance(each, LinksMessages)},
        )

    def _admin_service(self, config_catalog: ConfigCatalog) -> AdminService:
        app = self.application
        return AdminService(
            store=self.store,
            config_catalog=config_catalog,
            name_pins=self._names,
            limits=operator_limits(self.environment),
            check=_Checker(self.environment, works=self.works),
            log=app.log,
            coordinator=app.coordinator,
            grants=GrantLists(store=self.store, coordinator=app.coordinator, clock=app.clock),
            clock=app.clock,
            admins=self.environment.named_admins(),
        )


class _Checker:
    """Puts a configuration to the test as a tenant's run would use it."""

    def __init__(self, environment: Environment, *, works: bool) -> None:
        """Where nobody works there are no tool servers, and only what is written is looked at."""
        self._environment = environment
        self._works = works

    async def __call__(self, path: Path, tenant: str) -> Findings:
        """What was found.

        Raises:
            ConfigError: the configuration can't be used.
        """
        if not self._works:
            settings = await asyncio.to_thread(read_for_rules, self._environment, path, tenant)
            policy = settings.profile(allow_requester_default=True).policy
            return Findings(policy=policy, problems=(), warnings=settings.warnings)
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                checked = await checked_config(self._environment, path, connects=True, accepts="nothing", tenant=tenant)
        except ToolServerError as error:
            raise ConfigError([error.text]) from None
        except TimeoutError:
            raise ConfigError(
                [
                    Text(
                        "{path}: its servers did not answer within {seconds:g} s",
                        path=path.name,
                        seconds=_CHECK_SECONDS,
                    )
                ]
            ) from None
        return Findings(policy=checked.policy, problems=checked.diagnostics, warnings=checked.warnings)
