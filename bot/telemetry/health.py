"""Liveness, readiness and metrics: three pages on one port, for every command that serves.

`/live` is answered by whoever can answer. `/ready` asks each part anew: a database that went away, a chat that does not
hear us, and an end that has begun make it 503, with the reasons.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias, TypeVar

from aiohttp import web

from bot.i18n import catalog
from bot.telemetry.metrics import PROCESS, metrics_page
from bot.variables import Environment
from coordination.clock import SystemClock
from coordination.errors import ConfigError, StorageError
from coordination.storage.overview import DatabaseWatch
from coordination.text import Text

Check: TypeAlias = Callable[[], Awaitable[str]]
"""Says what is wrong with one part, in few words; nothing: it is well."""

PATIENCE = 3.0
"""Seconds that one part may take to tell how it is; whoever asks has little more."""

_Answer = TypeVar("_Answer")
_log = logging.getLogger(__name__)


class Health:
    """How the parts of this process are. It is not ready before `serving` is open."""

    def __init__(self) -> None:
        """Nothing is watched."""
        self._checks: dict[str, Check] = {}
        self._is_serving = False

    @contextmanager
    def watched(self, name: str, check: Check) -> Generator[None]:
        """Ask this part too while the context is open."""
        self._checks[name] = check
        try:
            yield
        finally:
            del self._checks[name]

    @contextmanager
    def serving(self) -> Generator[None]:
        """The start is over while the context is open."""
        self._is_serving = True
        try:
            yield
        finally:
            self._is_serving = False

    async def problems(self) -> Mapping[str, str]:
        """What is wrong, by part; an empty text where it is well."""
        checks = dict(self._checks)
        answers = await asyncio.gather(*(_asked(check) for check in checks.values()))
        return {
            "serving": "" if self._is_serving else "it is starting or ending",
            **dict(zip(checks, answers, strict=True)),
        }


async def _asked(check: Check) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            return await check()
    except TimeoutError:
        return f"no answer within {PATIENCE:g} s"
    except Exception as error:  # noqa: BLE001 - a check that fails is an answer, and the others must be asked.
        _log.warning("a health check failed", exc_info=error)
        return type(error).__name__


class _Aside:
    """One look at a time at the database, in a thread: a database that hangs must not collect threads."""

    def __init__(self, url: str) -> None:
        self.watch = DatabaseWatch(url)
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="health")
        self._pending: asyncio.Future[Any] | None = None

    async def run(self, look: Callable[[], _Answer]) -> _Answer:
        """What the look says.

        Raises:
            StorageError: it failed, or the one before it has no answer yet.
        """
        if self._pending is not None and not self._pending.done():
            await asyncio.wait({self._pending}, timeout=PATIENCE / 2)
            if not self._pending.done():
                raise StorageError(Text("The database does not answer."))
        future = asyncio.get_running_loop().run_in_executor(self._threads, look)
        self._pending = future
        return await asyncio.shield(future)

    async def problem(self) -> str:
        """Fits `Check`. Passwords and addresses stay out of it."""
        try:
            await self.run(self.watch.ping)
        except StorageError as error:
            _log.info("not ready: %s", error)
            return "it does not answer, or lacks its tables; the log says more"
        return ""

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.watch.close()


def health_port(environment: Environment) -> int | None:
    """The port; None: no health is served.

    Raises:
        ConfigError: it is no port.
    """
    port = environment.health_port.strip()
    if port and not (port.isdecimal() and int(port) <= 65_535):
        raise ConfigError([catalog.text("health.bad_port")])
    return int(port) if port else None


@asynccontextmanager
async def open_health(
    environment: Environment, ending: asyncio.Event, tell: Callable[[int], None]
) -> AsyncGenerator[Health]:
    """Health of this process, on all addresses, as a container's platform asks from outside. `tell` gets the port.

    Raises:
        ConfigError: the port is none, or is taken.
    """
    health, port = Health(), health_port(environment)
    if port is None:
        yield health
        return
    aside = _Aside(environment.database_url())

    async def is_ending() -> str:
        return "it was told to end" if ending.is_set() else ""

    runner = web.AppRunner(_pages(health, aside), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, port=port)
        try:
            await site.start()
        except OSError:
            raise ConfigError([catalog.text("health.port_taken", port=port)]) from None
        # A free port is another one for each family of addresses.
        tell(next(address[1] for address in runner.addresses if len(address) == 2))
        with health.watched("database", aside.problem), health.watched("process", is_ending):
            yield health
    finally:
        await runner.cleanup()
        aside.close()


def _pages(health: Health, aside: _Aside) -> web.Application:
    async def live(request: web.Request) -> web.Response:
        del request
        return web.Response(text="live\n")

    async def ready(request: web.Request) -> web.Response:
        del request
        problems = await health.problems()
        if not any(problems.values()):
            return web.Response(text="ready\n")
        lines = [f"{name}: {problem}\n" for name, problem in problems.items() if problem]
        return web.Response(text=f"not ready\n{''.join(lines)}", status=503)

    async def metrics(request: web.Request) -> web.Response:
        del request
        problems = await health.problems()
        try:
            async with asyncio.timeout(PATIENCE):
                overview = await aside.run(lambda: aside.watch.overview(SystemClock().now()))
        except (StorageError, TimeoutError):
            overview = None
        page = metrics_page(PROCESS, problems, overview)
        return web.Response(text=page, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    application = web.Application()
    application.add_routes([web.get("/live", live), web.get("/ready", ready), web.get("/metrics", metrics)])
    return application
