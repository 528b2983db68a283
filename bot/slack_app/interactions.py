"""Clicks and modals: which button it was is asked of the chat service, never believed of the payload.

In one of the windows an administrator picks who approves, from Slack's own lists of people and the workspace's groups.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import assert_never

from slack_sdk.errors import SlackApiError

from bot.chat.platform import CardTooLarge, MessageNotFound, MissingPermission, RateLimited
from bot.chat.private_cards import not_done_card
from bot.chat.service_port import (
    MOST_REQUIRED,
    AdminCommand,
    AskForText,
    ChatService,
    Pages,
    PressButton,
    Private,
    ShowPlan,
    SubmitText,
)
from bot.i18n import catalog
from bot.message import ANSWERS, Card, FormField, Inline, Option, Paragraph, StyledText, TextForm
from bot.slack_app.components import config_menu, config_options, openers
from bot.slack_app.errors import code_of, translated
from bot.slack_app.identity import People
from bot.slack_app.installations import Clients
from bot.slack_app.markup import (
    BLOCKS_IN_VIEW,
    BUTTON_TEXT,
    CHECKBOXES,
    GROUP_ID,
    INPUT_TEXT,
    MODAL_TITLE,
    OPTION_TEXT,
    PRIVATE_METADATA,
    SELECT_OPTIONS,
    USER_ID,
    Block,
    fences,
    plain,
    section_block,
)
from bot.slack_app.payloads import Click, EventSource, Opened, inner, opened_by, text_in
from bot.slack_app.render import Rendered, rendered
from bot.slack_app.replies import Replies

SUBMITTED = "decision_text"
DETAILS = "details"
PAGE = "page"


def text_modal(form: TextForm, opened: Opened, run: str = "") -> Block:
    """Asks for the reason of a no, or for the wanted changes, and says of which run.

    A title has no room for its name.
    """
    name = form.asks
    label = form.label or catalog.text(f"slack.modal.{name}.label")
    named = catalog.text("window.of_run", title=label, run=run) if run else label
    return {
        "type": "modal",
        "callback_id": SUBMITTED,
        "title": plain(catalog.text(f"slack.modal.{name}.title"), MODAL_TITLE),
        "submit": plain(catalog.text(f"slack.modal.{name}.submit"), MODAL_TITLE),
        "close": plain(catalog.text("slack.modal.close"), MODAL_TITLE),
        "private_metadata": opened.packed()[:PRIVATE_METADATA],
        "blocks": _fields(form, named)
        if form.fields
        else [
            {
                "type": "input",
                "block_id": "text",
                "optional": not form.is_required,
                "label": plain(named, 2_000),
                "element": _field(form),
            }
        ],
    }


def _fields(form: TextForm, title: str) -> list[Block]:
    """What the window is about, and an input for each of its fields."""
    inputs: list[Block] = [
        {
            "type": "input",
            "block_id": field.name,
            "optional": field.sort == "ticks",
            "label": plain(field.label, 2_000),
            "element": {**_element(field), "action_id": field.name},
        }
        for field in form.fields
    ]
    return [{"type": "section", "text": plain(title, 3_000)}, *inputs]


def _element(field: FormField) -> Block:
    match field.sort:
        case "ticks" | "confirm":
            options = _options(field.options)
            return {"type": _ticks(options), "options": options}
        case "number":
            bounds = {"min_value": "1", "max_value": str(field.most)}
            return {"type": "number_input", "is_decimal_allowed": False, **bounds, "initial_value": field.text}
        case "text":
            return {"type": "plain_text_input", "multiline": True, "min_length": 1, "max_length": field.most}
        case "choice":
            options = _options(field.options)
            first = next(each for each in options if each["value"] == field.text)
            return {"type": "static_select", "options": options, "initial_option": first}
        case _:
            assert_never(field.sort)


def _field(form: TextForm) -> Block:
    """What is written into, or ticked; all is ticked at first."""
    if not form.options:
        field: Block = {
            "type": "plain_text_input",
            "action_id": "text",
            "multiline": True,
            "max_length": INPUT_TEXT,
        }
        return {**field, "initial_value": form.text} if form.text else field
    options = _options(form.options)
    return {"type": _ticks(options), "action_id": "text", "options": options, "initial_options": options}


def _options(given: Sequence[Option]) -> list[Block]:
    options: list[Block] = []
    for option in given[:SELECT_OPTIONS]:
        made: Block = {"text": plain(option.label, OPTION_TEXT), "value": option.value}
        if option.description:
            made["description"] = plain(option.description, OPTION_TEXT)
        options.append(made)
    return options


def _ticks(options: Sequence[Block]) -> str:
    """The element in which any of these can be ticked."""
    return "checkboxes" if len(options) <= CHECKBOXES else "multi_static_select"


def details_modal(pages: Sequence[Card], opened: Opened) -> Block:
    """One page of everything about a plan, and after them its files to the letter: a window can't hold a file."""
    files = _file_pages(pages[0]) if pages else []
    count = len(pages) + len(files)
    page = min(max(0, opened.page), max(0, count - 1))
    if page >= len(pages):
        blocks = files[page - len(pages)] if files else []
    else:
        blocks = rendered(pages[page]).blocks[: BLOCKS_IN_VIEW - 2]
    if count > 1:
        number = catalog.text("slack.modal.details.page", number=page + 1, pages=count)
        blocks.append({"type": "context", "elements": [plain(number, 200)]})
        blocks.append({"type": "actions", "elements": _turns(page, count)})
    here = Opened(
        button=opened.button,
        channel=opened.channel,
        thread=opened.thread,
        message=opened.message,
        run=opened.run,
        page=page,
    )
    return _details(blocks, here.packed())


_FENCES_ON_PAGE = 3
_MOST_FILE_PAGES = 20


def run_window(plan: Pages, opened: Opened) -> Block:
    """A run's plan: the card with its buttons where a window can show all of it, else pages to read."""
    if plan.decision is not None:
        message = rendered(plan.decision.card, plan.decision.ids)
        if not message.needs_files and len(message.blocks) <= BLOCKS_IN_VIEW:
            return _details(message.blocks, opened.packed())
    return details_modal(plan.cards, opened)


def _file_pages(first: Card) -> list[list[Block]]:
    """plan.json in fences, as far as anybody turns pages: what is longer than that is a file in the thread already."""
    files = [each for each in first.attachments if first.has_files and each.media_type == "application/json"]
    pages: list[list[Block]] = []
    for file in files:
        pieces = fences(file.text)
        starts = range(0, len(pieces), _FENCES_ON_PAGE)
        pages += [
            [section_block(f"*{file.name}*"), *map(section_block, pieces[at : at + _FENCES_ON_PAGE])] for at in starts
        ]
    return pages[:_MOST_FILE_PAGES]


def _turns(page: int, count: int) -> list[Block]:
    turns: list[Block] = []
    for name, to in (("back", page - 1), ("next", page + 1)):
        if 0 <= to < count:
            turns.append(
                {
                    "type": "button",
                    "action_id": f"{PAGE}_{name}",
                    "text": plain(catalog.text(f"slack.page.{name}"), BUTTON_TEXT),
                    "value": str(to),
                }
            )
    return turns


def _details(blocks: list[Block], metadata: str) -> Block:
    return {
        "type": "modal",
        "callback_id": DETAILS,
        "title": plain(catalog.text("slack.modal.details.title"), MODAL_TITLE),
        "close": plain(catalog.text("slack.modal.close"), MODAL_TITLE),
        "private_metadata": metadata,
        "blocks": blocks,
    }


def home_view(card: Card, runs: Sequence[str] = ()) -> Block:
    """The App Home of one person, with a button for each run below the list that it is in."""
    head, left = rendered(replace(card, sections=())).blocks, list(runs)
    blocks = list(head)
    for section in card.sections:
        blocks += rendered(replace(card, sections=(section,))).blocks[len(head) :]
        named = {line[0] for line in section.lines if line} if isinstance(section, Paragraph) else set[Inline]()
        here = [run for run in left if StyledText(run, "bold") in named]
        blocks += openers(here)
        left = [run for run in left if run not in here]
    return {"type": "home", "blocks": blocks}


_log = logging.getLogger(__name__)

_EXPIRED = frozenset({"expired_trigger_id", "trigger_expired"})
_USED = frozenset({"exchanged_trigger_id", "trigger_exchanged"})


@dataclass(frozen=True, kw_only=True)
class Clicks:
    """Shows what comes of a click. A view can be opened within three seconds of it, and once."""

    chat_service: ChatService
    people: People
    replies: Replies
    clients: Clients

    async def press(self, click: Click) -> None:
        """A button or the menu of a card. What it asks for once more Slack has asked already."""
        source = click.source
        by = await self.people.somebody(source.workspace, source.user, source.called)
        request = PressButton(
            button=click.button, message=source.message, choice=click.text, is_confirmed=True, event_id=source.event_id
        )
        reply = await self.chat_service.handle(request, by, source.place)
        match reply:
            case AskForText(form=form, run=run):
                if not await is_opened(self.clients, source, text_modal(form, opened_by(click), run)):
                    await self._say_too_slow(source)
            case Pages(run=run, cards=pages):
                if not await is_opened(self.clients, source, details_modal(pages, opened_by(click, run))):
                    await self.replies.reply(source, reply)
            case Private(card=card) if source.view:
                await self.tell_in_window(source, card)
            case _:
                if click.action in ANSWERS and source.reply_address and not isinstance(reply, Private):
                    await self.replies.withdraw(source)
                await self.replies.reply(source, reply)

    async def _say_too_slow(self, source: EventSource) -> None:
        if source.view:
            await self.tell_in_window(source, not_done_card(catalog.rich("chat.too_slow")))
        else:
            await self.replies.reply_text(source, catalog.text("chat.too_slow"))

    async def submit(self, source: EventSource, opened: Opened, text: str, fields: Mapping[str, str]) -> None:
        """A submitted modal acts on the message whose button opened it."""
        by = await self.people.somebody(source.workspace, source.user, source.called)
        request = SubmitText(
            button=opened.button,
            message=source.message,
            text=text,
            choice=opened.choice,
            fields=fields,
            event_id=source.event_id,
        )
        reply = await self.chat_service.handle(request, by, source.place)
        if isinstance(reply, Private) and source.view:
            await self.tell_in_window(source, reply.card)
        else:
            await self.replies.reply(source, reply)

    async def _update(self, source: EventSource, view: str, shown: Block) -> None:
        with translated():
            await self.clients.with_retries(source.workspace.token).views_update(view_id=view, view=shown)

    async def open_run(self, source: EventSource, run: str) -> None:
        """Everything about a run's plan, from a list: in a window, whose pages remember where it was opened."""
        by = await self.people.somebody(source.workspace, source.user, source.called)
        reply = await self.chat_service.handle(ShowPlan(run=run), by, source.place)
        if not isinstance(reply, Pages):
            return
        if not await is_opened(self.clients, source, run_window(reply, _opened(source, reply.run))):
            await self.replies.reply_text(source, catalog.text("chat.too_slow"))

    async def tell_in_window(self, source: EventSource, card: Card) -> None:
        """What came of a click, or why nothing did: the Home is no place for private words.

        Whoever has closed the window in the meantime is told beside the card, if it was in one: what was done is done.
        """
        if source.view:
            try:
                await self._update(source, source.view, _details(rendered(card).blocks, ""))
            except (MessageNotFound, MissingPermission, RateLimited, CardTooLarge) as error:
                _log.info("a window can't be changed: %s", error)
                if source.channel:
                    await self.replies.reply_card(source, card)
        elif not await is_opened(self.clients, source, _details(rendered(card).blocks, "")) and source.channel:
            await self.replies.reply_card(source, card)

    async def turn(self, source: EventSource, opened: Opened, view: str, to: int) -> None:
        """Another page of the details, unless their window was closed meanwhile."""
        by = await self.people.somebody(source.workspace, source.user, source.called)
        reply = await self.chat_service.handle(ShowPlan(run=opened.run), by, source.place)
        if isinstance(reply, Pages):
            with suppress(MessageNotFound):
                await self._update(source, view, details_modal(reply.cards, replace(opened, page=to)))


def _opened(source: EventSource, run: str) -> Opened:
    return Opened(button="", channel=source.channel, thread=source.thread, message="", run=run)


async def is_opened(clients: Clients, source: EventSource, view: Block) -> bool:
    """Open a view, over the one that was clicked in.

    A click that was sent again opens none; False: it came too late.
    """
    client = clients.without_retries(source.workspace.token)
    try:
        if source.view:
            await client.views_push(trigger_id=source.trigger, view=view)
        else:
            await client.views_open(trigger_id=source.trigger, view=view)
    except SlackApiError as error:
        if code_of(error) in _USED | _EXPIRED:
            _log.info("a view came too late, or twice")
            return code_of(error) in _USED
        with translated():
            raise
    return True


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


def with_config_menu(card: Card, names: Sequence[str]) -> Rendered:
    """Configurations, with a menu to pick the one that holds in the channel from then on."""
    message, options = rendered(card), config_options(names)
    if not options:
        return message
    return Rendered(text=message.text, blocks=[*message.blocks, config_menu(options)])


def approvers_window(card: Card, groups: Sequence[Mapping[str, object]], opened: Opened) -> Block:
    """The window: who approves now, and below it the lists to pick from."""
    blocks = [
        *rendered(card).blocks,
        _input("users", {"type": "multi_users_select", "max_selected_items": _MOST_PICKED}),
    ]
    if options := _group_options(groups):
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


def _group_options(groups: Sequence[Mapping[str, object]]) -> list[Block]:
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
            client, team = self.clients.with_retries(source.workspace.token), source.workspace.team
            listed = (await client.usergroups_list(team_id=team or None)).get("usergroups") or []
        opened = Opened(
            button="", channel=source.channel, thread=source.thread, message="", reply_address=source.reply_address
        )
        if not await is_opened(self.clients, source, approvers_window(reply.card, listed, opened)):
            await self.replies.reply_text(source, catalog.text("chat.too_slow"))

    async def take(self, source: EventSource, picked: AdminCommand) -> None:
        """What was picked; nothing at all says again who approves."""
        by = await self.people.somebody(source.workspace, source.user, source.called)
        await self.replies.reply(source, await self.chat_service.handle(picked, by, source.place))
