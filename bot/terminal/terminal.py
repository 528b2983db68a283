"""The terminal that a command was started from, if it was: what to show on it, and whether anybody can answer."""

import asyncio
import signal
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console

from bot.i18n import ENGLISH, Words
from bot.terminal.inbox import Inbox, Interrupted
from bot.terminal.keyboard import Keyboard
from bot.terminal.screen import LineScreen, LiveScreen, NoScreen, Now, Screen


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """Where to show a run, and where to hear of keys and signals."""

    screen: Screen
    inbox: Inbox
    keyboard: Keyboard | None


def console_on(stream: TextIO) -> Console:
    """A console that shows text as it is: no markup, no guesses at what a number or a path is."""
    return Console(file=stream, highlight=False, markup=False, emoji=False)


def can_ask(stdin: TextIO, shown_on: TextIO) -> bool:
    """Whether a person can see a question and answer it."""
    return stdin.isatty() and shown_on.isatty()


@contextmanager
def opened(
    stdin: TextIO, shown_on: TextIO, *, now: Now, is_for_people: bool, words: Words = ENGLISH
) -> Generator[Terminal]:
    """Take the terminal over, and give it back as it was. Belongs to the event loop that it is opened in.

    `is_for_people`: False where standard output is read by a program; then only somebody who can answer is shown
    anything, on another stream.
    """
    inbox: Inbox = asyncio.Queue()
    with ExitStack() as stack:
        stack.enter_context(_signals(inbox))
        keyboard: Keyboard | None = None
        if can_ask(stdin, shown_on):
            keyboard = stack.enter_context(Keyboard(stdin.fileno(), inbox).attached())
            stack.enter_context(_handled(signal.SIGCONT, keyboard.reapply))
        screen: Screen = NoScreen()
        if is_for_people or keyboard is not None:
            console = console_on(shown_on)
            is_live = console.is_terminal and not console.is_dumb_terminal
            screen = LiveScreen(console, now, words) if is_live else LineScreen(console, now, words)
        try:
            yield Terminal(screen=screen, inbox=inbox, keyboard=keyboard)
        finally:
            screen.watch(None)


@contextmanager
def _signals(inbox: Inbox) -> Generator[None]:
    """Ctrl-C is a message like any other; an order to end is a final one."""

    def interrupt() -> None:
        inbox.put_nowait(Interrupted())

    def end() -> None:
        inbox.put_nowait(Interrupted(is_final=True))

    with _handled(signal.SIGINT, interrupt), _handled(signal.SIGTERM, end), _handled(signal.SIGHUP, end):
        yield


@contextmanager
def _handled(number: signal.Signals, handler: Callable[[], None]) -> Generator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        loop.remove_signal_handler(number)
