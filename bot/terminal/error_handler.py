"""The outermost handler: whatever goes wrong becomes one sentence and an exit status, and says what to type next."""

import functools
import io
import logging
import os
import secrets
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import IntEnum
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, ParamSpec, assert_never, cast

import typer
from typing_extensions import override

from bot.cards.error_messages import notice_for
from bot.cards.run_view import RunView
from bot.cards.text import visible
from bot.i18n import catalog
from bot.machine import made
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
from coordination.redaction import EVERYTHING, without_addresses_secrets

if TYPE_CHECKING:
    from bot.variables import Environment


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

LOG_FILE = "massgen-bot.log"
STOPPED_EARLY = 130
"""Ctrl-C before there was anything to ask about, or a reader that went away: not worth a word."""

_LONGEST_WRITTEN = 300
_LARGEST_LOG = 2_000_000
_MISTYPED = frozenset({"empty_prompt", "long_prompt", "empty_change", "unknown_verdict", "ambiguous_run"})
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


def keep_logs(environment: "Environment", *, is_verbose: bool) -> None:
    """Send what libraries say to the log file, and nothing of it to the terminal unless that is asked for."""
    root = logging.getLogger()
    logging.captureWarnings(capture=True)
    warnings.simplefilter("default")
    sys.unraisablehook = _log_unraisable
    if is_verbose:
        handler: logging.Handler = logging.StreamHandler()
        root.setLevel(logging.DEBUG)
    else:
        handler = _log_file(environment)
        root.setLevel(logging.WARNING)
        # What a tool server wrote before it failed to start: complaints refer to it.
        logging.getLogger("coordination.mcp_tools.stdio_transport").setLevel(logging.INFO)
    handler.setFormatter(_Discreet("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root.addHandler(handler)


class _PrivateFile(RotatingFileHandler):
    """A log file that only its owner may read."""

    @override
    def _open(self) -> io.TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with suppress(OSError):  # another's file
            os.fchmod(handle, 0o600)
        return io.TextIOWrapper(io.FileIO(handle, "a"), encoding=self.encoding, errors=self.errors, write_through=True)


class _Discreet(logging.Formatter):
    """Writes no secret that we know, nothing that logs in at an address, and nothing that steers a terminal."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        """One entry, which may have several lines."""
        text = without_addresses_secrets(EVERYTHING.text(super().format(record)))
        return "".join(
            sign if sign.isprintable() or sign in "\n\t" else sign.encode("unicode_escape", "backslashreplace").decode()
            for sign in text
        )


def _log_file(environment: "Environment") -> logging.Handler:
    """The file in the state folder; nowhere, if that can't be written."""
    try:
        folder = made(environment.state_folder())
    except StorageError:
        return logging.NullHandler()
    return _PrivateFile(
        folder / LOG_FILE, maxBytes=_LARGEST_LOG, backupCount=1, delay=True, encoding="utf-8", errors="backslashreplace"
    )


def status_of(error: BaseException) -> int:
    """Tell the person what they can use of an error; the rest is for the log file."""
    if isinstance(error, KeyboardInterrupt):
        return STOPPED_EARLY
    if isinstance(error, BrokenPipeError):
        # Python would complain once more when it flushes what nobody reads any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return STOPPED_EARLY
    if isinstance(error, CoordinationError):
        typer.echo(notice_for(error), err=True)
        if isinstance(error, ToolServerError):
            for line in words_of_servers(error.last_lines):
                typer.echo(line, err=True)
        if isinstance(error, MissingLibraryError):
            for command in error.commands:
                typer.echo(catalog.text("error.install", command=command), err=True)
            return Exit.LACKS_LIBRARY
        return Exit.USAGE if _is_usage(error) else Exit.FAILED
    reference = secrets.token_hex(2)
    _log.error("unexpected error, ref %s", reference, exc_info=error)
    where = catalog.text("error.unexpected_in_log", file=LOG_FILE)
    typer.echo(f"{where} {catalog.text('error.reference', reference=reference)}", err=True)
    return Exit.FAILED


def words_of_servers(last_lines: Mapping[str, Sequence[str]]) -> list[str]:
    """What servers that did not start wrote last, as lines for a terminal."""
    lines: list[str] = []
    for server, written in last_lines.items():
        lines.append(catalog.text("error.server_wrote", server=visible(server)))
        lines += [f"    {visible(line)[:_LONGEST_WRITTEN]}" for line in written]
    return lines


def _is_usage(error: CoordinationError) -> bool:
    if isinstance(error, RefusedError):
        return error.refusal in _MISTYPED
    return isinstance(error, ConfigError | RunNotFoundError | StorageError)


def _first_leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def _log_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    _log.warning("%s", unraisable.err_msg or "an error while cleaning up", exc_info=unraisable.exc_value)


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
            return None
