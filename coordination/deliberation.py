"""Several agents, one ballot: they answer, see each other's answers, refine and vote until they agree.

This module holds no executor. Whatever the models do, the most that comes out is an election.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from coordination import prompts
from coordination.agent_turn import Answered, Out, Table, Turn, TurnEnd, Voted
from coordination.budget import Budget
from coordination.domain.ballot import Answer, Ballot, Election, Ending, agreement, elect
from coordination.domain.events import (
    AgentFailed,
    AnswerAccepted,
    Exchange,
    ModelRetried,
    ModelUsed,
    RunEvent,
    TurnStarted,
    VoteCast,
    VoteVoided,
)
from coordination.domain.states import Feedback
from coordination.domain.transitions import count
from coordination.errors import CoordinationError, ModelError
from coordination.ports import Clock, Conversation, Model, Occasion, ReadTools
from coordination.run_options import AgentProfile, Knobs
from coordination.run_writer import ATTEMPTS, is_foreseen, told
from coordination.toolbox import OfferedTool, Toolbox


@dataclass(frozen=True, kw_only=True)
class Seat:
    """An agent at the table: its profile, its model, and the tools it may see."""

    profile: AgentProfile
    model: Model
    tools: Mapping[str, OfferedTool]
    reader: ReadTools


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the agents coordinate on."""

    prompt: str
    revision: int = 1
    history: tuple[Exchange, ...] = ()
    feedback: tuple[Feedback, ...] = ()


class DeliberationFailed(CoordinationError):
    """No agent is left, or none answered in time; the text says why, agent by agent."""


class Deliberation:
    """One coordination from its first turn to its winner; begun anew or from a ballot that the log remembers."""

    def __init__(
        self,
        question: Question,
        seats: Sequence[Seat],
        *,
        ballot: Ballot,
        knobs: Knobs,
        clock: Clock,
        record: Callable[[RunEvent], None],
        budget: Budget | None = None,
    ) -> None:
        """`record` is told of everything at once and in order."""
        self.ballot = ballot
        self._question = question
        self._seats = seats
        self._knobs = knobs
        self._clock = clock
        self._tell_log = record
        self._budget = budget or Budget(knobs)
        self._refused: str | None = None
        self._changed = asyncio.Event()
        self._is_voting_open = not knobs.defer_voting
        self._ending: Ending | None = None

    async def run(self) -> Election:
        """Let the agents work until they agree, or the caps or the deadline stop them.

        Raises:
            DeliberationFailed: there is no answer to elect.
        """
        self._settle()
        timer = asyncio.get_running_loop().call_later(self._knobs.initial_round_timeout_seconds, self._open_the_vote)
        try:
            async with asyncio.timeout(self._knobs.orchestrator_timeout_seconds):
                await self._until_settled()
        except TimeoutError:
            self._ending = self._ending or Ending.DEADLINE
        finally:
            timer.cancel()
        election = elect(self.ballot, self._ending or Ending.DEADLINE)
        if election is None or not self.ballot.living:
            raise DeliberationFailed(self._why_nothing())
        return election

    async def present(self, election: Election) -> Answer | None:
        """Have the winner write its answer and its calls anew, still with tied hands; None if it can't."""
        winner = election.winner
        seat = self._seats[winner.agent - 1]
        occasion = Occasion(purpose="presentation", revision=self._question.revision, turn=1, agent=seat.profile.number)
        opening = "\n\n".join((self._opening(seat), prompts.presentation(self.ballot, winner)))
        table = _Presenting(ballot=replace(self.ballot, answers=()))
        try:
            end = await self._converse(seat, occasion, opening, table)
        except Exception as error:
            if is_foreseen(error):
                raise
            told("the final presentation", error)
            return None
        if not isinstance(end, Answered):
            return None
        return replace(winner, text=end.text, calls=end.calls)

    def may_answer(self, agent: int) -> bool:
        """Whether the caps leave this agent an answer."""
        most = self._knobs.max_new_answers_global
        if most is not None and len(self.ballot.answers) >= most:
            return False
        return self.ballot.answered(agent) < self._knobs.max_new_answers_per_agent

    async def _until_settled(self) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._sit(seat)) for seat in self._seats]
            while self._ending is None and self.ballot.living:
                await self._changed.wait()
            for task in tasks:
                task.cancel()

    async def _sit(self, seat: Seat) -> None:
        """One agent's part: turn after turn, as long as its vote does not stand."""
        agent = seat.profile.number
        while self._ending is None and agent in self.ballot.living:
            if self._may_start(agent):
                end = await self._turn(seat)
                # An agent that was not allowed to go on is not out: its answer of before still counts.
                if self._refused is None or not isinstance(end, Out):
                    self._apply(agent, end)
            else:
                await self._changed.wait()

    def _may_start(self, agent: int) -> bool:
        if agent in self.ballot.valid_votes():
            return False
        if self._is_voting_open or not self.ballot.turns(agent):
            return True
        return all(self.ballot.turns(other) for other in self.ballot.living)

    def _apply(self, agent: int, end: TurnEnd) -> None:
        """Put the end of a turn on record. Nothing awaits in here, so no other turn comes between."""
        match end:
            case Answered(text=text, calls=calls):
                # Another agent may have used up the last answer while this turn was closing: then it goes again.
                if self.may_answer(agent):
                    self._accept(self.ballot.next_answer(agent, text, calls))
            case Voted(choice=choice, reason=reason, epoch=epoch):
                self._record(VoteCast(agent=agent, choice=choice, epoch=epoch, reason=reason))
                if epoch < self.ballot.epoch:
                    self._record(VoteVoided(agent=agent, choice=choice, epoch=epoch, by_epoch=self.ballot.epoch))
            case Out(reason=reason):
                self._record(AgentFailed(agent=agent, reason=reason))
            case _:
                assert_never(end)
        self._settle()

    def _accept(self, answer: Answer) -> None:
        standing = self.ballot.valid_votes().values()
        self._record(
            AnswerAccepted(
                agent=answer.agent, number=answer.number, epoch=answer.epoch, text=answer.text, calls=answer.calls
            )
        )
        for vote in standing:
            self._record(VoteVoided(agent=vote.voter, choice=vote.choice, epoch=vote.epoch, by_epoch=answer.epoch))

    def _record(self, event: RunEvent) -> None:
        if isinstance(event, AnswerAccepted | VoteCast | AgentFailed):
            self.ballot = count(self.ballot, event)
        self._tell_log(event)
        if isinstance(event, ModelUsed):
            self._budget.count(event)
            self._stop_for(self._budget.used_up())

    async def _refusal(self) -> str | None:
        refusal = await self._budget.refusal()
        self._stop_for(refusal)
        return refusal

    def _stop_for(self, refusal: str | None) -> None:
        """Nothing more may be used: what there is must do."""
        if refusal is not None:
            self._refused = refusal
            self._ending = self._ending or Ending.CAPS
            self._notify()

    def _settle(self) -> None:
        majority = self._knobs.consensus == "majority"
        self._ending = self._ending or agreement(self.ballot, majority_suffices=majority)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _open_the_vote(self) -> None:
        self._is_voting_open = True
        self._notify()

    async def _turn(self, seat: Seat) -> TurnEnd:
        agent = seat.profile.number
        number = self.ballot.turns(agent) + 1
        self._record(TurnStarted(agent=agent, turn=number, epoch=self.ballot.epoch))
        occasion = Occasion(purpose="turn", revision=self._question.revision, turn=number, agent=agent)
        limit = self._knobs.subsequent_round_timeout_seconds if number > 1 else None
        deadline = asyncio.timeout(limit)
        try:
            async with deadline:
                return await self._surely(seat, occasion)
        except TimeoutError:
            if not deadline.expired():
                raise
            return Out(reason=f"took longer than {limit or 0:g} s for a turn")

    async def _surely(self, seat: Seat, occasion: Occasion) -> TurnEnd:
        """The end of a turn, which is begun once more after an error that nobody foresaw."""
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._converse(seat, occasion, self._opening(seat), self)
            except Exception as error:
                if is_foreseen(error):
                    raise
                self._record(ModelRetried(agent=occasion.agent, reason=told("a turn", error), wait=0.0))
        try:
            return await self._converse(seat, occasion, self._opening(seat), self)
        except Exception as error:
            if is_foreseen(error):
                raise
            return Out(reason=told("its turn", error))

    async def _converse(self, seat: Seat, occasion: Occasion, opening: str, table: Table) -> TurnEnd:
        conversation = seat.model.converse(prompts.system(seat.profile, len(self._seats), self._knobs), occasion)
        agent = seat.profile.number
        turn = Turn(
            agent,
            model=seat.model,
            conversation=conversation,
            toolbox=Toolbox(agent, seat.tools, seat.reader, self._knobs, self._record),
            table=table,
            knobs=self._knobs,
            clock=self._clock,
            record=self._record,
            refusal=self._refusal,
        )
        try:
            end = await turn.play(opening)
        except BaseException:
            await abandon(conversation)
            raise
        try:
            await conversation.close()
        except ModelError as error:
            return end if isinstance(end, Out) else Out(reason=str(error))
        return end

    def _opening(self, seat: Seat) -> str:
        return prompts.opening(
            self._question.prompt,
            agent=seat.profile.number,
            ballot=self.ballot,
            history=self._question.history,
            feedback=self._question.feedback,
        )

    def _why_nothing(self) -> str:
        by_reason: dict[str, list[str]] = {}
        for agent, reason in self.ballot.failed:
            by_reason.setdefault(reason, []).append(f"agent{agent}")
        reasons = [f"{', '.join(agents)}: {reason}" for reason, agents in by_reason.items()]
        if self._refused is not None:
            reasons.append(self._refused)
        elif self.ballot.living:
            reasons.append(f"nobody else answered within {self._knobs.orchestrator_timeout_seconds:g} s")
        return f"The agents came to no answer. {'; '.join(each.rstrip('.') for each in reasons)}."


@dataclass(frozen=True, kw_only=True)
class _Presenting:
    """The table as the winner sees it while it writes the final answer: nobody else's, and one answer left."""

    ballot: Ballot

    def may_answer(self, agent: int) -> bool:
        """The winner may write its final answer, whatever the caps said before."""
        return agent > 0


async def abandon(conversation: Conversation) -> None:
    """Free a conversation that nobody waits for any more; steps left over are no fault then."""
    with contextlib.suppress(ModelError):
        await conversation.close()
