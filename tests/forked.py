"""Programs that begin as forks of one process, which has imported everything: what they cost is what they do.

A test of how the program itself starts uses `subprocess` instead. One fork server serves all tests of a process.
"""

import functools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.fork_server import Order
from tests.session_end import session_end

ROOT = Path(__file__).parents[1]
READ_AT_START = ("LC_CTYPE", "PYTHONHASHSEED", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONWARNINGS")
"""Variables that the interpreter reads as it starts: who sets one needs a process of their own."""


class Forked:
    """A program that was started: what tests use of `subprocess.Popen`."""

    def __init__(self, ended: int, stdout: "IO[str] | None", stderr: "IO[str] | None") -> None:
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self._ended = os.fdopen(ended, "rb", buffering=0)
        self.pid = int(self._line())

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            piece = self._ended.read(1)
            if not piece:
                raise ChildProcessError("the fork server is gone")
            line += piece
        return line

    def poll(self) -> int | None:
        """The status, if it has ended; below zero the signal that ended it."""
        if self.returncode is None and select.select([self._ended], [], [], 0)[0]:
            self.returncode = int(self._line())
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The status, when it has ended."""
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise TimeoutError(f"process {self.pid} goes on after {timeout} s")
            self.returncode = int(self._line())
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it still says on both streams, when it has ended."""
        deadline = None if timeout is None else time.monotonic() + timeout
        said: list[str] = ["", ""]

        def read(index: int, stream: "IO[str] | None") -> None:
            said[index] = stream.read() if stream is not None else ""

        readers = [
            threading.Thread(target=read, args=pair, daemon=True) for pair in enumerate((self.stdout, self.stderr))
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if reader.is_alive():
                raise TimeoutError(f"process {self.pid} still speaks after {timeout} s")
        self.wait(None if deadline is None else max(0.1, deadline - time.monotonic()))
        return said[0], said[1]

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()
        self._ended.close()


def can_fork(environ: Mapping[str, str]) -> bool:
    """Whether a fork is the same as a new process in such an environment."""
    return not any(name in environ for name in READ_AT_START)


def start(
    module: str,
    *arguments: str,
    environ: Mapping[str, str],
    folder: Path = ROOT,
    is_strict: bool = False,
    forgets: Sequence[str] = (),
    shares_errors: bool = False,
) -> Forked:
    """Start a module as a program that reads nothing and is read through pipes.

    What it says on its standard error can be read too, or goes where ours goes.
    """
    out, their_out = os.pipe()
    err, their_err = (None, os.dup(2)) if shares_errors else os.pipe()
    order = Order(
        module=module,
        arguments=list(arguments),
        environ=dict(environ),
        folder=str(folder),
        is_strict=is_strict,
        forgets=list(forgets),
        has_terminal=False,
        ends_with_caller=False,
    )
    nothing = os.open(os.devnull, os.O_RDONLY)
    errors = None if err is None else os.fdopen(err, encoding="utf-8")
    return _ordered(order, (nothing, their_out, their_err), os.fdopen(out, encoding="utf-8"), errors)


def start_on_terminal(module: str, arguments: Sequence[str], *, environ: Mapping[str, str], terminal: int) -> Forked:
    """Start a module as a program that a terminal belongs to; the descriptor stays the caller's."""
    order = Order(
        module=module,
        arguments=list(arguments),
        environ=dict(environ),
        folder=str(ROOT),
        is_strict=False,
        forgets=[],
        has_terminal=True,
        ends_with_caller=False,
    )
    return _ordered(order, (os.dup(terminal), os.dup(terminal), os.dup(terminal)), None, None)


def python() -> str:
    """A command that does what this Python does, for programs that others start: it forks what `-m` names.

    Signals, streams and status are passed on; what it started is killed if it is. Its number is not the program's own.
    """
    return _server().launcher


def _ordered(order: Order, theirs: tuple[int, int, int], stdout: "IO[str] | None", stderr: "IO[str] | None") -> Forked:
    ended, their_ended = os.pipe()
    try:
        socket.send_fds(_server().control, [json.dumps(order).encode()], [*theirs, their_ended])
    finally:
        for descriptor in (*theirs, their_ended):
            os.close(descriptor)
    return Forked(ended, stdout, stderr)


_LAUNCHER = """#!{python} -IS
import json, os, signal, socket, sys
if sys.argv[1:2] != ["-m"] or any(name in os.environ for name in {read_at_start!r}):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
order = {{
    "module": sys.argv[2], "arguments": sys.argv[3:], "environ": dict(os.environ), "folder": os.getcwd(),
    "is_strict": False, "forgets": [], "has_terminal": False, "ends_with_caller": True,
}}
ended, theirs = os.pipe()
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as way:
    way.connect({address!r})
    socket.send_fds(way, [json.dumps(order).encode()], [0, 1, 2, theirs])
for descriptor in (0, 1, 2, theirs):
    os.close(descriptor)
with os.fdopen(ended) as lines:
    number = int(lines.readline())
    for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda given, _: os.kill(number, given))
    status = int(lines.readline())
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""
"""What `python` names. It imports so little that it costs a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Server:
    """The fork server: the way to it, the address of another, and the command that goes that one."""

    process: "subprocess.Popen[bytes]"
    control: socket.socket
    address: Path
    launcher: str


def fork_server() -> Server:
    """A server, which ends with this process. Orders may be given while it still imports: it takes them later."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    folder = Path(tempfile.mkdtemp(prefix="fork-server-"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(folder / "orders"))
        listener.listen(128)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", str(theirs.fileno()), str(listener.fileno())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno(), listener.fileno()],
        )
    theirs.close()
    launcher = folder / "python"
    launcher.write_text(
        _LAUNCHER.format(python=sys.executable, read_at_start=READ_AT_START, address=str(folder / "orders"))
    )
    launcher.chmod(0o700)

    def end() -> None:
        ours.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:  # A machine that slow fails no test that has passed.
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    session_end.callback(end)
    return Server(process, ours, folder / "orders", str(launcher))


_server = functools.cache(fork_server)
