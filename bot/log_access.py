"""The log, and the decisions that need no worker, such as freezes: no engine, no servers, no models."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from bot.application import Application, Overrides
from bot.chat.sql_store import SqlChatStore, freeze_after_loss
from bot.chat.sql_tables import chat_metadata
from bot.chat.store import EVERYWHERE, ChatStore, Freezing, freeze_setting
from coordination.domain.policy import Person
from coordination.ports import Job, Perform
from coordination.preparation import Prepared
from coordination.secret_marks import MARKS
from coordination.service import Coordinator
from coordination.storage.sql_run_log import SqlLog


class SettingsStore:
    """Opens the store once, whoever asks first."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        """`stack` closes it again."""
        self._url = url
        self._stack = stack
        self._store: ChatStore | None = None
        self._opening = asyncio.Lock()

    async def __call__(self) -> ChatStore:
        """The store.

        Raises:
            StorageError: the database can't be used.
        """
        async with self._opening:
            if self._store is None:
                self._store = await self._stack.enter_async_context(SqlChatStore.open(self._url))
            return self._store


@asynccontextmanager
async def open_reading(url: str, overrides: Overrides) -> AsyncGenerator[Application]:
    """The application on the database at `url` without hands: good for looking, rejecting and cancelling.

    Raises:
        StorageError: the database can't be used.
    """
    async with AsyncExitStack() as stack:
        stored = await stack.enter_async_context(
            SqlLog.open(url, submit=_refuse_job, others=[chat_metadata], stop=freeze_after_loss)
        )
        MARKS.use(await stored.install_key())
        log = overrides.log(stored)
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
    """Does no work, and needs no wake-up."""

    def running(self, perform: Perform) -> AbstractAsyncContextManager[None]:
        """Never asked for."""
        del perform
        return _refuse_work()

    def wake(self) -> None:
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


async def freeze(url: str, overrides: Overrides, tenant: str, by: Person) -> int:
    """Have no approved call start in a tenant, or anywhere if none is named. Returns how many runs are held.

    Raises:
        StorageError: the database can't be used.
    """
    async with open_reading(url, overrides) as application, SqlChatStore.open(url) as store:
        await store.set(freeze_setting(tenant or EVERYWHERE, by, application.clock.now()))
        return await application.coordinator.tell_frozen(tenant or None)


async def thaw(url: str, overrides: Overrides, tenant: str, by: Person) -> int | None:
    """Take that back. Returns how many runs go on, None: nothing was frozen.

    Raises:
        StorageError: the database can't be used.
    """
    async with open_reading(url, overrides) as application, SqlChatStore.open(url) as store:
        if not await store.reset(freeze_setting(tenant or EVERYWHERE, by, application.clock.now())):
            return None
        return await application.coordinator.tell_frozen(tenant or None)
