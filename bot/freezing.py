"""What the operator freezes from a terminal: one tenant, or everything."""

from collections.abc import Mapping

from bot.application import Overrides, database_url
from bot.chat.freezing import EVERYWHERE, freeze_setting
from bot.chat.sql_store import SqlDesk
from bot.log_access import open_reading
from coordination.domain.person import Person


async def freeze(environ: Mapping[str, str], overrides: Overrides, tenant: str, by: Person) -> int:
    """Have no approved call start in a tenant, or anywhere if none is named. Returns how many runs are held.

    Raises:
        StorageError: the database can't be used.
    """
    async with open_reading(environ, overrides) as application, SqlDesk.open(database_url(environ)) as store:
        await store.set(freeze_setting(tenant or EVERYWHERE, by, application.clock.now()))
        return await application.coordinator.tell_frozen(tenant or None)


async def thaw(environ: Mapping[str, str], overrides: Overrides, tenant: str, by: Person) -> int | None:
    """Take that back. Returns how many runs go on, None: nothing was frozen.

    Raises:
        StorageError: the database can't be used.
    """
    async with open_reading(environ, overrides) as application, SqlDesk.open(database_url(environ)) as store:
        if not await store.reset(freeze_setting(tenant or EVERYWHERE, by, application.clock.now())):
            return None
        return await application.coordinator.tell_frozen(tenant or None)
