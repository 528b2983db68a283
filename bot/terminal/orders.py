"""Decisions that were given on the command line, in advance."""

import typer

from bot.console_app.orders import Order
from bot.words import Words


def order_of(words: Words, *, approve: bool, reject: bool, reason: str) -> Order | None:
    """What the flags mean together.

    Raises:
        BadParameter: they contradict each other.
    """
    if approve and reject:
        raise typer.BadParameter(words.say("usage.both"))
    if reason and not reject:
        raise typer.BadParameter(words.say("usage.reason"))
    return Order(approves=approve, reason=reason) if approve or reject else None
