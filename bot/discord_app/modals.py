"""Windows that ask a person for words. They are known by their custom ids alone, so that they outlive a restart."""

from collections.abc import Mapping, Sequence

import discord

from bot.discord_app import limits
from bot.discord_app.components import Control, custom_id
from bot.discord_app.markup import head_of
from bot.i18n import Words

ASK = "mg:ask"
"""The custom id of the window that asks for a request."""


def words_modal(button: str, message: str, *, is_change: bool, words: Words) -> discord.ui.Modal:
    """Asks why, or what should be different."""
    name = custom_id(Control.MODAL, button, message)
    if is_change:
        title, label = words.say("discord.window_change_title"), words.say("discord.window_change_label")
    else:
        title, label = words.say("discord.window_reject_title"), words.say("discord.window_reject_label")
    return _modal(name, title, label, is_required=is_change)


def ask_modal(text: str, words: Words) -> discord.ui.Modal:
    """Asks what the agents should do, beginning with the words of a message."""
    return _modal(ASK, words.say("discord.ask_title"), words.say("discord.ask_label"), is_required=True, default=text)


def typed(data: object) -> str:
    """The words of a submitted window that has one field."""
    if isinstance(data, Mapping):
        value = data.get("value")
        inner: list[object] = [data.get("component"), data.get("components")]
        return value if isinstance(value, str) else next(filter(None, map(typed, inner)), "")
    if isinstance(data, Sequence) and not isinstance(data, str):
        return next(filter(None, map(typed, data)), "")
    return ""


def custom_id_of(data: object) -> str:
    """The custom id of what was submitted."""
    return str(data.get("custom_id", "")) if isinstance(data, Mapping) else ""


def _modal(name: str, title: str, label: str, *, is_required: bool, default: str = "") -> discord.ui.Modal:
    modal = discord.ui.Modal(title=head_of(title, limits.MODAL_TITLE), custom_id=name, timeout=None)
    field: discord.ui.TextInput[discord.ui.Modal] = discord.ui.TextInput(
        style=discord.TextStyle.paragraph,
        required=is_required,
        default=head_of(default, limits.MODAL_TEXT // 2) or None,
        max_length=limits.MODAL_TEXT,
        custom_id="words",
    )
    modal.add_item(discord.ui.Label(text=head_of(label, limits.MODAL_LABEL), component=field))
    modal.stop()
    return modal
