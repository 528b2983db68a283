"""Every word that people see, in German: the same keys as in English, with the same values in them."""

from collections.abc import Mapping

from bot.locales.de import CARDS, STORY
from bot.locales.de_chat_discord import DISCORD
from bot.locales.de_chat_slack import SLACK
from bot.locales.de_desk import ADMIN, DESK, KEEPER, REFUSALS
from bot.locales.de_terminal import COMMANDS, CONSOLE, ERRORS, HELP, NEXT

_CHATS = {**DESK, **ADMIN, **REFUSALS, **KEEPER}

GERMAN_TEXTS: Mapping[str, str] = {
    **CARDS,
    **STORY,
    **CONSOLE,
    **NEXT,
    **COMMANDS,
    **HELP,
    **ERRORS,
    **DISCORD,
    **SLACK,
    **_CHATS,
}
