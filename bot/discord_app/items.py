"""Buttons and menus that live longer than the process that posted them: a custom id is all that is needed.

discord.py only logs what goes wrong in these, so that whoever clicked would never hear of it: `Clicks` answers itself.
"""

import re
from typing import Self

import discord
from typing_extensions import override

from bot.discord_app.answering import AnyInteraction
from bot.discord_app.buttons import BUTTON_TEMPLATE, MENU_TEMPLATE, Pressed, pressed
from bot.discord_app.clicks import Clicks


def items_for(clicks: Clicks) -> tuple[type[discord.ui.DynamicItem[discord.ui.Item[discord.ui.View]]], ...]:
    """The two kinds of item, bound to whom their clicks go to."""

    class AnyButton(discord.ui.DynamicItem[discord.ui.Item[discord.ui.View]], template=BUTTON_TEMPLATE):
        """A button of any card that was ever posted."""

        def __init__(self, item: discord.ui.Item[discord.ui.View], what: Pressed) -> None:
            super().__init__(item)
            self._what = what

        @classmethod
        @override
        async def from_custom_id(
            cls, interaction: AnyInteraction, item: discord.ui.Item[discord.ui.View], match: re.Match[str], /
        ) -> Self:
            return cls(item, pressed(match))

        @override
        async def callback(self, interaction: AnyInteraction) -> None:
            await clicks.clicked(interaction, self._what)

    class AnyMenu(discord.ui.DynamicItem[discord.ui.Item[discord.ui.View]], template=MENU_TEMPLATE):
        """A menu of any card that was ever posted."""

        def __init__(self, item: discord.ui.Item[discord.ui.View], what: Pressed) -> None:
            super().__init__(item)
            self._what = what

        @classmethod
        @override
        async def from_custom_id(
            cls, interaction: AnyInteraction, item: discord.ui.Item[discord.ui.View], match: re.Match[str], /
        ) -> Self:
            return cls(item, pressed(match))

        @override
        async def callback(self, interaction: AnyInteraction) -> None:
            values = self.item.values if isinstance(self.item, discord.ui.Select) else []
            await clicks.clicked(interaction, self._what, str(values[0]) if values else "")

    return AnyButton, AnyMenu
