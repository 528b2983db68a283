"""The process that starts programs for the tests outlives whatever happens to one of them: all others depend on it."""

import json
import os
import signal
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fork_server import Order
from tests.forked import ROOT, Server, fork_server


@pytest.fixture(scope="module")
def server() -> Server:
    """One of this file's own, which a failure may end."""
    return fork_server()


def ordered(server: Server, statement: str) -> int:
    """Start a program as a launcher does, which runs a statement. Returns where its number and its status are read."""
    order = Order(
        module="timeit",
        arguments=["-n1", "-r1", statement],
        environ=dict(os.environ),
        folder=str(ROOT),
        is_strict=False,
        forgets=[],
        has_terminal=False,
        ends_with_caller=True,
    )
    ours, theirs = os.pipe()
    nothing = os.open(os.devnull, os.O_RDWR)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as way:
        way.connect(str(server.address))
        socket.send_fds(way, [json.dumps(order).encode()], [nothing, nothing, nothing, theirs])
    for each in (nothing, theirs):
        os.close(each)
    return ours


def line(descriptor: int) -> int:
    """The next number that is told."""
    told = b""
    while not told.endswith(b"\n"):
        piece = os.read(descriptor, 1)
        assert piece, "the fork server is gone"
        told += piece
    return int(told)


@contextmanager
def stopped(server: Server) -> Generator[None]:
    """What happens meanwhile it finds at once when it goes on."""
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def ends(number: int) -> bool:
    """Whether a process ends within ten seconds, although nobody has asked for its status."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        state = Path(f"/proc/{number}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.01)  # noqa: TID251 - no event loop runs here
    return False


def runs_programs(server: Server) -> bool:
    """Whether it starts one more, and tells how that ends."""
    descriptor = ordered(server, "pass")
    line(descriptor)
    status = line(descriptor)
    os.close(descriptor)
    return status == 0


def test_a_program_may_end_in_the_same_moment_as_its_caller(server: Server) -> None:
    descriptor = ordered(server, "import time; time.sleep(0.2)")
    number = line(descriptor)

    with stopped(server):
        assert ends(number)
        os.close(descriptor)

    assert runs_programs(server)


def test_a_caller_may_be_gone_before_its_program_is_started(server: Server) -> None:
    with stopped(server):
        os.close(ordered(server, "import time; time.sleep(60)"))

    assert runs_programs(server)


def test_a_program_is_killed_with_its_caller(server: Server) -> None:
    descriptor = ordered(server, "import time; time.sleep(60)")
    number = line(descriptor)

    os.close(descriptor)

    assert ends(number)
    assert runs_programs(server)


def test_a_program_that_begins_as_another_ends_is_not_taken_for_it(server: Server) -> None:
    first = ordered(server, "import time; time.sleep(0.2)")
    number = line(first)

    with stopped(server):
        assert ends(number)
        os.close(first)
        second = ordered(server, "import time; time.sleep(0.5)")

    line(second)
    assert line(second) == 0
    os.close(second)
