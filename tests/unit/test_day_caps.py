"""How many calls of a rule a day may have: counted by the rule's text, and held by every start that is on record."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.day_caps import DayCap, lowest, midnight_before, over_day_cap
from coordination.domain.plan import PlannedCall
from coordination.domain.quorums import Needs
from coordination.domain.transitions import evolve, replay
from coordination.errors import IllegalTransition
from coordination.storage.sql_run_log import decode, encode
from tests.builders import ALICE, a_call
from tests.sample_logs import LATER, argued, proposed, recorded

PAY = (("bank.pay", 3),)


def test_of_two_caps_for_one_rule_the_lower_holds_and_each_rule_keeps_its_own() -> None:
    assert lowest(PAY, (("bank.*", 9), ("bank.pay", 1))) == (("bank.*", 9), ("bank.pay", 1))
    assert lowest((), PAY) == PAY
    assert Needs(per_day=PAY).and_also(Needs(per_day=(("bank.pay", 2),))).per_day == (("bank.pay", 2),)


@pytest.mark.parametrize(
    ("started", "left"), [({}, None), ({"bank.pay": 1}, None), ({"bank.pay": 2}, 1), ({"bank.pay": 9}, 0)]
)
def test_calls_fit_into_a_day_as_long_as_it_has_room_for_all_of_them(started: dict[str, int], left: int | None) -> None:
    found = over_day_cap([PAY, (), PAY], started)
    assert found == (None if left is None else DayCap(name="bank.pay", most=3, left=left))


def test_a_rule_with_conditions_is_told_by_its_tools() -> None:
    assert DayCap(name="bank.pay 0123456789ab", most=3, left=1).match == "bank.pay"


def test_a_day_begins_at_midnight_in_utc_wherever_the_clock_is() -> None:
    there = datetime(2026, 11, 23, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    assert midnight_before(there) == datetime(2026, 11, 22, tzinfo=UTC)


def test_a_cap_is_under_the_digest_and_a_plan_without_one_keeps_the_digest_that_it_had() -> None:
    assert Needs(per_day=PAY).as_json()["per_day"] == [["bank.pay", 3]]  # type: ignore[index,call-overload]  # JSON of a known shape
    assert "per_day" not in dict(Needs(per_plan=PAY).as_json())  # type: ignore[arg-type]  # likewise


def executing(call: PlannedCall) -> s.Executing:
    policy = proposed(call).plan.policy
    state = replay(
        recorded(
            [*argued(call), proposed(call, policy=policy), e.ApprovalGiven(by=ALICE, digest=proposed(call).digest)]
        )
    )
    assert isinstance(state, s.Executing)
    return state


@pytest.mark.parametrize(
    ("counts_for", "is_right"), [(PAY, True), ((("bank.pay", 2),), True), ((), False), ((("bank.pay", 4),), False)]
)
def test_no_call_starts_that_does_not_count_for_the_caps_of_its_rule(
    counts_for: tuple[tuple[str, int], ...], is_right: bool
) -> None:
    call = replace(a_call("pay", amount=1), needs=Needs(per_day=PAY))
    state = executing(call)
    start = e.CallStarted(
        index=0,
        server=call.server,
        tool=call.tool,
        arguments=call.arguments,
        digest=state.plan.digest,
        hand="h",
        per_day=counts_for,
    )
    at = LATER - timedelta(hours=1)
    if is_right:
        assert isinstance(evolve(state, start, at), s.Executing)
    else:
        with pytest.raises(IllegalTransition, match="counted among those of its day"):
            evolve(state, start, at)


def test_events_without_caps_have_the_text_that_they_always_had() -> None:
    start = e.CallStarted(index=0, server="a", tool="b", arguments="{}", digest="d", hand="h")
    plan = proposed(replace(a_call("pay", amount=1), needs=Needs(per_plan=PAY)))
    for event in (start, plan):
        body = encode(event).body
        assert "per_day" not in body
        assert "started_today" not in body
    capped = replace(start, per_day=PAY)
    stored = encode(capped)
    assert '"per_day":[["bank.pay",3]]' in stored.body
    assert decode(stored.kind, stored.v, stored.body) == capped


def test_a_plan_that_is_asked_again_still_says_what_the_day_had() -> None:
    call = replace(a_call("pay", amount=1), needs=Needs(per_day=PAY))
    first = replace(proposed(call), started_today=(("bank.pay", 1),))
    state = replay(recorded([*argued(call), first]))
    assert isinstance(state, s.AwaitingDecision)
    again = replace(first.plan, revision=2)
    event = e.PlanProposed(plan=again, digest=again.digest, election=state.election, because="approvers")
    after = evolve(state, event, LATER - timedelta(hours=1))
    assert isinstance(after, s.AwaitingDecision)
    assert after.started_today == (("bank.pay", 1),)
