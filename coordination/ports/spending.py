"""What was used, by whom: asked only where a configuration limits it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Tokens, in and out together, and US dollars as far as prices were known."""

    tokens: int = 0
    money: float = 0.0


class Spending(Protocol):
    """The sums of every process on the same database."""

    async def since(self, moment: datetime, *, tenant: str, user: str | None = None) -> Spent:
        """What was used from this moment on by the runs of a tenant; with `user`, by those that this person asked for.

        Raises:
            StorageError: the sums can't be read.
        """
        ...
