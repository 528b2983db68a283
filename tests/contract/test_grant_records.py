"""Standing grants in every run log, the one of memory and the one of SQL alike; and what the audit finds of forged ones."""

from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.events import RunEvent
from coordination.domain.grants import Grant, GrantUse, fixed
from coordination.domain.policy import Policy
from coordination.domain.transitions import evolve
from coordination.errors import GrantVoidError
from coordination.ports import RunLog
from coordination.storage.audit import verify
from coordination.storage.prune import prune
from tests.builders import ALICE, BOB, START, a_call, a_request
from tests.contract.logs import Bench, bench_of, sql_bench
from tests.databases import Postgres, postgres_or_skip, sqlite_url
from tests.sample_logs import argued, proposed, succeeded

POST = replace(a_call("post", title="News"), settings="s", origins=())
OPS = Policy(roles=("ops",), allow_grants=True)
GRANT = Grant(
    id="G1",
    tenant="here",
    config="demo",
    server=POST.server,
    tool=POST.tool,
    definition=POST.definition,
    settings=POST.settings,
    arguments=fixed(POST.arguments, ()),
    read="",
    by=ALICE,
    until=START + timedelta(hours=2),
    most=1,
)
NOW = START + timedelta(hours=1)


@pytest.fixture(scope="module")
def postgres() -> Generator[Postgres]:
    yield from postgres_or_skip()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Bench]:
    async with bench_of(request.param, request, tmp_path) as bench:
        yield bench


class Writer:
    """Writes to one run's log what its state allows."""

    def __init__(self, log: RunLog, run: str) -> None:
        self.log, self.run = log, run
        self.state: s.RunState | None = None
        self.seq = 0

    async def write(self, *events: RunEvent) -> None:
        state = self.state
        for event in events:
            state = evolve(state, event, NOW)
        assert state is not None
        await self.log.append(self.run, self.seq, events, NOW, state)
        self.state, self.seq = state, self.seq + len(events)

    async def plan(self) -> e.PlanProposed:
        proposal = proposed(POST, policy=OPS, run=self.run)
        await self.write(*argued(POST), proposal)
        return proposal

    async def approve(self, grant: Grant = GRANT) -> None:
        proposal = await self.plan()
        await self.write(e.ApprovalGiven(by=ALICE, digest=proposal.digest, grants=(GrantUse(grant=grant, used=0),)))

    async def start(self) -> None:
        assert isinstance(self.state, s.Executing)
        await self.write(
            e.CallStarted(
                index=0,
                server=POST.server,
                tool=POST.tool,
                arguments=POST.arguments,
                digest=self.state.plan.digest,
                hand=self.run,
                grants=self.state.next_grants,
            )
        )


async def granted(log: RunLog) -> Writer:
    origin = Writer(log, "ORIGIN")
    await origin.plan()
    await origin.write(e.GrantGiven(index=0, grant=GRANT))
    return origin


async def test_a_grant_is_found_where_it_holds_with_how_much_of_it_was_used(bench: Bench) -> None:
    assert list(await bench.log.grants(NOW)) == []
    await granted(bench.log)
    (found,) = await bench.log.grants(NOW, "here")
    assert (found.grant, found.run, found.given_at, found.used, found.is_revoked) == (GRANT, "ORIGIN", NOW, 0, False)
    assert list(await bench.log.grants(NOW, "elsewhere")) == []
    assert list(await bench.log.grants(NOW + timedelta(days=31), "here")) == []
    one = Writer(bench.log, "ONE")
    await one.approve()
    await one.start()
    assert [each.used for each in await bench.log.grants(NOW)] == [1]


async def test_the_last_call_of_a_grant_starts_once(bench: Bench) -> None:
    await granted(bench.log)
    one, two = Writer(bench.log, "ONE"), Writer(bench.log, "TWO")
    await one.approve()
    await two.approve()
    await one.start()
    with pytest.raises(GrantVoidError):
        await two.start()
    with pytest.raises(GrantVoidError):
        await Writer(bench.log, "THREE").approve()
    assert len(await bench.log.read("TWO")) == two.seq


async def test_no_call_starts_on_a_grant_that_was_revoked_and_nothing_is_approved_by_it(bench: Bench) -> None:
    origin = await granted(bench.log)
    one = Writer(bench.log, "ONE")
    await one.approve()
    await origin.write(e.GrantRevoked(grant="G1", by=BOB))
    assert [each.is_revoked for each in await bench.log.grants(NOW)] == [True]
    with pytest.raises(GrantVoidError):
        await one.start()
    with pytest.raises(GrantVoidError):
        await Writer(bench.log, "TWO").approve()


async def test_a_grant_is_revoked_only_in_the_log_that_it_is_in(bench: Bench) -> None:
    await granted(bench.log)
    await Writer(bench.log, "ONE").write(a_request(), e.GrantRevoked(grant="G1", by=BOB))
    assert [each.is_revoked for each in await bench.log.grants(NOW)] == [False]


@pytest.mark.parametrize("forged", [replace(GRANT, most=9), replace(GRANT, id="G2")])
async def test_nothing_is_approved_by_a_grant_that_nobody_gave_so(bench: Bench, forged: Grant) -> None:
    await granted(bench.log)
    with pytest.raises(GrantVoidError):
        await Writer(bench.log, "ONE").approve(forged)


async def test_the_audit_finds_approvals_and_calls_on_grants_that_did_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sqlite_url(tmp_path)
    async with sql_bench(url) as bench:
        origin = await granted(bench.log)
        one, two, three = (Writer(bench.log, run) for run in ("ONE", "TWO", "THREE"))
        await one.approve()
        await two.approve()
        await one.start()
        assert not [each for each in verify(url) if "grant" in each.problem]
        # Whoever writes behind the program's back counts nothing.
        monkeypatch.setattr("coordination.storage.sql_run_log.check_grants", lambda *_: None)
        await two.start()
        await three.approve(replace(GRANT, id="G2"))
        await origin.write(e.GrantRevoked(grant="G1", by=BOB))
        found = {(each.run, each.problem) for each in verify(url) if "grant" in each.problem}
    assert found == {
        ("TWO", "this call ran on a standing grant that did not hold: G1"),
        ("THREE", "this approval stands on a standing grant that nobody gave: G2"),
    }


async def test_runs_that_used_a_grant_which_may_still_hold_are_not_pruned(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    async with sql_bench(url) as bench:
        await granted(bench.log)
        one = Writer(bench.log, "ONE")
        await one.approve()
        await one.start()
        assert isinstance(one.state, s.Executing)
        await one.write(succeeded(one.state.plan, 0), e.RunFinished(report=None))
        soon, later = NOW + timedelta(days=2), NOW + timedelta(days=40)
        # The run's configuration was never stored, so that it is found instead of pruned where it is looked at.
        assert not prune(url, before=soon, at=soon, removes=False).findings
        assert [each.run for each in prune(url, before=later, at=later, removes=False).findings] == ["ONE"]
