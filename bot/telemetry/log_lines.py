"""The program's log: JSON lines on standard error for whoever collects them, or a file where a person has a terminal.

Either way no secret that we know, and nothing that logs in at an address, is written.
"""

import fcntl
import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from typing import TextIO
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr
from typing_extensions import override

from bot.i18n import catalog
from bot.machine import made
from bot.variables import Environment
from coordination.errors import ConfigError, StorageError
from coordination.log_context import log_fields
from coordination.redaction import EVERYTHING, learn_secrets, without_addresses_secrets
from coordination.secret_marks import marked

LOG_FILE = "massgen-bot.log"
_LARGEST_LOG = 2_000_000
_LEVELS = ("debug", "info", "warning", "error")
_OURS = ("bot", "coordination")

_log = logging.getLogger(__name__)


def keep_logs(environment: Environment, *, is_verbose: bool, collected_by: TextIO | None = None) -> None:
    """Send what the program and its libraries say to its log. With `collected_by`, that is JSON lines on this stream.

    Raises:
        ConfigError: the level is none.
    """
    level = _level(environment)
    learn_secrets(*_secrets(environment))
    root = logging.getLogger()
    logging.captureWarnings(capture=True)
    warnings.simplefilter("default")
    # What a newer Python says of a library's code is nothing that an operator can change.
    for category in (DeprecationWarning, PendingDeprecationWarning):
        warnings.simplefilter("ignore", category)
    sys.unraisablehook = _log_unraisable
    handler: logging.Handler
    if collected_by is not None:
        handler = logging.StreamHandler(collected_by)
        handler.setFormatter(JsonLines())
    else:
        handler = logging.StreamHandler() if is_verbose else _log_file(environment)
        handler.setFormatter(TextLines("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if is_verbose else max(level, logging.WARNING))
    if not is_verbose:
        for name in _OURS:
            logging.getLogger(name).setLevel(level)
        if level >= logging.WARNING:
            # What a tool server wrote before it failed to start: complaints refer to it.
            logging.getLogger("coordination.mcp_tools.stdio_transport").setLevel(logging.INFO)


def _level(environment: Environment) -> int:
    name = environment.log_level.strip().lower() or "warning"
    if name not in _LEVELS:
        raise ConfigError([catalog.text("log.bad_level", levels=", ".join(_LEVELS))])
    return logging.getLevelNamesMapping()[name.upper()]


def _secrets(environment: Environment) -> Iterator[str]:
    """What the environment has of our own secrets; of the database's address only the password is one."""
    for name in type(environment).model_fields:
        value = getattr(environment, name)
        if isinstance(value, SecretStr):
            text = value.get_secret_value()
            if "://" not in text:
                yield text
            else:
                with suppress(ValueError):
                    yield unquote(urlsplit(text).password or "")


class TextLines(logging.Formatter):
    """Writes no secret that we know, nothing that logs in at an address, and nothing that steers a terminal."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        """One entry, which may have several lines."""
        return "".join(
            sign if sign.isprintable() or sign in "\n\t" else sign.encode("unicode_escape", "backslashreplace").decode()
            for sign in _without_secrets(super().format(record))
        )


def _without_secrets(text: str) -> str:
    return marked(without_addresses_secrets(EVERYTHING.text(text)))


_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
"""What every record has; all else came by `extra=`."""


class JsonLines(logging.Formatter):
    """One JSON object a line: when, how grave, who says what, for which run, tenant and person, and `extra=` fields.

    What hides or steers a terminal is escaped, as whoever reads the stream may do so at one.
    """

    @override
    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **log_fields(),
            **extra,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        written = json.dumps({name: _plain(value) for name, value in line.items()}, ensure_ascii=False)
        return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in written)


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = _without_secrets(value if isinstance(value, str) else str(value))
    return text.encode("utf-8", "backslashreplace").decode()


def say(stream: TextIO, text: str, *, level: int = logging.INFO) -> None:
    """One sentence for the operator on standard error: a line, or, where the log goes there as JSON, one of those."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JsonLines) and getattr(handler, "stream", None) is stream:
            handler.handle(logging.LogRecord("massgen-bot", level, "", 0, text, None, None))
            return
    stream.write(f"{text}\n")
    stream.flush()


class PrivateFile(RotatingFileHandler):
    """A log file that only its owner may read, and that several processes may write to and rotate."""

    @override
    def _open(self) -> io.TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with suppress(OSError):  # another's file
            os.fchmod(handle, 0o600)
        return io.TextIOWrapper(io.FileIO(handle, "a"), encoding=self.encoding, errors=self.errors, write_through=True)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Write an entry; after another process rotated, to the new file."""
        if self.stream is not None and not self._is_current(self.stream):
            self.stream.close()
            self.stream = self._open()
        super().emit(record)

    @override
    def shouldRollover(self, record: logging.LogRecord) -> bool:
        """Whether the entry has no room: by the end of the file, which another process may have moved.

        A stream's own position is that after its own last entry, and newer versions of `logging` go by that.
        """
        if self.stream is not None:
            self.stream.seek(0, os.SEEK_END)
        return bool(super().shouldRollover(record))

    @override
    def doRollover(self) -> None:
        """Rotate, unless another process did so in this moment: then there is room again."""
        lock = os.open(f"{self.baseFilename}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.stream is None or self._is_current(self.stream):
                super().doRollover()
            else:
                self.stream.close()
                self.stream = self._open()
        finally:
            os.close(lock)

    def _is_current(self, stream: TextIO) -> bool:
        try:
            return os.path.samestat(os.fstat(stream.fileno()), os.stat(self.baseFilename))  # noqa: PTH116 - a file's name as `logging` has it
        except OSError:
            return False


def _log_file(environment: Environment) -> logging.Handler:
    """The file in the state folder; nowhere, if that can't be written."""
    try:
        folder = made(environment.state_folder())
    except StorageError:
        return logging.NullHandler()
    return PrivateFile(
        folder / LOG_FILE, maxBytes=_LARGEST_LOG, backupCount=1, delay=True, encoding="utf-8", errors="backslashreplace"
    )


def _log_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    _log.warning("%s", unraisable.err_msg or "an error while cleaning up", exc_info=unraisable.exc_value)
