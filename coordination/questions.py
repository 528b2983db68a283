"""What agents ask the requester while they plan.

To them it is a tool like any other, to everybody else an event in the log.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from coordination import prompts
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.canonical_json import parse
from coordination.errors import InvalidJsonError
from coordination.ports import Clock, ToolCall, ToolResult, ToolSpec
from coordination.run_options import RunOptions
from coordination.run_writer import RunWriter

MAX_QUESTION = 1_000
"""Characters of a question."""


class PeopleAsked:
    """The questions of one run's agents, and the wait for their answers.

    A question of before a crash is not asked twice.
    """

    def __init__(self, writer: RunWriter, clock: Clock, options: RunOptions) -> None:
        """Whoever follows the log calls `look` when somebody has answered."""
        self._writer = writer
        self._clock = clock
        self._options = options
        self._asking = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def questions(self) -> tuple[s.Question, ...]:
        """What was asked so far, in the whole run."""
        state = self._writer.state
        return state.questions if isinstance(state, s.Deliberating) else ()

    def specs(self) -> tuple[ToolSpec, ...]:
        """The tool, where the configuration lets agents ask."""
        return (prompts.ask_people_tool(self._options),) if self._options.questions_per_agent else ()

    def look(self) -> None:
        """Somebody may have answered."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def use(self, agent: int, call: ToolCall) -> ToolResult:
        """Put a question to the requester, and wait for the answer or for the end of its time."""
        text = _question_in(call)
        if text is None:
            words = f"ask_people takes exactly one argument, `question`: a text of at most {MAX_QUESTION:,} characters."
            return ToolResult(call_id=call.id, text=words, is_error=True)
        async with self._asking:
            question = self._known(text)
            if question is None and self._used_up(agent):
                words = (
                    f"You have asked {self._options.questions_per_agent} times, and may not ask again. Decide yourself."
                )
                return ToolResult(call_id=call.id, text=words, is_error=True)
            number = question.number if question is not None else await self._ask(agent, text)
        return ToolResult(call_id=call.id, text=prompts.people_said(await self._end_of(number)))

    def _known(self, text: str) -> s.Question | None:
        """The same question, if anybody has asked it."""
        plain = text.casefold().split()
        return next((each for each in self.questions if each.text.casefold().split() == plain), None)

    def _used_up(self, agent: int) -> bool:
        return sum(each.agent == agent for each in self.questions) >= self._options.questions_per_agent

    async def _ask(self, agent: int, text: str) -> int:
        number = len(self.questions) + 1
        until = self._clock.now() + timedelta(seconds=self._options.question_timeout_seconds)
        await self._writer.commit(e.QuestionAsked(agent=agent, number=number, text=text, until=until))
        return number

    async def _end_of(self, number: int) -> s.Question:
        """The question, once it is answered or its time is over."""
        left = (self.questions[number - 1].until - self._clock.now()).total_seconds()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, left)):
                while self.questions[number - 1].answer is None:
                    await self._changed.wait()
        question = self.questions[number - 1]
        if question.answer is None and not question.is_over:
            await self._writer.commit(e.QuestionExpired(number=number))
        return self.questions[number - 1]


def _question_in(call: ToolCall) -> str | None:
    try:
        given = parse(call.arguments or "{}")
    except InvalidJsonError:
        return None
    text = given.get("question") if isinstance(given, Mapping) and len(given) == 1 else None
    return text.strip() if isinstance(text, str) and 0 < len(text.strip()) <= MAX_QUESTION else None
