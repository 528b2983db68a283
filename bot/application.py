"""The parts that a command works with, as one object."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from bot.chat.platform import SyncIntervals
from coordination.clock import SystemClock, new_id
from coordination.ports import Clock, Model, NewId, RunLog, ToolHub
from coordination.service import Coordinator

_Part = TypeVar("_Part")


def _as_is(part: _Part) -> _Part:
    return part


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What is put around, or in the place of, the real parts. A test of crashes dies in here, not in the program."""

    log: Callable[[RunLog], RunLog] = _as_is
    hub: Callable[[ToolHub], ToolHub] = _as_is
    models: Callable[[Sequence[Model]], Sequence[Model]] = _as_is
    clock: Clock = field(default_factory=SystemClock)
    new_id: NewId = new_id
    intervals: Callable[[SyncIntervals], SyncIntervals] = _as_is


class Working(Protocol):
    """Opens the context in which the process works."""

    def __call__(self, run: str = "") -> AbstractAsyncContextManager[None]:
        """Carry out what runs are waiting for, while it is open.

        Whoever waits for one `run` is told within seconds if its work does nothing but fail; a service within a minute.

        Raises:
            CoordinationError: inside the context, in a group: that is so; the text says who must act.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Application:
    """What commands use. While `working()` is open, the process carries out what runs are waiting for.

    `last_lines` is what servers that did not start here wrote last to their standard error, by name.
    """

    log: RunLog
    coordinator: Coordinator
    clock: Clock
    working: Working
    last_lines: Callable[[], Mapping[str, Sequence[str]]] = dict
