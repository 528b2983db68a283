"""What administrators set, opened when it is first needed: a run at a terminal may never ask."""

import asyncio
from contextlib import AsyncExitStack

from bot.chat.sql_store import SqlDesk
from bot.chat.store import DeskStore


class SettingsStore:
    """Opens the store once, whoever asks first."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        """`stack` closes it again."""
        self._url = url
        self._stack = stack
        self._store: DeskStore | None = None
        self._opening = asyncio.Lock()

    async def __call__(self) -> DeskStore:
        """The store.

        Raises:
            StorageError: the database can't be used.
        """
        async with self._opening:
            if self._store is None:
                self._store = await self._stack.enter_async_context(SqlDesk.open(self._url))
            return self._store
