"""One agent's turn: a fresh conversation that ends in an answer, a vote, or a failure; and how its end is read."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from coordination import prompts
from coordination.budget import Refusal, never
from coordination.domain.ballot import Answer, Ballot
from coordination.domain.canonical_json import parse
from coordination.domain.events import AgentCorrected, AgentTold, ModelRetried, ModelUsed, RunEvent
from coordination.domain.plan import PlannedCall
from coordination.errors import InvalidJsonError, ModelError, ModelFault
from coordination.ports import Clock, Conversation, Model, Reply, Said, Told, ToolCall, ToolResult, ToolSpec
from coordination.prompts import NEW_ANSWER
from coordination.retry import RetryBudget, send_with_retry
from coordination.run_options import Knobs
from coordination.toolbox import Toolbox

_AGENT = re.compile(r"agent([1-9][0-9]{0,3})(?:\.\d+)?")
_REASON_LIMIT = 4_000


@dataclass(frozen=True)
class Proposal:
    """An answer that the model wants to give."""

    text: str


@dataclass(frozen=True)
class Vote:
    """A vote that the model wants to cast."""

    choice: int
    reason: str


@dataclass(frozen=True)
class Refused:
    """Not an end of a turn; the reason is for the model."""

    reason: str


def read_ending(calls: Sequence[ToolCall]) -> Proposal | Vote | Refused:
    """What the workflow calls of one reply say; there must be exactly one."""
    if len(calls) > 1:
        names = " and ".join(sorted({call.name for call in calls}))
        return Refused(f"One turn, one end: you called {names} {len(calls)} times in all. Call exactly one, once.")
    call = calls[0]
    try:
        arguments = parse(call.arguments)
    except InvalidJsonError as error:
        return Refused(f"The arguments of {call.name} are {error}.")
    if not isinstance(arguments, Mapping):
        return Refused(f"The arguments of {call.name} must be one JSON object.")
    return _read_answer(arguments) if call.name == NEW_ANSWER else _read_vote(arguments)


def _read_answer(arguments: Mapping[str, object]) -> Proposal | Refused:
    match arguments:
        case {"content": str(content)} if content.strip() and len(arguments) == 1:
            return Proposal(text=content)
        case _:
            return Refused("new_answer takes exactly one argument, `content`: your answer as text, not empty.")


def _read_vote(arguments: Mapping[str, object]) -> Vote | Refused:
    match arguments:
        case {"agent_id": str(agent), "reason": str(reason)} if len(arguments) == 2:
            named = _AGENT.fullmatch(agent.strip())
            if named is None:
                return Refused(f"{agent[:50]!r} is no agent. Name one as agent1, agent2 and so on.")
            return Vote(choice=int(named[1]), reason=reason[:_REASON_LIMIT])
        case _:
            return Refused("vote takes exactly two arguments, both text: `agent_id` and `reason`.")


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The turn ended in a new answer."""

    text: str
    calls: tuple[PlannedCall, ...]


@dataclass(frozen=True, kw_only=True)
class Voted:
    """The turn ended in a vote, cast by one who had seen `epoch`."""

    choice: int
    reason: str
    epoch: int


@dataclass(frozen=True, kw_only=True)
class Out:
    """The turn ended in failure: the agent takes no further part."""

    reason: str


TurnEnd: TypeAlias = Answered | Voted | Out


class Table(Protocol):
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
        table: Table,
        knobs: Knobs,
        clock: Clock,
        record: Callable[[RunEvent], None],
        refusal: Refusal = never,
    ) -> None:
        """Everything that a turn may touch; among it nothing that could run a deferred call.

        `refusal` is asked before every model call, and ends the turn if it says anything.
        """
        self._agent = agent
        self._model = model
        self._conversation = conversation
        self._toolbox = toolbox
        self._table = table
        self._knobs = knobs
        self._clock = clock
        self._record = record
        self._refusal = refusal
        self._at_first = self._known = table.ballot
        self._updates = 0
        self._corrections = 0

    async def play(self, opening: str) -> TurnEnd:
        """Talk with the model until the turn has an end."""
        said: list[Said] = [Told(text=opening)]
        for _ in range(self._knobs.max_tool_rounds + self._knobs.max_corrections):
            try:
                reply = await self._send(said)
            except ModelError as error:
                if not error.successor:
                    return Out(reason=str(error))
                said = self._begin_again(error, opening)
                continue
            outcome = await self._take(reply)
            if not isinstance(outcome, list):
                return outcome
            if self._corrections > self._knobs.max_corrections:
                return Out(reason=f"broke the rules of a turn {self._corrections} times")
            said = [*outcome, *self._news()]
        return Out(reason=f"did not answer or vote within {self._knobs.max_tool_rounds} rounds of tool calls")

    def _begin_again(self, error: ModelError, opening: str) -> list[Said]:
        """The turn as at its beginning, for the model that takes it over."""
        self._toolbox.actions.clear()
        self._known = self._at_first
        words = f"{str(error).removesuffix('.')}. Its fallback {error.successor} begins the turn again."
        self._record(ModelRetried(agent=self._agent, reason=words, wait=0.0))
        return [Told(text=opening)]

    async def _send(self, said: Sequence[Said]) -> Reply:
        refusal = await self._refusal()
        if refusal is not None:
            raise ModelError(ModelFault.OUT_OF_BUDGET, refusal)
        try:
            reply = await send_with_retry(
                self._conversation,
                said,
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
        """The ends that the turn may have. They change with the answers the agent knows, so that prompts stay cacheable."""
        may_answer = self._table.may_answer(self._agent)
        return prompts.workflow_tools(self._known if may_answer else self._table.ballot, may_answer=may_answer)

    async def _on_retry(self, error: ModelError, wait: float) -> None:
        record_wasted(self._agent, self._model, error, self._record)
        self._record(ModelRetried(agent=self._agent, reason=str(error), wait=wait))
        refusal = await self._refusal()
        if refusal is not None:
            raise ModelError(ModelFault.OUT_OF_BUDGET, refusal)

    async def _take(self, reply: Reply) -> TurnEnd | list[Said]:
        """The end of the turn, or what the model is told next."""
        workflow = [call for call in reply.calls if call.name in (prompts.NEW_ANSWER, prompts.VOTE)]
        tools = [call for call in reply.calls if call not in workflow]
        results = await self._toolbox.use(tools)
        if not workflow:
            return list(results) if tools else [self._correct(_NO_CALL)]
        ending = self._judge(workflow, results)
        if not isinstance(ending, Refused):
            return ending
        reason = self._correct(ending.reason).text
        answers = {result.call_id: result for result in results}
        return [answers.get(call.id) or ToolResult(call_id=call.id, text=reason, is_error=True) for call in reply.calls]

    def _judge(self, workflow: Sequence[ToolCall], results: Sequence[ToolResult]) -> TurnEnd | Refused:
        proposal = read_ending(workflow)
        match proposal:
            case Refused():
                return proposal
            case Vote():
                return self._judge_vote(proposal)
            case Proposal() if any(result.is_error for result in results):
                return Refused("A tool call beside this answer failed, so the answer is not accepted. Mend that first.")
            case Proposal():
                return self._judge_answer(proposal)

    def _judge_vote(self, vote: Vote) -> Voted | Refused:
        newest = self._table.ballot.newest()
        if vote.choice not in newest:
            candidates = ", ".join(f"agent{agent}" for agent in newest)
            return Refused(f"You can vote only for an agent that has an answer: {candidates or 'nobody has one yet'}.")
        return Voted(choice=vote.choice, reason=vote.reason, epoch=self._known.epoch)

    def _judge_answer(self, proposal: Proposal) -> Answered | Refused:
        calls = tuple(self._toolbox.actions)
        limit = self._knobs.max_answer_characters
        if len(proposal.text) > limit:
            return Refused(f"The answer has {len(proposal.text)} characters; {limit} are allowed. Write a shorter one.")
        if not self._table.may_answer(self._agent):
            return Refused("You have used up your answers. Vote for the best one.")
        twin = self._twin(proposal.text, calls)
        if twin is not None:
            return Refused(f"That is {twin.label} again, in text and plan. Vote for it, or answer differently.")
        return Answered(text=proposal.text, calls=calls)

    def _twin(self, text: str, calls: tuple[PlannedCall, ...]) -> Answer | None:
        """An answer that says the same, or nearly, as strictly as the config asks."""
        requirement = self._knobs.answer_novelty_requirement
        alike = {"lenient": 1.0, "balanced": 0.7, "strict": 0.5}[requirement]
        for answer in self._table.ballot.answers:
            if answer.says_the_same_as(text, calls):
                return answer
            if alike < 1 and answer.calls == calls and _overlap(answer.text, text) > alike:
                return answer
        return None

    def _correct(self, reason: str) -> Told:
        self._corrections += 1
        self._record(AgentCorrected(agent=self._agent, reason=reason))
        return Told(text=reason)

    def _news(self) -> list[Said]:
        """The answers that came in meanwhile; an agent that has not answered yet is left alone."""
        ballot = self._table.ballot
        if self._known.epoch >= ballot.epoch or self._updates >= self._knobs.max_midstream_updates:
            return []
        if not ballot.answered(self._agent) and not self._corrections:
            return []
        unseen = [answer for answer in ballot.newest().values() if answer.epoch > self._known.epoch]
        self._known = ballot
        self._updates += 1
        self._record(AgentTold(agent=self._agent, epoch=ballot.epoch))
        return [Told(text=prompts.update(unseen, self._agent))]


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
