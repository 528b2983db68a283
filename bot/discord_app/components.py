"""Buttons and menus with opaque ids: nothing of a run travels through Discord but 22 random characters.

A custom id is `mg:<what>:<id>`; a question asked in private also carries the message that the answer is about.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

import discord

from bot.cards.text import head_of
from bot.chat.platform import ButtonIds
from bot.discord_app import markup
from bot.message import ANSWERS, Button, Card, Menu


class Control(StrEnum):
    """What a custom id is of, known before the database is asked."""

    PRESS = "b"
    TEXT = "w"
    CONFIRM = "q"
    MENU = "s"
    FORM_MENU = "f"
    YES = "y"
    MODAL = "m"
    ANSWER = "a"


_ID = r"[A-Za-z0-9_-]{1,40}"
BUTTON_TEMPLATE = re.compile(rf"mg:(?P<control>[bwqya]):(?P<id>{_ID})(?::(?P<message>\d{{1,20}}))?")
MENU_TEMPLATE = re.compile(rf"mg:(?P<control>[sf]):(?P<id>{_ID})")
MODAL_TEMPLATE = re.compile(rf"mg:(?P<control>m):(?P<id>{_ID}):(?P<message>\d{{1,20}})(?::(?P<choice>[\d.]{{1,12}}))?")

_STYLES = {
    "main": discord.ButtonStyle.success,
    "danger": discord.ButtonStyle.danger,
    "plain": discord.ButtonStyle.secondary,
}


@dataclass(frozen=True, kw_only=True)
class ComponentId:
    """A custom id, taken apart. `message` is empty where it is the message that was clicked.

    `choice` is what was chosen in the menu that opened a window.
    """

    control: Control
    id: str
    message: str = ""
    choice: str = ""


def custom_id(control: Control, id_: str, message: str = "", choice: str = "") -> str:
    """The custom id of a control."""
    return ":".join(("mg", control.value, id_, *filter(None, (message, choice))))


def parse_custom_id(match: "re.Match[str]") -> ComponentId:
    """What a matching custom id says."""
    parts = match.groupdict()
    return ComponentId(
        control=Control(parts["control"]),
        id=parts["id"],
        message=parts.get("message") or "",
        choice=parts.get("choice") or "",
    )


def view_of(card: Card, ids: ButtonIds) -> discord.ui.View | None:
    """The buttons and the menu of a card; None if it has none.

    The view is stopped: clicks are routed by their custom ids alone, in this process or in the next one.
    """
    if not card.buttons and not card.menus:
        return None
    view = discord.ui.View(timeout=None)
    for button in card.buttons[: markup.BUTTONS_IN_ROW * (markup.ROWS - len(card.menus))]:
        view.add_item(_button(button, ids.id_for(button.action)))
    for menu in card.menus:
        view.add_item(_menu(menu, ids.id_for(menu.action)))
    view.stop()
    return view


def yes_view(button_id: str, message: str, label: str) -> discord.ui.View:
    """The one button of a private question."""
    view = discord.ui.View(timeout=None)
    name = custom_id(Control.YES, button_id, message)
    view.add_item(discord.ui.Button(label=_label(label), style=discord.ButtonStyle.success, custom_id=name))
    view.stop()
    return view


def _button(button: Button, id_: str) -> "discord.ui.Button[discord.ui.View]":
    control = Control.TEXT if button.form else Control.CONFIRM if button.confirmation else Control.PRESS
    control = Control.ANSWER if button.action in ANSWERS else control
    return discord.ui.Button(
        label=_label(button.label), style=_STYLES[button.weight], custom_id=custom_id(control, id_)
    )


def _menu(menu: Menu, id_: str) -> "discord.ui.Select[discord.ui.View]":
    select: discord.ui.Select[discord.ui.View] = discord.ui.Select(
        custom_id=custom_id(Control.FORM_MENU if menu.form else Control.MENU, id_),
        placeholder=_short(menu.label, markup.PLACEHOLDER),
    )
    for option in menu.options[: markup.OPTIONS]:
        select.add_option(
            label=_short(option.label, markup.OPTION_TEXT),
            value=option.value,
            description=_short(option.description, markup.OPTION_TEXT) or None,
        )
    return select


def _label(text: str) -> str:
    return _short(text, markup.BUTTON_LABEL)


def _short(text: str, limit: int) -> str:
    short = head_of(text, limit)
    while markup.units(short) > limit:
        short = head_of(short, len(short) - 1)
    return short
