"""Whom and what the current task works for, for the lines that it writes to the program's log.

It is set where a job or a request begins, follows every task and thread that those begin, and costs nothing where
nobody looks. Ids only: no name, no prompt and no argument belongs in a log that others collect.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_NOTHING: Mapping[str, str] = MappingProxyType({})

_fields: ContextVar[Mapping[str, str]] = ContextVar("log_fields", default=_NOTHING)


def log_fields() -> Mapping[str, str]:
    """The fields of the current task: of `run`, `tenant` and `person`, those that are known."""
    return _fields.get()


def log_from_here(*, run: str = "", tenant: str = "", person: str = "") -> None:
    """The same to the end of the current task, for one that works for nobody else."""
    _fields.set(_with(run=run, tenant=tenant, person=person))


def _with(**given: str) -> Mapping[str, str]:
    return {**_fields.get(), **{name: value for name, value in given.items() if value}}


@contextmanager
def logged_for(*, run: str = "", tenant: str = "", person: str = "") -> Generator[None]:
    """Have every line that is written meanwhile bear these, beside what holds around; an empty one changes nothing."""
    token = _fields.set(_with(run=run, tenant=tenant, person=person))
    try:
        yield
    finally:
        _fields.reset(token)
