"""What people may make of a plan in a chat: which calls stay, and which argument gets another value in a window."""

import json
from dataclasses import dataclass

from bot.cards.text import REFERENCE, arguments_in, head_of, one_line, shown_name, visible
from bot.i18n import catalog
from bot.message import Option, TextForm
from coordination.domain.canonical_json import Json, parse
from coordination.domain.plan import Plan, PlannedCall
from coordination.errors import InvalidJsonError
from coordination.secret_marks import secrets_in

MOST_OPTIONS = 25
"""What every product can offer at once. Of longer plans, the terminal selects calls."""

_MOST_TEXT = 3_000
"""Characters that every product's window holds."""

_LABEL = 60
_DESCRIPTION = 100


@dataclass(frozen=True, kw_only=True)
class EditableArgument:
    """One argument of a call: `text` is its value as a window shows it, a text as it is and anything else as JSON."""

    index: int
    tool: str
    position: int
    name: str
    text: str
    is_text: bool

    @property
    def value(self) -> str:
        """Names it among those of its plan."""
        return f"{self.index}.{self.position}"


def editable(plan: Plan) -> tuple[EditableArgument, ...]:
    """The arguments whose values a window can hold and bring back unchanged; one with a secret would show it."""
    found: list[EditableArgument] = []
    for index, call in enumerate(plan.calls):
        try:
            arguments = parse(call.arguments)
        except InvalidJsonError:
            continue
        for position, (name, value) in enumerate(arguments.items() if isinstance(arguments, dict) else ()):
            text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
            if _survives(text) and not secrets_in(text):
                is_text = isinstance(value, str)
                found.append(
                    EditableArgument(
                        index=index, tool=call.tool, position=position, name=name, text=text, is_text=is_text
                    )
                )
    return tuple(found)


def _survives(text: str) -> bool:
    """Whether a window shows all of a text, and brings it back as it was where nobody touches it."""
    is_clean = text == text.strip() and all(each == "\n" or each.isprintable() for each in text)
    return is_clean and len(text.encode("utf-16-le")) // 2 <= _MOST_TEXT


def edit_options(plan: Plan) -> tuple[Option, ...]:
    """One entry for each argument that may be edited, as far as a menu holds them."""
    return tuple(
        Option(
            value=each.value,
            label=one_line(
                catalog.text("edit.option", number=each.index + 1, name=shown_name(each.name), tool=visible(each.tool)),
                _LABEL,
            ),
            description=one_line(each.text, _DESCRIPTION),
        )
        for each in editable(plan)[:MOST_OPTIONS]
    )


def edited_argument(plan: Plan, choice: str) -> EditableArgument | None:
    """The argument that an entry stands for."""
    return next((each for each in editable(plan) if each.value == choice), None)


def edit_form(argument: EditableArgument) -> TextForm:
    """The window with an argument's value in it."""
    name, number = shown_name(argument.name), argument.index + 1
    return TextForm(
        asks="edit",
        is_required=not argument.is_text,
        text=argument.text,
        label=catalog.text("edit.window", name=name, number=number),
    )


def selection_form(plan: Plan) -> TextForm:
    """The window in which calls are ticked."""
    options = tuple(
        Option(
            value=str(number),
            label=one_line(f"{number}. {visible(call.server)} · {visible(call.tool)}", _LABEL),
            description=_gist(call),
        )
        for number, call in enumerate(plan.calls, 1)
    )
    return TextForm(asks="select", is_required=True, options=options)


def _gist(call: PlannedCall) -> str:
    value: Json = parse(call.arguments)
    if not isinstance(value, dict):
        return one_line(call.arguments, _DESCRIPTION)
    parts = [each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in value.values()]
    referred = [each.text for each in arguments_in(call) if each.text.startswith(REFERENCE)]
    known = one_line(", ".join(parts), _DESCRIPTION // 2 if referred else _DESCRIPTION)
    return head_of(", ".join(filter(None, [known, *referred])), _DESCRIPTION)


def selected_indexes(text: str) -> tuple[int, ...]:
    """The calls that `1, 3` or `1 3` means, counted from 0; whatever is no number is a call that there is not."""
    words = text.replace(",", " ").split()
    return tuple(int(word) - 1 if word.isascii() and word.isdecimal() and len(word) < 6 else -1 for word in words)
