"""What every chat store must do, the one of tests and the one of SQL alike."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.chat.sql_store import SqlChatStore
from bot.chat.sql_tables import record_of, row_of
from bot.chat.store import (
    Admitted,
    Asked,
    CardCopy,
    CardRecord,
    CardState,
    ChatStore,
    Done,
    Gone,
    Limits,
    Live,
    OpenQuestion,
    OutcomeReminder,
    OverLimit,
    PlanReminder,
    Post,
    Reminded,
    Repeated,
    Reposting,
)
from coordination.errors import ConflictError
from coordination.storage.schema import migrate
from coordination.storage.sql_run_log import time_text
from tests.builders import START
from tests.contract.chat_stores import (
    MANY,
    ChatStoreBench,
    a_button,
    a_card,
    a_setting,
    admitted,
    an_audit_entry,
    begun,
    emptied,
    ended,
    later,
    memory_chat_store,
    planned,
    sql_chat_store,
)
from tests.databases import postgres_programs, postgres_server, sqlite_url

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(scope="module")
def postgres() -> Generator[str]:
    """The address of a database with the tables in it."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here")
    with postgres_server(programs) as server:
        url = server.new_database()
        migrate(url)
        yield url


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[ChatStoreBench]:
    match request.param:
        case "memory":
            setting = memory_chat_store()
        case "sqlite":
            setting = sql_chat_store(sqlite_url(tmp_path))
        case _:
            setting = sql_chat_store(emptied(request.getfixturevalue("postgres")))
    async with setting as bench:
        yield bench


async def the_card(store: ChatStore, run: str = "R1") -> CardRecord:
    card = await store.card(run)
    assert card is not None
    return card


# --- asking -----------------------------------------------------------------------------------------------------------


async def test_an_admitted_card_is_kept_as_it_is_and_found_in_its_own_tenant_only(bench: ChatStoreBench) -> None:
    card = a_card(thread="t-1", requester_name="rita\0 \ud800", language="de")
    assert await bench.store.admit(card, event="e-1", limits=MANY) == Admitted()
    kept = await the_card(bench.other)
    assert replace(kept, requester_name="") == replace(card, requester_name="")
    assert kept.requester_name.startswith("rita")
    assert await bench.store.card("R1", "here") == kept
    assert await bench.store.card("R1", "elsewhere") is None
    assert await bench.store.card("R2") is None


async def test_an_event_that_comes_again_leads_to_the_run_that_it_led_to(bench: ChatStoreBench) -> None:
    await bench.store.admit(a_card("R1"), event="e-1", limits=MANY)
    assert await bench.other.admit(a_card("R2"), event="e-1", limits=MANY) == Repeated("R1")
    assert await bench.store.card("R2") is None
    assert await bench.store.admit(a_card("R3", tenant="elsewhere"), event="e-1", limits=MANY) == Admitted()
    assert await bench.store.admit(a_card("R4"), event="", limits=MANY) == Admitted()
    assert await bench.store.admit(a_card("R5"), event="", limits=MANY) == Admitted()


async def test_a_name_that_a_card_or_a_run_has_is_refused_and_the_event_stays_good(bench: ChatStoreBench) -> None:
    await bench.store.admit(a_card("R1", tenant="elsewhere"), event="", limits=MANY)
    await begun(bench.log, "R2")
    for taken in ("R1", "R2"):
        with pytest.raises(ConflictError):
            await bench.store.admit(a_card(taken), event="e-1", limits=MANY)
    assert await bench.store.admit(a_card("R3"), event="e-1", limits=MANY) == Admitted()
    assert (await the_card(bench.store)).tenant == "elsewhere"


async def test_a_run_that_did_not_begin_leaves_no_card_and_its_event_leads_nowhere(bench: ChatStoreBench) -> None:
    await bench.store.admit(a_card("R1"), event="e-1", limits=MANY)
    await bench.store.withdraw("R1", "elsewhere")
    assert await bench.store.card("R1") is not None
    await bench.store.withdraw("R1", "here")
    assert await bench.store.card("R1") is None
    assert await bench.store.admit(a_card("R2"), event="e-1", limits=MANY) == Repeated("")


async def test_a_run_that_did_begin_keeps_its_card_whatever_its_asker_was_told(bench: ChatStoreBench) -> None:
    """A commit may be on disk although its answer was lost."""
    await bench.store.admit(a_card("R1"), event="e-1", limits=MANY)
    await begun(bench.log, "R1")
    await bench.store.withdraw("R1", "here")
    assert await bench.store.card("R1") is not None
    assert await bench.store.admit(a_card("R2"), event="e-1", limits=MANY) == Repeated("R1")


async def test_one_person_may_ask_so_often_within_an_hour(bench: ChatStoreBench) -> None:
    limits = replace(MANY, hourly=2)
    for number in (1, 2):
        card = a_card(f"R{number}", at=later(minutes=number))
        assert await bench.store.admit(card, event="", limits=limits) == Admitted()
    refused = await bench.store.admit(a_card("R3", at=later(minutes=50)), event="e-3", limits=limits)
    assert refused == OverLimit("hourly", 2)
    assert await bench.store.card("R3") is None
    again = await bench.store.admit(a_card("R3", at=later(minutes=50)), event="e-3", limits=limits)
    assert again == Repeated("")
    others = [a_card("R4", at=later(minutes=50), requester="u-bob"), a_card("R5", at=later(minutes=50), tenant="other")]
    for card in (*others, a_card("R6", at=START + HOUR + MINUTE)):
        assert await bench.store.admit(card, event="", limits=limits) == Admitted()


async def test_only_so_many_runs_are_under_way_at_once(bench: ChatStoreBench) -> None:
    """Runs that wait for people or have ended take no place; one that never began takes one for a minute."""
    limits = replace(MANY, at_once=2)
    for name, make in (("WAITS", planned), ("ENDED", ended), ("WORKS", begun)):
        await admitted(bench.store, a_card(name))
        await make(bench.log, name)
    await admitted(bench.store, a_card("FAR", tenant="elsewhere"))
    await admitted(bench.store, a_card("NEW"))
    soon = a_card("R1", at=later(seconds=59))
    assert await bench.store.admit(soon, event="", limits=limits) == OverLimit("at_once", 2)
    works = await the_card(bench.store, "WORKS")
    await bench.store.save(works, replace(works, state=Gone()))
    assert await bench.store.admit(soon, event="", limits=limits) == Admitted()
    assert await bench.store.admit(a_card("R2", at=later(seconds=60)), event="", limits=limits) == Admitted()
    assert await bench.store.admit(a_card("R3", at=later(seconds=60)), event="", limits=limits) == OverLimit(
        "at_once", 2
    )


async def test_only_so_many_plans_wait_for_a_decision(bench: ChatStoreBench) -> None:
    limits = replace(MANY, waiting=1)
    await admitted(bench.store, a_card("WORKS"))
    await begun(bench.log, "WORKS")
    await admitted(bench.store, a_card("R1"))
    await planned(bench.log, "R1")
    assert await bench.store.admit(a_card("R2"), event="", limits=limits) == OverLimit("waiting", 1)
    assert await bench.store.admit(a_card("R2"), event="", limits=replace(limits, waiting=2)) == Admitted()


async def test_of_many_requests_at_once_no_more_are_admitted_than_the_limit(bench: ChatStoreBench) -> None:
    limits = Limits(at_once=3, waiting=10, hourly=100, each=12)

    async def ask(number: int) -> object:
        store = bench.store if number % 2 else bench.other
        return await store.admit(a_card(f"R{number}"), event=f"e-{number}", limits=limits)

    answers = Counter(await asyncio.gather(*(ask(number) for number in range(12))))
    assert answers == {Admitted(): 3, OverLimit("at_once", 3): 9}


async def test_one_event_that_comes_many_times_at_once_begins_one_run(bench: ChatStoreBench) -> None:
    async def ask(number: int) -> object:
        store = bench.store if number % 2 else bench.other
        return await store.admit(a_card(f"R{number}"), event="e-1", limits=MANY)

    answers = await asyncio.gather(*(ask(number) for number in range(12)))
    winner = answers.index(Admitted())
    assert Counter(answers) == {Admitted(): 1, Repeated(f"R{winner}"): 11}


async def test_an_event_is_new_once_in_each_tenant(bench: ChatStoreBench) -> None:
    async def see(number: int) -> bool:
        store = bench.store if number % 2 else bench.other
        return await store.is_new("press:1 \0", "here", START)

    assert sum(await asyncio.gather(*(see(number) for number in range(12)))) == 1
    assert await bench.store.is_new("press:1 \0", "elsewhere", START)
    assert not await bench.other.is_new("press:1 \0", "elsewhere", START)


async def test_a_question_is_remembered_once_with_its_buttons_until_it_is_shown(bench: ChatStoreBench) -> None:
    await admitted(bench.store, a_card())
    buttons = tuple(replace(a_button(f"b-{number}"), copy="ask:u", issued_at=START) for number in (1, 2))
    question = OpenQuestion(event="ask:e-1", buttons=buttons)
    doubles = [
        replace(question, buttons=tuple(replace(each, id=f"{each.id}-{number}") for each in buttons))
        for number in range(6)
    ]
    stores = [bench.store, bench.other] * 3
    assert sum(await asyncio.gather(*(store.ask(each) for store, each in zip(stores, doubles, strict=True)))) == 1
    (found,) = await bench.other.open_questions("discord", after=later(seconds=-1), before=START)
    assert found in doubles
    assert await bench.store.find_button(found.buttons[0].id, "here") is not None
    assert not await bench.store.open_questions("slack", after=later(seconds=-1), before=START)
    assert not await bench.store.open_questions("discord", after=START, before=later(days=1))
    assert not await bench.store.open_questions("discord", after=later(days=-1), before=later(seconds=-1))
    await bench.store.question_shown("ask:e-1", "elsewhere")
    assert await bench.store.open_questions("discord", after=later(seconds=-1), before=START)
    await bench.other.question_shown("ask:e-1", "here")
    assert not await bench.store.open_questions("discord", after=later(seconds=-1), before=START)
    assert not await bench.store.ask(question)


# --- the card and its messages ----------------------------------------------------------------------------------------


async def test_an_attempt_stands_on_one_message(bench: ChatStoreBench) -> None:
    card = await admitted(bench.store, a_card())
    assert await bench.store.posted(card, "m-1", later(seconds=1))
    kept = await the_card(bench.other)
    assert kept.state == Live(post=Post(message="m-1", at=later(seconds=1)))
    assert await bench.store.posted(card, "m-1", later(seconds=2))
    assert not await bench.store.posted(card, "m-2", later(seconds=3))
    assert (await the_card(bench.store)).message == "m-1"
    assert not await bench.store.posted(replace(card, tenant="elsewhere"), "m-1", START)
    assert not await bench.store.posted(a_card("R9"), "m-1", START)


async def test_the_next_attempt_begins_once_and_leaves_the_old_message_stale(bench: ChatStoreBench) -> None:
    card = await admitted(bench.store, a_card())
    await bench.store.posted(card, "m-1", START)
    live = await the_card(bench.store)
    await bench.store.save(live, live.with_fingerprint("frame"))
    first = await the_card(bench.store)
    assert first.state == Live(post=Post(message="m-1", at=START, shown="frame"))
    second = await bench.store.superseded(first)
    assert (second.attempt, second.state, second.stale) == (2, Reposting(), ("m-1",))
    assert await the_card(bench.store) == second
    assert await bench.other.superseded(first) == second
    assert not await bench.store.posted(first, "m-1", START)
    third = await bench.store.superseded(second)
    assert (third.attempt, third.stale) == (3, ("m-1",))
    assert await bench.store.posted(third, "m-3", later(hours=3))
    await bench.store.superseded_marked(third, "m-1")
    await bench.store.superseded_marked(third, "m-unknown")
    assert (await the_card(bench.store)).stale == ()


async def test_a_message_that_should_not_show_the_card_is_made_to_say_so_unless_another_card_is_on_it(
    bench: ChatStoreBench,
) -> None:
    card = await admitted(bench.store, a_card("R1"))
    other = await admitted(bench.store, a_card("R2"))
    await bench.store.posted(card, "m-1", START)
    await bench.store.posted(other, "m-2", START)
    for message in ("m-0", "m-0", "m-1", "m-2"):
        await bench.store.mark_unexpected(card, message)
    await bench.store.mark_unexpected(replace(card, tenant="elsewhere"), "m-9")
    assert (await the_card(bench.store)).stale == ("m-0",)


async def test_stale_messages_that_turn_up_at_once_are_all_kept(bench: ChatStoreBench) -> None:
    card = await admitted(bench.store, a_card())
    stores = (bench.store, bench.other) * 6
    await asyncio.gather(*(store.mark_unexpected(card, f"m-{number}") for number, store in enumerate(stores)))
    assert sorted((await the_card(bench.store)).stale) == sorted(f"m-{number}" for number in range(12))


async def test_a_message_that_is_told_while_the_next_attempt_begins_stands_or_is_stale(bench: ChatStoreBench) -> None:
    for number in range(8):
        card = await admitted(bench.store, a_card(f"R{number}"))
        told, _ = await asyncio.gather(
            bench.store.posted(card, "m", later(seconds=number)), bench.other.superseded(card)
        )
        kept = await the_card(bench.store, card.run)
        assert (kept.attempt, kept.message, kept.stale) == (2, "", ("m",) if told else ())


async def test_saving_writes_what_differs_and_nothing_that_has_its_own_method(bench: ChatStoreBench) -> None:
    card = await admitted(bench.store, a_card())
    await bench.store.posted(card, "m-1", START)
    await bench.store.save(card, replace(card, told=7).waking(later(minutes=5)))
    stranger = replace(card, tenant="elsewhere")
    await bench.store.save(stranger, replace(stranger, told=9))
    changes = replace(
        card,
        reminded=PlanReminder(plan="d", last="half"),
        story="t-1",
        attempt=5,
        state=Asked(),
        stale=("m-8",),
    )
    await bench.other.save(card, replace(changes, is_outcome_told=True, is_trouble_told=True))
    expected = replace(
        card,
        state=Live(post=Post(message="m-1", at=START), wake_at=later(minutes=5)),
        told=7,
        reminded=PlanReminder(plan="d", last="half"),
        story="t-1",
        is_outcome_told=True,
        is_trouble_told=True,
    )
    assert await the_card(bench.store) == expected


async def test_cards_that_are_asked_for_or_live_are_kept_and_stir_when_their_run_moves(bench: ChatStoreBench) -> None:
    for run, platform in (("MOVED", "discord"), ("STILL", "discord"), ("WAKES", "discord"), ("SLACK", "slack")):
        card = await admitted(bench.store, a_card(run, platform=platform))
        await begun(bench.log, run, at=later(minutes=1) if run in ("MOVED", "SLACK") else START)
        if run in ("WAKES", "MOVED"):
            await bench.store.save(card, card.waking(later(minutes=2)))
    for run in ("DONE", "GONE"):
        card = await admitted(bench.store, a_card(run))
        await begun(bench.log, run, at=later(minutes=1))
        await bench.store.save(
            card, replace(card, state=Done(post=Post(message="m", at=START)) if run == "DONE" else Gone())
        )
    await admitted(bench.store, a_card("ASKED"))

    async def changed(*, seconds: float) -> list[tuple[str, str, int]]:
        found = await bench.store.changed_cards(["discord"], after=START, now=later(seconds=seconds))
        return sorted((each.run, each.tenant, each.seq) for each in found)

    assert sorted(each.run for each in await bench.store.live(["discord"])) == ["ASKED", "MOVED", "STILL", "WAKES"]
    assert [each.run for each in await bench.store.live(["slack", "console"])] == ["SLACK"]
    assert await changed(seconds=119) == [("MOVED", "here", 2)]
    assert await changed(seconds=120) == [("MOVED", "here", 2), ("WAKES", "here", 2)]
    later_still = await bench.store.changed_cards(["discord"], after=later(minutes=1), now=START)
    assert later_still == []


# --- buttons ----------------------------------------------------------------------------------------------------------


async def test_a_button_stands_for_the_same_in_its_own_tenant_and_for_nothing_elsewhere(bench: ChatStoreBench) -> None:
    here = await admitted(bench.store, a_card("R1"))
    await admitted(bench.store, a_card("R2", tenant="elsewhere"))
    button = replace(a_button("b-1", card=here), index=3, value="2")
    await bench.store.issue([button, a_button("b-2", card=here)])
    await bench.store.issue([])
    assert await bench.other.find_button("b-1", "here") == (button, here)
    assert await bench.store.find_button("b-1", "elsewhere") is None
    await bench.store.issue([replace(button, id="b-9", tenant="elsewhere")])
    assert [await bench.store.find_button("b-9", tenant) for tenant in ("here", "elsewhere")] == [None, None]
    for forged in ("", "b-3", "B-1", "b-1'", "b-%", "b-1\0", "\ud800", "' OR 1=1 --"):
        assert await bench.store.find_button(forged, "here") is None


async def test_an_attempt_has_its_own_buttons_and_the_old_ones_are_still_known(bench: ChatStoreBench) -> None:
    first = await admitted(bench.store, a_card())
    await bench.store.issue([a_button("b-1", card=first)])
    second = await bench.store.superseded(first)
    await bench.store.issue([a_button("b-2", card=second)])
    assert [each.id for each in await bench.store.issued(first)] == ["b-1"]
    assert [each.id for each in await bench.store.issued(second)] == ["b-2"]
    assert await bench.store.issued(replace(second, tenant="elsewhere")) == []
    found = await bench.store.find_button("b-1", "here")
    assert found is not None
    assert (found[0].attempt, found[1].attempt) == (1, 2)


async def test_copies_of_a_card_have_buttons_of_their_own_and_change_by_their_attempts(bench: ChatStoreBench) -> None:
    card = await admitted(bench.store, a_card())
    copy = CardCopy(run="R1", copy="dm:7", platform="discord", tenant="here", person="7", plan="p", made_at=START)
    await bench.store.add_copy(copy)
    await bench.other.add_copy(replace(copy, plan="another"))
    await bench.store.add_copy(replace(copy, copy="dm:8", person="8"))
    assert [each.copy for each in await bench.other.copies("R1", "here")] == ["dm:7", "dm:8"]
    assert await bench.store.copies("R1", "elsewhere") == []
    await bench.store.issue([a_button("b-1", card=card), replace(a_button("b-2", card=card), copy="dm:7")])
    assert [[each.id for each in await bench.store.issued(of)] for of in (card, copy)] == [["b-1"], ["b-2"]]
    assert await bench.store.tenant_of_button("b-2", "discord") == "here"
    assert await bench.store.tenant_of_button("b-2", "slack") is None
    assert await bench.store.tenant_of_button("b-3", "discord") is None
    live = replace(copy, channel="d", message="m-1", state="live")
    assert await bench.store.save_copy(copy, live)
    assert not await bench.other.save_copy(copy, replace(copy, message="m-2")), "it stands on another message"
    assert await bench.other.copies_on("discord", "d", ["m-0", "m-1", ""]) == [live]
    assert await bench.other.copies_on("slack", "d", ["m-1"]) == await bench.other.copies_on("discord", "e", ["m-1"])
    assert await bench.store.copies_on("slack", "d", ["m-1"]) == []
    second = replace(live, attempt=2, message="")
    assert await bench.store.save_copy(live, second)
    assert not await bench.store.save_copy(live, replace(live, state="done")), "it is on another attempt"
    assert (await bench.store.copies("R1", "here"))[0] == second
    over = replace(second, message="m-2", state="done")
    assert await bench.store.save_copy(second, over)
    assert await bench.store.copies_on("discord", "d", ["m-2"]) == []


async def test_copies_go_with_the_buttons_of_runs_that_ended_long_ago(bench: ChatStoreBench) -> None:
    for run, state in (("R1", Live(post=_ON_M)), ("R2", Gone())):
        card = await admitted(bench.store, a_card(run))
        await bench.store.save(card, replace(card, state=state))
        copy = CardCopy(run=run, copy="dm:7", platform="discord", tenant="here", person="7", plan="p", made_at=START)
        await bench.store.add_copy(copy)
    await bench.store.prune(later(minutes=1))
    assert [len(await bench.store.copies(run, "here")) for run in ("R1", "R2")] == [1, 0]


async def test_a_button_whose_card_was_withdrawn_stands_for_nothing(bench: ChatStoreBench) -> None:
    card = await admitted(bench.store, a_card())
    await bench.store.issue([a_button("b-1", card=card)])
    await bench.store.withdraw("R1", "here")
    assert await bench.store.find_button("b-1", "here") is None


_ON_M = Post(message="m-1", at=START, shown="f")
_AT_TWO = later(minutes=2)


@pytest.mark.parametrize(
    ("state", "columns"),
    [
        (Asked(), ("asked", "", None, "", None)),
        (Asked(wake_at=_AT_TWO), ("asked", "", None, "", time_text(_AT_TWO))),
        (Live(post=_ON_M, wake_at=_AT_TWO), ("live", "m-1", time_text(START), "f", time_text(_AT_TWO))),
        (Reposting(), ("live", "", None, "", None)),
        (Done(post=_ON_M), ("done", "m-1", time_text(START), "f", None)),
        (Gone(), ("gone", "", None, "", None)),
        (Gone(post=_ON_M), ("gone", "m-1", time_text(START), "f", None)),
    ],
)
def test_a_state_is_stored_as_earlier_versions_stored_it(state: CardState, columns: tuple[str | None, ...]) -> None:
    row = row_of(replace(a_card(), state=state))
    assert tuple(row[name] for name in ("state", "message", "posted_at", "shown", "wake_at")) == columns
    assert record_of(CardRecord, row).state == state


@pytest.mark.parametrize(
    ("reminded", "text"),
    [
        (None, ""),
        (PlanReminder(plan="9f3a61c2", last="new"), "9f3a61c2:new"),
        (PlanReminder(plan="9f3a61c2", last="last"), "9f3a61c2:new 9f3a61c2:half 9f3a61c2:last"),
        (OutcomeReminder(plan="9f3a61c2", attempt=12), "9f3a61c2:doubt12"),
    ],
)
def test_a_reminder_is_stored_as_earlier_versions_stored_it(reminded: Reminded | None, text: str) -> None:
    row = row_of(replace(a_card(), reminded=reminded))
    assert row["reminded"] == text
    assert record_of(CardRecord, row).reminded == reminded


# --- settings, audit, lists -------------------------------------------------------------------------------------------


async def test_a_card_comes_with_what_is_set_for_its_channel(bench: ChatStoreBench) -> None:
    card = await admitted(bench.store, a_card())
    await bench.store.set(a_setting(value="for-general", channel="general"))
    await bench.store.set(a_setting(value="for-random", channel="random"))
    found = await bench.other.card_and_settings("R1", "here")
    assert found is not None
    assert found[0] == card
    assert found[1] == await bench.store.settings("here", "general")
    assert await bench.store.card_and_settings("R1", "elsewhere") is None
    assert await bench.store.card_and_settings("R2", "here") is None


async def test_what_is_set_holds_for_its_channel_or_its_tenant_and_is_in_the_audit(bench: ChatStoreBench) -> None:
    for setting in (
        a_setting(value="old"),
        a_setting(value="ops"),
        a_setting(value="for-general", channel="general"),
        a_setting(value="for-random", channel="random"),
        a_setting("approvers", "{}", channel="general"),
        a_setting(value="theirs", tenant="elsewhere"),
    ):
        await bench.store.set(setting)
    found = await bench.other.settings("here", "general")
    assert {key: each.value for key, each in found.items()} == {
        ("", "config"): "ops",
        ("general", "config"): "for-general",
        ("general", "approvers"): "{}",
    }
    assert found["", "config"] == a_setting(value="ops")
    assert list(await bench.store.settings("here", "")) == [("", "config")]
    assert [(each.channel, each.key) for each in await bench.other.all_settings("here")] == [
        ("", "config"),
        ("general", "approvers"),
        ("general", "config"),
        ("random", "config"),
    ]
    for tenants, values in (
        (("here", "elsewhere"), ["ops", "theirs"]),
        (("elsewhere", "nowhere", "here"), ["theirs", "ops"]),
        (("nowhere",), []),
    ):
        assert [each.value for each in await bench.other.set_for_tenants("config", tenants)] == values
    assert await bench.store.set_for_tenants("approvers", ("here",)) == []
    assert await bench.store.reset(a_setting("config", "", channel="general"))
    assert not await bench.store.reset(a_setting("config", "", channel="general"))
    assert ("general", "config") not in await bench.store.settings("here", "general")
    assert ("random", "config") in await bench.store.settings("here", "random")
    assert [(each.what, each.channel, each.detail) for each in await bench.store.audit_entries("here", 50)] == [
        ("reset config", "general", ""),
        ("set approvers", "general", "{}"),
        ("set config", "random", "for-random"),
        ("set config", "general", "for-general"),
        ("set config", "", "ops"),
        ("set config", "", "old"),
    ]
    assert [each.detail for each in await bench.store.audit_entries("elsewhere", 50)] == ["theirs"]


async def test_who_has_changed_settings_is_known_however_many_were_refused_since(bench: ChatStoreBench) -> None:
    for by, what in (
        ("u-1", "set config"),
        ("u-2", "reset limits"),
        ("u-1", "set approvers"),
        ("u-3", "refused config"),
    ):
        await bench.store.add_audit_entry(an_audit_entry(what, by=by))
    for number in range(3):
        await bench.store.add_audit_entry(an_audit_entry(f"refused {number}", by="u-4"))
    await bench.store.add_audit_entry(an_audit_entry("set config", by="u-5", tenant="elsewhere"))
    assert list(await bench.other.changed_by("here", 9)) == ["u-1", "u-2"]
    assert list(await bench.other.changed_by("here", 1)) == ["u-1"]


async def test_the_newest_lines_of_audit_come_first_and_hold_any_text(bench: ChatStoreBench) -> None:
    for number in range(5):
        await bench.store.add_audit_entry(an_audit_entry(f"refused {number}", detail="a\nb"))
    await bench.store.add_audit_entry(an_audit_entry("refused elsewhere", tenant="elsewhere"))
    await bench.store.add_audit_entry(an_audit_entry("refused \0", detail="half a pair \udfff, a NUL \0"))
    newest = await bench.other.audit_entries("here", 2)
    assert newest[0].what.startswith("refused ")
    assert newest[0].detail.startswith("half a pair ")
    assert newest[1] == an_audit_entry("refused 4", detail="a\nb")


async def test_lists_show_the_runs_of_a_channel_or_a_person_newest_first(bench: ChatStoreBench) -> None:
    cards = {
        "R1": a_card("R1", at=later(minutes=1)),
        "R2": a_card("R2", at=later(minutes=2), channel="random"),
        "R3": a_card("R3", at=later(minutes=3), channel="random", requester="u-bob", requester_name="bob"),
        "R4": a_card("R4", at=later(minutes=4), requester="u-bob"),
        "R5": a_card("R5", at=later(minutes=5), tenant="elsewhere"),
        "ASKED": a_card("ASKED", at=later(minutes=6)),
    }
    for run, card in cards.items():
        await admitted(bench.store, card)
        if run != "ASKED":
            make = planned if run in ("R2", "R4") else begun
            await make(bench.log, run, at=card.asked_at, tenant=card.tenant)

    async def names(**wanted: object) -> list[str]:
        return [each.run for each in await bench.store.list_runs("here", **wanted)]  # type: ignore[arg-type]  # as listed

    assert await names() == ["R4", "R3", "R2", "R1"]
    assert await names(limit=2) == ["R4", "R3"]
    assert await names(channel="random") == ["R3", "R2"]
    assert await names(requester="u-requester") == ["R2", "R1"]
    assert await names(channel="general", requester="u-requester") == ["R4", "R2", "R1"]
    assert await names(states=("awaiting_decision",)) == ["R4", "R2"]
    assert await names(channel="random", states=("deliberating", "queued")) == ["R3"]
    assert await names(channel="nowhere") == []
    line = (await bench.other.list_runs("here", channel="random", states=("awaiting_decision",)))[0]
    assert (line.run, line.state, line.prompt, line.config) == ("R2", "awaiting_decision", "Go.", "test")
    assert (line.requester, line.requester_name, line.channel) == ("u-requester", "rita", "random")
    assert (line.asked_at, line.expires_at) == (later(minutes=2), later(days=1))
    assert await bench.store.begun("here", later(minutes=3)) == 3
    assert await bench.store.begun("elsewhere", START) == 1


async def test_a_thread_belongs_to_the_newest_run_whose_card_or_story_is_in_it(bench: ChatStoreBench) -> None:
    first = await admitted(bench.store, a_card("R1"))
    await bench.store.posted(first, "m-1", START)
    second = await admitted(bench.store, a_card("R2", at=later(minutes=1)))
    await bench.store.save(second, replace(second, story="t-2"))

    async def of(thread: str, *, tenant: str = "here", channel: str = "general") -> str | None:
        return await bench.other.run_of_thread(tenant, channel, thread)

    assert (await of("m-1"), await of("t-2")) == ("R1", "R2")
    assert [await of(""), await of("t-9"), await of("t\0"), await of("m-1", tenant="elsewhere")] == [None] * 4
    assert await of("m-1", channel="random") is None
    await admitted(bench.store, a_card("R3", at=later(minutes=2), thread="t-2"))
    assert await of("t-2") == "R3"


async def test_old_events_and_the_buttons_of_ended_cards_are_forgotten(bench: ChatStoreBench) -> None:
    live = await admitted(bench.store, a_card("R1"))
    done = await admitted(bench.store, a_card("R2"))
    await bench.store.save(done, replace(done, state=Gone()))
    await bench.store.issue([a_button("b-live", card=live), a_button("b-old", card=done)])
    await bench.store.issue([a_button("b-new", card=done, at=later(days=1))])
    await bench.store.is_new("e-old", "here", START)
    await bench.store.is_new("e-new", "here", later(days=1))
    await bench.store.prune(later(days=1))
    assert await bench.store.is_new("e-old", "here", START)
    assert not await bench.store.is_new("e-new", "here", START)
    known = [each for each in ("b-live", "b-old", "b-new") if await bench.store.find_button(each, "here")]
    assert known == ["b-live", "b-new"]


# --- one leader of card sync ------------------------------------------------------------------------------------------


async def test_one_card_sync_at_a_time_keeps_a_platform_and_the_next_one_takes_over(bench: ChatStoreBench) -> None:
    told: list[str] = []
    first_may_go, second_wants = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with bench.store.leader_lock("discord") as lock:
            assert await lock.is_leader()
            second_wants.set()
            await first_may_go.wait()
            told.append("first goes")

    async def second() -> None:
        await second_wants.wait()
        async with bench.other.leader_lock("discord") as lock:
            assert await lock.is_leader()
            told.append("second keeps")

    async def meanwhile() -> None:
        await second_wants.wait()
        async with bench.other.leader_lock("slack"):
            told.append("slack is kept")
        first_may_go.set()

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for each in (first, second, meanwhile):
            group.create_task(each())
    assert told == ["slack is kept", "first goes", "second keeps"]


async def test_a_card_sync_that_stops_waiting_holds_nothing(bench: ChatStoreBench) -> None:
    async def keep(store: ChatStore) -> None:
        async with store.leader_lock("discord"):
            pass

    async with asyncio.timeout(30), bench.store.leader_lock("discord"):
        waiting = asyncio.ensure_future(keep(bench.other))
        for _ in range(20):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    for _ in range(5):
        given_up = asyncio.ensure_future(keep(bench.other))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
    async with asyncio.timeout(30):
        await keep(bench.store)


async def test_what_was_kept_is_for_whoever_comes_after_a_restart(tmp_path: Path) -> None:
    """Cards, buttons, settings and seen events are on disk."""
    url = sqlite_url(tmp_path)
    async with sql_chat_store(url) as before:
        card = await admitted(before.store, a_card())
        await before.store.posted(card, "m-1", START)
        await before.store.issue([a_button("b-1", card=card)])
        await before.store.set(a_setting())
        await before.store.is_new("e-1", "here", START)
    async with SqlChatStore.open(url) as after:
        found = await after.find_button("b-1", "here")
        assert found is not None
        assert found[1].message == "m-1"
        assert ("", "config") in await after.settings("here", "")
        assert not await after.is_new("e-1", "here", START)
