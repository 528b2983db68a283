"""Whatever the product answers, the cards come to show what the log says."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.chat.card_sync.context import timeline_place
from bot.chat.platform import (
    ButtonIds,
    CardTooLarge,
    ChannelNotFound,
    EditRefused,
    MessageNotFound,
    MessageRef,
    MissingPermission,
    RateLimited,
)
from bot.chat.store import CardCopy, CardRecord, Done
from bot.message import Action, Card, Severity
from coordination.domain import events as e
from coordination.domain.plan import short
from coordination.errors import OwnershipLostError
from tests.builders import ALICE
from tests.memory_chat_store import MemoryChatStore
from tests.sample_logs import POST, REMOVE, RUN, argued, plan_in, proposed, recorded, started, succeeded, waiting
from tests.service.card_sync_harness import QUICK, FakePlatform, Fault, Harness, eventually, texts

_FAULTS: list[Fault | None] = [
    None,
    None,
    "lost",
    RateLimited(0.01),
    MessageNotFound("gone"),
    CardTooLarge("too large"),
    MissingPermission("forbidden"),
    ChannelNotFound("hidden"),
    EditRefused("too old"),
]
_SOME = st.lists(st.sampled_from(_FAULTS), max_size=4)


@settings(max_examples=15)
@given(
    faults=st.fixed_dictionaries(dict.fromkeys(("post", "find", "edit", "say", "edit_text", "notify_user"), _SOME)),
    restarts=st.lists(st.integers(0, 22), max_size=2, unique=True),
    knows=st.sampled_from(["", "has_idempotent_posts", "finds"]),
)
def test_faults_of_every_kind_in_any_order_end_with_one_card_that_shows_the_end(
    faults: dict[str, list[Fault | None]], restarts: list[int], knows: str
) -> None:
    platform = FakePlatform(
        # They are used up, so each example needs its own.
        faults={kind: list(each) for kind, each in faults.items()},
        has_idempotent_posts=knows == "has_idempotent_posts",
        finds=knows == "finds",
    )
    asyncio.run(_lived(platform, restarts))


async def _lived(platform: FakePlatform, restarts: list[int]) -> None:
    harness = Harness(platform=platform)
    plan = plan_in(waiting())
    events: list[e.RunEvent] = [
        *argued(POST, REMOVE),
        proposed(POST, REMOVE),
        e.ApprovalGiven(by=ALICE, digest=plan.digest),
        started(plan, 0),
        succeeded(plan, 0),
        started(plan, 1),
        succeeded(plan, 1),
        e.RunFinished(report="Both done."),
    ]
    await harness.ask(recorded(events[:1]))
    start = 1
    for end in [*sorted(restarts), len(events)]:
        async with harness.running():
            for event in events[start:end]:
                await harness.add(RUN, event)
                await asyncio.sleep(0)
            start = max(start, end)
    await _ended(harness)
    kept = harness.store.cards[RUN]
    assert isinstance(kept.state, Done)
    shown = platform.messages[kept.message]
    assert shown.card.status == "Done" or "fits neither on this card nor into a file" in repr(shown.card)
    live = [name for name, each in platform.messages.items() if each.card.status != "Out of date" and each.ids]
    assert all(_is_dead(harness, platform.messages[name].ids) for name in live if name != kept.message)


async def _ended(harness: Harness) -> None:
    """Let time pass until the card is finished with: faults end, and patience too."""
    async with asyncio.timeout(60), harness.running():
        while not isinstance(harness.store.cards[RUN].state, Done):
            harness.clock.ahead += timedelta(seconds=61)
            await asyncio.sleep(0.02)


_STEPS = st.lists(
    st.one_of(
        st.sampled_from(["next", "next", "delete", "restart", "wait"]),
        st.tuples(st.sampled_from(["post", "edit", "verify", "say"]), st.sampled_from(_FAULTS)),
    ),
    max_size=14,
)


@settings(max_examples=8)
@given(steps=_STEPS, knows=st.sampled_from(["", "has_idempotent_posts", "finds"]))
def test_within_a_minute_of_the_last_fault_deletion_or_restart_the_card_equals_its_log(
    steps: list[str | tuple[str, Fault | None]], knows: str
) -> None:
    platform = FakePlatform(has_idempotent_posts=knows == "has_idempotent_posts", finds=knows == "finds")
    asyncio.run(_disturbed(Harness(platform=platform, intervals=replace(QUICK, patience=10.0)), steps))


async def _disturbed(harness: Harness, steps: list[str | tuple[str, Fault | None]]) -> None:
    platform, plan = harness.platform, plan_in(waiting())
    events: list[e.RunEvent] = [*argued(POST, REMOVE), proposed(POST, REMOVE)]
    events += [e.ApprovalGiven(by=ALICE, digest=plan.digest), started(plan, 0), succeeded(plan, 0)]
    await harness.ask(recorded(events[:1]))
    coming, left = iter(events[1:]), list(steps)
    while left:
        async with harness.running():
            while left and (step := left.pop(0)) != "restart":
                if isinstance(step, tuple):
                    platform.faults.setdefault(step[0], []).append(step[1])
                elif step == "next" and (event := next(coming, None)) is not None:
                    await harness.add(RUN, event)
                elif step == "delete" and platform.messages:
                    del platform.messages[next(reversed(platform.messages))]
                await asyncio.sleep(0.01)
    platform.faults.clear()
    async with harness.running():
        for _ in range(12):
            harness.clock.ahead += timedelta(seconds=5)
            await asyncio.sleep(0.02)
        await harness.until_told(RUN)
        kept = harness.store.cards[RUN]
        view = view_of(await harness.log.read(RUN))
        assert view is not None
        shown = platform.messages[kept.message].card
        assert shown.status == card_for(
            view, view.updated_at
        ).status or "fits neither on this card nor into a file" in repr(shown)


def _is_dead(harness: Harness, ids: dict[Action, str]) -> bool:
    """Whether no button of a message that is left over counts."""
    attempt = harness.store.cards[RUN].attempt
    return all(harness.store.buttons[id_].attempt < attempt for id_ in ids.values())


class TakenOverStore(MemoryChatStore):
    """From a moment on somebody else keeps the cards: what this process wants to write down is refused."""

    is_lost = False

    @override
    async def save(self, before: CardRecord, after: CardRecord) -> None:
        if self.is_lost:
            raise OwnershipLostError("leader")
        await super().save(before, after)

    @override
    async def save_copy(self, before: CardCopy, after: CardCopy) -> bool:
        if self.is_lost:
            raise OwnershipLostError("leader")
        return await super().save_copy(before, after)


@dataclass
class LatePlatform(FakePlatform):
    """The edits of one message wait for a gate."""

    late: str = ""
    is_waiting: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    @override
    async def edit(self, message_ref: MessageRef, card: Card, ids: ButtonIds) -> None:
        await self._wait(message_ref)
        await super().edit(message_ref, card, ids)

    @override
    async def edit_text(self, message_ref: MessageRef, card: Card) -> None:
        await self._wait(message_ref)
        await super().edit_text(message_ref, card)

    async def _wait(self, message_ref: MessageRef) -> None:
        if message_ref.message == self.late:
            self.is_waiting = True
            await self.gate.wait()


@pytest.mark.parametrize("late", ["copy", "story", "story before its end"])
async def test_a_late_edit_does_not_stay_on_a_copy_nor_on_the_story(late: str) -> None:
    """As on the card: somebody else has shown the end of the run there, and looks at it no more."""
    platform = LatePlatform()
    harness = Harness(platform=platform)
    the_end = Card(severity=Severity.STOPPED, status="the end", title=(), reference=(), sections=())
    store = harness.store = TakenOverStore(harness.log)
    plan, card = plan_in(waiting()), await harness.ask(waiting())
    copy = CardCopy(
        run=RUN, copy="dm:1", platform=card.platform, tenant=card.tenant, channel="dm-1", person="1",
        plan=short(plan.digest), made_at=harness.clock.now(),
    )  # fmt: skip
    await store.add_copy(copy)
    async with harness.running() as card_sync:
        await harness.until_told(RUN)
        await eventually(lambda: bool(store.card_copies[(RUN, "dm:1")].shown))
        shown = store.cards[RUN]
        platform.late = store.card_copies[(RUN, "dm:1")].message if late == "copy" else shown.story_message
        await harness.add(RUN, e.ApprovalGiven(by=ALICE, digest=plan.digest), started(plan, 0))
        card_sync.wake()
        await eventually(lambda: platform.is_waiting)
        await harness.add(RUN, succeeded(plan, 0), started(plan, 1), succeeded(plan, 1))
        told = len(await harness.log.read(RUN))
        await harness.add(RUN, e.RunFinished(report="Both done."))
        shown, store.is_lost = store.cards[RUN], True
        assert shown.post is not None
        ended = replace(shown, state=Done(post=shown.post), told=told + 1)
        if late == "story before its end":
            end = await platform.post_text(timeline_place(shown), the_end)
            ended = replace(ended, story_message=end.message, story_from=told)
        store.cards[RUN] = ended
        platform.gate.set()
        await platform.until(lambda: all("Done" in texts(each.card) for each in platform.messages.values()))
        await platform.until(lambda: late == "copy" or platform.calls.count("edit_text") >= 2)
    story = [repr(card) for _, card in platform.said]
    if late == "story":
        assert "in this thread." in story[0]
    elif late == "story before its end":
        assert repr(succeeded(plan, 1).index + 1) in story[0]
        assert "in this thread." not in story[0]
        assert story[1:] == [repr(the_end)]


@pytest.mark.parametrize("fault", [None, RateLimited(0.01)])
async def test_an_edit_that_arrives_after_somebody_else_has_shown_the_end_does_not_stay_on_the_card(
    fault: RateLimited | None,
) -> None:
    """A process that was frozen, or waited for Discord's limits, goes on with what it was about to send."""
    harness = Harness()
    store = harness.store = TakenOverStore(harness.log)
    plan = plan_in(waiting())
    await harness.ask(waiting())
    async with harness.running() as card_sync:
        await harness.until_told(RUN)
        harness.platform.hold = asyncio.Event()
        await harness.add(RUN, e.ApprovalGiven(by=ALICE, digest=plan.digest), started(plan, 0))
        await harness.add(RUN, succeeded(plan, 0), started(plan, 1))
        card_sync.wake()
        await asyncio.sleep(0.2)
        await harness.add(RUN, succeeded(plan, 1), e.RunFinished(report="Both done."))
        shown, store.is_lost = store.cards[RUN], True
        store.cards[RUN] = replace(shown, state=Done(post=shown.post)) if shown.post else shown
        harness.platform.faults["edit"] = [None, fault]
        harness.platform.hold.set()
        await harness.platform.until(lambda: "Done" in texts(harness.platform.newest.card))
        assert [each.card.status for each in harness.platform.messages.values()] == ["Done"]
