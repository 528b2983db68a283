"""A whole card as one file, for a message that can't hold it and has no file of its own."""

from typing import assert_never

from bot.discord_app.lines import plain_text
from bot.i18n import Words
from bot.message import Alert, Attachment, CallItem, CallList, Card, Paragraph, Section, StatusList

NAME = "message.txt"


def whole_card(card: Card, words: Words) -> Attachment:
    """Everything that the card says, in plain text."""
    parts = [f"{card.status}  {plain_text(card.title)}", plain_text(card.reference)]
    parts += [_document_section(section) for section in card.sections]
    parts.append(plain_text(card.footer))
    text = "\n\n".join(part for part in parts if part)
    return Attachment(name=NAME, media_type="text/plain", text=f"{text}\n", description=words.say("discord.file"))


def _document_section(section: Section) -> str:
    match section:
        case Paragraph(lines=lines):
            return "\n".join(plain_text(line) for line in lines)
        case Alert(line=line):
            return f"! {plain_text(line)}"
        case StatusList(rows=rows):
            return "\n".join(f"{row.label}  {row.mark}  {plain_text(row.line)}" for row in rows)
        case CallList(calls=calls):
            return "\n\n".join(_call(call) for call in calls)
        case _:
            assert_never(section)


def _call(call: CallItem) -> str:
    """Values are indented, so that none of their lines can pass for a name."""
    lines = [f"{call.number}  {call.server} · {call.tool}  ({', '.join(call.notes)})"]
    if call.outcome:
        lines.append(f"   {call.mark}  {plain_text(call.outcome)}")
    for argument in call.arguments:
        lines.append(f"   {argument.name}:")
        lines += [f"      {line}" for line in argument.text.split("\n")]
    return "\n".join(lines)
