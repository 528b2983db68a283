"""What keeps this process's secrets, and the decisions that are made through it, from the tool servers that it starts.

A tool server runs as the same user. It can do what that user can; here is closed what can be closed without another
user. docs/security.md says what is left open.
"""

import ctypes
import hashlib
import hmac
import os
import re
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bot.i18n import catalog
from coordination.errors import RefusedError, StorageError

if TYPE_CHECKING:
    from bot.variables import Environment

TOKEN_VARIABLE = "MASSGEN_BOT_APPROVAL_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_FILE = "approval-token.sha256"  # noqa: S105 - the name of a file

_PR_SET_DUMPABLE = 4
_SECRET_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSW|PWD\Z|CREDENTIAL|DSN|DATABASE_URL", re.IGNORECASE)
_READ_BY_LIBRARIES = re.compile(r"PG|AWS_|GOOGLE_APPLICATION|SSH_|SSL_|XDG_|LC_|DBUS_")
"""Beginnings of names that libraries look up in the process's own environment, where they must stay."""


def shielded(environ: MutableMapping[str, str]) -> dict[str, str]:
    """The environment as it is, after its secrets were taken out of the process's own.

    On Linux no other process of the same user may look into this one from here on, and what the kernel shows of the
    environment at the start has zeros in their place.
    """
    found = dict(environ)
    secrets = {name for name, value in found.items() if _is_secret(name, value)}
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError, ValueError):
            libc = ctypes.CDLL(None)
            libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
            _wipe(libc, secrets)
    for name in secrets:
        del environ[name]
    return found


def _is_secret(name: str, value: str) -> bool:
    if _READ_BY_LIBRARIES.match(name):
        return False
    return _SECRET_NAMES.search(name) is not None or re.search(r"://[^/\s@]+@", value) is not None


def _wipe(libc: ctypes.CDLL, names: set[str]) -> None:
    """Overwrite values where the process got them at its start: taking a variable away leaves its text in place."""
    wanted = {os.fsencode(name) for name in names}
    block = ctypes.POINTER(ctypes.c_void_p).in_dll(libc, "environ")
    index = 0
    while (at := block[index]) is not None:
        name, _, value = ctypes.string_at(at).partition(b"=")
        if name in wanted:
            ctypes.memset(at + len(name) + 1, 0, len(value))
        index += 1


def require_person(environment: "Environment") -> None:
    """Let only a person, or a script that a person gave their token, decide on a run from here.

    Raises:
        RefusedError: this process was started by a tool server, or nobody can tell that it was not.
    """
    refuse_tool_servers(environment)
    if _may_gain_no_rights("self") is not False and not _has_token(environment) and not _has_terminal():
        raise RefusedError("by_nobody", catalog.text("refusal.by_nobody", variable=TOKEN_VARIABLE))


def refuse_tool_servers(environment: "Environment") -> None:
    """Let no process decide that was certainly started by a tool server, unless a person gave it their token.

    Raises:
        RefusedError: it was.
    """
    if _has_token(environment):
        return
    if environment.tool_server or (_may_gain_no_rights("self") and not _may_gain_no_rights("1")):
        raise RefusedError("by_tool_server", catalog.text("refusal.by_tool_server", variable=TOKEN_VARIABLE))


def _may_gain_no_rights(process: str) -> bool | None:
    """Whether a process bears the mark that Linux lets nobody take off, which every tool server bears.

    None: unknown.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"^NoNewPrivs:\s*(\d)", status, re.MULTILINE)
    return None if found is None else found[1] == "1"


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _has_token(environment: "Environment") -> bool:
    """Whether the environment has the token whose digest its owner put into the state folder."""
    token = environment.approval_token.get_secret_value()
    try:
        kept = (environment.state_folder() / TOKEN_FILE).read_text(encoding="ascii").split()
    except (OSError, StorageError, UnicodeDecodeError):
        return False
    return bool(token and kept) and hmac.compare_digest(hashlib.sha256(token.encode()).hexdigest(), kept[0].lower())
