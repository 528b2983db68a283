"""Votes, epochs and winners."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from coordination.domain.ballot import Ballot, Ending, Vote, agreement, elect


def answered(ballot: Ballot, *agents: int) -> Ballot:
    """One more answer of each of these agents, in this order."""
    for agent in agents:
        ballot = ballot.accept(ballot.next_answer(agent, f"answer {ballot.epoch + 1}", ()))
    return ballot


def voted(ballot: Ballot, *votes: tuple[int, int]) -> Ballot:
    """One vote per (voter, choice), cast at the newest epoch."""
    for voter, choice in votes:
        ballot = ballot.cast(Vote(voter=voter, choice=choice, epoch=ballot.epoch, reason=""))
    return ballot


def test_labels_count_an_agents_answers() -> None:
    """agent2's second answer is agent2.2, whatever others said between."""
    ballot = answered(Ballot(size=2), 2, 1, 2)
    assert [answer.label for answer in ballot.answers] == ["agent2.1", "agent1.1", "agent2.2"]


def test_labels_go_on_counting_in_the_next_revision() -> None:
    """No two answers of a run share a label."""
    later = answered(answered(Ballot(size=2), 1, 1).next_revision(), 1, 2)
    assert [answer.label for answer in later.answers] == ["agent1.3", "agent2.1"]
    assert answered(later.next_revision(), 1).answers[0].label == "agent1.4"


def test_a_new_answer_voids_every_earlier_vote() -> None:
    """Votes of an older epoch stay on record and do not count."""
    ballot = voted(answered(Ballot(size=2), 1, 2), (1, 2), (2, 2))
    assert agreement(ballot, majority_suffices=False) is Ending.CONSENSUS
    ballot = answered(ballot, 1)
    assert ballot.valid_votes() == {}
    assert len(ballot.votes) == 2
    assert agreement(ballot, majority_suffices=True) is None


def test_a_vote_cast_for_an_old_epoch_never_counts() -> None:
    """The voter had not seen the newest answer."""
    ballot = answered(Ballot(size=2), 1, 2)
    ballot = ballot.cast(Vote(voter=1, choice=2, epoch=1, reason=""))
    assert ballot.valid_votes() == {}
    assert ballot.tally() == {1: 0, 2: 0}


def test_a_tie_goes_to_the_earlier_registered() -> None:
    """One vote each: agent 1 wins, in whatever order they were cast."""
    for votes in itertools.permutations([(1, 2), (2, 1)]):
        election = elect(voted(answered(Ballot(size=2), 2, 1), *votes), Ending.CONSENSUS)
        assert election is not None
        assert election.winner.agent == 1


def test_without_votes_the_newest_answer_wins() -> None:
    """At the deadline something has to be said."""
    election = elect(answered(Ballot(size=3), 1, 3, 2), Ending.DEADLINE)
    assert election is not None
    assert (election.winner.label, election.votes, election.is_consensus) == ("agent2.1", 0, False)


def test_without_answers_nobody_wins() -> None:
    """There is nothing to elect."""
    assert elect(Ballot(size=2), Ending.DEADLINE) is None


def test_one_agent_alone_need_not_vote_for_itself() -> None:
    """Its first answer wins, also when all others have failed without a word."""
    assert agreement(answered(Ballot(size=1), 1), majority_suffices=False) is Ending.ALONE
    assert agreement(answered(Ballot(size=2).fail(2, "gone"), 1), majority_suffices=False) is Ending.ALONE


def test_the_last_one_living_still_votes_where_others_left_answers() -> None:
    """It may find a failed agent's answer better."""
    ballot = answered(Ballot(size=2), 2, 1).fail(2, "gone")
    assert agreement(ballot, majority_suffices=False) is None
    assert agreement(voted(ballot, (1, 2)), majority_suffices=False) is Ending.CONSENSUS


def test_votes_of_failed_agents_do_not_count() -> None:
    """Nor are they waited for."""
    ballot = voted(answered(Ballot(size=3), 1, 2, 3), (3, 1), (1, 2)).fail(3, "gone")
    assert set(ballot.valid_votes()) == {1}
    assert agreement(voted(ballot, (2, 2)), majority_suffices=False) is Ending.CONSENSUS


def test_a_majority_suffices_once_the_votes_still_out_can_change_nothing() -> None:
    """Two of three for agent 2; with ties going to the earlier agent, one of two for agent 1 is enough too."""
    ballot = voted(answered(Ballot(size=3), 1, 2, 3), (1, 2), (2, 2))
    assert agreement(ballot, majority_suffices=False) is None
    assert agreement(ballot, majority_suffices=True) is Ending.MAJORITY
    assert agreement(voted(answered(Ballot(size=2), 1, 2), (2, 1)), majority_suffices=True) is Ending.MAJORITY
    assert agreement(voted(answered(Ballot(size=2), 1, 2), (1, 2)), majority_suffices=True) is None
    assert agreement(answered(Ballot(size=3), 1), majority_suffices=True) is None


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), unique_by=lambda pair: pair[0]), st.randoms())
def test_the_order_of_votes_does_not_change_the_winner(votes: list[tuple[int, int]], random: object) -> None:
    """Only who voted for whom matters."""
    ballot = answered(Ballot(size=4), 1, 2, 3, 4)
    winners = {
        election.winner.agent
        for order in itertools.islice(itertools.permutations(votes), 24)
        if (election := elect(voted(ballot, *order), Ending.CONSENSUS)) is not None
    }
    assert len(winners) == 1


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), unique_by=lambda pair: pair[0]))
def test_a_majority_decision_is_the_decision_of_all(votes: list[tuple[int, int]]) -> None:
    """However the remaining votes fall, a winner declared early is the winner in the end."""
    ballot = voted(answered(Ballot(size=4), 1, 2, 3, 4), *votes)
    if agreement(ballot, majority_suffices=True) is None:
        return
    early = elect(ballot, Ending.MAJORITY)
    missing = [voter for voter in range(1, 5) if voter not in ballot.valid_votes()]
    for choices in itertools.product(range(1, 5), repeat=len(missing)):
        late = elect(voted(ballot, *zip(missing, choices, strict=True)), Ending.CONSENSUS)
        assert early is not None
        assert late is not None
        assert early.winner == late.winner
