"""Every word that people see, in English. Another language is another package with the same keys and the same values."""

from collections.abc import Mapping

from bot.words_english.cards import CARDS, STORY
from bot.words_english.chat_discord import DISCORD
from bot.words_english.chat_slack import SLACK
from bot.words_english.desk import ADMIN, DESK, KEEPER, REFUSALS
from bot.words_english.terminal import COMMANDS, CONSOLE, ERRORS, HELP, NEXT

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
