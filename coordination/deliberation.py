"""Several agents, one ballot: they answer, see each other's answers, refine and vote until they agree.

This module holds no executor. Whatever the models do, the most that comes out is an election.
"""

import asyncio
import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from coordination import prompts
from coordination.agent_turn import AnswerGiven, BallotView, Turn, TurnEnd, TurnFailed, VoteGiven
from coordination.budget import Budget
from coordination.declared_results import returns
from coordination.domain.ballot import Answer, Ballot, Election, Ending, agreement, elect
from coordination.domain.canonical_json import Json
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
from coordination.domain.provenance import ReadIndex
from coordination.domain.states import Feedback
from coordination.domain.transitions import count
from coordination.errors import CoordinationError, ModelError
from coordination.ports import (
    Clock,
    Conversation,
    Model,
    ReadTools,
    ToolCall,
    ToolDefinition,
    ToolResult,
    ToolSpec,
    TurnContext,
)
from coordination.questions import PeopleAsked
from coordination.run_options import AgentProfile, RunOptions
from coordination.run_writer import ATTEMPTS, is_foreseen, no_stray_cancellation, told
from coordination.text import Text
from coordination.toolbox import AsksPeople, OfferedTool, Toolbox


@dataclass(frozen=True, kw_only=True)
class Participant:
    """An agent at the table: its profile, its model, the tools it may see, and what it must do without.

    Attributes:
        absent: its servers that can't be used now.
        unusable: the tools that nobody can use, by the name that each would be offered under.
    """

    profile: AgentProfile
    model: Model
    tools: Mapping[str, OfferedTool]
    reader: ReadTools
    absent: tuple[str, ...] = ()
    unusable: Mapping[str, ToolDefinition] = field(default_factory=dict[str, ToolDefinition])


@dataclass(frozen=True, kw_only=True)
class DeliberationInput:
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
        question: DeliberationInput,
        participants: Sequence[Participant],
        *,
        ballot: Ballot,
        options: RunOptions,
        clock: Clock,
        record: Callable[[RunEvent], None],
        budget: Budget | None = None,
        people: PeopleAsked | None = None,
        started_today: Mapping[str, int] | None = None,
        sources: ReadIndex | None = None,
    ) -> None:
        """`record` is told of everything at once and in order; `people` can be asked.

        `started_today` has the calls that count for caps of the day, and `sources` is what was read so far.
        """
        self._started_today = started_today
        self.ballot = ballot
        self._question = question
        self._participants = participants
        self._options = options
        self._clock = clock
        self._tell_log = record
        self._budget = budget or Budget(options)
        self._people = people
        self._deadline = asyncio.timeout(None)
        self._time = _StoppableTime(self._deadline)
        self._refused: Text | None = None
        self._changed = asyncio.Event()
        self._is_voting_open = not options.defer_voting
        self._ending: Ending | None = None
        self._read: dict[int, list[tuple[str, Json]]] = {}
        self._sources = ReadIndex() if sources is None else sources
        self._sources.asked = self._asked_for

    async def run(self) -> Election:
        """Let the agents work until they agree, or the caps or the deadline stop them.

        Raises:
            DeliberationFailed: there is no answer to elect.
        """
        self._settle()
        timer = asyncio.get_running_loop().call_later(self._options.initial_round_timeout_seconds, self._open_the_vote)
        try:
            async with self._deadline:
                self._deadline.reschedule(
                    asyncio.get_running_loop().time() + self._options.orchestrator_timeout_seconds
                )
                await self._until_settled()
        except TimeoutError:
            self._ending = self._ending or Ending.DEADLINE
        finally:
            timer.cancel()
        # An answer that was accepted outlives its agent: people decide on it, and are told that nobody voted.
        ending = self._ending or (Ending.DEADLINE if self.ballot.living else Ending.UNVOTED)
        election = elect(self.ballot, ending)
        if election is None:
            raise DeliberationFailed(self._why_nothing())
        return election

    async def present(self, election: Election) -> Answer | None:
        """Have the winner write its answer and its calls anew, still with tied hands; None if it can't."""
        winner = election.winner
        if winner.agent not in self.ballot.living:
            return None
        participant = self._participants[winner.agent - 1]
        turn_context = TurnContext(
            purpose="presentation", revision=self._question.revision, turn=1, agent=participant.profile.number
        )
        opening = "\n\n".join((self._opening(participant), prompts.presentation(self.ballot, winner)))
        table = _Presenting(ballot=replace(self.ballot, answers=()))
        try:
            end = await self._converse(participant, turn_context, opening, table)
        except Exception as error:
            if is_foreseen(error):
                raise
            told(Text("the final presentation"), error)
            return None
        if not isinstance(end, AnswerGiven):
            return None
        return replace(winner, text=end.text, calls=end.calls, left_out=end.left_out)

    def may_answer(self, agent: int) -> bool:
        """Whether the caps leave this agent an answer."""
        most = self._options.max_new_answers_global
        if most is not None and len(self.ballot.answers) >= most:
            return False
        return self.ballot.answered(agent) < self._options.max_new_answers_per_agent

    async def _until_settled(self) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._run_agent(participant)) for participant in self._participants]
            while self._ending is None and self.ballot.living:
                await self._changed.wait()
            for task in tasks:
                task.cancel()

    async def _run_agent(self, participant: Participant) -> None:
        """One agent's part: turn after turn, as long as its vote does not stand."""
        agent = participant.profile.number
        with no_stray_cancellation():
            while self._ending is None and agent in self.ballot.living:
                if self._may_start(agent):
                    end = await self._turn(participant)
                    # An agent that was not allowed to go on is not out: its answer of before still counts.
                    if self._refused is None or not isinstance(end, TurnFailed):
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
            case AnswerGiven(text=text, calls=calls, left_out=left_out):
                # Another agent may have used up the last answer while this turn was closing: then it goes again.
                if self.may_answer(agent):
                    self._accept(self.ballot.next_answer(agent, text, calls, left_out))
            case VoteGiven(choice=choice, reason=reason, epoch=epoch):
                self._record(VoteCast(agent=agent, choice=choice, epoch=epoch, reason=reason))
                if epoch < self.ballot.epoch:
                    self._record(VoteVoided(agent=agent, choice=choice, epoch=epoch, by_epoch=self.ballot.epoch))
            case TurnFailed(reason=reason):
                self._record(AgentFailed(agent=agent, reason=reason))
            case _:
                assert_never(end)
        self._settle()

    def _accept(self, answer: Answer) -> None:
        standing = self.ballot.valid_votes().values()
        self._record(
            AnswerAccepted(
                agent=answer.agent,
                number=answer.number,
                epoch=answer.epoch,
                text=answer.text,
                calls=answer.calls,
                left_out=answer.left_out,
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

    async def _refusal(self) -> Text | None:
        refusal = await self._budget.refusal()
        self._stop_for(refusal)
        return refusal

    def _stop_for(self, refusal: Text | None) -> None:
        """Nothing more may be used: what there is must do."""
        if refusal is not None:
            self._refused = refusal
            self._ending = self._ending or Ending.CAPS
            self._notify()

    def _settle(self) -> None:
        majority = self._options.consensus == "majority"
        self._ending = self._ending or agreement(self.ballot, majority_suffices=majority)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _open_the_vote(self) -> None:
        self._is_voting_open = True
        self._notify()

    async def _turn(self, participant: Participant) -> TurnEnd:
        agent = participant.profile.number
        number = self.ballot.turns(agent) + 1
        self._record(TurnStarted(agent=agent, turn=number, epoch=self.ballot.epoch))
        turn_context = TurnContext(purpose="turn", revision=self._question.revision, turn=number, agent=agent)
        limit = self._options.subsequent_round_timeout_seconds if number > 1 else None
        deadline = asyncio.timeout(limit)
        try:
            async with deadline:
                return await self._surely(participant, turn_context, deadline)
        except TimeoutError:
            if not deadline.expired():
                raise
            return TurnFailed(reason=Text("took longer than {seconds:g} s for a turn", seconds=limit or 0))

    async def _surely(self, participant: Participant, turn_context: TurnContext, deadline: asyncio.Timeout) -> TurnEnd:
        """The end of a turn, which is begun once more after an error that nobody foresaw."""
        people = None if self._people is None else _OffTheClock(self._people, _StoppableTime(deadline), self._time)
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._converse(participant, turn_context, self._opening(participant), self, people)
            except Exception as error:
                if is_foreseen(error):
                    raise
                self._record(ModelRetried(agent=turn_context.agent, reason=told(Text("a turn"), error), wait=0.0))
        try:
            return await self._converse(participant, turn_context, self._opening(participant), self, people)
        except Exception as error:
            if is_foreseen(error):
                raise
            return TurnFailed(reason=told(Text("its turn"), error))

    async def _converse(
        self,
        participant: Participant,
        turn_context: TurnContext,
        opening: str,
        ballot_view: BallotView,
        people: AsksPeople | None = None,
    ) -> TurnEnd:
        refers = returns([tool.output_schema for tool in participant.tools.values()])
        count = len(self._participants)
        conversation = participant.model.converse(
            prompts.system(participant.profile, count, self._options, participant.absent, refers=refers),
            turn_context,
        )
        agent = participant.profile.number
        turn = Turn(
            agent,
            model=participant.model,
            conversation=conversation,
            toolbox=self._toolbox(participant, people),
            ballot_view=ballot_view,
            options=self._options,
            clock=self._clock,
            record=self._record,
            refusal=self._refusal,
        )
        try:
            with no_stray_cancellation():
                end = await turn.play(opening)
        except BaseException:
            await abandon(conversation)
            raise
        try:
            await conversation.close()
        except ModelError as error:
            return end if isinstance(end, TurnFailed) else TurnFailed(reason=error.text)
        return end

    def _toolbox(self, participant: Participant, people: AsksPeople | None) -> Toolbox:
        return Toolbox(
            participant.profile.number,
            participant.tools,
            participant.reader,
            self._options,
            self._record,
            participant.unusable,
            people=people,
            read=self._read.setdefault(participant.profile.number, []),
            started_today=self._started_today,
            sources=self._sources,
        )

    def _asked_for(self) -> str:
        """All that people have said of what they want: a call that repeats it repeats nobody else."""
        told = [self._question.prompt, *(each.prompt for each in self._question.history)]
        told += [each.text for each in self._question.feedback]
        told += [each.answer or "" for each in (() if self._people is None else self._people.questions)]
        return "\n".join(told)

    def _opening(self, participant: Participant) -> str:
        return prompts.opening(
            self._question.prompt,
            agent=participant.profile.number,
            ballot=self.ballot,
            history=self._question.history,
            feedback=self._question.feedback,
            questions=() if self._people is None else self._people.questions,
        )

    def _why_nothing(self) -> Text:
        by_reason: dict[str, list[str]] = {}
        for agent, reason in self.ballot.failed:
            by_reason.setdefault(reason, []).append(f"agent{agent}")
        reasons = [
            Text("{agents}: {reason:.}", agents=", ".join(agents), reason=reason)
            for reason, agents in by_reason.items()
        ]
        if self._refused is not None:
            reasons.append(Text("{reason:.}", reason=self._refused))
        elif self.ballot.living:
            limit = self._options.orchestrator_timeout_seconds
            reasons.append(Text("nobody else answered within {seconds:g} s", seconds=limit))
        return Text("The agents found no answer. {reasons}.", reasons=Text.joined("; ", reasons))


@dataclass(frozen=True)
class _OffTheClock:
    """Asks people; the time that they take counts neither for the turn nor for the run."""

    people: PeopleAsked
    of_turn: "_StoppableTime"
    of_run: "_StoppableTime"

    def specs(self) -> tuple[ToolSpec, ...]:
        """As `AsksPeople` has it."""
        return self.people.specs()

    async def use(self, agent: int, call: ToolCall) -> ToolResult:
        """As `AsksPeople` has it."""
        with self.of_run.stopped(), self.of_turn.stopped():
            return await self.people.use(agent, call)


class _StoppableTime:
    """A deadline that stands still while anybody waits for people."""

    def __init__(self, deadline: asyncio.Timeout) -> None:
        self._deadline = deadline
        self._waiting = 0
        self._left: float | None = None

    @contextlib.contextmanager
    def stopped(self) -> Generator[None]:
        """Within, its time does not pass."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(RuntimeError):  # It may be over at this moment.
            if not self._waiting:
                when = self._deadline.when()
                self._left = None if when is None else when - loop.time()
                self._deadline.reschedule(None)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting and self._left is not None:
                with contextlib.suppress(RuntimeError):
                    self._deadline.reschedule(loop.time() + self._left)


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
