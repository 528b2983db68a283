"""Machines on one machine: network namespaces that see only the database's, over cables that can be cut."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from tests.databases import OwnPostgres

_UNSHARE = shutil.which("unshare") or "unshare"
_UP = ("ip", "link", "set", "lo", "up")


def why_not() -> str:
    """Why there can be no such machines here; empty if there can."""
    missing = [each for each in ("unshare", "nsenter", "ip") if shutil.which(each) is None]
    if missing:
        return f"{' and '.join(missing)} must be installed for network namespaces"
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    done = subprocess.run([_UNSHARE, "--net", *_UP], capture_output=True, check=False, timeout=20)
    return "" if done.returncode == 0 else "this machine lets nobody make network namespaces"


@dataclass(frozen=True)
class Machine:
    """A network of its own, as long as a process of ours keeps it."""

    process: int

    def inside(self, *command: str) -> list[str]:
        """A command that runs there."""
        return ["nsenter", f"--target={self.process}", "--net", *command]

    def run(self, *command: str) -> None:
        """Run something there to its end."""
        subprocess.run(self.inside(*command), check=True, capture_output=True, timeout=20)


@contextmanager
def machine() -> Generator[Machine]:
    """A machine without any cable."""
    with subprocess.Popen([_UNSHARE, "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        try:
            keeper.stdin.write(b"there\n")
            keeper.stdin.flush()
            keeper.stdout.readline()  # it says so from inside
            made = Machine(keeper.pid)
            made.run(*_UP)
            yield made
        finally:
            keeper.kill()


@dataclass(frozen=True)
class Network:
    """The machine of the database, and those around it, which have no other way to each other."""

    center: Machine
    around: Sequence[Machine]

    def address(self, number: int) -> str:
        """Where one of those around finds the database."""
        return f"198.18.{number}.1"

    def cut(self, number: int) -> None:
        """Let nothing through to one of them any more, and tell nobody."""
        self.center.run("ip", "link", "set", f"to{number}", "down")

    def mend(self, number: int) -> None:
        """Let everything through again."""
        self.center.run("ip", "link", "set", f"to{number}", "up")


@contextmanager
def network(size: int) -> Generator[Network]:
    """So many machines around one in the center."""
    with ExitStack() as stack:
        made = Network(stack.enter_context(machine()), [stack.enter_context(machine()) for _ in range(size)])
        for number, each in enumerate(made.around):
            end = ("peer", "name", "home", "netns", str(each.process))
            made.center.run("ip", "link", "add", f"to{number}", "type", "veth", *end)
            made.center.run("ip", "address", "add", f"{made.address(number)}/24", "dev", f"to{number}")
            made.mend(number)
            each.run("ip", "address", "add", f"198.18.{number}.2/24", "dev", "home")
            each.run("ip", "link", "set", "home", "up")
        yield made


class PostgresApart(OwnPostgres):
    """A server on the machine in the center, which programs outside of the network find by its socket."""

    def __init__(self, programs: Path, folder: Path, apart: Network) -> None:
        super().__init__(programs, folder)
        self._apart = apart
        with (folder / "data" / "pg_hba.conf").open("a", encoding="utf-8") as rules:
            rules.write("host all all 198.18.0.0/15 trust\n")

    @override
    def launched(self) -> subprocess.Popen[bytes]:
        addresses = ",".join(self._apart.address(number) for number, _ in enumerate(self._apart.around))
        somebody = pwd.getpwnam(self.user or "root")
        enter = self._apart.center.inside(f"--setuid={somebody.pw_uid}", f"--setgid={somebody.pw_gid}")
        quiet = subprocess.DEVNULL
        return subprocess.Popen([*enter, *self.command(addresses)], cwd=self.folder, stdout=quiet, stderr=quiet)
