"""Decisions that were given on the command line, in advance."""

import typer

from bot.i18n import Words
from bot.terminal.cli_context_orders import Order


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
