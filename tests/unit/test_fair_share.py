"""Turns of tenants: least in hand first, then the longest wait for a turn."""

from coordination.engine.fair_share import FairShare, TaskLimits


def test_room_is_divided_evenly_whoever_has_how_much_in_hand() -> None:
    assert FairShare(10).allot({"A", "B"}, {}, 6) == {"A": 3, "B": 3}
    assert FairShare(10).allot({"A", "B", "C"}, {"A": 4, "B": 1}, 5) == {"B": 2, "C": 3}


def test_nobody_gets_more_than_their_share_while_others_may_come() -> None:
    assert FairShare(3).allot({"A"}, {"A": 1}, 100) == {"A": 2}
    assert FairShare(3).allot({"A"}, {"A": 3}, 100) == {}


def test_with_room_for_one_job_everybody_gets_every_third_turn() -> None:
    turns = FairShare(1)
    order = [next(iter(turns.allot({"A", "B", "C"}, {}, 1))) for _ in range(6)]
    assert order == [*order[:3], *order[:3]]
    assert set(order[:3]) == {"A", "B", "C"}


def test_no_room_is_nobodys() -> None:
    assert FairShare(3).allot({"A"}, {}, 0) == FairShare(3).allot((), {}, 5) == {}


def test_a_worker_keeps_a_quarter_free_unless_it_is_told_otherwise() -> None:
    assert [TaskLimits(worker=most).share for most in (1, 2, 4, 32)] == [1, 1, 3, 24]
    assert TaskLimits(worker=32, tenant=32).share == 32
    assert TaskLimits(worker=32, tenant=64, everywhere=16).share == 16
