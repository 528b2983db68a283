"""Starts programs cheaply: this process imports everything once, and forks for each that is asked for.

    python -m tests.fork_server DESCRIPTOR

Orders come over the Unix socket DESCRIPTOR, each with the four descriptors of the program: its standard streams, and
where this process writes its number and, when it has ended, its status. What the child runs is what `python -m` would
have run, with the order's environment, folder and streams; it also ends as that would.
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

LARGEST = 200_000
"""Bytes of one order."""


class Order(TypedDict):
    """One program to run. With `is_strict`, warnings are errors; a terminal becomes its controlling one.

    It imports anew what is in the packages that it `forgets`.
    """

    module: str
    arguments: list[str]
    environ: dict[str, str]
    folder: str
    is_strict: bool
    forgets: list[str]
    has_terminal: bool


def load() -> None:
    """Import every module of ours, and with them the libraries that they need; and what runs tests of our tests."""
    for name in ("anyio.pytest_plugin", "hypothesis.stateful", "pytest", "xdist.plugin"):
        importlib.import_module(name)
    for package in (importlib.import_module("bot"), importlib.import_module("coordination")):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__") and ".migrations." not in found.name:
                with contextlib.suppress(ImportError):  # What an extra brings that is not installed.
                    importlib.import_module(found.name)
    _forget("bot.terminal")  # Its help is made as it is imported, in the language of the program's environment.


def _forget(package: str) -> None:
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{package}.")]:
        del sys.modules[name]


def child_of(control: socket.socket) -> Order | None:
    """Fork for each order. Returns the order in the child, and None in this process when no more will come."""
    living: dict[int, int] = {}
    ended, ends = os.pipe()
    os.set_blocking(ends, False)
    signal.set_wakeup_fd(ends)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([control, ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
            _tell_ends(living)
        if control not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(control, LARGEST, 4)
        if not message:
            return None
        number = os.fork()
        if number == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            for descriptor in (ended, ends, *living.values()):
                os.close(descriptor)
            order: Order = json.loads(message)
            _settle(order, descriptors)
            return order
        for descriptor in descriptors[:3]:
            os.close(descriptor)
        living[number] = descriptors[3]
        os.write(descriptors[3], b"%d\n" % number)


def _tell_ends(living: dict[int, int]) -> None:
    for number in list(living):
        done, status = os.waitpid(number, os.WNOHANG)
        if done:
            descriptor = living.pop(number)
            with contextlib.suppress(BrokenPipeError):
                os.write(descriptor, b"%d\n" % os.waitstatus_to_exitcode(status))
            os.close(descriptor)


def _settle(order: Order, descriptors: list[int]) -> None:
    """Make this process what a new one would be."""
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    if order["has_terminal"]:
        os.setsid()
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
    """Load, say so, and fork until the other side closes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    gc.disable()
    load()
    if (measuring := Coverage.current()) is not None:
        measuring.save()  # Each fork goes on measuring, and has a file of its own for what it adds.
    gc.freeze()
    control.send(b"ready")
    order = child_of(control)
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
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
