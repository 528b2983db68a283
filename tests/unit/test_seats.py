"""People find places: as many as there is room for, whoever comes first, and nobody two."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from coordination.domain.policy import Person
from coordination.domain.quorums import Quorum, Seats, union


def somebody(name: str, *roles: str) -> Person:
    return Person(tenant="here", id=f"u-{name}", name=name, roles=roles)


quorums = st.lists(
    st.builds(
        Quorum,
        roles=st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(tuple),
        users=st.lists(st.sampled_from(["u-0", "u-1"]), max_size=1).map(tuple),
        required=st.integers(1, 2),
    ),
    max_size=3,
)
people = st.lists(st.lists(st.sampled_from("abc"), max_size=3, unique=True), max_size=5).map(
    lambda roles: [somebody(str(number), *each) for number, each in enumerate(roles)]
)


def most_seated(places: list[Quorum], crowd: list[Person]) -> int:
    """By trying everything: each person in one place or in none."""
    best = 0
    for choice in product([None, *range(len(places))], repeat=len(crowd)):
        counts = [choice.count(index) for index in range(len(places))]
        fits = all(
            place is None or (not (named := {*places[place].roles}) and not places[place].users)
            or bool(named & {*person.roles}) or person.id in places[place].users
            for person, place in zip(crowd, choice, strict=True)
        )  # fmt: skip
        if fits and all(count <= each.required for count, each in zip(counts, places, strict=True)):
            best = max(best, sum(counts))
    return best


@given(quorums, people)
def test_as_many_find_a_place_as_any_seating_has_room_for(places: list[Quorum], crowd: list[Person]) -> None:
    seats = Seats[Person](places)
    found = [person for person in crowd if seats.seat(person)]
    assert len(found) == most_seated(places, crowd)
    assert seats.are_full is (len(found) == sum(each.required for each in places))


@given(quorums, people)
def test_everybody_who_was_given_a_place_keeps_one_and_it_is_theirs(places: list[Quorum], crowd: list[Person]) -> None:
    seats = Seats[Person](places)
    found: list[Person] = []
    for person in crowd:
        if seats.seat(person):
            found.append(person)
        held = [(index, each) for index in range(len(places)) for each in seats.of(index)]
        assert sorted(each.id for _, each in held) == sorted(each.id for each in found)
        assert all(places[index].names(each) for index, each in held)


@given(quorums, people)
def test_who_finds_no_place_now_finds_none_when_more_have_come(places: list[Quorum], crowd: list[Person]) -> None:
    seats = Seats[Person](places)
    turned_away = [person for person in crowd if not seats.seat(person)]
    assert not any(seats.seat(person) for person in turned_away)


@given(quorums, quorums, quorums)
def test_what_is_needed_together_is_the_same_in_any_order(
    one: list[Quorum], other: list[Quorum], third: list[Quorum]
) -> None:
    assert union(one, other) == union(other, one)
    assert union(union(one, other), third) == union(one, union(other, third))
    assert union(union(one, other), other) == union(one, other)
