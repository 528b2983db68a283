"""What a message of Discord says, whoever wrote it: its content, its embeds, and its files.

Alerts come as embeds, with hardly any content. Of other people's messages Discord tells the content where they mention
the bot or were chosen by somebody in a message's menu:
https://discord.com/developers/docs/events/gateway#message-content-intent
"""

from collections.abc import Iterator, Sequence

import discord

from bot.attached_files import LONGEST_FILE, AttachedFile

_MOST_EMBEDS = 10


def text_of_message(message: discord.Message, content: str | None = None) -> str:
    """Everything that is to be read on a message, in order; `content` stands for its own, without a mention, say.

    What another message forwards is among it.
    """
    said = [(message.content if content is None else content).strip(), *_lines(message.embeds)]
    for snapshot in message.message_snapshots:
        said += [snapshot.content.strip(), *_lines(snapshot.embeds)]
    return "\n".join(each for each in said if each)


def _lines(embeds: Sequence[discord.Embed]) -> Iterator[str]:
    for embed in embeds[:_MOST_EMBEDS]:
        yield (embed.author.name or "").strip()
        yield (embed.title or "").strip()
        yield (embed.url or "").strip()
        yield (embed.description or "").strip()
        for field in embed.fields:
            yield ": ".join(part for each in (field.name, field.value) if (part := (each or "").strip()))
        yield (embed.footer.text or "").strip()


def files_of_message(message: discord.Message) -> list[AttachedFile]:
    """The files of a message, and of what it forwards."""
    forwarded = [each for snapshot in message.message_snapshots for each in snapshot.attachments]
    return [_file(each) for each in (*message.attachments, *forwarded)]


def _file(attachment: discord.Attachment) -> AttachedFile:
    async def fetch() -> bytes:
        try:
            content = await attachment.read()
        except discord.DiscordException:
            raise OSError from None
        return content[: LONGEST_FILE + 1]

    return AttachedFile(
        name=attachment.filename, size=attachment.size, media_type=attachment.content_type or "", fetch=fetch
    )
