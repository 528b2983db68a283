"""The whole application: everything that a run may need."""

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta

from bot.application import Application, Overrides, database_url
from bot.chat.freezing import Freezing
from bot.chat.sql_desk_schema import desk_metadata
from bot.configurations import Configurations
from bot.current import PeopleHere, RulesHere
from bot.settings_store import SettingsStore
from coordination.current_rules import CurrentRules, Directory, Freezes
from coordination.engine.dbos_engine import DbosEngine
from coordination.execution import AwayAfter
from coordination.llm.registry import Models
from coordination.mcp_tools.hub import McpHub
from coordination.ports import Clock, Engine, ReadLists, RunLog, Spending, ToolHub
from coordination.preparation import Configure
from coordination.service import Coordinator
from coordination.storage.sql_read_lists import SqlReadLists
from coordination.storage.sql_run_log import SqlLog
from coordination.storage.usage import SqlUsage
from coordination.worker import Worker

SWEEP_SECONDS = 30.0
"""How often a working process looks for plans that expired while nobody was looking."""

REVIEW_SECONDS = 60.0
"""How often a working process holds the plans that wait against the rules of now, so that their cards say what changed."""

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
    environ: Mapping[str, str], overrides: Overrides, surfaces: Sequence[object] = ()
) -> AsyncGenerator[Application]:
    """The application on the database of the environment. Servers and models start when a run first needs them.

    `surfaces` are the chats that this process serves: those are asked about people.

    Raises:
        StorageError: the database can't be used.
    """
    url = database_url(environ)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(DbosEngine.open(url))
        stored = await stack.enter_async_context(SqlLog.open(url, submit=engine.submit, others=[desk_metadata]))
        log = overrides.log(stored)
        usage = await stack.enter_async_context(SqlUsage.open(url))
        kept = usage, await stack.enter_async_context(SqlReadLists.open(url))
        hub = overrides.hub(await stack.enter_async_context(McpHub(key=await stored.install_key())))
        models = Models(environ, overrides.clock)
        stack.push_async_callback(models.aclose)
        configure = Configurations(environ=environ, build=models, adapt=overrides.models)
        opened = SettingsStore(url, stack)
        present = RulesHere(environ, opened, log, configure), PeopleHere(surfaces), Freezing(opened=opened)
        coordinator, worker = _joined(
            log,
            engine,
            hub,
            overrides=overrides,
            configure=configure,
            kept=kept,
            present=present,
            away_after=stored.away_after,
        )

        def working(run: str = "") -> AbstractAsyncContextManager[None]:
            return _working(engine, worker, coordinator, overrides.clock, run)

        asyncio.get_running_loop().call_later(LOADED_AFTER, collect_garbage)
        yield Application(log=log, coordinator=coordinator, clock=overrides.clock, working=working)


def _joined(
    log: RunLog,
    engine: Engine,
    hub: ToolHub,
    *,
    overrides: Overrides,
    configure: Configure,
    kept: tuple[Spending, ReadLists],
    present: tuple[CurrentRules, Directory, Freezes],
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
    engine: DbosEngine, worker: Worker, coordinator: Coordinator, clock: Clock, run: str
) -> AsyncGenerator[None]:
    async with engine.running(worker.perform), asyncio.TaskGroup() as group:
        chores = [
            group.create_task(_sweep(coordinator, clock)),
            group.create_task(_review(coordinator, clock)),
            group.create_task(_forget(engine, clock)),
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
