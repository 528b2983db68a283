"""One question to the desk, and its answer to the one who asked."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from bot.chat.platform import Place, Said
from bot.discord_app.identity import person_of, place_of
from bot.discord_app.replies import AnyInteraction, answered, fill_in, sentence, tell, wait_in_private
from bot.i18n import ENGLISH, Words
from bot.message import Card, Span, Tone
from coordination.domain.person import Person

Question: TypeAlias = Callable[[Person, Place], Awaitable[Said]]


async def reply(interaction: AnyInteraction, ask: Question, words: Words = ENGLISH) -> None:
    """Acknowledge, ask the desk, and tell the person alone."""
    async with answered(interaction, words):
        guild = interaction.guild_id
        if guild is None:
            await tell(interaction, sentence(words.say("discord.no_server"), words), words)
            return
        await wait_in_private(interaction)
        said = await ask(person_of(interaction, guild), place_of(interaction, guild))
        await fill_in(interaction, said.private or _begun(said, words), words)


def _begun(said: Said, words: Words) -> Card:
    """The private word for what everybody will see."""
    key = "discord.asked" if said.run else "discord.asked_nameless"
    line = words.line(key, run=Span(said.run, "bold")) if said.run else words.line(key)
    return Card(tone=Tone.WORKING, status=words.say("discord.begun"), title=(), reference=line)
