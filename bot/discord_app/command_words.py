"""What Discord shows of the commands while somebody types: in English, and in each other language to whoever uses it."""

import discord
from discord import app_commands
from typing_extensions import override

from bot.i18n import ENGLISH, LANGUAGES


def told(key: str) -> app_commands.locale_str:
    """A word of the commands; Discord gets it in every language, whichever one the operator chose."""
    return app_commands.locale_str(ENGLISH.say(key), key=key)


class Languages(app_commands.Translator):
    """Finds the words that `told` stands for. What people type is the same in every language."""

    @override
    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        del context
        key, words = string.extras.get("key"), LANGUAGES.get(locale.value)
        return words.say(key) if words is not None and isinstance(key, str) else None
