"""Clicks and modals: which button it was is asked of the chat service, never believed of the payload."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from slack_sdk.errors import SlackApiError

from bot.chat.platform import ButtonAction, ChatService
from bot.i18n import Catalog
from bot.message import Action, Card, TextForm
from bot.slack_app.errors import code_of, translated
from bot.slack_app.identity import People
from bot.slack_app.installations import Clients
from bot.slack_app.markup import BLOCKS_IN_VIEW, BUTTON_TEXT, INPUT_TEXT, MODAL_TITLE, PRIVATE_METADATA, Block, plain
from bot.slack_app.payloads import Click, EventSource, Opened, opened_by
from bot.slack_app.render import rendered
from bot.slack_app.replies import Replies

SUBMITTED = "decision_text"
DETAILS = "details"
PAGE = "page"


def text_modal(form: TextForm, opened: Opened, catalog: Catalog) -> Block:
    """Asks for the reason of a no, or for the wanted changes."""
    name = form.asks
    return {
        "type": "modal",
        "callback_id": SUBMITTED,
        "title": plain(catalog.text(f"slack.modal.{name}.title"), MODAL_TITLE),
        "submit": plain(catalog.text(f"slack.modal.{name}.submit"), MODAL_TITLE),
        "close": plain(catalog.text("slack.modal.close"), MODAL_TITLE),
        "private_metadata": opened.packed()[:PRIVATE_METADATA],
        "blocks": [
            {
                "type": "input",
                "block_id": "text",
                "optional": not form.is_required,
                "label": plain(catalog.text(f"slack.modal.{name}.label"), 2_000),
                "element": {
                    "type": "plain_text_input",
                    "action_id": "text",
                    "multiline": True,
                    "max_length": INPUT_TEXT,
                },
            }
        ],
    }


def waiting_modal(catalog: Catalog) -> Block:
    """Stands there while the details are read: Slack lets a view be opened for three seconds only."""
    line: Block = {"type": "section", "text": plain(catalog.text("slack.modal.details.loading"), 200)}
    return _details([line], "", catalog)


def details_modal(pages: Sequence[Card], opened: Opened, catalog: Catalog) -> Block:
    """One page of everything about a plan."""
    page = min(max(0, opened.page), max(0, len(pages) - 1))
    blocks = rendered(pages[page], catalog=catalog).blocks[: BLOCKS_IN_VIEW - 2] if pages else []
    if len(pages) > 1:
        number = catalog.text("slack.modal.details.page", number=page + 1, pages=len(pages))
        blocks.append({"type": "context", "elements": [plain(number, 200)]})
        blocks.append({"type": "actions", "elements": _turns(page, len(pages), catalog)})
    here = Opened(
        button=opened.button,
        channel=opened.channel,
        thread=opened.thread,
        message=opened.message,
        run=opened.run,
        page=page,
    )
    return _details(blocks, here.packed(), catalog)


def _turns(page: int, count: int, catalog: Catalog) -> list[Block]:
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


def _details(blocks: list[Block], metadata: str, catalog: Catalog) -> Block:
    return {
        "type": "modal",
        "callback_id": DETAILS,
        "title": plain(catalog.text("slack.modal.details.title"), MODAL_TITLE),
        "close": plain(catalog.text("slack.modal.close"), MODAL_TITLE),
        "private_metadata": metadata,
        "blocks": blocks,
    }


def home_view(card: Card, catalog: Catalog) -> Block:
    """The App Home of one person."""
    return {"type": "home", "blocks": rendered(card, catalog=catalog).blocks}


_log = logging.getLogger(__name__)

LOOK_UP_SECONDS = 1.5
"""Half of what Slack gives from a click to its view: https://docs.slack.dev/interactivity/handling-user-interaction"""

_TOO_LATE = frozenset({"expired_trigger_id", "exchanged_trigger_id", "trigger_expired", "trigger_exchanged"})


@dataclass(frozen=True, kw_only=True)
class Clicks:
    """Carries out what people press."""

    chat_service: ChatService
    people: People
    replies: Replies
    clients: Clients

    async def press(self, click: Click) -> None:
        """A button or the menu of a card."""
        button_action = await self._look_up(click)
        action = button_action.action if button_action is not None else None
        if button_action is not None and action is Action.DETAILS:
            await self._details(click, button_action.run)
        elif button_action is not None and button_action.form is not None:
            await self._open(click.source, text_modal(button_action.form, opened_by(click), self.replies.catalog))
        else:
            await self._handle(click.source, click.button, click.text)

    async def submit(self, source: EventSource, opened: Opened, text: str) -> None:
        """A submitted modal acts on the message whose button opened it."""
        await self._handle(opened.at(source), opened.button, text)

    async def turn(self, source: EventSource, opened: Opened, view: str, to: int) -> None:
        """Another page of the details."""
        await self._show_page(opened.at(source), replace(opened, page=to), view)

    async def _look_up(self, click: Click) -> ButtonAction | None:
        """What the button stands for; unknown, too, if the database is slower than Slack waits."""
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return await self.chat_service.look_up_button(
                    click.button, place=click.source.place, message=click.source.message
                )
        except TimeoutError:
            _log.warning("a button was not looked up in time")
            return None

    async def _handle(self, source: EventSource, button: str, text: str) -> None:
        by = await self.people.person(source.workspace, source.user, source.called)
        reply = await self.chat_service.handle_button(
            by, button, place=source.place, message=source.message, text=text, once=source.once
        )
        await self.replies.reply_card(source, reply.private)

    async def _details(self, click: Click, run: str) -> None:
        view = await self._open(click.source, waiting_modal(self.replies.catalog))
        if view:
            await self._show_page(click.source, opened_by(click, run), view)

    async def _show_page(self, source: EventSource, opened: Opened, view: str) -> None:
        by = await self.people.person(source.workspace, source.user, source.called)
        pages = await self.chat_service.details(by, source.place, opened.run)
        with translated(self.replies.catalog):
            client = self.clients.steady(source.workspace.token)
            await client.views_update(view_id=view, view=details_modal(pages, opened, self.replies.catalog))

    async def _open(self, source: EventSource, view: Block) -> str:
        """Open a view, and return its id; a click that was sent again opens none."""
        client = self.clients.once(source.workspace.token)
        try:
            opened = await client.views_open(trigger_id=source.trigger, view=view)
        except SlackApiError as error:
            if code_of(error) in _TOO_LATE:
                _log.info("a view came too late, or twice")
                return ""
            with translated(self.replies.catalog):
                raise
        made: object = opened.get("view")
        return str(made.get("id", "")) if isinstance(made, dict) else ""
