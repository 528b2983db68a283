"""What surrounds a tool server's process.

That is a start that ties it to us, a guard that outlives us, and the end of its group.

The file is also a program, run with nothing but the standard library: `start` becomes the server, `watch` is the guard.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_SECONDS_TO_LEAVE = 2.0
"""Given to a server after its input was closed, and again after it was told to end."""

_POLL = 0.01


def command_line(words: Sequence[str], *, is_wrapped: bool) -> tuple[str, ...]:
    """The command that starts a server so that it ends with us, and can't gain the rights of another user.

    Args:
        words: the server's command and its arguments.
        is_wrapped: the operator put a command of their own around it, such as sudo, which needs to gain rights.
    """
    if not sys.platform.startswith("linux"):
        return tuple(words)
    mode = "start-wrapped" if is_wrapped else "start"
    return (sys.executable, "-I", "-S", __file__, mode, str(os.getpid()), *words)


class ProcessGuard:
    """Ends the process groups of tool servers when this process is killed and can't do so itself.

    One small process for all servers of a hub; it is started with the first, and leaves when its input ends.
    """

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    async def take(self, group: int) -> None:
        """Answer for a process group from now on."""
        async with self._lock:
            if self._process is None or self._process.returncode is not None:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-I",
                    "-S",
                    __file__,
                    "watch",
                    stdin=asyncio.subprocess.PIPE,
                    env={},
                    cwd="/",
                    start_new_session=True,
                )
        self._say(f"+{group}\n")

    def drop(self, group: int) -> None:
        """The group has been ended."""
        self._say(f"-{group}\n")

    def _say(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(line.encode())

    async def aclose(self) -> None:
        """Let the guard go, with whatever it still answers for."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()


async def end_group(process: asyncio.subprocess.Process) -> None:
    """End a server whose input is closed, and all that it started: by itself, else by force.

    The leader's id is the group's.
    """
    try:
        if await _is_true_soon(lambda: process.returncode is not None):
            # It may have left a child of its own behind.
            _signal(process.pid, signal.SIGTERM)
        elif _signal(process.pid, signal.SIGTERM):
            await _is_true_soon(lambda: process.returncode is not None)
        await _is_true_soon(lambda: not _signal(process.pid, 0))
    finally:
        _signal(process.pid, signal.SIGKILL)


def kill_group(process: asyncio.subprocess.Process) -> None:
    """End a server and all that it started, at once."""
    _signal(process.pid, signal.SIGKILL)


def let_go(process: asyncio.subprocess.Process) -> None:
    """Close the pipes to a server that has ended, though somebody whom it started may hold the other ends."""
    transport: object = getattr(process, "_transport", None)  # nothing public leads to it
    if isinstance(transport, asyncio.SubprocessTransport):
        with contextlib.suppress(PermissionError):
            transport.close()


async def _is_true_soon(condition: Callable[[], bool]) -> bool:
    """Poll, because waiting for a process by asyncio's means also waits for everybody who holds its pipes."""
    for _ in range(int(_SECONDS_TO_LEAVE / _POLL)):
        if condition():
            return True
        await asyncio.sleep(_POLL)
    return condition()


def _signal(group: int, number: int) -> bool:
    """Whether there is still somebody in the group who may be told."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return number == 0
    return True


# --- the program ------------------------------------------------------------------------------------------------------


def start(parent: int, words: Sequence[str], *, may_gain_rights: bool) -> None:
    """Become the server; the kernel ends it when the process that started it ends."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if not may_gain_rights:
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)
    try:
        os.execvp(words[0], list(words))  # noqa: S606 - the operator's own command, word by word
    except OSError as error:
        sys.exit(f"{words[0]}: {error.strerror}")


def watch() -> None:
    """Remember groups until the input ends, and then end those that are left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    left = [group for group in groups if _signal(group, signal.SIGTERM)]
    until = time.monotonic() + _SECONDS_TO_LEAVE
    while any(_signal(group, 0) for group in left) and time.monotonic() < until:
        time.sleep(_POLL)  # noqa: TID251 - a program of its own, without an event loop
    for group in left:
        _signal(group, signal.SIGKILL)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        match sys.argv[1:]:
            case ["start" | "start-wrapped" as mode, parent, *words]:
                start(int(parent), words, may_gain_rights=mode == "start-wrapped")
            case _:
                watch()
