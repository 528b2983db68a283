"""The composition root: everything that a run may need, and the rules that apply now."""

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from bot.anchors import AnchorSettings, keep_anchors
from bot.application import Application, Overrides
from bot.chat.approvers import (
    approvers_in,
    narrowed,
    renamed,
    satisfiable,
    text_here,
    with_approvers,
    without_approvers,
)
from bot.chat.config_catalog import ConfigCatalog
from bot.chat.platform import CountsRoles
from bot.chat.sql_store import freeze_after_loss
from bot.chat.sql_tables import chat_metadata
from bot.chat.store import ChatStore, Freezing
from bot.log_access import SettingsStore
from bot.machine import CONSOLE, account_named, console_account
from bot.telemetry.instrumentation import ObservedHub, ObservedModel, count_events, provider_name
from bot.telemetry.spans import traced_jobs
from bot.variables import TENANT_VARIABLE, Environment
from coordination.config import (
    Settings,
    doubtful_undos,
    parse,
    read_operator_policy,
    read_text,
    unmatched_rules,
    with_operator_policy,
)
from coordination.current_rules import CurrentRules, Freezes, PersonDirectory
from coordination.domain.events import RunRequested
from coordination.domain.policy import Person
from coordination.engine.dbos_engine import DbosEngine
from coordination.errors import ConfigError, MissingLibraryError, PersonUnreadableError, RefusedError
from coordination.execution import GRACE, AwayAfter
from coordination.llm.rate_limiter import Throttle
from coordination.llm.registry import Models
from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.ports import Clock, Engine, Model, ReadLists, RunLog, Spending, ToolDefinition, ToolHub
from coordination.preparation import Configure
from coordination.run_options import RunProfile
from coordination.secret_marks import MARKS
from coordination.service import Coordinator
from coordination.storage.sql_read_lists import SqlReadLists
from coordination.storage.sql_run_log import SqlLog
from coordination.storage.usage import SqlUsage
from coordination.text import Text
from coordination.worker import Worker


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One configuration that was read and found good. Fits `coordination.preparation.Prepared`."""

    settings: Settings
    profile: RunProfile
    build: Models
    adapt: Callable[[Sequence[Model]], Sequence[Model]]

    async def load(self) -> None:
        """Load the libraries of the agents' backends, and of those behind them."""
        await self.build.load(self.settings.agents)

    def models(self) -> Sequence[Model]:
        """One model per agent."""
        limits = self.settings.limits
        throttle = Throttle(at_once=limits.requests_at_once, per_minute=limits.requests_per_minute)
        adapted = self.adapt([self.build.model(agent, throttle) for agent in self.settings.agents])
        providers = [provider_name(agent.backend) for agent in self.settings.agents]
        return [ObservedModel(model, provider) for model, provider in zip(adapted, providers, strict=True)]

    def diagnostics(
        self,
        definitions: Sequence[ToolDefinition],
        asking: frozenset[tuple[str, str]] = frozenset(),
        absent: Collection[str] = (),
    ) -> Sequence[Text]:
        """The rules that name tools which no server has. What is only a warning goes to the program's log."""
        for each in doubtful_undos(self.settings, definitions):
            _log.warning("%s", each)
        return unmatched_rules(self.settings, definitions, asking, absent)


@dataclass(frozen=True, kw_only=True)
class Configurations:
    """Reads configurations for tenants. Fits `coordination.preparation.Configure`.

    Where nobody `works`, what only agents and tool servers need may be missing: keys, addresses, libraries.
    """

    environ: Mapping[str, str]
    build: Models
    adapt: Callable[[Sequence[Model]], Sequence[Model]]
    works: bool = True

    def __call__(self, text: str, origin: str, tenant: str) -> Configuration:
        """The configuration, checked.

        Who sits at a terminal alone may approve what they asked for, unless it says no.
        """
        settings = parse(text, origin=origin, environ={**self.environ, TENANT_VARIABLE: tenant}, works=self.works)
        try:
            self.build.check(settings.agents, needs_prices=settings.limits_money)
        except MissingLibraryError:
            if self.works:
                raise
        profile = settings.profile(allow_requester_default=tenant == CONSOLE)
        approvers = approvers_in(text)
        if approvers is not None:
            names = dict(approvers.names)
            profile = replace(profile, policy=satisfiable(narrowed(profile.policy, approvers)))
            profile = renamed(profile, lambda kind, name: names.get(f"{kind}:{name}", name))
        if tenant == CONSOLE:
            users = tuple(account_named(each) for each in profile.policy.users)
            profile = replace(profile, policy=replace(profile.policy, users=users))
            profile = renamed(profile, lambda kind, name: account_named(name) if kind == "user" else name)
        return Configuration(settings=settings, profile=profile, build=self.build, adapt=self.adapt)


class RulesHere:
    """Fits `coordination.current_rules.CurrentRules`: a run's configuration as it is now at its place."""

    def __init__(
        self, environment: Environment, opened: Callable[[], Awaitable[ChatStore]], log: RunLog, configure: Configure
    ) -> None:
        """`opened` gives what administrators set, when the first run of a chat is looked at."""
        self._opened = opened
        self._log = log
        self._configure = configure
        self._operator_policy = environment.operator_policy
        self._config_catalog = ConfigCatalog(
            folder=Path(environment.configs or "configs"),
            default=environment.config,
            allowed=environment.allowed_configs(),
        )

    async def __call__(self, run: str, request: RunRequested) -> RunProfile | None:
        """The profile of now; None where nothing differs from what the run began with.

        Raises:
            ConfigError: what holds now is not there, or can't be used.
        """
        stored, origin = await self._log.load_config(request.config_digest)
        operator = await asyncio.to_thread(read_operator_policy, self._operator_policy)
        if request.tenant == CONSOLE:
            text = with_operator_policy(await asyncio.to_thread(_written, Path(origin)) or stored, operator)
        else:
            text, origin = await self._in_chat(run, request, stored, origin, operator)
        return None if text == stored else self._configure(text, origin, request.tenant).profile

    async def _in_chat(
        self, run: str, request: RunRequested, stored: str, origin: str, operator: str
    ) -> tuple[str, str]:
        store = await self._opened()
        found = await store.card_and_settings(run, request.tenant)
        bare = with_operator_policy(without_approvers(stored), operator)
        if found is None:
            return with_approvers(bare, approvers_in(stored)), origin
        card, channel_settings = found
        if not self._config_catalog.folder.is_dir():
            return text_here(bare, origin, card.channel, channel_settings), origin
        named = request.config if request.config_is_named else ""
        try:
            chosen = self._config_catalog.chosen(card.tenant, card.channel, channel_settings, named)
        except RefusedError as error:
            raise ConfigError([error.text]) from None
        written = await asyncio.to_thread(read_text, chosen.path)
        written = with_operator_policy(written, operator)
        return text_here(written, str(chosen.path), card.channel, channel_settings), str(chosen.path)


def _written(path: Path) -> str:
    """What a file says now; nothing where there is none: then what was stored is all there is."""
    return read_text(path) if path.is_file() else ""


@runtime_checkable
class ReadsPeople(Protocol):
    """A chat that can be asked about people."""

    name: str

    async def person_now(self, person: Person) -> Person | None:
        """Somebody with the roles that they have now; None: they are not there any more."""
        ...


class PeopleHere:
    """Fits `coordination.current_rules.Directory`: this machine's accounts, and the chats that this process serves."""

    def __init__(self, platforms: Sequence[object] = ()) -> None:
        """Of these, the ones that can be asked are."""
        self._readers = {each.name: each for each in platforms if isinstance(each, ReadsPeople)}
        self._counters = {each.name: each for each in platforms if isinstance(each, CountsRoles)}
        self._counts: dict[tuple[str, ...], tuple[float, int | None]] = {}

    async def current(self, person: Person) -> Person | None:
        """The person as they are now.

        Raises:
            PersonUnreadableError: this process does not serve their chat, or the chat does not tell.
        """
        if person.tenant == CONSOLE:
            number = person.id.removeprefix("uid:")
            return console_account(int(number)) if number.isdecimal() else None
        reader = self._readers.get(person.tenant.partition(":")[0])
        if reader is None:
            raise PersonUnreadableError(Text("this process does not serve that chat"))
        try:
            return await reader.person_now(person)
        except Exception as error:
            raise PersonUnreadableError(
                Text("{reader} can't look people up right now: {why}", reader=reader.name, why=str(error))
            ) from error

    async def others_in(self, tenant: str, roles: Sequence[str], besides: Sequence[str]) -> int | None:
        """How many people have one of these roles at most, besides these accounts.

        None: nobody can tell in a moment.
        """
        counter = self._counters.get(tenant.partition(":")[0])
        key, now = (tenant, *roles, "", *besides), asyncio.get_running_loop().time()
        if counter is None:
            return None
        if key not in self._counts or now - self._counts[key][0] > COUNTED_SECONDS:
            if len(self._counts) >= _MOST_COUNTS:
                self._counts.clear()
            self._counts[key] = (now, await _counted(counter, tenant, roles, besides))
        return self._counts[key][1]


async def _counted(counter: CountsRoles, tenant: str, roles: Sequence[str], besides: Sequence[str]) -> int | None:
    try:
        async with asyncio.timeout(COUNT_SECONDS):
            return await counter.others_in(tenant, roles, besides)
    except Exception as error:  # noqa: BLE001 - it only spares people a plan that nobody can approve
        _log.info("%s does not tell who has a role: %s", counter.name, error)
        return None


COUNTED_SECONDS = 20.0
"""How long a count of the people of a role is remembered."""

COUNT_SECONDS = 3.0
"""How long somebody who asks waits for such a count."""

_MOST_COUNTS = 500

SWEEP_SECONDS = 30.0
"""How often a working process looks for plans that expired while nobody was looking."""

REVIEW_SECONDS = 60.0
"""How often a worker compares the plans that wait with the rules of now, so that their cards say what changed."""

LOADED_AFTER = 5.0
"""Seconds until the libraries that a first run needs are surely loaded."""

STUCK_AFTER = {True: 5.0, False: 60.0}
"""Seconds of nothing but failures until who waits for one run is told, and until a service ends: it has nobody to tell,
and a database that restarts is back by then."""

REMEMBERED = timedelta(days=7)
FORGET_EVERY = timedelta(hours=1)


_log = logging.getLogger(__name__)


@asynccontextmanager
async def open_application(
    environment: Environment,
    overrides: Overrides,
    platforms: Sequence[object] = (),
    only: str = "",
    *,
    works: bool = True,
) -> AsyncGenerator[Application]:
    """The application on the database of the environment. Servers and models start when a run first needs them.

    `platforms` are the chats that are served, and asked about people; `only` names the one task that is worked on.
    Where nobody `works`, configurations are read for their rules alone: keys of models are missed by the workers.

    Raises:
        StorageError: the database can't be used.
    """
    url = environment.database_url()
    async with AsyncExitStack() as stack:
        engine, stored = await stack.enter_async_context(_engine_and_log(environment, url, only))
        log, clock = overrides.log(stored), overrides.clock
        kept = await stack.enter_async_context(_kept(url))
        patience = Patience(**environment.server_limits())
        servers = await stack.enter_async_context(McpHub(patience, key=await stored.install_key()))
        models = Models(clock, pace=environment.pace(), workers=engine.workers)
        stack.push_async_callback(models.aclose)
        configure = Configurations(environ=environment.for_configs(), build=models, adapt=overrides.models, works=works)
        opened = SettingsStore(url, stack)
        present = RulesHere(environment, opened, log, configure), PeopleHere(platforms), Freezing(opened=opened)
        coordinator, worker = _joined(
            log,
            engine,
            ObservedHub(overrides.hub(servers)),
            overrides=overrides,
            configure=configure,
            kept=kept,
            present=present,
            away_after=stored.away_after,
        )
        working = partial(_working, environment, engine, worker, coordinator, clock)
        yield Application(log=log, coordinator=coordinator, clock=clock, working=working, last_lines=servers.last_lines)


@asynccontextmanager
async def _kept(url: str) -> AsyncGenerator[tuple[Spending, ReadLists]]:
    async with SqlUsage.open(url) as usage, SqlReadLists.open(url) as lists:
        yield usage, lists


@asynccontextmanager
async def _engine_and_log(environment: Environment, url: str, only: str) -> AsyncGenerator[tuple[DbosEngine, SqlLog]]:
    """The engine, and the log whose appends submit jobs to it and are counted."""
    direct, (jobs, readers) = environment.direct_database_url(), environment.pools()
    limits = environment.queue_limits(only)
    async with (
        DbosEngine.open(url, limits=limits, direct=direct, connections=jobs) as engine,
        SqlLog.open(
            url,
            submit=engine.submit,
            others=[chat_metadata],
            appended=count_events,
            submitted=engine.wake,
            direct=direct,
            readers=readers,
            stop=freeze_after_loss,
        ) as log,
    ):
        MARKS.use(await log.install_key())
        asyncio.get_running_loop().call_later(LOADED_AFTER, collect_garbage)
        yield engine, log


def _joined(
    log: RunLog,
    engine: Engine,
    hub: ToolHub,
    *,
    overrides: Overrides,
    configure: Configure,
    kept: tuple[Spending, ReadLists],
    present: tuple[CurrentRules, PersonDirectory, Freezes],
    away_after: AwayAfter,
) -> tuple[Coordinator, Worker]:
    """Who takes people's words, and who works: both look at the same present."""
    clock, new_id = overrides.clock, overrides.new_id
    current, directory, freezes = present
    usage, read_lists = kept
    coordinator = Coordinator(
        log,
        engine,
        clock=clock,
        new_id=new_id,
        configure=configure,
        spending=usage,
        current=current,
        directory=directory,
        freezes=freezes,
    )
    worker = Worker(
        log,
        hub,
        clock=clock,
        new_id=new_id,
        configure=configure,
        spending=usage,
        current=current,
        directory=directory,
        freezes=freezes,
        read_lists=read_lists,
        away_after=away_after,
    )
    return coordinator, worker


def collect_garbage() -> None:
    """Begin, or go on, to collect garbage. What was loaded until now is none, and is not looked at again."""
    gc.freeze()
    gc.enable()


@asynccontextmanager
async def _working(
    environment: Environment, engine: DbosEngine, worker: Worker, coordinator: Coordinator, clock: Clock, run: str = ""
) -> AsyncGenerator[None]:
    anchors, drain = AnchorSettings.of(environment), environment.drain()
    worker.grace = GRACE if run else drain  # Who waits for one run sits there, and has pressed Ctrl-C.
    async with engine.running(traced_jobs(worker.perform), drain=worker.grace), asyncio.TaskGroup() as group:
        chores = [
            group.create_task(_sweep(coordinator, clock)),
            group.create_task(_review(coordinator, clock)),
            group.create_task(_forget(engine, clock)),
            *([] if run else [group.create_task(keep_anchors(environment.database_url(), anchors, clock))]),
            group.create_task(engine.stuck(STUCK_AFTER[bool(run)], run)),
        ]
        try:
            yield
        finally:
            for chore in chores:
                chore.cancel()


async def _sweep(coordinator: Coordinator, clock: Clock) -> None:
    while True:
        await _tried("look for expired plans", coordinator.expire_due)
        await clock.sleep(SWEEP_SECONDS)


async def _review(coordinator: Coordinator, clock: Clock) -> None:
    """Whoever changes a configuration, or freezes everything in another process, tells no run of it."""
    while True:
        await clock.sleep(REVIEW_SECONDS)
        await _tried("hold the plans that wait against the rules of now", coordinator.review_all)


async def _forget(engine: DbosEngine, clock: Clock) -> None:
    """The log remembers every run for ever; what the engine keeps of ended jobs is of no use for long."""
    while True:
        await clock.sleep(FORGET_EVERY.total_seconds())
        await _tried("forget ended jobs", lambda: engine.forget_finished(clock.now() - REMEMBERED))


async def _tried(what: str, chore: Callable[[], Awaitable[object]]) -> None:
    """Do a chore; one that fails is done the next time, and must end nothing else."""
    try:
        await chore()
    except Exception:  # noqa: BLE001 - the database may be away, and will be back.
        _log.warning("could not %s; it is tried again later", what, exc_info=True)
