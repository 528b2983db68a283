"""Answers, votes and epochs: who has said what, which votes count, and who wins.

An epoch is the number of answers accepted so far. A vote counts only while the epoch it was cast for is the newest,
so every accepted answer voids every earlier vote; nothing has to remember to remove them.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from coordination.domain.plan import PlannedCall


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One accepted answer, with the actions its author recorded in that turn.

    `left_out` more did not fit into a plan.
    """

    agent: int
    number: int
    epoch: int
    text: str
    calls: tuple[PlannedCall, ...] = ()
    left_out: int = 0

    @property
    def label(self) -> str:
        """`agent2.1` for the first answer of agent 2."""
        return f"agent{self.agent}.{self.number}"

    def says_the_same_as(self, text: str, calls: tuple[PlannedCall, ...]) -> bool:
        """Whether a text and plan equal this answer's, white space aside."""
        return self.text.split() == text.split() and self.calls == calls


@dataclass(frozen=True, kw_only=True)
class Vote:
    """A vote as it was cast: `epoch` is the newest one that the voter had seen."""

    voter: int
    choice: int
    epoch: int
    reason: str


class Ending(StrEnum):
    """Why coordination stopped."""

    CONSENSUS = "consensus"
    MAJORITY = "majority"
    ALONE = "alone"
    DEADLINE = "deadline"
    CAPS = "caps"
    UNVOTED = "unvoted"


@dataclass(frozen=True, kw_only=True)
class Election:
    """The result of a ballot. `votes` of `voters` living agents stood for the winner at the newest epoch."""

    winner: Answer
    votes: int
    voters: int
    ending: Ending

    @property
    def is_consensus(self) -> bool:
        """Whether the agents agreed by themselves, rather than being stopped."""
        return self.ending in (Ending.CONSENSUS, Ending.MAJORITY, Ending.ALONE)


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """The state of one coordination among agents 1 to `size`.

    Attributes:
        answers: every accepted answer, oldest first.
        votes: every vote ever cast, oldest first; at most one per voter counts.
        failed: agents that are out for the run, and why.
        first_numbers: what each agent's answers count from, after earlier revisions of the run.
    """

    size: int
    answers: tuple[Answer, ...] = ()
    votes: tuple[Vote, ...] = ()
    failed: tuple[tuple[int, str], ...] = ()
    first_numbers: tuple[int, ...] = field(default=())

    @property
    def epoch(self) -> int:
        """The number of answers accepted so far."""
        return len(self.answers)

    @property
    def living(self) -> tuple[int, ...]:
        """The agents that still take part."""
        out = {agent for agent, _ in self.failed}
        return tuple(agent for agent in range(1, self.size + 1) if agent not in out)

    def newest(self) -> dict[int, Answer]:
        """The newest answer of every agent that has one, in agent order."""
        found = {answer.agent: answer for answer in self.answers}
        return dict(sorted(found.items()))

    def answered(self, agent: int) -> int:
        """How many answers of an agent were accepted in this coordination."""
        return sum(answer.agent == agent for answer in self.answers)

    def next_answer(self, agent: int, text: str, calls: tuple[PlannedCall, ...], left_out: int = 0) -> Answer:
        """The answer that this text would be, if it were accepted now."""
        before = self.first_numbers[agent - 1] if self.first_numbers else 0
        number = before + self.answered(agent) + 1
        return Answer(agent=agent, number=number, epoch=self.epoch + 1, text=text, calls=calls, left_out=left_out)

    def accept(self, answer: Answer) -> "Ballot":
        """With one more answer; by the epoch it opens, every earlier vote is void."""
        return replace(self, answers=(*self.answers, answer))

    def cast(self, vote: Vote) -> "Ballot":
        """With one more vote on record; whether it counts is for `valid_votes` to say."""
        return replace(self, votes=(*self.votes, vote))

    def fail(self, agent: int, reason: str) -> "Ballot":
        """Without an agent that failed; its answers stay."""
        return replace(self, failed=(*self.failed, (agent, reason)))

    def counts(self, vote: Vote) -> bool:
        """Whether a vote was cast by a living agent, for the newest epoch, for somebody's answer."""
        return vote.epoch == self.epoch and vote.voter in self.living and vote.choice in self.newest()

    def valid_votes(self) -> dict[int, Vote]:
        """The vote of each agent whose vote counts now."""
        return {vote.voter: vote for vote in self.votes if self.counts(vote)}

    def turns(self, agent: int) -> int:
        """How many turns of an agent have ended in an answer or a vote."""
        return self.answered(agent) + sum(vote.voter == agent for vote in self.votes)

    def tally(self) -> dict[int, int]:
        """Valid votes per agent that has an answer."""
        counts = dict.fromkeys(self.newest(), 0)
        for vote in self.valid_votes().values():
            counts[vote.choice] += 1
        return counts

    def next_revision(self) -> "Ballot":
        """A fresh ballot whose labels go on counting, so that no two answers of a run share one."""
        newest = self.newest()
        before = self.first_numbers or (0,) * self.size
        numbers = tuple(
            newest[agent].number if agent in newest else before[agent - 1] for agent in range(1, self.size + 1)
        )
        return Ballot(size=self.size, first_numbers=numbers)


def agreement(ballot: Ballot, *, majority_suffices: bool) -> Ending | None:
    """Whether the agents have agreed by themselves, and how; None while they have not.

    One agent alone agrees with itself: its first answer wins without a vote.
    """
    living, votes, answers = ballot.living, ballot.valid_votes(), ballot.newest()
    if not answers or not living:
        return None
    if len(living) == 1 and set(answers) == set(living):
        return Ending.ALONE
    if len(votes) == len(living):
        return Ending.CONSENSUS
    if majority_suffices and _is_decided(ballot, outstanding=len(living) - len(votes)):
        return Ending.MAJORITY
    return None


def _is_decided(ballot: Ballot, *, outstanding: int) -> bool:
    """Whether the votes still out can no longer change the winner, ties included."""
    tally = ballot.tally()
    leader = _leader(tally)
    return tally[leader] > 0 and all(
        tally[leader] > count + outstanding or (tally[leader] == count + outstanding and leader < agent)
        for agent, count in tally.items()
        if agent != leader
    )


def elect(ballot: Ballot, ending: Ending) -> Election | None:
    """The winner: most valid votes; on a tie the earlier registered; with no votes the newest answer.

    None if nobody has answered.
    """
    if not ballot.answers:
        return None
    tally = ballot.tally()
    votes = ballot.valid_votes()
    winner = ballot.newest()[_leader(tally)] if votes else ballot.answers[-1]
    return Election(winner=winner, votes=tally[winner.agent], voters=len(ballot.living), ending=ending)


def _leader(tally: dict[int, int]) -> int:
    return min(tally, key=lambda agent: (-tally[agent], agent))
