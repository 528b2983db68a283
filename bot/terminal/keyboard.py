"""Keys and lines from a terminal, without ever blocking the event loop."""

import asyncio
import os
import re
import termios
from collections.abc import Generator
from contextlib import contextmanager

from bot.terminal.inbox import Inbox, Interrupted, Mode, Typed

_LOCAL_FLAGS = 3
_CONTROL_CHARACTERS = 6
_END_OF_INPUT = 4
_LONGEST = 65_536
_ESCAPE = re.compile(rb"\x1b(?:\[[0-9;]*[A-Za-z~]|O.|.?)")
"""What arrow and function keys send: no letter in it was typed."""


class Keyboard:
    """Posts what is typed into the inbox while something is asked, and keeps the terminal quiet otherwise."""

    def __init__(self, descriptor: int, inbox: Inbox) -> None:
        """`descriptor` is the terminal's."""
        self._descriptor = descriptor
        self._inbox = inbox
        self._normal = termios.tcgetattr(descriptor)
        self._mode: Mode = "quiet"

    @contextmanager
    def attached(self) -> "Generator[Keyboard]":
        """Take the keyboard over, and give it back as it was. What was typed unasked goes to nobody."""
        loop = asyncio.get_running_loop()
        self._apply()
        loop.add_reader(self._descriptor, self._read)
        try:
            yield self
        finally:
            loop.remove_reader(self._descriptor)
            termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, self._normal)

    def listen(self, mode: Mode) -> None:
        """Ask for a key or for a line; keys pressed before this moment answer nothing."""
        self._mode = mode
        self._apply()

    def reapply(self) -> None:
        """Take the terminal over again after a shell had it (Ctrl-Z, fg)."""
        self._apply()

    def _apply(self) -> None:
        attributes = termios.tcgetattr(self._descriptor)
        wanted = self._normal[_LOCAL_FLAGS]
        if self._mode != "line":
            wanted &= ~(termios.ICANON | termios.ECHO)
        attributes[_LOCAL_FLAGS] = wanted | termios.ISIG
        characters = list(self._normal[_CONTROL_CHARACTERS])
        if self._mode != "line":
            characters[termios.VMIN], characters[termios.VTIME] = 1, 0
        attributes[_CONTROL_CHARACTERS] = characters
        termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, attributes)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _LONGEST)
        except OSError:
            data = b""
        if not data or (self._mode == "key" and data[0] == _END_OF_INPUT):
            self._hang_up(is_gone=not data and self._mode != "line")
            return
        if self._mode != "quiet" and (typed := _ESCAPE.sub(b"", data)):
            self._inbox.put_nowait(Typed(typed.decode(errors="replace").strip()))

    def _hang_up(self, *, is_gone: bool) -> None:
        """Ctrl-D asks to stop, as Ctrl-C does; a terminal that is gone can't be asked."""
        if is_gone:
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self._inbox.put_nowait(Interrupted(is_final=is_gone))
