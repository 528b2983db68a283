"""How often a product is spoken to."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds, unless they say otherwise.

    Attributes:
        edit: between two edits of one card; what happens in between is in the next.
        story: between two messages of one story while the run is at work.
        beat: after which the clock on a card of a run at work moves, although nothing happens.
        look: between two looks at what other processes did.
        patience: until a place where the bot may not write is tried again.
        renew: the age at which a card is posted anew rather than edited; None: never.
    """

    edit: float
    story: float
    beat: float = 15.0
    look: float = 0.5
    patience: float = 300.0
    renew: timedelta | None = None


# Discord edits messages that are older than an hour far more slowly (five a channel in some minutes), and Slack has
# one `chat.update` in three seconds for a message as the most that it wants; it doesn't mind how old they are.
DISCORD_PACE = Pace(edit=2.0, story=4.0, renew=timedelta(hours=1))
SLACK_PACE = Pace(edit=3.0, story=4.0)


class Turns:
    """When each card may be edited next. Whoever kept it before us may have done so just now."""

    def __init__(self, pace: Pace, now: datetime) -> None:
        """Nothing was edited by us yet."""
        self._pause = timedelta(seconds=pace.edit)
        self._first = now + self._pause
        self._next: dict[str, datetime] = {}

    def seconds(self, run: str, now: datetime) -> float:
        """Until the next edit of a run's card is fine."""
        return max(0.0, (self._next.get(run, self._first) - now).total_seconds())

    def took(self, run: str, now: datetime) -> None:
        """Its card was posted or edited. Turns that have come are forgotten."""
        self._next = {each: at for each, at in self._next.items() if at > now}
        self._next[run] = now + self._pause
