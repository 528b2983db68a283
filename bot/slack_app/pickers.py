"""A window in which an administrator picks who approves, from Slack's own lists of people and the workspace's groups."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bot.chat.platform import MissingPermission
from bot.chat.service_port import MOST_REQUIRED, AdminCommand, ChatService, Private
from bot.i18n import catalog
from bot.message import Card
from bot.slack_app.errors import translated
from bot.slack_app.identity import People
from bot.slack_app.installations import Clients
from bot.slack_app.interactions import is_opened
from bot.slack_app.markup import (
    BUTTON_TEXT,
    GROUP_ID,
    MODAL_TITLE,
    OPTION_TEXT,
    SELECT_OPTIONS,
    USER_ID,
    Block,
    plain,
)
from bot.slack_app.payloads import EventSource, Opened, inner, text_in
from bot.slack_app.render import Rendered, rendered
from bot.slack_app.replies import Replies

PICK = "pick_approvers"
PICKED = "approvers_picked"
_LABEL = 2_000
_MOST_PICKED = 25
_NUMBER = re.compile(r"\d{1,2}")
_SCOPES = ("channel", "server")


def with_pick_button(card: Card) -> Rendered:
    """Who approves, with a button that opens the window."""
    message = rendered(card)
    button = {"type": "button", "action_id": PICK, "text": plain(catalog.text("slack.pick.button"), BUTTON_TEXT)}
    return Rendered(text=message.text, blocks=[*message.blocks, {"type": "actions", "elements": [button]}])


def approvers_window(card: Card, groups: Sequence[Mapping[str, object]], opened: Opened) -> Block:
    """The window: who approves now, and below it the lists to pick from."""
    blocks = [
        *rendered(card).blocks,
        _input("users", {"type": "multi_users_select", "max_selected_items": _MOST_PICKED}),
    ]
    if options := _options(groups):
        picker: Block = {"type": "multi_static_select", "options": options, "max_selected_items": _MOST_PICKED}
        blocks.append(_input("groups", picker))
    most = {"min_value": "1", "max_value": str(MOST_REQUIRED)}
    blocks.append(_input("required", {"type": "number_input", "is_decimal_allowed": False, **most}))
    stricter = {"text": plain(catalog.text("slack.pick.not_requester"), OPTION_TEXT), "value": "no"}
    blocks.append(_input("requester", {"type": "checkboxes", "options": [stricter]}))
    scopes = [{"text": plain(catalog.text(f"slack.pick.{each}"), OPTION_TEXT), "value": each} for each in _SCOPES]
    scope: Block = {"type": "radio_buttons", "options": scopes, "initial_option": scopes[0]}
    blocks.append(_input("scope", scope, is_optional=False))
    return {
        "type": "modal",
        "callback_id": PICKED,
        "title": plain(catalog.text("slack.pick.title"), MODAL_TITLE),
        "submit": plain(catalog.text("slack.pick.submit"), MODAL_TITLE),
        "close": plain(catalog.text("slack.modal.close"), MODAL_TITLE),
        "private_metadata": opened.packed(),
        "blocks": blocks,
    }


def _input(name: str, element: Block, *, is_optional: bool = True) -> Block:
    return {
        "type": "input",
        "block_id": name,
        "optional": is_optional,
        "label": plain(catalog.text(f"slack.pick.{name}_label"), _LABEL),
        "element": {**element, "action_id": name},
    }


def _options(groups: Sequence[Mapping[str, object]]) -> list[Block]:
    """The groups that are in use, by handle, as many as a list may have; the others can be typed."""
    handles = {str(each.get("handle") or each["id"]): str(each["id"]) for each in groups if not each.get("date_delete")}
    known: list[Block] = [{"text": plain(f"@{name}", OPTION_TEXT), "value": handles[name]} for name in sorted(handles)]
    return [each for each in known if GROUP_ID.fullmatch(str(each["value"]))][:SELECT_OPTIONS]


def picked_in(body: object) -> AdminCommand:
    """What was picked, as if it had been typed; what is of no known form is nothing."""
    values = inner(body, "view", "state", "values")
    users = _each(inner(values, "users", "users", "selected_users"))
    groups = [text_in(each, "value") for each in _each(inner(values, "groups", "groups", "selected_options"))]
    number = text_in(values, "required", "required", "value")
    words = [f"<@{each}>" for each in users if isinstance(each, str) and USER_ID.fullmatch(each)]
    words += [f"<!subteam^{each}>" for each in groups if GROUP_ID.fullmatch(each)]
    words += [f"required={number}"] if _NUMBER.fullmatch(number) else []
    words += ["requester=no"] if _each(inner(values, "requester", "requester", "selected_options")) else []
    scope = text_in(values, "scope", "scope", "selected_option", "value")
    return AdminCommand(action="approvers", scope=scope if scope in _SCOPES else "", value=" ".join(words))


def _each(value: object) -> list[object]:
    return value if isinstance(value, list) else []


@dataclass(frozen=True, kw_only=True)
class ApproverPicker:
    """Opens the window, and carries out what was picked there. The chat service looks each time whether they may."""

    chat_service: ChatService
    people: People
    replies: Replies
    clients: Clients

    async def open(self, source: EventSource) -> None:
        """The window, for an administrator."""
        by = await self.people.somebody(source.workspace, source.user, source.called)
        reply = await self.chat_service.handle(AdminCommand(action="approvers"), by, source.place)
        if not isinstance(reply, Private):
            return
        listed: Sequence[Mapping[str, object]] = ()
        with suppress(MissingPermission), translated():  # Without the scope for it there are people to pick from.
            listed = (await self.clients.steady(source.workspace.token).usergroups_list()).get("usergroups") or []
        opened = Opened(
            button="", channel=source.channel, thread=source.thread, message="", reply_address=source.reply_address
        )
        if not await is_opened(self.clients, source, approvers_window(reply.card, listed, opened)):
            await self.replies.reply_text(source, catalog.text("chat.too_slow"))

    async def take(self, source: EventSource, picked: AdminCommand) -> None:
        """What was picked; nothing at all says again who approves."""
        by = await self.people.somebody(source.workspace, source.user, source.called)
        await self.replies.reply(source, await self.chat_service.handle(picked, by, source.place))
