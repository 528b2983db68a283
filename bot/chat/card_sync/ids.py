"""Opaque ids for the buttons of one card: random, kept before they are shown, the same again for the same button."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.chat.store import ButtonRecord, CardRecord, CardStore
from bot.message import Card, Target, Verb
from coordination.domain import states as s
from coordination.domain.states import RunState

_BYTES = 16


@dataclass(frozen=True)
class IssuedIds:
    """Fits `bot.chat.platform.ButtonIds`: the ids of one frame."""

    ids: Mapping[Verb, str]

    def id_for(self, verb: Verb, value: str = "") -> str:
        """The id of a verb on this card; a menu has one for all its values."""
        del value
        return self.ids[verb]


async def issue_ids(store: CardStore, kept: CardRecord, card: Card, state: RunState, at: datetime) -> IssuedIds:
    """The ids of a frame's buttons and menu. New ones are on disk before anybody can see them."""
    wanted: dict[Verb, Target] = {button.verb: button.target for button in card.buttons}
    if card.menu is not None:
        wanted[card.menu.verb] = card.menu.target
    if not wanted:
        return IssuedIds({})
    value = doubt_of(state) if isinstance(state, s.NeedsHuman) else ""
    known = {(each.verb, each.digest, each.index, each.value): each.id for each in await store.issued(kept)}
    ids: dict[Verb, str] = {}
    fresh: list[ButtonRecord] = []
    for verb, target in wanted.items():
        key = (verb.value, target.digest, target.index, value)
        ids[verb] = known.get(key) or secrets.token_urlsafe(_BYTES)
        if key not in known:
            fresh.append(_record(ids[verb], kept, verb, target=target, value=value, at=at))
    await store.issue(fresh)
    return IssuedIds(ids)


def doubt_of(state: s.NeedsHuman) -> str:
    """What tells one doubt about a call from the next one of the same call."""
    return str(state.attempt)


def _record(id_: str, kept: CardRecord, verb: Verb, *, target: Target, value: str, at: datetime) -> ButtonRecord:
    return ButtonRecord(
        id=id_,
        run=kept.run,
        tenant=kept.tenant,
        attempt=kept.attempt,
        verb=verb.value,
        digest=target.digest,
        index=target.index,
        value=value,
        issued_at=at,
    )
