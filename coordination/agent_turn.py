"""One agent's turn: a fresh conversation that ends in an answer, a vote, or a failure; and how its end is read."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from coordination import prompts
from coordination.budget import BudgetCheck, never
from coordination.domain.ballot import Answer, Ballot
from coordination.domain.canonical_json import parse
from coordination.domain.events import AgentCorrected, AgentTold, ModelRetried, ModelUsed, RunEvent
from coordination.domain.plan import PlannedCall
from coordination.errors import InvalidJsonError, ModelError, ModelFault
from coordination.ports import (
    Clock,
    Conversation,
    InputMessage,
    Model,
    Reply,
    ToolCall,
    ToolResult,
    ToolSpec,
    UserMessage,
)
from coordination.prompts import NEW_ANSWER
from coordination.retry import RetryBudget, send_with_retry
from coordination.run_options import RunOptions
from coordination.text import Text
from coordination.toolbox import Toolbox

_AGENT = re.compile(r"agent([1-9][0-9]{0,3})(?:\.\d+)?")
_REASON_LIMIT = 4_000


@dataclass(frozen=True)
class AnswerProposal:
    """An answer that the model wants to give."""

    text: str


@dataclass(frozen=True)
class VoteProposal:
    """A vote that the model wants to cast."""

    choice: int
    reason: str


@dataclass(frozen=True)
class InvalidEnding:
    """Not an end of a turn; the reason is for the model."""

    reason: str


def read_ending(calls: Sequence[ToolCall]) -> AnswerProposal | VoteProposal | InvalidEnding:
    """What the workflow calls of one reply say; there must be exactly one."""
    if len(calls) > 1:
        names = " and ".join(sorted({call.name for call in calls}))
        return InvalidEnding(
            f"One turn, one end: you called {names} {len(calls)} times in all. Call exactly one, once."
        )
    call = calls[0]
    try:
        arguments = parse(call.arguments)
    except InvalidJsonError as error:
        return InvalidEnding(f"The arguments of {call.name} are {error}.")
    if not isinstance(arguments, Mapping):
        return InvalidEnding(f"The arguments of {call.name} must be one JSON object.")
    return _read_answer(arguments) if call.name == NEW_ANSWER else _read_vote(arguments)


def _read_answer(arguments: Mapping[str, object]) -> AnswerProposal | InvalidEnding:
    match arguments:
        case {"content": str(content)} if content.strip() and len(arguments) == 1:
            return AnswerProposal(text=content)
        case _:
            return InvalidEnding("new_answer takes exactly one argument, `content`: your answer as text, not empty.")


def _read_vote(arguments: Mapping[str, object]) -> VoteProposal | InvalidEnding:
    match arguments:
        case {"agent_id": str(agent), "reason": str(reason)} if len(arguments) == 2:
            named = _AGENT.fullmatch(agent.strip())
            if named is None:
                return InvalidEnding(f"{agent[:50]!r} is no agent. Name one as agent1, agent2 and so on.")
            return VoteProposal(choice=int(named[1]), reason=reason[:_REASON_LIMIT])
        case _:
            return InvalidEnding("vote takes exactly two arguments, both text: `agent_id` and `reason`.")


@dataclass(frozen=True, kw_only=True)
class AnswerGiven:
    """The turn ended in a new answer."""

    text: str
    calls: tuple[PlannedCall, ...]
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class VoteGiven:
    """The turn ended in a vote, cast by one who had seen `epoch`."""

    choice: int
    reason: str
    epoch: int


@dataclass(frozen=True, kw_only=True)
class TurnFailed:
    """The turn ended in failure: the agent takes no further part."""

    reason: Text


TurnEnd: TypeAlias = AnswerGiven | VoteGiven | TurnFailed


class BallotView(Protocol):
    """What a turn sees of the others, as it is at that moment."""

    @property
    def ballot(self) -> Ballot:
        """All answers and votes so far."""
        ...

    def may_answer(self, agent: int) -> bool:
        """Whether the caps leave this agent an answer."""
        ...


class Turn:
    """One turn under way. It is fair to the agent: it is corrected before it is put out."""

    def __init__(
        self,
        agent: int,
        *,
        model: Model,
        conversation: Conversation,
        toolbox: Toolbox,
        ballot_view: BallotView,
        options: RunOptions,
        clock: Clock,
        record: Callable[[RunEvent], None],
        refusal: BudgetCheck = never,
    ) -> None:
        """Everything that a turn may touch; among it nothing that could run a deferred call.

        `refusal` is asked before every model call, and ends the turn if it says anything.
        """
        self._agent = agent
        self._model = model
        self._conversation = conversation
        self._toolbox = toolbox
        self._ballot_view = ballot_view
        self._options = options
        self._clock = clock
        self._record = record
        self._refusal = refusal
        self._at_first = self._known = ballot_view.ballot
        self._updates = 0
        self._corrections = 0

    async def play(self, opening: str) -> TurnEnd:
        """Talk with the model until the turn has an end."""
        said: list[InputMessage] = [UserMessage(text=opening)]
        for _ in range(self._options.max_tool_rounds + self._options.max_corrections):
            try:
                reply = await self._send(said)
            except ModelError as error:
                if not error.successor:
                    return TurnFailed(reason=error.text)
                said = self._begin_again(error, opening)
                continue
            outcome = await self._take(reply)
            if not isinstance(outcome, list):
                return outcome
            if self._corrections > self._options.max_corrections:
                return TurnFailed(reason=self._out(reply))
            said = [*outcome, *self._news()]
        return TurnFailed(
            reason=Text(
                "did not answer or vote within {rounds} rounds of tool calls",
                rounds=self._options.max_tool_rounds,
            )
        )

    def _begin_again(self, error: ModelError, opening: str) -> list[InputMessage]:
        """The turn as at its beginning, for the model that takes it over."""
        self._toolbox.clear()
        self._known = self._at_first
        words = Text("{why:.}. Its fallback {model} starts the turn over.", why=error.text, model=error.successor)
        self._record(ModelRetried(agent=self._agent, reason=words, wait=0.0))
        return [UserMessage(text=opening)]

    async def _send(self, inputs: Sequence[InputMessage]) -> Reply:
        refusal = await self._refusal()
        if refusal is not None:
            raise ModelError(ModelFault.OUT_OF_BUDGET, refusal)
        try:
            reply = await send_with_retry(
                self._conversation,
                inputs,
                (*self._toolbox.specs(), *self._workflow()),
                clock=self._clock,
                budget=RetryBudget(),
                on_retry=self._on_retry,
            )
        except ModelError as error:
            record_wasted(self._agent, self._model, error, self._record)
            raise
        self._record(used(self._agent, self._model, reply))
        return reply

    def _workflow(self) -> tuple[ToolSpec, ...]:
        """The ends that the turn may have.

        They change with the answers the agent knows, so that prompts stay cacheable.
        """
        may_answer = self._ballot_view.may_answer(self._agent)
        return prompts.workflow_tools(self._known if may_answer else self._ballot_view.ballot, may_answer=may_answer)

    async def _on_retry(self, error: ModelError, wait: float) -> None:
        record_wasted(self._agent, self._model, error, self._record)
        self._record(ModelRetried(agent=self._agent, reason=error.text, wait=wait))
        refusal = await self._refusal()
        if refusal is not None:
            raise ModelError(ModelFault.OUT_OF_BUDGET, refusal)

    async def _take(self, reply: Reply) -> TurnEnd | list[InputMessage]:
        """The end of the turn, or what the model is told next."""
        workflow = [call for call in reply.calls if call.name in (prompts.NEW_ANSWER, prompts.VOTE)]
        tools = [call for call in reply.calls if call not in workflow]
        results = await self._toolbox.use(tools)
        if not workflow:
            return list(results) if tools else [self._correct(_NO_CALL, said=reply.text)]
        ending = self._judge(workflow, results)
        if not isinstance(ending, InvalidEnding):
            return ending
        reason = self._correct(ending.reason).text
        answers = {result.call_id: result for result in results}
        return [answers.get(call.id) or ToolResult(call_id=call.id, text=reason, is_error=True) for call in reply.calls]

    def _judge(self, workflow: Sequence[ToolCall], results: Sequence[ToolResult]) -> TurnEnd | InvalidEnding:
        proposal = read_ending(workflow)
        match proposal:
            case InvalidEnding():
                return proposal
            case VoteProposal():
                return self._judge_vote(proposal)
            case AnswerProposal() if any(result.is_error for result in results):
                return InvalidEnding(
                    "A tool call beside this answer failed, so the answer is not accepted. Mend that first."
                )
            case AnswerProposal():
                return self._judge_answer(proposal)

    def _judge_vote(self, vote: VoteProposal) -> VoteGiven | InvalidEnding:
        newest = self._ballot_view.ballot.newest()
        if vote.choice not in newest:
            candidates = ", ".join(f"agent{agent}" for agent in newest)
            return InvalidEnding(
                f"You can vote only for an agent that has an answer: {candidates or 'nobody has one yet'}."
            )
        return VoteGiven(choice=vote.choice, reason=vote.reason, epoch=self._known.epoch)

    def _judge_answer(self, proposal: AnswerProposal) -> AnswerGiven | InvalidEnding:
        calls = tuple(self._toolbox.actions)
        limit = self._options.max_answer_characters
        if len(proposal.text) > limit:
            return InvalidEnding(
                f"The answer has {len(proposal.text)} characters; {limit} are allowed. Write a shorter one."
            )
        if not self._ballot_view.may_answer(self._agent):
            return InvalidEnding("You have used up your answers. Vote for the best one.")
        twin = self._twin(proposal.text, calls)
        if twin is not None:
            # A model that answers once more records its calls once more: what it has recorded would be planned twice.
            self._toolbox.clear()
            dropped = f" {_DROPPED}" if calls else ""
            return InvalidEnding(
                f"That is {twin.label} again, in text and plan. Vote for it, or answer differently.{dropped}"
            )
        return AnswerGiven(text=proposal.text, calls=calls, left_out=self._toolbox.left_out)

    def _twin(self, text: str, calls: tuple[PlannedCall, ...]) -> Answer | None:
        """An answer that says the same, or nearly, as strictly as the config asks."""
        requirement = self._options.answer_novelty_requirement
        alike = {"lenient": 1.0, "balanced": 0.7, "strict": 0.5}[requirement]
        for answer in self._ballot_view.ballot.answers:
            if answer.says_the_same_as(text, calls):
                return answer
            if alike < 1 and answer.calls == calls and _overlap(answer.text, text) > alike:
                return answer
        return None

    def _correct(self, reason: str, *, said: str = "") -> UserMessage:
        """What the model is told.

        People are told what it `said` in place of a call, which nobody would see otherwise.
        """
        self._corrections += 1
        words = _quoted(said, _MOST_SAID)
        self._record(
            AgentCorrected(
                agent=self._agent,
                reason=Text("it called no tool, and wrote: {words}", words=words) if words else reason,
            )
        )
        return UserMessage(text=reason)

    def _out(self, reply: Reply) -> Text:
        """Why a turn is over that was corrected too often, in its model's own words where that is what it has."""
        reason = Text("broke the rules of a turn {times} times", times=self._corrections)
        words = _quoted(reply.text, _MOST_SAID_AT_LAST)
        if reply.calls or not words:
            return reason
        return Text("{reason}; in the end it called no tool, and wrote: {words}", reason=reason, words=words)

    def _news(self) -> list[InputMessage]:
        """The answers that came in meanwhile; an agent that has not answered yet is left alone."""
        ballot = self._ballot_view.ballot
        if self._known.epoch >= ballot.epoch or self._updates >= self._options.max_midstream_updates:
            return []
        if not ballot.answered(self._agent) and not self._corrections:
            return []
        unseen = [answer for answer in ballot.newest().values() if answer.epoch > self._known.epoch]
        self._known = ballot
        self._updates += 1
        self._record(AgentTold(agent=self._agent, epoch=ballot.epoch))
        return [UserMessage(text=prompts.update(unseen, self._agent))]


_MOST_SAID = 2_000
_MOST_SAID_AT_LAST = 200


def _quoted(text: str, longest: int) -> str:
    """The beginning of what a model said; nothing where it said nothing."""
    said = text.strip()
    return f"{said[:longest]}…" if len(said) > longest else said


_DROPPED = "The calls that you recorded in this turn are dropped: record anew what your next answer needs."
_NO_CALL = f"Nobody sees text outside a call. End your turn with `{prompts.NEW_ANSWER}` or `{prompts.VOTE}`."


def used(agent: int, model: Model, reply: Reply) -> ModelUsed:
    """The event that accounts for one model call."""
    return ModelUsed(
        agent=agent,
        model=reply.model or model.name,
        input_tokens=reply.usage.input_tokens,
        cached_tokens=reply.usage.cached_tokens,
        output_tokens=reply.usage.output_tokens,
        cost=reply.usage.cost,
        is_estimated=reply.usage.is_estimated,
    )


def record_wasted(agent: int, model: Model, error: ModelError, record: Callable[[RunEvent], None]) -> None:
    """Account for a model call that failed, if it has cost something all the same."""
    if error.spent is not None:
        read, written, cost = error.spent
        record(
            ModelUsed(
                agent=agent,
                model=model.name,
                input_tokens=read,
                cached_tokens=0,
                output_tokens=written,
                cost=cost,
                is_estimated=True,
            )
        )


def _overlap(left: str, right: str) -> float:
    """The share of the smaller vocabulary that both texts have in common."""
    words, others = set(left.lower().split()), set(right.lower().split())
    return len(words & others) / max(1, min(len(words), len(others)))
