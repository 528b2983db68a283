"""The outermost error handler: turns every error into one sentence, an exit status, and what to type next."""

import functools
import logging
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import ParamSpec, assert_never, cast

import typer

from bot.cards.error_messages import notice_for
from bot.cards.linked_runs import how_to_link
from bot.cards.run_view import RunView
from bot.cards.text import head_of, visible
from bot.i18n import catalog
from bot.telemetry.log_lines import LOG_FILE, say
from coordination.domain import states as s
from coordination.domain.plan import Failed, OutcomeUnknown, Succeeded, short
from coordination.errors import (
    ConfigError,
    CoordinationError,
    MissingLibraryError,
    RefusedError,
    RunNotFoundError,
    StorageError,
    ToolServerError,
)


class Exit(IntEnum):
    """The statuses of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    WAITING = 3
    STOPPED = 4
    UNKNOWN = 5
    LACKS_LIBRARY = 6


def exit_of(state: s.RunState) -> Exit:
    """What a run's state means to a shell."""
    match state:
        case s.Answered():
            return Exit.DONE
        case s.Finished():
            return _exit_of_finished(state)
        case s.RunBroken():
            return Exit.FAILED
        case s.Rejected() | s.Expired() | s.Cancelled():
            return Exit.STOPPED
        case s.NeedsHuman():
            return Exit.UNKNOWN
        case s.Queued() | s.Deliberating() | s.ChangesWanted() | s.AwaitingDecision() | s.Executing() | s.Reporting():
            return Exit.WAITING
        case _:
            assert_never(state)


def _exit_of_finished(state: s.Finished) -> Exit:
    if all(isinstance(receipt, Succeeded) for receipt in state.receipts):
        return Exit.DONE
    if any(isinstance(receipt, Failed | OutcomeUnknown) for receipt in state.receipts):
        return Exit.FAILED
    return Exit.STOPPED if state.stopped_by is not None else Exit.FAILED


_log = logging.getLogger(__name__)
_Given = ParamSpec("_Given")

STOPPED_EARLY = 130
"""Ctrl-C before there was anything to ask about, or a reader that went away: not worth a word."""

_LONGEST_WRITTEN = 300
_MISTYPED = frozenset(
    {"empty_prompt", "long_prompt", "empty_change", "empty_answer", "unknown_verdict", "ambiguous_run"}
)
"""What is refused for how the command was typed, and not for how a run stands."""


def reported(command: Callable[_Given, int]) -> Callable[_Given, None]:
    """A command that ends with its exit status, and never with a traceback."""

    @functools.wraps(command)
    def run(*args: _Given.args, **kwargs: _Given.kwargs) -> None:
        try:
            status = command(*args, **kwargs)
        except (typer.Exit, typer.BadParameter):
            raise
        except (KeyboardInterrupt, BaseExceptionGroup, Exception) as error:  # noqa: BLE001  # the outermost handler
            status = status_of(_first_leaf(error))
        raise typer.Exit(status)

    return run


def status_of(error: BaseException) -> int:
    """Tell the person what they can use of an error; the rest is for the log file."""
    if isinstance(error, KeyboardInterrupt):
        return STOPPED_EARLY
    if isinstance(error, BrokenPipeError):
        # Python would complain once more when it flushes what nobody reads any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return STOPPED_EARLY
    if isinstance(error, CoordinationError):
        _say(notice_for(error))
        if isinstance(error, ToolServerError):
            for line in words_of_servers(error.last_lines):
                _say(line)
        if isinstance(error, MissingLibraryError):
            for command in error.commands:
                _say(catalog.text("error.install", command=command))
            return Exit.LACKS_LIBRARY
        return Exit.USAGE if _is_usage(error) else Exit.FAILED
    reference = secrets.token_hex(2)
    _log.error("unexpected error, ref %s", reference, exc_info=error)
    where = catalog.text("error.unexpected_in_log", file=LOG_FILE)
    _say(f"{where} {catalog.text('error.reference', reference=reference)}")
    return Exit.FAILED


def _say(text: str) -> None:
    """One sentence of why the command ends."""
    say(sys.stderr, text, level=logging.ERROR)


def words_of_servers(last_lines: Mapping[str, Sequence[str]]) -> list[str]:
    """What servers that did not start wrote last, as lines for a terminal."""
    lines: list[str] = []
    for server, written in last_lines.items():
        lines.append(catalog.text("error.server_wrote", server=visible(server)))
        lines += [f"    {head_of(visible(line), _LONGEST_WRITTEN)}" for line in written]
    return lines


def _is_usage(error: CoordinationError) -> bool:
    if isinstance(error, RefusedError):
        return error.refusal in _MISTYPED
    return isinstance(error, ConfigError | RunNotFoundError | StorageError)


def _first_leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def how_to_go_on(view: RunView) -> str | None:
    """The commands that go on with a run; None where there is nothing left to do."""
    run = visible(view.run)
    match view.state:
        case s.AwaitingDecision(plan=plan):
            until = f"{plan.expires_at.astimezone():%Y-%m-%d %H:%M}"
            return catalog.text("next.decide", run=run, plan=short(plan.digest), until=until)
        case s.NeedsHuman(unknown=unknown):
            return catalog.text("next.resolve", run=run, number=unknown.index + 1)
        case s.Queued() | s.Deliberating() | s.ChangesWanted() | s.Executing() | s.Reporting():
            return catalog.text("next.resume", run=run)
        case _:
            return how_to_link(view)
