"""A freeze: no approved call starts in a tenant, or anywhere, until it is taken back. It is a setting, kept in the audit."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from bot.chat.store import DeskStore, Setting
from coordination.domain.person import Person

FREEZE_KEY = "freeze"
EVERYWHERE = "*"
"""Stands for every tenant, terminals too. Only the operator can freeze it."""

_ON = "on"


@dataclass(frozen=True, kw_only=True)
class Freezing:
    """Fits `coordination.current_rules.Freezes`. `opened` gives the settings, and opens them when they are first needed."""

    opened: Callable[[], Awaitable[DeskStore]]

    async def frozen_by(self, tenant: str) -> Person | None:
        """Who froze everything, or this tenant; None: calls may start."""
        store = await self.opened()
        return await frozen_by(store, EVERYWHERE) or await frozen_by(store, tenant)


async def frozen_by(store: DeskStore, tenant: str) -> Person | None:
    """Who froze exactly this: a tenant, or `EVERYWHERE`."""
    found = (await store.settings(tenant, "")).get(("", FREEZE_KEY))
    return None if found is None else Person(tenant=tenant, id=found.by, name=found.by_name)


def freeze_setting(tenant: str, by: Person, at: datetime) -> Setting:
    """The setting that freezes a tenant, or `EVERYWHERE`; set and reset, each with who did it."""
    return Setting(tenant=tenant, channel="", key=FREEZE_KEY, value=_ON, by=by.id, by_name=by.name, at=at)
