"""The log and the decisions that call for no work: no engine, no servers, no models."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from bot.application import Application, Overrides, database_url
from bot.chat.freezing import Freezing
from bot.chat.sql_desk_schema import desk_metadata
from bot.settings_store import SettingsStore
from coordination.ports import Job, Perform
from coordination.preparation import Prepared
from coordination.service import Coordinator
from coordination.storage.sql_run_log import SqlLog


@asynccontextmanager
async def open_reading(environ: Mapping[str, str], overrides: Overrides) -> AsyncGenerator[Application]:
    """The application without hands: good for looking, rejecting and cancelling.

    Raises:
        StorageError: the database can't be used.
    """
    url = database_url(environ)
    async with AsyncExitStack() as stack:
        log = overrides.log(
            await stack.enter_async_context(SqlLog.open(url, submit=_refuse_job, others=[desk_metadata]))
        )
        coordinator = Coordinator(
            log,
            _NoEngine(),
            clock=overrides.clock,
            new_id=overrides.new_id,
            configure=_refuse_config,
            freezes=Freezing(opened=SettingsStore(url, stack)),
        )
        yield Application(log=log, coordinator=coordinator, clock=overrides.clock, working=_refuse_work)


class _NoEngine:
    """Does no work, and needs no nudge."""

    def running(self, perform: Perform) -> AbstractAsyncContextManager[None]:
        """Never asked for."""
        del perform
        return _refuse_work()

    def nudge(self) -> None:
        """Nobody is waiting."""


def _refuse_job(connection: object, job: Job) -> None:
    del connection
    raise RuntimeError(f"job {job.name} was submitted by a command that can't start work")


def _refuse_config(text: str, origin: str, tenant: str) -> Prepared:
    del text, origin, tenant
    raise RuntimeError("a command that can't start work was asked to start a run")


def _refuse_work(run: str = "") -> AbstractAsyncContextManager[None]:
    del run
    raise RuntimeError("a command that can't start work was asked to work")
