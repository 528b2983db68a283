"""The operator's stop for everything, and its end."""

import asyncio

from bot import freezing
from bot.cards.text import visible
from bot.people import console_person
from bot.terminal.cli_context import Here
from bot.terminal.exits import Exit
from bot.terminal.protection import require_person


def freeze(here: Here, tenant: str) -> Exit:
    """Have no approved call start. Nobody is refused this: to stop is safe."""
    count = asyncio.run(freezing.freeze(here.environ, here.parts(), tenant, console_person()))
    here.tell(here.words.say("freeze.done", where=_where(here, tenant), count=count))
    return Exit.DONE


def thaw(here: Here, tenant: str) -> Exit:
    """Let approved calls start again."""
    require_person(here.environ, here.words)
    count = asyncio.run(freezing.thaw(here.environ, here.parts(), tenant, console_person()))
    if count is None:
        here.complain(here.words.say("freeze.nothing", where=_where(here, tenant)))
        return Exit.USAGE
    here.tell(here.words.say("freeze.undone", where=_where(here, tenant), count=count))
    return Exit.DONE


def _where(here: Here, tenant: str) -> str:
    return visible(tenant) if tenant else here.words.say("freeze.everywhere")
