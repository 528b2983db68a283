"""Every word that people see, in German: the same keys as in English, with the same values in them."""

from collections.abc import Mapping

from bot.words_german.cards import CARDS, STORY
from bot.words_german.chat_discord import DISCORD
from bot.words_german.chat_slack import SLACK
from bot.words_german.desk import ADMIN, DESK, KEEPER, REFUSALS
from bot.words_german.terminal import COMMANDS, CONSOLE, ERRORS, HELP, NEXT

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
