"""Starting a run: the configuration and the approvers that hold here, what came before, and whether it is too much."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bot.cards.text import one_line
from bot.chat.approvers import Approvers, approvers_here, approvers_in, by_id, narrowed, rule_here, with_approvers
from bot.chat.card_sync.context import place_of
from bot.chat.config_catalog import Chosen, ConfigCatalog, told_without_folder
from bot.chat.name_pins import NamePins
from bot.chat.platform import ChannelRef, ChatReply
from bot.chat.private_cards import done_card, refused
from bot.chat.store import Admitted, CardRecord, ChatSetting, ChatStore, Limits, OverLimit, Repeated
from bot.i18n import ENGLISH, Catalog, joined
from bot.message import Card, Mention
from coordination.config import read_text
from coordination.domain.events import Exchange
from coordination.domain.policy import Authors, Person
from coordination.domain.states import RunState
from coordination.domain.transitions import authors_in, replay
from coordination.errors import ConfigError, ConflictError, RefusedError, RunNotFoundError
from coordination.ports import Clock, NewId, RunLog
from coordination.prompts import outcome
from coordination.service import Coordinator, RunRequest, authors_for

LIMITS_KEY = "limits"
DEFAULT_LIMITS = Limits(at_once=10, waiting=100, hourly=30)
_VARIABLES = {
    "at_once": "MASSGEN_BOT_RUNS_AT_ONCE",
    "waiting": "MASSGEN_BOT_RUNS_WAITING",
    "hourly": "MASSGEN_BOT_RUNS_PER_HOUR",
    "each": "MASSGEN_BOT_RUNS_AT_ONCE_EACH",
}
_PAIR = re.compile(r"(at_once|waiting|hourly|each)\s*=\s*(\d{1,6})")


def operator_limits(environ: Mapping[str, str]) -> Limits:
    """What the environment says.

    Raises:
        ConfigError: it says no number.
    """
    limits = DEFAULT_LIMITS
    for name, variable in _VARIABLES.items():
        text = environ.get(variable, "")
        if text and not (text.isdecimal() and 1 <= int(text) <= 999_999):
            raise ConfigError([f"{variable} must be a number from 1 to 999999."])
        if text:
            limits = replace(limits, **{name: int(text)})
    return limits


def limits_typed(text: str) -> dict[str, int]:
    """What a person typed: `at_once=3 hourly=10`.

    Raises:
        RefusedError: it can't be understood.
    """
    rest = _PAIR.sub("", text).replace(",", " ").strip()
    found = {name: int(number) for name, number in _PAIR.findall(text)}
    if rest or not found or not all(found.values()):
        raise refused("bad_limits", text=(rest or text)[:40])
    return found


def limits_in(setting: ChatSetting | None, operator: Limits) -> Limits:
    """The limits that hold: never above the operator's."""
    if setting is None:
        return operator
    stored: dict[str, int] = json.loads(setting.value)
    most = {**asdict(operator), "each": operator.share}
    return replace(operator, **{name: min(number, most[name]) for name, number in stored.items() if name in most})


MOST_EARLIER = 6
"""How many exchanges of a conversation a new run is told of."""

_MOST_NAMES = 50


@dataclass(frozen=True, kw_only=True)
class RunStarter:
    """Starts runs. `wake` tells card sync that there is a card to post."""

    store: ChatStore
    log: RunLog
    coordinator: Coordinator
    config_catalog: ConfigCatalog
    name_pins: NamePins
    limits: Limits
    clock: Clock
    new_id: NewId
    wake: Callable[[], None]
    catalog: Catalog = ENGLISH

    async def start(
        self, by: Person, place: ChannelRef, prompt: str, *, config: str = "", thread_of: str = "", once: str = ""
    ) -> ChatReply:
        """Start a run, and keep its card at the place. A follow-up keeps the configuration, unless another is asked for."""
        if not thread_of:
            return await self._begin(by, place, prompt, config=config, is_asked=True, once=once)
        card = await self.store.card(thread_of, by.tenant)
        if card is None or card.channel != place.channel:
            raise RunNotFoundError(thread_of)
        state, authors = await self._state(thread_of, by.tenant)
        earlier = Exchange(prompt=state.request.prompt, outcome=outcome(state))
        history = (*state.request.history, earlier)[-MOST_EARLIER:]
        named, is_asked = config or state.request.config, bool(config)
        return await self._begin(
            by, place, prompt, config=named, is_asked=is_asked, history=history, authors=authors, once=once
        )

    async def start_again(self, by: Person, place: ChannelRef, card: CardRecord, *, once: str = "") -> ChatReply:
        """The same request as another run's, in the same conversation. Only its own requester may take it elsewhere."""
        state, authors = await self._state(card.run, by.tenant)
        request = state.request
        moves = place.channel != card.channel
        if moves and place_of(card).is_private_thread:
            raise RunNotFoundError(card.run)
        is_elsewhere = moves and by.id != card.requester
        here = replace(place, channel=card.channel, thread=card.thread, within="") if is_elsewhere else place
        # What was found out in one place is not told in another one.
        history = () if moves and not is_elsewhere else request.history
        return await self._begin(
            by, here, request.prompt, config=request.config, history=history, authors=authors, once=once
        )

    def _holds(self, name: str, place: ChannelRef, channel_settings: Mapping[tuple[str, str], ChatSetting]) -> bool:
        with suppress(RefusedError):
            return self.config_catalog.chosen(place.tenant, place.channel, channel_settings).name == name
        return False

    def _chosen(
        self,
        by: Person,
        place: ChannelRef,
        config: str,
        channel_settings: Mapping[tuple[str, str], ChatSetting],
        *,
        is_asked: bool,
    ) -> Chosen:
        """What a person asked for, if they may; what an earlier run had, if they still may; else what holds here."""
        is_there = config in self.config_catalog.names(place.tenant)
        opened = self.config_catalog.open_to_members(place.tenant, place.settings_channel, channel_settings)
        may_have = is_there and (by.is_admin or config in opened)
        if is_asked and is_there and not may_have:
            raise refused("not_open", name=config, names=", ".join(opened) or "-")
        named = config if may_have or is_asked else ""
        return self.config_catalog.chosen(place.tenant, place.settings_channel, channel_settings, named)

    async def _begin(
        self,
        by: Person,
        place: ChannelRef,
        prompt: str,
        *,
        config: str,
        once: str,
        is_asked: bool = False,
        history: tuple[Exchange, ...] = (),
        authors: Authors | None = None,
    ) -> ChatReply:
        if by.tenant != place.tenant:
            raise refused("elsewhere")
        channel_settings = await self.store.settings(place.tenant, place.settings_channel)
        chosen = self._chosen(by, place, config, channel_settings, is_asked=is_asked)
        with told_without_folder(chosen.path):
            written = await asyncio.to_thread(read_text, chosen.path)
        approvers = await self._pinned(chosen, place, channel_settings)
        text = with_approvers(written, approvers)
        request = RunRequest(
            prompt=prompt,
            requester=by,
            config_name=chosen.name,
            config_text=text,
            origin=str(chosen.path),
            history=history,
            goes_on_from=authors,
            asked_in=place.channel,
            config_is_named=chosen.source == "asked" and not self._holds(chosen.name, place, channel_settings),
        )
        limits = limits_in(channel_settings.get(("", LIMITS_KEY)), self.limits)
        reply = await self._admit(request, chosen.path, place, once=once, limits=limits)
        return replace(reply, private=await self._warning(request, chosen, place.settings_channel, channel_settings))

    async def _pinned(
        self, chosen: Chosen, place: ChannelRef, channel_settings: Mapping[tuple[str, str], ChatSetting]
    ) -> Approvers | None:
        """What was set, with an id for each name of the rule, so that nobody gets to approve by taking a name."""
        approvers = approvers_here(place.settings_channel, channel_settings)
        policy = await rule_here(chosen, place.settings_channel, channel_settings)
        if policy is None:
            return approvers
        return by_id(approvers, await self.name_pins.pinned(policy, place, channel_settings), policy)

    async def _warning(
        self, request: RunRequest, chosen: Chosen, channel: str, channel_settings: Mapping[tuple[str, str], ChatSetting]
    ) -> Card | None:
        """What whoever asks should know at once: that nobody could approve a plan which follows these words."""
        policy = await rule_here(chosen, channel, channel_settings)
        pinned = approvers_in(request.config_text)
        if policy is not None and pinned is not None:
            policy = narrowed(policy, pinned)
        if policy is None or not await self.coordinator.leaves_nobody(policy, authors_for(request)):
            return None
        named = [(Mention(role, one_line(role, 60), "role"),) for role in policy.roles]
        named += [(Mention(user, one_line(user, 60)),) for user in policy.users]
        names = joined(named, ", ")
        return done_card(self.catalog, self.catalog.rich("chat.nobody_left", approvers=names))

    async def _admit(
        self, request: RunRequest, path: Path, place: ChannelRef, *, once: str, limits: Limits
    ) -> ChatReply:
        by = request.requester
        for _ in range(_MOST_NAMES):
            card = self._card(by, place)
            try:
                admission = await self.store.admit(card, event=once, limits=limits)
            except ConflictError:
                continue  # The name is taken.
            match admission:
                case Admitted():
                    return await self._start(replace(request, run=card.run), path)
                case Repeated(run=run):
                    return ChatReply(run=run)
                case OverLimit(limit=limit, most=most):
                    raise refused(f"too_many_{limit}", count=most)
        raise ConflictError("", 0)

    async def _start(self, request: RunRequest, path: Path) -> ChatReply:
        """Begin what was admitted; what does not begin leaves no card."""
        try:
            with told_without_folder(path):
                await self.coordinator.start(request)
        except Exception:
            await self.store.withdraw(request.run, request.requester.tenant)
            raise
        self.wake()
        return ChatReply(run=request.run)

    def _card(self, by: Person, place: ChannelRef) -> CardRecord:
        return CardRecord(
            run=self.new_id(),
            platform=place.platform,
            tenant=by.tenant,
            channel=place.channel,
            thread=place.thread,
            requester=by.id,
            requester_name=by.name,
            asked_at=self.clock.now(),
        )

    async def _state(self, run: str, tenant: str) -> tuple[RunState, Authors]:
        """How another run stands, and whose words it was made of."""
        records = await self.log.read(run)
        if not records or (state := replay(records)).request.tenant != tenant:
            raise RunNotFoundError(run)
        return state, authors_in(records)
