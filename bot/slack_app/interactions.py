"""Clicks and modals: which button it was is asked of the desk, never believed of the payload."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from slack_sdk.errors import SlackApiError

from bot.chat.platform import Desk, Press
from bot.i18n import Words
from bot.message import Card, Verb
from bot.slack_app.errors import code_of, translated
from bot.slack_app.identity import People
from bot.slack_app.installations import Clients
from bot.slack_app.markup import BLOCKS_IN_VIEW, BUTTON_TEXT, INPUT_TEXT, MODAL_TITLE, PRIVATE_METADATA, Block, plain
from bot.slack_app.payloads import Click, Opened, Source, opened_by
from bot.slack_app.render import rendered
from bot.slack_app.replies import Answers

SUBMITTED = "decision_text"
DETAILS = "details"
PAGE = "page"


def text_modal(verb: Verb, opened: Opened, words: Words) -> Block:
    """Asks for the reason of a no, or for the wanted changes."""
    name = "change" if verb is Verb.CHANGE else "reason"
    return {
        "type": "modal",
        "callback_id": SUBMITTED,
        "title": plain(words.say(f"slack.modal.{name}.title"), MODAL_TITLE),
        "submit": plain(words.say(f"slack.modal.{name}.submit"), MODAL_TITLE),
        "close": plain(words.say("slack.modal.close"), MODAL_TITLE),
        "private_metadata": opened.packed()[:PRIVATE_METADATA],
        "blocks": [
            {
                "type": "input",
                "block_id": "text",
                "optional": verb is not Verb.CHANGE,
                "label": plain(words.say(f"slack.modal.{name}.label"), 2_000),
                "element": {
                    "type": "plain_text_input",
                    "action_id": "text",
                    "multiline": True,
                    "max_length": INPUT_TEXT,
                },
            }
        ],
    }


def waiting_modal(words: Words) -> Block:
    """Stands there while the details are read: Slack lets a view be opened for three seconds only."""
    line: Block = {"type": "section", "text": plain(words.say("slack.modal.details.loading"), 200)}
    return _details([line], "", words)


def details_modal(pages: Sequence[Card], opened: Opened, words: Words) -> Block:
    """One page of everything about a plan."""
    page = min(max(0, opened.page), max(0, len(pages) - 1))
    blocks = rendered(pages[page], words=words).blocks[: BLOCKS_IN_VIEW - 2] if pages else []
    if len(pages) > 1:
        number = words.say("slack.modal.details.page", number=page + 1, pages=len(pages))
        blocks.append({"type": "context", "elements": [plain(number, 200)]})
        blocks.append({"type": "actions", "elements": _turns(page, len(pages), words)})
    here = Opened(
        button=opened.button,
        channel=opened.channel,
        thread=opened.thread,
        message=opened.message,
        run=opened.run,
        page=page,
    )
    return _details(blocks, here.packed(), words)


def _turns(page: int, count: int, words: Words) -> list[Block]:
    turns: list[Block] = []
    for name, to in (("back", page - 1), ("next", page + 1)):
        if 0 <= to < count:
            turns.append(
                {
                    "type": "button",
                    "action_id": f"{PAGE}_{name}",
                    "text": plain(words.say(f"slack.page.{name}"), BUTTON_TEXT),
                    "value": str(to),
                }
            )
    return turns


def _details(blocks: list[Block], metadata: str, words: Words) -> Block:
    return {
        "type": "modal",
        "callback_id": DETAILS,
        "title": plain(words.say("slack.modal.details.title"), MODAL_TITLE),
        "close": plain(words.say("slack.modal.close"), MODAL_TITLE),
        "private_metadata": metadata,
        "blocks": blocks,
    }


def home_view(card: Card, words: Words) -> Block:
    """The App Home of one person."""
    return {"type": "home", "blocks": rendered(card, words=words).blocks}


_log = logging.getLogger(__name__)

PEEK_SECONDS = 1.5
"""Half of what Slack gives from a click to its view: https://docs.slack.dev/interactivity/handling-user-interaction"""

_TOO_LATE = frozenset({"expired_trigger_id", "exchanged_trigger_id", "trigger_expired", "trigger_exchanged"})


@dataclass(frozen=True, kw_only=True)
class Clicks:
    """Carries out what people press."""

    desk: Desk
    people: People
    answers: Answers
    clients: Clients

    async def press(self, click: Click) -> None:
        """A button or the menu of a card."""
        press = await self._peek(click)
        verb = press.verb if press is not None else None
        if press is not None and verb is Verb.DETAILS:
            await self._details(click, press.run)
        elif verb in {Verb.REJECT, Verb.CHANGE}:
            await self._open(click.source, text_modal(Verb(verb), opened_by(click), self.answers.words))
        else:
            await self._act(click.source, click.button, click.text)

    async def submit(self, source: Source, opened: Opened, text: str) -> None:
        """A submitted modal acts on the message whose button opened it."""
        await self._act(opened.at(source), opened.button, text)

    async def turn(self, source: Source, opened: Opened, view: str, to: int) -> None:
        """Another page of the details."""
        await self._show_page(opened.at(source), replace(opened, page=to), view)

    async def _peek(self, click: Click) -> Press | None:
        """What the button stands for; unknown, too, if the database is slower than Slack waits."""
        try:
            async with asyncio.timeout(PEEK_SECONDS):
                return await self.desk.peek(click.button, place=click.source.place, message=click.source.message)
        except TimeoutError:
            _log.warning("a button was not looked up in time")
            return None

    async def _act(self, source: Source, button: str, text: str) -> None:
        by = await self.people.person(source.workspace, source.user, source.called)
        said = await self.desk.press(
            by, button, place=source.place, message=source.message, text=text, once=source.once
        )
        await self.answers.show(source, said.private)

    async def _details(self, click: Click, run: str) -> None:
        view = await self._open(click.source, waiting_modal(self.answers.words))
        if view:
            await self._show_page(click.source, opened_by(click, run), view)

    async def _show_page(self, source: Source, opened: Opened, view: str) -> None:
        by = await self.people.person(source.workspace, source.user, source.called)
        pages = await self.desk.details(by, source.place, opened.run)
        with translated(self.answers.words):
            client = self.clients.steady(source.workspace.token)
            await client.views_update(view_id=view, view=details_modal(pages, opened, self.answers.words))

    async def _open(self, source: Source, view: Block) -> str:
        """Open a view, and return its id; a click that was sent again opens none."""
        client = self.clients.once(source.workspace.token)
        try:
            opened = await client.views_open(trigger_id=source.trigger, view=view)
        except SlackApiError as error:
            if code_of(error) in _TOO_LATE:
                _log.info("a view came too late, or twice")
                return ""
            with translated(self.answers.words):
                raise
        made: object = opened.get("view")
        return str(made.get("id", "")) if isinstance(made, dict) else ""
