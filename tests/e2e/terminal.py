"""A terminal without a person: starts the program on a pseudo-terminal, reads what it shows, and types."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress

from tests import forked
from tests.e2e.program import PATIENCE, ROOT, Program

# The program must be able to hear Ctrl-C: the terminal becomes its controlling one before it starts.
_TAKE_OVER = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
_MOVE = re.compile(r"\x1b\[[0-9;]*[AHJK]|\r")
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """One program on one terminal of 80 columns."""

    def __init__(self, process: "subprocess.Popen[bytes] | forked.Forked", descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.raw = ""
        self._read_until = 0

    @property
    def text(self) -> str:
        """All that was ever shown, without colours and without the moves of the cursor."""
        return _SEQUENCE.sub("", self.raw).replace("\r", "")

    @property
    def lines(self) -> list[str]:
        """Every line as it was drawn, those that were drawn over included."""
        return _SEQUENCE.sub("", _MOVE.sub("\n", self.raw)).split("\n")

    def settings(self) -> list[object]:
        """How the terminal treats what is typed."""
        return termios.tcgetattr(self._descriptor)[:4]

    def until(self, wanted: str) -> str:
        """Wait until a text is shown that was not waited for before. Returns what was shown up to its end."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.text.find(wanted, self._read_until)) < 0:
            assert self._read(deadline - time.monotonic()), f"never showed {wanted!r}:\n{self.text}"
        shown = self.text[self._read_until : found + len(wanted)]
        self._read_until = found + len(wanted)
        return shown

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._descriptor, keys.encode())

    def end(self) -> int:
        """Wait for the program's end. Returns its exit status."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(timeout=max(0.1, deadline - time.monotonic()))

    def close(self) -> int:
        """Close the window with the program in it. Returns its exit status."""
        os.close(self._descriptor)
        return self.process.wait(timeout=PATIENCE)

    def _read(self, patience: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], max(0.0, patience))
        if not ready:
            return False
        try:
            data = os.read(self._descriptor, 65_536)
        except OSError:
            return False
        self.raw += self._decoder.decode(data)
        return bool(data)


@contextmanager
def on_terminal(program: Program, *arguments: str, columns: int = 80, **environ: str) -> Generator[Terminal]:
    """Run a command of the program on a terminal; whatever is left of it is killed at the end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = {"TERM": "xterm-256color", **program.surroundings(**environ), "PYTHONPATH": str(ROOT)}
    try:
        with _started(program, arguments, env=env, terminal=theirs) as process:
            os.close(theirs)
            try:
                yield Terminal(process, ours)
            finally:
                process.kill()
    finally:
        with suppress(OSError):  # the test may have closed it
            os.close(ours)


def _started(
    program: Program, arguments: Sequence[str], *, env: Mapping[str, str], terminal: int
) -> "subprocess.Popen[bytes] | forked.Forked":
    if program.forks(env):
        return forked.start_on_terminal("bot", arguments, environ=env, terminal=terminal)
    command = [sys.executable, "-c", _TAKE_OVER, sys.executable, "-m", "bot", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=env, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    )
