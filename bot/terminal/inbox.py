"""What reaches somebody who attends a run at a terminal: events of the log, keys, signals, and the time passing."""

import asyncio
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from coordination.domain.transitions import Recorded


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


Message: TypeAlias = Happened | Typed | Interrupted | Ticked
Inbox: TypeAlias = asyncio.Queue[Message]

Mode = Literal["quiet", "key", "line"]


class Listener(Protocol):
    """Where keys and lines come from."""

    def listen(self, mode: Mode) -> None:
        """Ask for a key or for a line; keys pressed before this moment answer nothing."""
        ...
