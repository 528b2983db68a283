"""What is being handled now, so that the program does not end in the middle of it."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager


class InFlight:
    """Counts what has begun and not ended."""

    def __init__(self) -> None:
        """Nothing has begun."""
        self._count = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    @contextmanager
    def one(self) -> Generator[None]:
        """Something that begins here and ends here."""
        self._count += 1
        self._is_idle.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._is_idle.set()

    async def ended(self, seconds: float) -> bool:
        """Whether everything ended within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._is_idle.wait()
        except TimeoutError:
            return False
        return True
