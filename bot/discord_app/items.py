"""Buttons and menus that live longer than the process that posted them: a custom id is all that is needed.

discord.py only logs what goes wrong in these, so that whoever clicked would never hear of it: `Clicks` answers itself.
"""

import re
from typing import Self, TypeAlias

import discord
from typing_extensions import override

from bot.discord_app.components import BUTTON_TEMPLATE, MENU_TEMPLATE, Pressed, pressed
from bot.discord_app.interactions import Clicks
from bot.discord_app.replies import AnyInteraction

_Item: TypeAlias = discord.ui.DynamicItem[discord.ui.Item[discord.ui.View]]


def items_for(clicks: Clicks) -> tuple[type[_Item], ...]:
    """The two kinds of item, buttons and menus, bound to whom their clicks go to."""
    return _kind_of_item(clicks, BUTTON_TEMPLATE), _kind_of_item(clicks, MENU_TEMPLATE)


def _kind_of_item(clicks: Clicks, of: re.Pattern[str]) -> type[_Item]:
    class AnyItem(discord.ui.DynamicItem[discord.ui.Item[discord.ui.View]], template=of):
        """An item of any card that was ever posted."""

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

    return AnyItem
