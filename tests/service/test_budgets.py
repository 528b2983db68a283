"""Runs, people and tenants use no more than they may, and are told so in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from coordination.domain import events as e
from coordination.domain.states import AwaitingDecision, Finished, RunBroken
from coordination.errors import RefusedError
from coordination.ports import BudgetWarning, Reply, Spent, Usage
from coordination.run_options import DailyLimits, RunOptions
from coordination.run_request import RunRequest
from coordination.service import Coordinator
from coordination.worker import Worker
from tests.builders import ALICE, REQUESTER
from tests.fakes import PlayedModel, Step, answers, calls, votes
from tests.service.service_harness import ServiceHarness

POST = ("mcp__board__post", {"title": "hello"})
LOOK = ("mcp__board__look", {"title": "x"})


@dataclass
class Accounts:
    """What the days have used, and who asked."""

    people: dict[str | None, Spent] = field(default_factory=dict[str | None, Spent])
    places: dict[str, Spent] = field(default_factory=dict[str, Spent])
    warnings: list[BudgetWarning] = field(default_factory=list[BudgetWarning])
    asked: list[tuple[datetime, str, str | None]] = field(default_factory=list[tuple[datetime, str, str | None]])

    async def since(self, moment: datetime, *, tenant: str, user: str | None = None, place: str | None = None) -> Spent:
        self.asked.append((moment, tenant, user))
        if place is not None:
            return self.places.get(place, Spent())
        return self.people.get(user, Spent())

    async def calls_since(self, moment: datetime, *, tenant: str) -> Mapping[str, int]:
        return {}

    async def warn(self, warning: BudgetWarning) -> None:
        self.warnings.append(warning)


def costing(step: Step, dollars: float) -> Step:
    def costly(conversation: object) -> Reply:
        reply = step(conversation)  # type: ignore[arg-type]  # a step passes on what it is given
        return replace(reply, usage=Usage(input_tokens=10, output_tokens=1, cost=dollars))

    return costly


def asking(place: str) -> RunRequest:
    return RunRequest(
        prompt="Post.", requester=REQUESTER, config_name="test", config_text="text", origin="test.yaml", asked_in=place
    )


def harness(
    *models: PlayedModel, limits: DailyLimits | None = None, options: RunOptions | None = None
) -> tuple[ServiceHarness, Accounts]:
    made, accounts = ServiceHarness(*models, options=options), Accounts()
    made.prepared.profile = replace(made.prepared.profile, daily=limits or DailyLimits())
    made.people = Coordinator(
        made.log,
        made.engine,
        clock=made.clock,
        new_id=made._name,
        configure=made.configure,
        spending=accounts,
    )
    made.worker = Worker(
        made.log, made.hub, clock=made.clock, new_id=made._name, configure=made.configure, spending=accounts
    )
    return made, accounts


@pytest.mark.parametrize(
    ("limits", "user", "spent", "words"),
    [
        (
            DailyLimits(user_tokens=1_000),
            REQUESTER.id,
            Spent(tokens=1_000),
            "rita has used up today's 1,000 tokens; try again after midnight (UTC), or ask the operator to raise "
            "limits.tokens_per_user_per_day.",
        ),
        (DailyLimits(user_money=2.5), REQUESTER.id, Spent(money=2.6), "rita has used up today's $2.5"),
        (DailyLimits(tenant_tokens=5), None, Spent(tokens=6), "Everyone here together has used up today's 5 tokens"),
        (DailyLimits(tenant_money=1.0), None, Spent(money=1.0), "limits.money_per_tenant_per_day"),
    ],
)
async def test_who_has_used_up_the_day_starts_no_run(
    limits: DailyLimits, user: str | None, spent: Spent, words: str
) -> None:
    made, accounts = harness(PlayedModel(), limits=limits)
    accounts.people[user] = spent
    with pytest.raises(RefusedError) as refused:
        await made.ask()
    assert words in str(refused.value)
    assert made.log.events == {}
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    assert {(moment, tenant) for moment, tenant, _ in accounts.asked} == {(midnight, "here")}


@pytest.mark.parametrize(
    ("limits", "spent", "warned"),
    [
        (DailyLimits(user_tokens=1_000), Spent(tokens=799), None),
        (
            DailyLimits(user_tokens=1_000),
            Spent(tokens=800),
            ("tokens_per_user_per_day", REQUESTER.id, "rita", 800, 1_000),
        ),
        (DailyLimits(user_money=5.0), Spent(money=4.0), ("money_per_user_per_day", REQUESTER.id, "rita", 4.0, 5.0)),
        (DailyLimits(tenant_money=5.0), Spent(money=4.5), ("money_per_tenant_per_day", "", "", 4.5, 5.0)),
        (DailyLimits(place_tokens=10), Spent(tokens=9), ("tokens_per_place_per_day", "C1", "", 9, 10)),
    ],
)
async def test_a_budget_of_which_most_is_used_is_told_of(
    limits: DailyLimits, spent: Spent, warned: tuple[str, str, str, float, float] | None
) -> None:
    made, accounts = harness(PlayedModel(), limits=limits)
    accounts.people, accounts.places = {None: spent, REQUESTER.id: spent}, {"C1": spent}
    await made.people.start(asking("C1"))
    found = [(each.limit, each.whose, each.name, each.spent, each.most) for each in accounts.warnings]
    assert found == ([] if warned is None else [warned])
    for each in accounts.warnings:
        assert (each.tenant, each.day) == ("here", "2026-11-22")
        assert each.begins_anew == datetime(2026, 11, 23, tzinfo=UTC)
        assert each.left == each.most - each.spent


async def test_what_the_last_model_call_used_is_told_of_too() -> None:
    made, accounts = harness(PlayedModel(answers("Nothing to do."), votes(1)), limits=DailyLimits(user_money=1.0))
    run = await made.ask()

    async def spend_all(moment: datetime, *, tenant: str, user: str | None = None, place: str | None = None) -> Spent:
        ended = any(isinstance(each.event, e.RunAnswered) for each in made.log.events[run])
        return Spent(money=0.9 if ended else 0.0)

    setattr(accounts, "since", spend_all)  # noqa: B010 - what is used depends on how far the run is
    await made.work()
    assert [(each.spent, each.left < 0.11) for each in accounts.warnings] == [(0.9, True)]


async def test_a_place_that_has_used_up_its_day_starts_no_run_and_others_do() -> None:
    made, accounts = harness(PlayedModel(), limits=DailyLimits(place_tokens=100, place_money=2.0))
    accounts.places = {"C1": Spent(tokens=100), "C2": Spent(money=2.0)}
    for place, limit in (("C1", "today's 100 tokens"), ("C2", "today's $2")):
        with pytest.raises(RefusedError) as refused:
            await made.people.start(asking(place))
        assert f"Everyone in this channel together has used up {limit}" in str(refused.value)
    for place in ("C3", ""):
        assert await made.people.start(asking(place))


async def test_a_place_that_is_used_up_in_the_middle_stops_its_run() -> None:
    made, accounts = harness(PlayedModel(calls(LOOK), answers("never")), limits=DailyLimits(place_money=1.0))
    run = await made.people.start(asking("C1"))
    accounts.places["C1"] = Spent(money=1.0)
    await made.work()
    state = await made.state(run)
    assert isinstance(state, RunBroken)
    assert "limits.money_per_place_per_day" in state.reason


async def test_a_limit_that_others_used_up_hinders_nobody_else() -> None:
    made, accounts = harness(PlayedModel(answers("done")), limits=DailyLimits(user_tokens=10))
    accounts.people[ALICE.id] = Spent(tokens=99)
    accounts.people[REQUESTER.id] = Spent(tokens=9)
    run = await made.ask()
    await made.work()
    assert (await made.state(run)).kind == "answered"


async def test_without_limits_of_the_day_nobody_looks_anything_up() -> None:
    made, accounts = harness(PlayedModel(answers("done")))
    await made.ask()
    await made.work()
    assert accounts.asked == []


async def test_a_day_that_is_used_up_in_the_middle_stops_the_run_before_its_next_model_call() -> None:
    made, accounts = harness(limits=DailyLimits(user_tokens=100))

    def look(conversation: object) -> Reply:
        accounts.people[REQUESTER.id] = Spent(tokens=100)
        return calls(LOOK)(conversation)  # type: ignore[arg-type]  # as above

    model = PlayedModel(look, answers("never asked"))
    made.prepared.given = (model,)
    made.prepared.profile = replace(made.prepared.profile, agents=ServiceHarness(model).prepared.profile.agents)
    run = await made.ask()
    await made.work()
    state = await made.state(run)
    assert isinstance(state, RunBroken)
    assert "rita has used up today's 100 tokens" in state.reason
    assert len(model.steps) == 1
    assert "agent_failed" not in made.log.kinds(run)


async def test_the_answers_that_there_are_count_when_the_budget_is_used_up() -> None:
    """One dollar for an answer: the second agent's is paid for, its vote is not."""
    models = [
        PlayedModel(costing(answers(f"{n}", POST), 1.0), votes(1), votes(1), costing(votes(1), 1.0)) for n in (1, 2)
    ]
    made, _ = harness(*models, options=RunOptions(budget_money=2.0))
    run = await made.ask()
    await made.work()
    state = await made.state(run)
    assert isinstance(state, AwaitingDecision)
    assert state.election.ending == "caps"


async def test_a_run_without_an_answer_says_which_limit_it_came_to() -> None:
    made, _ = harness(PlayedModel(costing(calls(LOOK), 1.0), answers("never")), options=RunOptions(budget_money=0.5))
    run = await made.ask()
    await made.work()
    state = await made.state(run)
    assert isinstance(state, RunBroken)
    assert "The run has reached its limit of $0.5" in state.reason
    assert "limits.money_per_run" in state.reason


async def test_a_revision_goes_on_with_what_the_first_has_left() -> None:
    model = PlayedModel(answers("one", POST), answers("never"))
    made, _ = harness(model, options=RunOptions(budget_tokens=11))
    run, state = await made.planned()
    await made.people.request_changes(run, state.plan.digest, REQUESTER, "Make it shorter.")
    await made.work()
    after = await made.state(run)
    assert isinstance(after, RunBroken)
    assert "its 11 tokens" in after.reason
    assert len(model.steps) == 1


async def test_a_report_is_not_written_on_a_used_up_budget_and_the_calls_run_all_the_same() -> None:
    model = PlayedModel(answers("one", POST), answers("never"))
    made, _ = harness(model, options=RunOptions(budget_tokens=11))
    run, state = await made.planned()
    await made.people.approve(run, state.plan.digest, ALICE)
    await made.work()
    after = await made.state(run)
    assert isinstance(after, Finished)
    assert after.report is None
    assert [call.tool for call in made.world.done] == ["post"]


async def test_a_model_calls_price_is_in_the_log() -> None:
    made, _ = harness(PlayedModel(costing(answers("one"), 0.125)))
    run = await made.ask()
    await made.work()
    (used,) = [each.event for each in made.log.events[run] if each.event.kind == "model_used"]
    assert used.cost == 0.125
