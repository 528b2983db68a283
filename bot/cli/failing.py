"""The outermost handler: whatever goes wrong becomes one sentence, an exit status, and a reference into the log file."""

import functools
import logging
import secrets
import sys
import warnings
from collections.abc import Callable, Iterator
from logging.handlers import RotatingFileHandler
from typing import NoReturn, ParamSpec

import typer

from bot.console_app.exits import Exit
from bot.places import made, state_folder
from bot.presenter.notices import notice_for
from bot.words import ENGLISH
from coordination.errors import ConfigError, CoordinationError, RunNotFoundError, StorageError

_log = logging.getLogger(__name__)
_Given = ParamSpec("_Given")

LOG_FILE = "massgen-bot.log"
_LARGEST_LOG = 2_000_000


def reported(command: Callable[_Given, int]) -> Callable[_Given, None]:
    """A command that ends with its exit status, and never with a traceback."""

    @functools.wraps(command)
    def run(*args: _Given.args, **kwargs: _Given.kwargs) -> None:
        try:
            status = command(*args, **kwargs)
        except (typer.Exit, typer.BadParameter):
            raise
        except (KeyboardInterrupt, BrokenPipeError):
            _leave_quietly()
        except BaseExceptionGroup as group:
            status = _report(next(_leaves(group)))
        except Exception as error:  # noqa: BLE001  # the outermost handler: everything becomes a sentence here
            status = _report(error)
        raise typer.Exit(status)

    return run


def keep_logs(environ: "dict[str, str]", *, is_verbose: bool) -> None:
    """Send what libraries say to the log file, and nothing of it to the terminal unless that is asked for."""
    root = logging.getLogger()
    logging.captureWarnings(capture=True)
    warnings.simplefilter("default")
    sys.unraisablehook = _log_unraisable
    if is_verbose:
        handler: logging.Handler = logging.StreamHandler()
        root.setLevel(logging.DEBUG)
    else:
        handler = _log_file(environ)
        root.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root.addHandler(handler)


def _log_file(environ: "dict[str, str]") -> logging.Handler:
    """The file in the state folder; nowhere, if that can't be written."""
    try:
        folder = made(state_folder(environ))
    except StorageError:
        return logging.NullHandler()
    return RotatingFileHandler(
        folder / LOG_FILE, maxBytes=_LARGEST_LOG, backupCount=1, delay=True, encoding="utf-8", errors="backslashreplace"
    )


def _report(error: BaseException) -> int:
    if isinstance(error, CoordinationError):
        typer.echo(notice_for(error), err=True)
        return Exit.USAGE if isinstance(error, ConfigError | RunNotFoundError | StorageError) else Exit.FAILED
    reference = secrets.token_hex(2)
    _log.error("unexpected error, ref %s", reference, exc_info=error)
    typer.echo(
        f"{ENGLISH.say('error.unexpected_in_log', file=LOG_FILE)} {ENGLISH.say('error.reference', reference=reference)}",
        err=True,
    )
    return Exit.FAILED


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _leave_quietly() -> NoReturn:
    """Ctrl-C before there was anything to ask about, or a reader that has gone: not worth a word."""
    raise typer.Exit(130)


def _log_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    _log.warning("%s", unraisable.err_msg or "an error while cleaning up", exc_info=unraisable.exc_value)
