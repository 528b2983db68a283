"""Every word that people see, in English. Another language is another package with the same keys and the same values."""

from collections.abc import Mapping

from bot.locales.chat_discord import DISCORD
from bot.locales.chat_slack import SLACK
from bot.locales.desk import ADMIN, DESK, KEEPER, REFUSALS
from bot.locales.en import CARDS, STORY
from bot.locales.terminal import COMMANDS, CONSOLE, ERRORS, HELP, NEXT

_CHATS = {**DESK, **ADMIN, **REFUSALS, **KEEPER}

ENGLISH_TEXTS: Mapping[str, str] = {
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
