"""The log of a service in a database, which tests look into as they do into the one in memory."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any, Self

from typing_extensions import override

from coordination.domain.events import RunEvent
from coordination.domain.states import RunState
from coordination.domain.transitions import Recorded
from coordination.ports import Job
from coordination.storage.database import parse_url
from coordination.storage.sql_run_log import SqlLog


class SqlServiceLog(SqlLog):
    """The log in a database, with its jobs at hand, and what it says that it wrote."""

    def __init__(self, *arguments: Any, **more: Any) -> None:  # noqa: ANN401 - whatever the log takes
        """Use `open`."""
        super().__init__(*arguments, **more)
        self.jobs: list[Job] = []
        self.events: dict[str, list[Recorded]] = {}
        self.configs: dict[str, tuple[str, str]] = {}

    @classmethod
    def at_once(cls, url: str, stack: ExitStack) -> Self:
        """The log of a database that has its tables already; closed with the stack."""
        log = cls(
            parse_url(url),
            submit=lambda connection, job: None,
            watch_interval=0.05,
            appended=lambda run, records: None,
            submitted=lambda: None,
        )
        stack.callback(log._close)
        log._listen(parse_url(url))
        return log

    @override
    async def append(
        self,
        run: str,
        expected: int,
        events: Sequence[RunEvent],
        at: datetime,
        state: RunState,
        job: Job | None = None,
    ) -> Sequence[Recorded]:
        added = await super().append(run, expected, events, at, state, job)
        self.events[run] = sorted([*self.events.get(run, []), *added], key=lambda each: each.seq)
        self.jobs += [] if job is None else [job]
        return added

    @override
    async def save_config(self, digest: str, text: str, origin: str) -> None:
        await super().save_config(digest, text, origin)
        self.configs.setdefault(digest, (text, origin))

    def kinds(self, run: str) -> list[str]:
        """The kinds of a run's events, in order."""
        return [recorded.event.kind for recorded in self.events[run]]
