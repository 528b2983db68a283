"""Starts programs cheaply: this process imports everything once, and forks for each that is asked for.

    python -m tests.fork_server DESCRIPTOR LISTENER

Orders come over the Unix socket DESCRIPTOR, and one over each connection to the socket LISTENER, each with the four
descriptors of the program: its standard streams, and where this process writes its number and, when it has ended, its
status. What the child runs is what `python -m` would have run, with the order's environment, folder and streams; it
also ends as that would.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import termios
import threading
import warnings
from typing import NoReturn, TypedDict

from coverage import Coverage
from pydantic import BaseModel

from coordination.config.section_reader import Section

LARGEST = 200_000
"""Bytes of one order."""


class Order(TypedDict):
    """One program to run. With `is_strict`, warnings are errors; a terminal becomes its controlling one.

    It imports anew what is in the packages that it `forgets`. With `ends_with_caller` it leads a session of its own, and
    is killed with all that is in it once nobody reads its status any more.
    """

    module: str
    arguments: list[str]
    environ: dict[str, str]
    folder: str
    is_strict: bool
    forgets: list[str]
    has_terminal: bool
    ends_with_caller: bool


def load() -> None:
    """Import every module of ours, and with them the libraries that they need; and what runs tests of our tests."""
    for name in ("anyio.pytest_plugin", "hypothesis.stateful", "pytest", "xdist.plugin"):
        importlib.import_module(name)
    for package in (importlib.import_module("bot"), importlib.import_module("coordination")):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__") and ".migrations." not in found.name:
                with contextlib.suppress(ImportError):  # What an extra brings that is not installed.
                    importlib.import_module(found.name)
    _finish(Section)
    _forget("bot.terminal")  # Its help is made as it is imported, in the language of the program's environment.


def _finish(model: type[BaseModel]) -> None:
    """Make the validators of a model and of those derived from it, which each fork would make when it first needs them."""
    for each in model.__subclasses__():
        each.model_rebuild()
        _finish(each)


def _forget(package: str) -> None:
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{package}.")]:
        del sys.modules[name]


class Living:
    """The programs that run: where each one's status goes, by its number; those of a launcher end with it."""

    def __init__(self) -> None:
        self._statuses: dict[int, int] = {}
        self._callers: dict[int, int] = {}
        self.poll = select.poll()

    def add(self, number: int, status: int, *, ends_with_caller: bool) -> None:
        self._statuses[number] = status
        with contextlib.suppress(BrokenPipeError):
            os.write(status, b"%d\n" % number)
        if ends_with_caller:
            self._callers[status] = number
            self.poll.register(status, 0)  # An end of its reader is told even so.

    def tell_ends(self) -> None:
        """Tell every caller whose program has ended."""
        for number in list(self._statuses):
            done, status = os.waitpid(number, os.WNOHANG)
            if done:
                descriptor = self._statuses.pop(number)
                if self._callers.pop(descriptor, None) is not None:
                    self.poll.unregister(descriptor)
                with contextlib.suppress(BrokenPipeError):
                    os.write(descriptor, b"%d\n" % os.waitstatus_to_exitcode(status))
                os.close(descriptor)

    def end_with_caller(self, descriptor: int) -> None:
        """Kill the program whose caller is gone, and its children."""
        number = self._callers.pop(descriptor)
        self.poll.unregister(descriptor)
        for kill in (os.kill, os.killpg):  # It may not lead its session yet.
            with contextlib.suppress(ProcessLookupError):
                kill(number, signal.SIGKILL)

    def close(self) -> None:
        """Let go of them all, in a child."""
        for descriptor in self._statuses.values():
            os.close(descriptor)


def child_of(control: socket.socket, listener: socket.socket) -> Order | None:
    """Fork for each order. Returns the order in the child, and None in this process when no more will come."""
    living = Living()
    ended, ends = os.pipe()
    os.set_blocking(ends, False)
    signal.set_wakeup_fd(ends)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for source in (control, listener, ended):
        living.poll.register(source, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in living.poll.poll()}
        # These first: what ends or begins in the same round lets their descriptors go, and takes the same numbers anew.
        for descriptor in ready - {control.fileno(), listener.fileno(), ended}:
            living.end_with_caller(descriptor)
        if ended in ready:
            os.read(ended, 4096)
            living.tell_ends()
        for source in (listener, control):
            taken = _taken(source) if source.fileno() in ready else None
            if taken is not None:
                order, descriptors = taken
                if not _forked(order, descriptors, living):
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for each in (control.detach(), listener.detach(), ended, ends):
                        os.close(each)
                    _settle(order, descriptors)
                    return order
            elif source is control and control.fileno() in ready:
                return None


def _taken(source: socket.socket) -> tuple[Order, list[int]] | None:
    """The next order, or None if whoever would have given it is gone."""
    with source.accept()[0] if source.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) else source.dup() as way:
        message, descriptors, _, _ = socket.recv_fds(way, LARGEST, 4)
    return (json.loads(message), descriptors) if message else None


def _forked(order: Order, descriptors: list[int], living: Living) -> bool:
    """Fork; whether this is still the process that forks."""
    number = os.fork()
    if number == 0:
        living.close()
        return False
    for each in descriptors[:3]:
        os.close(each)
    living.add(number, descriptors[3], ends_with_caller=order["ends_with_caller"])
    return True


def _settle(order: Order, descriptors: list[int]) -> None:
    """Make this process what a new one would be."""
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    if order["has_terminal"] or order["ends_with_caller"]:
        os.setsid()
    if order["has_terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # As the interpreter opens them.
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open as long as the process lives
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - likewise
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115 - likewise
    os.environ.clear()
    os.environ.update(order["environ"])
    os.chdir(order["folder"])
    sys.path[0] = order["folder"]
    if order["is_strict"]:
        warnings.simplefilter("error")
    for package in order["forgets"]:
        _forget(package)
    sys.argv = [order["module"], *order["arguments"]]
    if "COVERAGE_PROCESS_CONFIG" not in os.environ and (measuring := Coverage.current()) is not None:
        measuring.stop()


def main() -> None:
    """Load, and fork until the other side closes."""
    control, listener = (socket.socket(fileno=int(descriptor)) for descriptor in sys.argv[1:])
    gc.disable()
    load()
    if (measuring := Coverage.current()) is not None:
        measuring.save()  # Each fork goes on measuring, and has a file of its own for what it adds.
    gc.freeze()
    order = child_of(control, listener)
    if order is not None:
        gc.enable()
        _live(order["module"])


def _live(module: str) -> NoReturn:
    """Run a module and end as a process does, except that what it would take down first is left to the system.

    That costs more than most programs here do: each page of what was imported would be copied only to be freed.
    """
    status: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as leaving:
        status = leaving.code or 0
    except BaseException as error:  # noqa: BLE001 - the interpreter would tell any
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    if not isinstance(status, int):
        sys.stderr.write(f"{status}\n")
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, and lets libraries end theirs
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
