"""Clicks and modals: which button it was is asked of the desk, never believed of the payload."""

import asyncio
import logging
from dataclasses import dataclass, replace

from slack_sdk.errors import SlackApiError

from bot.chat.platform import Desk, Press
from bot.message import Verb
from bot.slack_app.errors import code_of, translated
from bot.slack_app.identity import People
from bot.slack_app.markup import Block
from bot.slack_app.payloads import Click, Opened, Source, opened_by
from bot.slack_app.replies import Answers
from bot.slack_app.views import details_modal, text_modal, waiting_modal
from bot.slack_app.workspaces import Clients

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
