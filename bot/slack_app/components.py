"""Buttons and menus as Slack has them: their opaque ids, and the second question that some ask."""

from collections.abc import Sequence

from bot.chat.platform import ButtonIds
from bot.i18n import catalog
from bot.message import Button, Confirmation, Menu
from bot.slack_app.markup import (
    ACTIONS,
    BUTTON_TEXT,
    CONFIRM_BUTTON,
    CONFIRM_TEXT,
    CONFIRM_TITLE,
    OPTION_TEXT,
    OPTION_VALUE,
    PLACEHOLDER,
    SELECT_OPTIONS,
    Block,
    mrkdwn_of,
    plain,
    units,
    within,
)

OPEN = "open"
USE = "use_config"
_LINE_CAPS = (160, 100, 70, 50, 36)


def actions_of(buttons: Sequence[Button], menus: Sequence[Menu], ids: ButtonIds | None) -> list[Block]:
    """The row of buttons, with the menu at its end; none where nobody issues ids."""
    if ids is None:
        return []
    elements = [_button(button, ids) for button in buttons[: ACTIONS - len(menus)]]
    elements += [_menu(menu, ids) for menu in menus]
    return [{"type": "actions", "elements": elements}] if elements else []


def _button(button: Button, ids: ButtonIds) -> Block:
    made: Block = {
        "type": "button",
        "action_id": button.action.value,
        "text": plain(button.label, BUTTON_TEXT),
        "value": ids.id_for(button.action),
    }
    if button.weight != "plain":
        made["style"] = "primary" if button.weight == "main" else "danger"
    if button.confirmation is not None:
        made["confirm"] = _confirm(button.confirmation, is_danger=button.weight == "danger")
    return made


def _confirm(confirmation: Confirmation, *, is_danger: bool) -> Block:
    whole = [mrkdwn_of(line) for line in confirmation.lines]
    # All of them a little, rather than a few in full: the calls themselves stand on the card.
    fitting = (
        cut
        for cap in _LINE_CAPS
        if units(_listed(cut := [within(line, cap) for line in whole], len(whole))) <= CONFIRM_TEXT
    )
    lines = next(fitting, [within(line, _LINE_CAPS[-1]) for line in whole])
    shown = list(lines)
    while shown and units(_listed(shown, len(lines))) > CONFIRM_TEXT:
        shown.pop()
    return {
        "title": plain(confirmation.title, CONFIRM_TITLE),
        "text": plain(_listed(shown, len(lines)), CONFIRM_TEXT),
        "confirm": plain(confirmation.yes, CONFIRM_BUTTON),
        "deny": plain(catalog.text("slack.confirm.no"), CONFIRM_BUTTON),
        "style": "danger" if is_danger else "primary",
    }


def _menu(menu: Menu, ids: ButtonIds) -> Block:
    button = ids.id_for(menu.action)
    options: list[Block] = []
    for option in menu.options[:SELECT_OPTIONS]:
        value = f"{button}:{option.value}"
        if units(value) > OPTION_VALUE:
            continue
        made: Block = {"text": plain(option.label, OPTION_TEXT), "value": value}
        if option.description:
            made["description"] = plain(option.description, OPTION_TEXT)
        options.append(made)
    return {
        "type": "static_select",
        "action_id": menu.action.value,
        "placeholder": plain(menu.label, PLACEHOLDER),
        "options": options,
    }


def openers(runs: Sequence[str]) -> list[Block]:
    """A button for each run, which opens its plan: decisions stay where all of it is shown."""
    buttons: list[Block] = [
        {
            "type": "button",
            "action_id": f"{OPEN}_{run}",
            "text": plain(catalog.text("slack.open", run=run), BUTTON_TEXT),
            "value": run,
        }
        for run in runs[:ACTIONS]
    ]
    return [{"type": "actions", "elements": buttons}] if buttons else []


def config_options(names: Sequence[str]) -> list[Block]:
    """Names of configurations, as far as a menu can hold them."""
    return [{"text": plain(each, OPTION_TEXT), "value": each} for each in names[:SELECT_OPTIONS]]


def config_menu(options: Sequence[Block]) -> Block:
    """A menu of configurations, which asks once more: a slip would change what holds for everybody."""
    ask = {
        "title": plain(catalog.text("slack.use.title"), CONFIRM_TITLE),
        "text": plain(catalog.text("slack.use.text"), CONFIRM_TEXT),
        "confirm": plain(catalog.text("slack.use.yes"), CONFIRM_BUTTON),
        "deny": plain(catalog.text("slack.confirm.no"), CONFIRM_BUTTON),
    }
    menu: Block = {
        "type": "static_select",
        "action_id": USE,
        "placeholder": plain(catalog.text("slack.use.menu"), PLACEHOLDER),
        "options": [*options],
        "confirm": ask,
    }
    return {"type": "actions", "elements": [menu]}


def _listed(lines: Sequence[str], count: int) -> str:
    more = [] if len(lines) == count else [catalog.text("slack.cut.lines", count=count - len(lines))]
    return "\n".join([*lines, *more])
