"""The sums of a day over the log, in both databases, and what becomes of those who have used them up."""

from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from coordination.domain import events as e
from coordination.domain.transitions import evolve
from coordination.errors import StorageError
from coordination.ports import BudgetWarning, RunLog, Spent
from coordination.storage.budget_warnings import SqlBudgetWarnings
from coordination.storage.usage import Share, SqlUsage
from tests.builders import ALICE, REQUESTER, START, a_request
from tests.contract.logs import sql_bench
from tests.databases import Postgres, postgres_or_skip, sqlite_url


@pytest.fixture(scope="module")
def postgres() -> Generator[Postgres]:
    yield from postgres_or_skip()


@pytest.fixture(params=["sqlite", "postgres"])
async def books(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[tuple[RunLog, SqlUsage]]:
    is_sqlite = request.param == "sqlite"
    url = sqlite_url(tmp_path) if is_sqlite else request.getfixturevalue("postgres").new_database()
    async with sql_bench(url) as bench, SqlUsage.open(url) as usage:
        yield bench.log, usage


def used(tokens: int, cost: float | None) -> e.ModelUsed:
    return e.ModelUsed(agent=1, model="m", input_tokens=tokens - 1, cached_tokens=3, output_tokens=1, cost=cost)


async def told(log: RunLog, run: str, request: e.RunRequested, *uses: tuple[datetime, e.ModelUsed]) -> None:
    state = evolve(None, request, START - timedelta(days=2))
    await log.append(run, 0, [request], START - timedelta(days=2), state)
    state = evolve(state, e.DeliberationStarted(revision=1), START)
    await log.append(run, 1, [e.DeliberationStarted(revision=1)], START - timedelta(days=2), state)
    for seq, (at, event) in enumerate(uses, start=2):
        state = evolve(state, event, at)
        await log.append(run, seq, [event], at, state)


async def test_what_was_used_since_a_moment_is_summed_by_tenant_and_by_person(
    books: tuple[RunLog, SqlUsage],
) -> None:
    log, usage = books
    request = a_request(prompt='Say "\u0000" and {"requester": {"id": "u-alice"}}.')
    alices = replace(request, requester=replace(ALICE, name=REQUESTER.name))
    elsewhere = replace(request, tenant="elsewhere", requester=replace(REQUESTER, tenant="elsewhere"))
    await told(log, "R1", request, (START - timedelta(seconds=1), used(1_000, 9.0)), (START, used(10, 0.25)))
    await told(log, "R2", replace(request, asked_in="C1"), (START + timedelta(hours=1), used(20, None)))
    await told(log, "R3", alices, (START, used(100, 1.0)))
    await told(log, "R4", elsewhere, (START, used(5_000, 5.0)))
    await told(log, "R5", request, (START - timedelta(days=1), used(7, 7.0)))
    assert await usage.since(START, tenant="here") == Spent(tokens=130, money=1.25)
    assert await usage.since(START, tenant="here", user=REQUESTER.id) == Spent(tokens=30, money=0.25)
    assert await usage.since(START, tenant="here", user=ALICE.id) == Spent(tokens=100, money=1.0)
    assert await usage.since(START, tenant="here", user="nobody") == Spent()
    assert await usage.since(START, tenant="here", place="C1") == Spent(tokens=20)
    assert await usage.since(START, tenant="here", user=ALICE.id, place="C1") == Spent()
    assert await usage.since(START, tenant="here", place="") == Spent(tokens=110, money=1.25)
    assert await usage.since(START + timedelta(days=1), tenant="here") == Spent()


async def test_what_was_used_is_shared_out_by_tenant_person_and_configuration(
    books: tuple[RunLog, SqlUsage],
) -> None:
    log, usage = books
    request = a_request()
    elsewhere = replace(request, tenant="elsewhere", requester=replace(ALICE, tenant="elsewhere"), config="other")
    await told(log, "R1", request, (START - timedelta(seconds=1), used(1_000, 9.0)), (START, used(10, 0.25)))
    await told(log, "R2", request, (START, used(20, None)))
    await told(log, "R3", elsewhere, (START, used(5_000, 5.0)))
    mine = Share(tenant="here", requester=REQUESTER.name, config="test", runs=2, spent=Spent(tokens=30, money=0.25))
    theirs = Share(
        tenant="elsewhere", requester=ALICE.name, config="other", runs=1, spent=Spent(tokens=5_000, money=5.0)
    )
    assert await usage.shares(START) == [theirs, mine]
    assert await usage.shares(START + timedelta(days=1)) == []


async def test_nothing_is_opened_before_it_is_asked_and_a_missing_database_is_told_in_words(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "no-such-folder")
    async with SqlUsage.open(url) as usage:
        with pytest.raises(StorageError, match="can't be opened"):
            await usage.since(START, tenant="here")


async def test_calls_that_count_for_a_cap_of_the_day_are_counted_by_rule_and_tenant(
    books: tuple[RunLog, SqlUsage],
) -> None:
    log, usage = books
    request = a_request(prompt='"per_day":[["bank.pay",3]]')
    both = (("bank.*", 9), ("bank.pay 0123", 3))
    start = e.CallStarted(
        index=0, server="bank", tool="pay", arguments='{"a":"\\"per_day\\":[["}', digest="d", hand="h"
    )
    for run, of, at in (("C1", request, START), ("C2", request, START - timedelta(seconds=1))):
        state = evolve(None, of, START - timedelta(days=2))
        await log.append(run, 0, [of], START - timedelta(days=2), state)
        await log.append(run, 1, [start, replace(start, per_day=both), replace(start, per_day=both[:1])], at, state)
    assert await usage.calls_since(START, tenant="here") == {"bank.*": 2, "bank.pay 0123": 1}
    assert await usage.calls_since(START, tenant="elsewhere") == {}


def a_warning(tenant: str = "discord:1", day: str = "2026-11-22", spent: float = 4.0) -> BudgetWarning:
    return BudgetWarning(
        tenant=tenant, limit="money_per_user_per_day", whose="7", name="rita", day=day, spent=spent, most=5.0
    )


async def test_a_budget_is_told_of_once_a_day_however_many_find_it_out_and_look(
    books: tuple[RunLog, SqlUsage],
) -> None:
    _, usage = books
    url = usage._engine.url.render_as_string(hide_password=False)
    async with SqlUsage.open(url) as other, SqlBudgetWarnings.open(url) as one, SqlBudgetWarnings.open(url) as two:
        await usage.warn(a_warning())
        await other.warn(a_warning(spent=4.5))
        await other.warn(a_warning("slack:1"))
        await usage.warn(a_warning("discordant"))
        assert [*await one.take("discord", START), *await two.take("discord", START)] == [a_warning()]
        assert await two.take("console", START) == []
        await other.warn(a_warning(spent=4.9))
        assert await one.take("discord", START) == []
        await other.warn(a_warning(day="2026-11-23"))
        assert await two.take("discord", START) == [a_warning(day="2026-11-23")]
        assert await one.take("slack", START) == [a_warning("slack:1")]


async def test_who_asked_for_what_used_models_today_is_known_once_each(books: tuple[RunLog, SqlUsage]) -> None:
    log, usage = books
    request = a_request(prompt="Post.")
    await told(log, "R1", request, (START, used(10, 0.25)))
    await told(log, "R2", request, (START, used(20, None)))
    await told(log, "R3", replace(request, asked_in="C1"), (START, used(20, None)))
    await told(log, "R4", replace(request, asked_in="C2"), (START - timedelta(hours=1), used(20, None)))
    assert [each.asked_in for each in await usage.askers_since(START)] == ["", "C1"]
