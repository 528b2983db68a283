"""Starting a run: the configuration and the approvers that hold here, what came before, and whether it is too much."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import assert_never

from bot.cards.text import one_line, visible
from bot.chat.approvers import (
    Approvers,
    approvers_here,
    approvers_in,
    by_id,
    names_here,
    narrowed,
    rule_here,
    with_approvers,
)
from bot.chat.card_sync.context import place_of
from bot.chat.config_catalog import Chosen, ConfigCatalog, told_without_folder
from bot.chat.name_pins import NamePins
from bot.chat.platform import ChannelRef
from bot.chat.private_cards import done_card, refused
from bot.chat.run_queries import find_card
from bot.chat.service_port import FollowUp, Nothing, Reply, RetryRun, Started, StartRun
from bot.chat.store import Admitted, CardRecord, ChatSetting, ChatStore, Limits, OverLimit, Repeated
from bot.i18n import catalog, joined
from bot.message import Card, Mention
from bot.variables import Environment
from coordination.config import read_operator_policy, read_text, with_operator_policy
from coordination.domain import states as s
from coordination.domain.events import Exchange
from coordination.domain.linked_runs import link_of
from coordination.domain.policy import Authors, Person, Policy
from coordination.domain.preset_plan import Purpose
from coordination.domain.states import RunState
from coordination.domain.transitions import authors_in, replay
from coordination.errors import ConfigError, ConflictError, RefusedError, RunNotFoundError, StorageError
from coordination.ports import Clock, NewId, RunLog
from coordination.prompts import outcome
from coordination.run_request import RunRequest, authors_after, authors_for
from coordination.secret_marks import beginning
from coordination.service import Coordinator
from coordination.text import Text

LIMITS_KEY = "limits"
DEFAULT_LIMITS = Limits(at_once=10, waiting=100, hourly=30)
_PAIR = re.compile(r"(at_once|waiting|hourly|each)\s*=\s*(\d{1,6})")


def operator_limits(environment: Environment) -> Limits:
    """What the environment says.

    Raises:
        ConfigError: it says no number.
    """
    limits = DEFAULT_LIMITS
    written = {
        "at_once": ("MASSGEN_BOT_RUNS_AT_ONCE", environment.runs_at_once),
        "waiting": ("MASSGEN_BOT_RUNS_WAITING", environment.runs_waiting),
        "hourly": ("MASSGEN_BOT_RUNS_PER_HOUR", environment.runs_per_hour),
        "each": ("MASSGEN_BOT_RUNS_AT_ONCE_EACH", environment.runs_at_once_each),
    }
    for name, (variable, text) in written.items():
        if text and not (text.isdecimal() and 1 <= int(text) <= 999_999):
            raise ConfigError([Text("{variable} must be a number from 1 to 999999.", variable=variable)])
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
        raise refused("bad_limits", text=beginning(rest or text, 40))
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
class AskAgain:
    """Ask the same as the run of a card, as a new run."""

    card: CardRecord
    event_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Linked:
    """The run that follows from another one. `note`: what whoever had it made should know at once."""

    run: str
    is_new: bool = False
    note: Card | None = None


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What somebody asks for. `is_asked`: the configuration by name, and not as an earlier run had it."""

    place: ChannelRef
    prompt: str
    config: str
    is_asked: bool = False
    history: tuple[Exchange, ...] = ()
    authors: Authors | None = None
    event_id: str = ""


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """What can begin as soon as there is room. `note`: what whoever asks should know at once."""

    request: RunRequest
    path: Path
    limits: Limits
    note: Card | None


@dataclass(frozen=True, kw_only=True)
class RunStarter:
    """Starts runs.

    `wake` tells card sync that there is a card to post; `operator_policy` is the file of the operator's rules.
    """

    store: ChatStore
    log: RunLog
    coordinator: Coordinator
    config_catalog: ConfigCatalog
    name_pins: NamePins
    limits: Limits
    clock: Clock
    new_id: NewId
    wake: Callable[[], None]
    operator_policy: str = ""

    async def start(self, request: StartRun | FollowUp | RetryRun | AskAgain, by: Person, place: ChannelRef) -> Reply:
        """Start a run, and keep its card at the place."""
        wanted = await self._wanted(request, by, place)
        if wanted is None:
            return Nothing()
        ready = await self._ready(wanted, by)
        admitted = await self._admitted(by, wanted, ready.limits)
        if isinstance(admitted, Repeated):
            return Started(admitted.run, is_repeated=True) if admitted.run else Nothing()
        run = admitted.run
        try:
            with told_without_folder(ready.path, by):
                await self.coordinator.start(replace(ready.request, run=run))
        except Exception:
            await self.store.withdraw(run, by.tenant)  # What does not begin leaves no card.
            raise
        self.wake()
        return Started(run, ready.note)

    async def link(self, card: CardRecord, purpose: Purpose, by: Person) -> Linked:
        """Have a run begin with what is left to plan after a card's run, with a card of its own at the same place.

        Raises:
            RefusedError: nothing is left to plan, or this person may not ask for a run of its configuration here.
        """
        state, authors = await self._state(card)
        place, request = replace(place_of(card), language=card.language), state.request
        channel_settings = await self.store.settings(place.tenant, place.settings_channel)
        limits = limits_in(channel_settings.get(("", LIMITS_KEY)), self.limits)
        if (made := link_of(state, purpose)) is not None:
            if await self.store.card(made.run, by.tenant) is None:
                with suppress(ConflictError):  # It has begun without one.
                    await self.store.admit(replace(self._card(by, place), run=made.run), event="", limits=limits)
            return Linked(run=await self.coordinator.link(card.run, purpose, by))
        chosen = self._chosen(by, place, request.config, channel_settings, is_asked=False)
        if chosen.name != request.config:
            opened = self.config_catalog.open_to_members(place.tenant, place.settings_channel, channel_settings)
            raise refused("not_open", name=request.config, names=", ".join(opened) or "-")
        wanted = _Wanted(place=place, prompt=request.prompt, config=request.config)
        admitted = await self._admitted(by, wanted, limits)
        try:
            run = await self.coordinator.link(card.run, purpose, by, name=admitted.run)
        except StorageError:  # It may have been written. If it was not, card sync drops a card without a run.
            raise
        except Exception:
            await self.store.withdraw(admitted.run, by.tenant)
            raise
        if run != admitted.run:  # Somebody else was first.
            await self.store.withdraw(admitted.run, by.tenant)
        policy = state.plan.policy if isinstance(state, s.Finished | s.Rejected | s.Expired) else None
        note = None if policy is None else await self._nobody_left(policy, authors_after(by, authors))
        return Linked(run=run, is_new=run == admitted.run, note=note)

    async def _wanted(
        self, request: StartRun | FollowUp | RetryRun | AskAgain, by: Person, place: ChannelRef
    ) -> "_Wanted | None":
        """What is to be run; None: it was said outside of a run's thread."""
        match request:
            case StartRun(prompt=prompt, config=config, event_id=event_id):
                card = await self.card_of_thread(by, place) if request.follows_thread else None
                if card is not None:
                    return await self._follow_up(card, place, prompt, config, event_id=event_id)
                return _Wanted(place=place, prompt=prompt, config=config, is_asked=True, event_id=event_id)
            case FollowUp(prompt=prompt, event_id=event_id):
                card = await self.card_of_thread(by, place)
                return None if card is None else await self._follow_up(card, place, prompt, "", event_id=event_id)
            case RetryRun(run=run):
                card = await find_card(self.log, self.store, by, place, run)
                return await self._same_again(card, by, place, event_id=request.event_id)
            case AskAgain(card=card):
                return await self._same_again(card, by, place, event_id=request.event_id)
            case _:
                assert_never(request)

    async def card_of_thread(self, by: Person, place: ChannelRef) -> CardRecord | None:
        """The card of the newest run of a thread, if there is one."""
        run = await self.store.run_of_thread(place.tenant, place.channel, place.thread)
        return None if run is None else await self.store.card(run, by.tenant)

    async def _follow_up(
        self, card: CardRecord, place: ChannelRef, prompt: str, config: str, *, event_id: str
    ) -> "_Wanted":
        """A follow-up keeps the configuration, unless another is asked for."""
        state, authors = await self._state(card)
        earlier = Exchange(prompt=state.request.prompt, outcome=outcome(state))
        return _Wanted(
            place=place,
            prompt=prompt,
            config=config or state.request.config,
            is_asked=bool(config),
            history=(*state.request.history, earlier)[-MOST_EARLIER:],
            authors=authors,
            event_id=event_id,
        )

    async def _same_again(self, card: CardRecord, by: Person, place: ChannelRef, *, event_id: str) -> "_Wanted":
        """The same request as another run's, in the same conversation. Only its own requester may take it elsewhere."""
        state, authors = await self._state(card)
        request = state.request
        moves = place.channel != card.channel
        if moves and place_of(card).is_private_thread:
            raise RunNotFoundError(card.run)
        is_elsewhere = moves and by.id != card.requester
        return _Wanted(
            place=replace(place, channel=card.channel, thread=card.thread, within="") if is_elsewhere else place,
            prompt=request.prompt,
            config=request.config,
            # What was found out in one place is not told in another one.
            history=() if moves and not is_elsewhere else request.history,
            authors=authors,
            event_id=event_id,
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

    async def _ready(self, wanted: "_Wanted", by: Person) -> "_Ready":
        """The request with the configuration and the approvers that hold."""
        place = wanted.place
        if by.tenant != place.tenant:
            raise refused("elsewhere")
        channel_settings = await self.store.settings(place.tenant, place.settings_channel)
        chosen = self._chosen(by, place, wanted.config, channel_settings, is_asked=wanted.is_asked)
        with told_without_folder(chosen.path, by):
            written = await asyncio.to_thread(read_text, chosen.path)
        operator = await asyncio.to_thread(read_operator_policy, self.operator_policy)
        approvers = await self._pinned(chosen, place, channel_settings)
        request = RunRequest(
            prompt=wanted.prompt,
            requester=by,
            config_name=chosen.name,
            config_text=with_approvers(with_operator_policy(written, operator), approvers),
            origin=str(chosen.path),
            history=wanted.history,
            goes_on_from=wanted.authors,
            asked_in=place.channel,
            config_is_named=chosen.source == "asked" and not self._holds(chosen.name, place, channel_settings),
        )
        return _Ready(
            request=request,
            path=chosen.path,
            limits=limits_in(channel_settings.get(("", LIMITS_KEY)), self.limits),
            note=await self._warning(request, chosen, place, channel_settings),
        )

    async def _pinned(
        self, chosen: Chosen, place: ChannelRef, channel_settings: Mapping[tuple[str, str], ChatSetting]
    ) -> Approvers | None:
        """What was set, with an id for each name of the rule, so that nobody gets to approve by taking a name."""
        approvers = approvers_here(place.settings_channel, channel_settings)
        policy = await names_here(chosen, place.settings_channel, channel_settings)
        if policy is None:
            return approvers
        return by_id(approvers, await self.name_pins.pinned(policy, place, channel_settings), policy)

    async def _warning(
        self,
        request: RunRequest,
        chosen: Chosen,
        place: ChannelRef,
        channel_settings: Mapping[tuple[str, str], ChatSetting],
    ) -> Card | None:
        """What whoever asks should know at once: that nobody could approve a plan which follows these words."""
        policy = await rule_here(chosen, place.settings_channel, channel_settings)
        pinned = approvers_in(request.config_text)
        if policy is not None and pinned is not None:
            policy = narrowed(policy, pinned)
        if policy is None:
            return None
        return await self._nobody_left(policy, authors_for(request)) or await self._hidden(policy, place)

    async def _hidden(self, policy: Policy, place: ChannelRef) -> Card | None:
        """That nobody can be seen to have the roles of those who may approve; None: nothing is in the way of that."""
        reason = await self.name_pins.why_hidden(policy, place.platform, place.tenant)
        return done_card(catalog.rich("chat.roles_hidden", reason=visible(reason))) if reason else None

    async def _nobody_left(self, policy: Policy, authors: Authors) -> Card | None:
        """That nobody could approve what people of these words get planned; None: somebody could."""
        if not await self.coordinator.leaves_nobody(policy, authors):
            return None
        named = [(Mention(role, one_line(role, 60), "role"),) for role in policy.roles]
        named += [(Mention(user, one_line(user, 60)),) for user in policy.users]
        names = joined(named, ", ")
        return done_card(catalog.rich("chat.nobody_left", approvers=names))

    async def _admitted(self, by: Person, wanted: "_Wanted", limits: Limits) -> CardRecord | Repeated:
        """The card of the run that may begin now."""
        for _ in range(_MOST_NAMES):
            card = self._card(by, wanted.place)
            try:
                admission = await self.store.admit(card, event=wanted.event_id, limits=limits)
            except ConflictError:
                continue  # The name is taken.
            match admission:
                case Admitted():
                    return card
                case Repeated():
                    return admission
                case OverLimit(limit=limit, most=most):
                    raise refused(f"too_many_{limit}", count=most)
        raise ConflictError("", 0)

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
            language=place.language,
        )

    async def _state(self, card: CardRecord) -> tuple[RunState, Authors]:
        """How another run stands, and whose words it was made of."""
        records = await self.log.read(card.run)
        if not records or (state := replay(records)).request.tenant != card.tenant:
            raise RunNotFoundError(card.run)
        return state, authors_in(records)
