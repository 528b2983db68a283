"""Moments in the reader's own clock."""

from datetime import datetime, timedelta

from bot.cards.amounts import duration
from bot.i18n import Words
from bot.message import Moment


def moment_text(moment: Moment, now: datetime, words: Words) -> str:
    """`14:05`, `tomorrow 14:05`, `2026-12-01 14:05`; with the way to go if the moment is a countdown."""
    at, today = moment.at.astimezone(), now.astimezone()
    time = f"{at:%H:%M}"
    if at.date() == today.date():
        shown = time
    elif at.date() == today.date() + timedelta(days=1):
        shown = words.say("time.tomorrow", time=time)
    else:
        shown = f"{at:%Y-%m-%d} {time}"
    if moment.is_countdown and moment.at > now:
        span = duration((moment.at - now).total_seconds(), words)
        return words.say("time.countdown", at=shown, span=span)
    return shown
