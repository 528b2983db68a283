"""The terminal of an interactive session: what is shown on it, its keys, and what else reaches the session."""

import asyncio
import os
import re
import signal
import termios
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal, Protocol, TextIO, TypeAlias

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from bot.cards.run_card import card_for
from bot.cards.run_view import RunView
from bot.cards.timeline import TimelineEntry, timeline_entry
from bot.terminal.output import STATUS_ICONS, Renderer
from bot.terminal.prompts import KeyQuestion, Question, explanation
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.transitions import Recorded

Now = Callable[[], datetime]


class Screen(Protocol):
    """What attending a run needs of a place to show it."""

    def tell(self, recorded: Recorded, view: RunView) -> None:
        """Something happened; `view` is the run after it."""
        ...

    def watch(self, view: RunView | None) -> None:
        """Keep this in view while it changes; None: nothing does."""
        ...

    def settle(self, view: RunView) -> None:
        """Show a card to stay."""
        ...

    def explain(self, view: RunView, log: Sequence[Recorded]) -> None:
        """Show everything there is to know."""
        ...

    def say(self, text: str) -> None:
        """Show a line of our own."""
        ...

    def ask(self, question: Question) -> None:
        """Show a question, and leave the cursor behind it."""
        ...

    def answered(self, word: str) -> None:
        """Close the question with the chosen word; an empty one takes the question back."""
        ...


class NoScreen:
    """Shows nothing: standard output belongs to events, and nobody sits at a terminal."""

    def tell(self, recorded: Recorded, view: RunView) -> None:
        """Nothing."""

    def watch(self, view: RunView | None) -> None:
        """Nothing."""

    def settle(self, view: RunView) -> None:
        """Nothing."""

    def explain(self, view: RunView, log: Sequence[Recorded]) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def ask(self, question: Question) -> None:
        """Nothing."""

    def answered(self, word: str) -> None:
        """Nothing."""


class LineScreen:
    """One line per event that is worth telling, and the cards."""

    def __init__(self, console: Console, now: Now) -> None:
        """The console may be a terminal or a pipe."""
        self._console = console
        self._now = now

    def tell(self, recorded: Recorded, view: RunView) -> None:
        """The story, one line at a time."""
        entry = timeline_entry(recorded.event, view)
        if entry is not None:
            seconds = (recorded.at - view.asked_at).total_seconds()
            self._print(timeline_line(self._renderer(), entry, seconds))

    def watch(self, view: RunView | None) -> None:
        """A pipe has no place that could change."""

    def settle(self, view: RunView) -> None:
        """The card, set apart."""
        card = self._renderer().card(card_for(view, self._now()))
        self._print(Text("\n").join([Text(), card, Text()]))

    def explain(self, view: RunView, log: Sequence[Recorded]) -> None:
        """The request, the coordination, every answer."""
        self._console.print()
        self._console.print(explanation(view, log, self._renderer()))
        self._console.print()

    def say(self, text: str) -> None:
        """Indented like everything else."""
        renderer = self._renderer()
        self._print(Text("\n").join(renderer.hang("  ", Text(line)) for line in text.split("\n")))

    def ask(self, question: Question) -> None:
        """The question and its keys. Its lines are ready to show, as all that is on a card."""
        if isinstance(question, KeyQuestion):
            for line in question.lines:
                self.say(line)
        self._console.print(prompt_of(question), end="", soft_wrap=True)

    def answered(self, word: str) -> None:
        """The word behind the question; a question taken back disappears where the terminal can do that."""
        if word or not self._console.is_terminal:
            self._console.print(word or "-", style="bold")
        else:
            self._console.file.write("\r\x1b[2K")
            self._console.file.flush()

    def _renderer(self) -> Renderer:
        return Renderer(self._console, self._now())

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)


class LiveScreen:
    """The agents' lines change in place at the foot of the terminal; the story scrolls by above them."""

    def __init__(self, console: Console, now: Now) -> None:
        """The console is a terminal that can move its cursor."""
        self._lines = LineScreen(console, now)
        self._console = console
        self._now = now
        self._live: Live | None = None

    def tell(self, recorded: Recorded, view: RunView) -> None:
        """The part of the story that is worth keeping on screen."""
        if _is_told_live(recorded.event, view):
            self._lines.tell(recorded, view)

    def watch(self, view: RunView | None) -> None:
        """Draw the card anew at the foot of the terminal."""
        if view is None:
            self._stop()
            return
        shown = _LiveCard(view, self._now())
        if self._live is None:
            self._live = Live(shown, console=self._console, auto_refresh=False, transient=True)
            self._live.start(refresh=True)
        else:
            self._live.update(shown, refresh=True)

    def settle(self, view: RunView) -> None:
        """The card takes the place of the live one."""
        self._stop()
        self._lines.settle(view)

    def explain(self, view: RunView, log: Sequence[Recorded]) -> None:
        """Only while nothing is live."""
        self._lines.explain(view, log)

    def say(self, text: str) -> None:
        """Above the live card, if there is one."""
        self._lines.say(text)

    def ask(self, question: Question) -> None:
        """The last line of the terminal is the question now."""
        self._stop()
        self._lines.ask(question)

    def answered(self, word: str) -> None:
        """The question is closed."""
        self._lines.answered(word)

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


class _LiveCard:
    """A card that is laid out anew for the width that the terminal has at that moment."""

    def __init__(self, view: RunView, now: datetime) -> None:
        self._card = card_for(view, now)
        self._now = now

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """An empty line keeps the story and the card apart."""
        yield Text()
        yield Renderer(console, self._now).card(self._card)


def timeline_line(renderer: Renderer, entry: TimelineEntry, seconds: float) -> Text:
    """One line of the story: when, about whom, what."""
    sign, colour = STATUS_ICONS[entry.status]
    start = Text.assemble((f"{_clock(seconds):>7} ", "bright_black"), (sign, colour), " ")
    if entry.about:
        start.append(f"{entry.about:<8} ", "bold")
    return renderer.hang(start, renderer.line(entry.line))


def prompt_of(question: Question) -> Text:
    """`Approve 2 calls?  [a]pprove  [r]eject`."""
    prompt = Text.assemble((question.text, "bold"), "  ")
    if isinstance(question, KeyQuestion):
        keys: Sequence[Text] = [_key(choice.key, choice.word) for choice in question.choices]
        prompt.append_text(Text("  ").join(keys)).append("  ")
    return prompt


def _key(key: str, word: str) -> Text:
    rest = word[len(key) :] if word.startswith(key) else f" {word}"
    return Text.assemble(("[", "bright_black"), (key, "bold cyan"), ("]", "bright_black"), rest)


def _is_told_live(event: e.RunEvent, view: RunView) -> bool:
    """The live card tells of reads and calls by itself; what the agents conclude is worth keeping on screen."""
    match event:
        case e.RunRequested() | e.ToolRead() | e.ActionRecorded() | e.ActionWithdrawn():
            return False
        case e.PlanProposed() | e.RunAnswered():
            return False
        case e.CallStarted() | e.CallSucceeded() | e.CallFailed() | e.CallOutcomeUnknown() | e.CallsSkipped():
            return False
        case e.DeliberationStarted():
            return view.revision > 1 or view.restarts > 0
        case e.RunFinished() | e.RunFailed() | e.PlanExpired():
            return False
        case e.PlanRejected() | e.RunCancelled():
            return isinstance(view.state, s.Executing)
        case _:
            return True


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@dataclass(frozen=True)
class Happened:
    """The log has one more event."""

    recorded: Recorded


@dataclass(frozen=True)
class Typed:
    """The person pressed a key, or finished a line, whichever was asked for."""

    text: str


@dataclass(frozen=True)
class Interrupted:
    """Ctrl-C; or, if it `is_final`, an order to end, which is not discussed."""

    is_final: bool = False


@dataclass(frozen=True)
class Ticked:
    """A moment has passed."""


SessionEvent: TypeAlias = Happened | Typed | Interrupted | Ticked
Inbox: TypeAlias = asyncio.Queue[SessionEvent]

Mode = Literal["quiet", "key", "line"]


class Listener(Protocol):
    """Where keys and lines come from."""

    def listen(self, mode: Mode) -> None:
        """Ask for a key or for a line; keys pressed before this moment answer nothing."""
        ...


_LOCAL_FLAGS = 3
_CONTROL_CHARACTERS = 6
_END_OF_INPUT = 4
_LONGEST = 65_536
_ESCAPE = re.compile(rb"\x1b(?:\[[0-9;]*[A-Za-z~]|O.|.?)")
"""What arrow and function keys send: no letter in it was typed."""


class Keyboard:
    """Posts what is typed into the inbox while something is asked, and keeps the terminal quiet otherwise."""

    def __init__(self, descriptor: int, inbox: Inbox, closed: Callable[[], None]) -> None:
        """`descriptor` is the terminal's; `closed` is called once that is gone."""
        self._descriptor = descriptor
        self._inbox = inbox
        self._closed = closed
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
            with suppress(termios.error):  # it is gone
                termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, self._normal)

    def listen(self, mode: Mode) -> None:
        """Ask for a key or for a line; keys pressed before this moment answer nothing."""
        self._mode = mode
        self.reapply()

    def reapply(self) -> None:
        """Take the terminal over again after a shell had it (Ctrl-Z, fg), or it was closed."""
        with suppress(termios.error):
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
            self._closed()
        self._inbox.put_nowait(Interrupted(is_final=is_gone))


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
def opened(stdin: TextIO, shown_on: TextIO, *, now: Now, is_for_people: bool) -> Generator[Terminal]:
    """Take the terminal over, and give it back as it was. Belongs to the event loop that it is opened in.

    `is_for_people`: False where standard output is read by a program; then only somebody who can answer is shown
    anything, on another stream.
    """
    inbox: Inbox = asyncio.Queue()
    with ExitStack() as stack:
        closed = partial(_discard, [each for each in (1, 2) if os.isatty(each)])
        stack.enter_context(_signals(inbox, closed))
        keyboard: Keyboard | None = None
        if can_ask(stdin, shown_on):
            keyboard = stack.enter_context(Keyboard(stdin.fileno(), inbox, closed).attached())
            stack.enter_context(_handled(signal.SIGCONT, keyboard.reapply))
        screen: Screen = NoScreen()
        if is_for_people or keyboard is not None:
            console = console_on(shown_on)
            is_live = console.is_terminal and not console.is_dumb_terminal
            screen = LiveScreen(console, now) if is_live else LineScreen(console, now)
        try:
            yield Terminal(screen=screen, inbox=inbox, keyboard=keyboard)
        finally:
            screen.watch(None)


@contextmanager
def _signals(inbox: Inbox, closed: Callable[[], None]) -> Generator[None]:
    """Ctrl-C is a message like any other; an order to end is a final one, and so is that the terminal was closed."""

    def interrupt() -> None:
        inbox.put_nowait(Interrupted())

    def end() -> None:
        inbox.put_nowait(Interrupted(is_final=True))

    def leave() -> None:
        closed()
        end()

    with _handled(signal.SIGINT, interrupt), _handled(signal.SIGTERM, end), _handled(signal.SIGHUP, leave):
        yield


def _discard(descriptors: Collection[int]) -> None:
    """Have what is written to a terminal that is gone lead nowhere, where it would fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for each in descriptors:
        os.dup2(nowhere, each)
    os.close(nowhere)


@contextmanager
def _handled(number: signal.Signals, handler: Callable[[], None]) -> Generator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        loop.remove_signal_handler(number)
