"""How often a product is spoken to."""

from dataclasses import dataclass
from datetime import timedelta


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
