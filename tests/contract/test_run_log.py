"""What every run log must do, the one of memory and the one of SQL alike."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from coordination.domain import events as e
from coordination.domain.canonical_json import config_digest
from coordination.domain.events import RunEvent
from coordination.domain.states import RunState
from coordination.domain.transitions import Recorded, evolve, replay
from coordination.errors import ConfigError, ConflictError, DayCapError
from coordination.ports import Job, RunLog
from coordination.storage.sql_run_log import SqlLog
from tests.builders import START, a_request
from tests.contract.logs import Bench, EngineIsBrokenError, bench_of, sql_bench
from tests.databases import Postgres, postgres_or_skip
from tests.sample_logs import LATER, RUN, approved, asked, waiting

TURN = e.TurnStarted(agent=1, turn=1, epoch=0)


@pytest.fixture(scope="module")
def postgres() -> Generator[Postgres]:
    yield from postgres_or_skip()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Bench]:
    async with bench_of(request.param, request, tmp_path) as bench:
        yield bench


def job(run: str) -> Job:
    return Job(task="deliberate", run=run, tenant="here", revision=1)


async def begin(log: RunLog, run: str, at: datetime = START, request: e.RunRequested | None = None) -> RunState:
    """A run that was asked for, and taken up."""
    events: list[RunEvent] = [request or a_request(), e.DeliberationStarted(revision=1)]
    state = evolve(evolve(None, events[0], at), events[1], at)
    await log.append(run, 0, events, at, state)
    return state


async def write(log: RunLog, story: Sequence[Recorded], run: str = RUN) -> None:
    """A whole story, one append for each event."""
    state = None
    for each in story:
        state = evolve(state, each.event, each.at)
        await log.append(run, each.seq - 1, [each.event], each.at, state)


async def test_events_come_back_as_they_were_written_in_their_order(bench: Bench) -> None:
    await write(bench.log, approved())
    assert list(await bench.log.read(RUN)) == approved()
    assert list(await bench.log.read(RUN, after=3)) == approved()[3:]


async def test_an_append_tells_the_numbers_that_its_events_got(bench: Bench) -> None:
    state = await begin(bench.log, "A")
    later = START + timedelta(seconds=5)
    records = await bench.log.append("A", 2, [TURN, TURN], later, state)
    assert [(each.run, each.seq, each.at, each.event) for each in records] == [
        ("A", 3, later, TURN),
        ("A", 4, later, TURN),
    ]


async def test_a_run_that_does_not_exist_has_no_events(bench: Bench) -> None:
    assert list(await bench.log.read("NONE")) == []


@pytest.mark.parametrize("expected", [0, 1, 3])
async def test_an_append_after_another_number_than_the_newest_is_refused_whole(bench: Bench, expected: int) -> None:
    state = await begin(bench.log, "A")
    with pytest.raises(ConflictError):
        await bench.log.append("A", expected, [TURN, TURN], START, state, job("A"))
    assert [each.seq for each in await bench.log.read("A")] == [1, 2]
    assert list(bench.jobs()) == []


async def test_the_events_of_a_run_that_was_never_begun_are_refused(bench: Bench) -> None:
    state = evolve(None, a_request(), START)
    with pytest.raises(ConflictError):
        await bench.log.append("A", 2, [TURN], START, state)
    assert list(await bench.log.read("A")) == []


async def test_of_fifty_appends_at_once_after_one_number_exactly_one_wins(bench: Bench) -> None:
    state = await begin(bench.log, "A")

    async def attempt(agent: int) -> bool:
        try:
            await bench.log.append("A", 2, [replace(TURN, agent=agent)], START, state)
        except ConflictError:
            return False
        return True

    async with asyncio.timeout(30):
        won = await asyncio.gather(*(attempt(agent) for agent in range(50)))
    assert sum(won) == 1
    assert [each.event for each in await bench.log.read("A", after=2)] == [replace(TURN, agent=won.index(True))]


async def test_fifty_runs_write_at_once_and_none_disturbs_another(bench: Bench) -> None:
    async def live(run: str) -> None:
        state = await begin(bench.log, run)
        for seq in range(2, 12):
            await bench.log.append(run, seq, [replace(TURN, turn=seq)], START, state)

    async with asyncio.timeout(30):
        await asyncio.gather(*(live(f"R{number}") for number in range(50)))
    for number in range(50):
        assert [each.seq for each in await bench.log.read(f"R{number}")] == list(range(1, 13))


async def test_of_appends_by_two_writers_of_one_database_exactly_one_wins(bench: Bench) -> None:
    if bench.url is None:
        pytest.skip("memory has one writer")

    async def attempt(log: RunLog, run: str, seq: int, state: RunState) -> bool:
        try:
            await log.append(run, seq, [TURN], START, state)
        except ConflictError:
            return False
        return True

    async with asyncio.timeout(30), SqlLog.open(bench.url, submit=lambda connection, job: None) as other:
        for number in range(20):
            state = evolve(None, a_request(), START)
            begun = await asyncio.gather(*(attempt(log, f"R{number}", 0, state) for log in (bench.log, other)))
            moved = await asyncio.gather(*(attempt(log, f"R{number}", 1, state) for log in (other, bench.log)))
            assert (sum(begun), sum(moved)) == (1, 1)
            assert len(await bench.log.read(f"R{number}")) == 2


async def test_a_job_is_submitted_with_its_event(bench: Bench) -> None:
    await bench.log.append("A", 0, [a_request()], START, evolve(None, a_request(), START), job("A"))
    assert list(bench.jobs()) == ["run-A-1"]


async def test_when_the_engine_refuses_a_job_its_event_is_not_written_either(bench: Bench) -> None:
    state = await begin(bench.log, "A")
    bench.is_broken[0] = True
    with pytest.raises(EngineIsBrokenError):
        await bench.log.append("A", 2, [TURN], START, state, job("A"))
    bench.is_broken[0] = False
    assert [each.seq for each in await bench.log.read("A")] == [1, 2]
    assert list(bench.jobs()) == []
    await bench.log.append("A", 2, [TURN], START, state, job("A"))
    assert list(bench.jobs()) == ["run-A-1"]


async def test_an_append_that_fails_takes_none_of_those_beside_it_along(bench: Bench) -> None:
    states = {run: await begin(bench.log, run) for run in ("A", "B", "C", "D")}
    bench.is_broken[0] = True
    outcomes = await asyncio.gather(
        bench.log.append("A", 2, [TURN], START, states["A"]),
        bench.log.append("B", 2, [TURN], START, states["B"], job("B")),
        bench.log.append("C", 1, [TURN], START, states["C"]),
        bench.log.append("D", 2, [TURN], START, states["D"]),
        return_exceptions=True,
    )
    assert [type(each) for each in outcomes[1:3]] == [EngineIsBrokenError, ConflictError]
    assert [len(await bench.log.read(run)) for run in ("A", "B", "C", "D")] == [3, 2, 2, 3]


async def test_whoever_follows_gets_what_was_there_and_all_that_comes(bench: Bench) -> None:
    state = await begin(bench.log, "A")
    seen: list[int] = []
    is_there = asyncio.Event()

    async def follow() -> None:
        async for recorded in bench.log.follow("A", after=1):
            seen.append(recorded.seq)
            if recorded.seq in (2, 6):
                is_there.set()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        follower = group.create_task(follow())
        await is_there.wait()
        is_there.clear()
        await bench.log.append("B", 0, [a_request()], START, state)
        for seq in (2, 3):
            await bench.log.append("A", seq, [TURN], START, state)
        await bench.log.append("A", 4, [TURN, TURN], START, state)
        await is_there.wait()
        follower.cancel()
    assert seen == [2, 3, 4, 5, 6]


async def test_a_run_can_be_followed_before_it_begins_and_by_many(bench: Bench) -> None:
    async def first(after: int) -> Recorded:
        async for recorded in bench.log.follow("A", after=after):
            return recorded
        raise AssertionError("following never ends by itself")

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        followers = [group.create_task(first(after)) for after in (0, 0, 1)]
        await asyncio.sleep(0)
        await begin(bench.log, "A")
    assert [follower.result().seq for follower in followers] == [1, 1, 2]


async def test_the_list_of_runs_has_the_newest_first_and_tells_where_each_stands(bench: Bench) -> None:
    await write(bench.log, waiting())
    await begin(bench.log, "NEW", START + timedelta(days=1), replace(asked("x" * 700), tenant="elsewhere"))
    await begin(bench.log, "OLD", START - timedelta(days=1))
    assert [each.run for each in await bench.log.runs()] == ["NEW", RUN, "OLD"]
    assert [each.run for each in await bench.log.runs(limit=1)] == ["NEW"]
    assert [each.run for each in await bench.log.runs(tenant="here")] == [RUN, "OLD"]
    newest, story, _ = await bench.log.runs()
    assert newest.prompt == "x" * 500
    assert (story.tenant, story.state, story.requester, story.config) == ("here", "awaiting_decision", "rita", "demo")
    assert (story.started_at, story.updated_at) == (START, waiting()[-1].at)
    assert (story.expires_at, story.seq) == (LATER, len(waiting()))


async def test_a_run_is_found_by_how_its_name_begins(bench: Bench) -> None:
    for run in ("7Q4K", "7Q5M", "7_4K", "9ZZZ"):
        await begin(bench.log, run, request=replace(asked(), tenant="elsewhere" if run == "9ZZZ" else "here"))
    assert sorted(await bench.log.find("7q")) == ["7Q4K", "7Q5M"]
    assert list(await bench.log.find("7Q4K")) == ["7Q4K"]
    assert list(await bench.log.find("7_")) == ["7_4K"]
    assert list(await bench.log.find("%")) == []
    assert list(await bench.log.find("9")) == ["9ZZZ"]
    assert list(await bench.log.find("9", tenant="here")) == []


async def test_at_most_ten_runs_are_found(bench: Bench) -> None:
    for number in range(12):
        await begin(bench.log, f"A{number:02}")
    assert len(await bench.log.find("a")) == 10


async def test_runs_are_found_by_the_kind_of_their_state(bench: Bench) -> None:
    await write(bench.log, waiting())
    await write(bench.log, approved(), run="DECIDED")
    await begin(bench.log, "QUEUED")
    assert set(await bench.log.in_state(["awaiting_decision", "executing"])) == {RUN, "DECIDED"}
    assert list(await bench.log.in_state(["executing"])) == ["DECIDED"]
    assert list(await bench.log.in_state(["executing"], "elsewhere")) == []
    assert list(await bench.log.in_state([])) == []


async def test_a_plan_is_due_when_its_time_has_come_and_it_still_waits(bench: Bench) -> None:
    await write(bench.log, waiting())
    await write(bench.log, approved(), run="DECIDED")
    assert list(await bench.log.due(LATER - timedelta(microseconds=1))) == []
    assert list(await bench.log.due(LATER)) == [RUN]
    expired = e.PlanExpired(digest=replay(waiting()).plan.digest)  # type: ignore[union-attr]  # the story ends so
    state = evolve(replay(waiting()), expired, LATER)
    await bench.log.append(RUN, len(waiting()), [expired], LATER, state)
    assert list(await bench.log.due(LATER)) == []


async def test_a_configuration_is_kept_under_its_digest(bench: Bench) -> None:
    digest = config_digest("agents: []", "team.yaml")
    await bench.log.save_config(digest, "agents: []", "team.yaml")
    await bench.log.save_config(digest, "agents: []", "team.yaml")
    assert await bench.log.load_config(digest) == ("agents: []", "team.yaml")
    with pytest.raises(ConfigError, match="eeeeeeee"):
        await bench.log.load_config("e" * 64)


@pytest.mark.parametrize(("text", "origin"), [("agents: [mallory]", "team.yaml"), ("agents: []", "mallory.yaml")])
async def test_a_configuration_that_is_not_the_one_of_its_digest_is_not_given_out(
    bench: Bench, text: str, origin: str
) -> None:
    digest = config_digest("agents: []", "team.yaml")
    await bench.log.save_config(digest, text, origin)
    with pytest.raises(ConfigError, match=f"{digest[:8]} was changed"):
        await bench.log.load_config(digest)


@pytest.mark.parametrize("text", ["nul \0", "emoji \U0001f600, right-to-left \u202e", "quote ' \" \\ \n\r\u2028", ""])
async def test_any_text_comes_back_as_it_was(bench: Bench, text: str) -> None:
    await begin(bench.log, "A", request=replace(asked(text), config=text))
    (first, _) = await bench.log.read("A")
    assert first.event == replace(asked(text), config=text)
    assert len(await bench.log.runs()) == 1


async def test_times_come_back_to_the_microsecond_in_utc(bench: Bench) -> None:
    at = START.replace(microsecond=123_456)
    await begin(bench.log, "A", at)
    (first, _) = await bench.log.read("A")
    assert first.at == at
    assert first.at.utcoffset() == timedelta(0)


async def test_no_call_starts_that_is_one_too_many_of_its_rule_for_the_day_of_its_tenant(bench: Bench) -> None:
    elsewhere = replace(a_request(), tenant="elsewhere")
    midnight = START.replace(hour=0) + timedelta(days=1)
    start = e.CallStarted(
        index=0, server="bank", tool="pay", arguments="{}", digest="d", hand="h", per_day=(("bank.pay", 2),)
    )
    strict = replace(start, per_day=(("bank.pay", 1),))
    state = await begin(bench.log, "A")
    other = await begin(bench.log, "B", request=elsewhere)
    await bench.log.append("A", 2, [start], midnight - timedelta(seconds=2), state)
    with pytest.raises(DayCapError, match="leave 0 of 1 calls"):
        await bench.log.append("A", 3, [strict], midnight - timedelta(seconds=1), state)
    with pytest.raises(DayCapError):
        await bench.log.append("A", 3, [start, start], midnight - timedelta(seconds=1), state)
    await bench.log.append("B", 2, [strict], midnight - timedelta(seconds=1), other)
    await bench.log.append("A", 3, [replace(start, per_day=()), TURN], midnight - timedelta(seconds=1), state)
    await bench.log.append("A", 5, [strict], midnight, state)
    assert [each.seq for each in await bench.log.read("A", after=2)] == [3, 4, 5, 6]


async def test_of_two_starts_at_once_only_one_gets_the_last_call_of_the_day(bench: Bench) -> None:
    start = e.CallStarted(
        index=0, server="bank", tool="pay", arguments="{}", digest="d", hand="h", per_day=(("bank.pay", 1),)
    )
    states = {run: await begin(bench.log, run) for run in "ABCD"}
    ends = await asyncio.gather(
        *(bench.log.append(run, 2, [start], START, state) for run, state in states.items()), return_exceptions=True
    )
    assert sorted(isinstance(each, DayCapError) for each in ends) == [False, True, True, True]


async def test_two_processes_do_not_both_start_the_last_call_of_a_day(postgres: Postgres) -> None:
    """Each has a writer of its own, so only the database can keep their starts apart."""
    url = postgres.new_database()
    async with sql_bench(url) as bench, SqlLog.open(url, submit=lambda _, __: None) as there:
        for number in range(5):
            start = e.CallStarted(
                index=0, server="b", tool="pay", arguments="{}", digest="d", hand="h", per_day=((f"b.{number}", 1),)
            )
            pair = [(log, f"{name}{number}") for log, name in ((bench.log, "H"), (there, "T"))]
            states = [await begin(log, run) for log, run in pair]
            starts = (log.append(run, 2, [start], START, state) for (log, run), state in zip(pair, states, strict=True))
            ends = await asyncio.gather(*starts, return_exceptions=True)
            assert sorted(isinstance(each, DayCapError) for each in ends) == [False, True]
