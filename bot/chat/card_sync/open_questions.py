"""Questions to somebody who said something in a thread.

They are on disk before they are shown, and shown again where it is not known whether they were.

Between the words and the question a process may die, or the product may refuse. Then whoever leads for the product asks
in the thread: the buttons are the same, so however often the question stands there, one answer counts.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from bot.cards.parts import mention
from bot.cards.text import one_line
from bot.chat.card_sync.context import SyncContext
from bot.chat.card_sync.snapshot import IssuedIds
from bot.chat.platform import CardTooLarge, ChannelRef, MessageNotFound, MissingPermission, RateLimited
from bot.chat.store import ButtonRecord, OpenQuestion
from bot.i18n import catalog, catalog_in, speaking
from bot.message import Action, Button, Card, Paragraph, Severity, StyledText, Target, Timestamp
from coordination.domain.policy import Person
from coordination.errors import OwnershipLostError, StorageError

_log = logging.getLogger(__name__)

OPEN = timedelta(hours=1)
"""How long an answer counts."""

PREFIX = "ask:"
"""Begins the name of the copy that a question's buttons are of; the rest of it is whose question it is."""

_GRACE = timedelta(seconds=20)
"""How long whoever heard the words has to show the question."""

_SHOWN = 160


def packed(words: str, by: Person, place: ChannelRef, event: str) -> str:
    """What a question's button carries: what was said, by whom, where, and in which event."""
    return json.dumps({"words": words, "name": by.name, "event": event, **asdict(place)})


def words_of(known: ButtonRecord) -> tuple[str, ChannelRef]:
    """What was said, and where."""
    carried = _carried(known)
    words = carried.pop("words")
    return words, ChannelRef(**{name: value for name, value in carried.items() if name not in ("name", "event")})


def event_of(known: ButtonRecord) -> str:
    """The event that a question was asked for; empty for one of an earlier version."""
    return _carried(known).get("event", "")


def _carried(known: ButtonRecord) -> dict[str, str]:
    carried: dict[str, str] = json.loads(known.value)
    return carried


def card_of(buttons: Mapping[Action, ButtonRecord]) -> Card:
    """The question of these buttons."""
    known = buttons[Action.CHANGE_THIS]
    account = known.copy.removeprefix(PREFIX)
    by = Person(tenant=known.tenant, id=account, name=_carried(known).get("name", account))
    target = Target(run=known.run, digest=known.digest)
    return question_card(words_of(known)[0], target, by, until=known.issued_at + OPEN)


def question_card(words: str, target: Target, by: Person, *, until: datetime) -> Card:
    """Which of the two is meant."""
    lines = (
        catalog.rich("thread.which_line", run=StyledText(target.run, "bold")),
        catalog.rich("thread.which_until", until=Timestamp(until, is_countdown=True)),
    )
    return Card(
        severity=Severity.DECIDE,
        status=catalog.text("thread.which"),
        title=catalog.rich("card.title", prompt=one_line(words, _SHOWN)),
        reference=catalog.rich("card.asked_by", who=mention(by)),
        sections=(Paragraph(lines=lines),),
        buttons=(
            Button(action=Action.CHANGE_THIS, label=catalog.text("button.change_this"), target=target, weight="main"),
            Button(action=Action.START_NEW, label=catalog.text("button.start_new"), target=target),
        ),
    )


def ids_of(buttons: Mapping[Action, ButtonRecord]) -> IssuedIds:
    """The ids of its buttons."""
    return IssuedIds({action: button.id for action, button in buttons.items()})


@dataclass(frozen=True)
class OpenQuestions:
    """The questions of one product of which nobody knows whether they are shown."""

    context: SyncContext

    async def keep(self) -> None:
        """Ask again what should stand by now, and do so for ever."""
        while True:
            with suppress(StorageError, OwnershipLostError):
                await self.ask_again(self.context.clock.now())
            await asyncio.sleep(self.context.intervals.recheck)

    async def ask_again(self, now: datetime) -> None:
        """Show each that should stand by now. What the product refuses for the moment is left for the next time."""
        store, name = self.context.store, self.context.platform.name
        for each in await store.open_questions(name, after=now - OPEN, before=now - _GRACE):
            known = each.buttons[0]
            card = await store.card(known.run, known.tenant)
            with speaking(self.context.chosen or catalog_in("" if card is None else card.language)):
                is_over = await self._carefully(each)
            if is_over:
                await store.question_shown(each.event, known.tenant)

    async def _carefully(self, question: OpenQuestion) -> bool:
        """Whether it is shown now, or never can be."""
        try:
            await self._show(question)
        except (RateLimited, MissingPermission) as error:
            _log.info("%s can't be asked now: %s", question.event, error)
            return False
        except (MessageNotFound, CardTooLarge) as error:
            _log.warning("%s can't be asked: %s", question.event, error)
        except Exception:  # noqa: BLE001  # one question that can't be asked must not take the cards with it
            _log.exception("%s could not be asked", question.event)
            return False
        return True

    async def _show(self, question: OpenQuestion) -> None:
        buttons = {Action(each.action): each for each in question.buttons}
        known, platform = question.buttons[0], self.context.platform
        _, place = words_of(known)
        with suppress(MissingPermission, MessageNotFound):  # Who may not look whether it stands asks once more.
            if await platform.find(place, idempotency_key=question.event, at=known.issued_at) is not None:
                return
        await platform.post(place, card_of(buttons), ids_of(buttons), idempotency_key=question.event)
