"""The parts that a command works with, joined."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TypeVar

from coordination.adapters.clock import SystemClock, new_id
from coordination.adapters.sql_connection import default_database_url
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


@dataclass(frozen=True, kw_only=True)
class Application:
    """What commands use. While `working()` is open, the process carries out what runs are waiting for."""

    log: RunLog
    coordinator: Coordinator
    clock: Clock
    working: Callable[[], AbstractAsyncContextManager[None]]


def database_url(environ: Mapping[str, str]) -> str:
    """The database that the environment names, or the default one.

    Raises:
        StorageError: the folder of the default one can't be made.
    """
    return environ.get("DATABASE_URL") or default_database_url(environ)
