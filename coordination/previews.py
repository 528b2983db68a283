"""What calls would change is read when a plan is made, shown to people, and read again before anything is sent.

Only tools that the rules let run as reads are asked, on behalf of who made the request. A preview that writes does not
exist: a tool's own dry run goes by the name of the tool that writes, and a server that knew no dry run would simply do
it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

from coordination.domain import text_diff
from coordination.domain.canonical_json import JsonObject
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.preview import Preview, Problem, Question, Reading, arguments_of, digest_of
from coordination.domain.tool_rules import Effect
from coordination.errors import ToolServerError
from coordination.json_schema import verdict
from coordination.ports import ReadTools, ToolOutput
from coordination.text import Text
from coordination.toolbox import OfferedTool

SECONDS = 20.0
"""What one read may take."""

AT_ONCE = 20
"""Reads under way at any moment on one server."""

MAX_KEPT = 20_000
"""Characters of one reading that a plan keeps; of a longer one it keeps the digest."""

MAX_KEPT_OF_PLAN = 200_000
"""Characters of all readings that a plan keeps."""

_PROBLEMS: Mapping[Problem, Text] = {
    "late": Text("it took too long to answer"),
    "writes": Text("its server now says that it writes"),
    "shape": Text("its answer lacks the part that the rule shows"),
}

_DETAIL = 300
_FEW = 4
_LINE = 80


class PinnedReads(Protocol):
    """Knows of each tool whether it still is what it was, as an `Executor` does."""

    async def definition_digest(self, server: str, tool: str, expected: str = "") -> str | None:
        """The digest of a tool's definition at this moment, or soon after if it is not yet the `expected` one."""
        ...

    async def settings_digest(self, server: str) -> str:
        """The fingerprint of a server's settings at this moment."""
        ...


MayRead: TypeAlias = Callable[[str, str, JsonObject], bool]
"""Whether the rules of now let a server's tool run as a read with these arguments."""


def questions_of(calls: Iterable[PlannedCall]) -> list[Question]:
    """What is to be read for these calls, each once."""
    return list(dict.fromkeys(asked for call in calls for _, asked in call.questions() if asked is not None))


async def read_all(
    calls: Sequence[PlannedCall], tools: Mapping[str, OfferedTool], reader: ReadTools, *, seconds: float = SECONDS
) -> tuple[Reading, ...]:
    """What is there now for the previews of these calls. What can't be read has its reason instead."""
    offered = {(each.definition.server, each.definition.tool): each for each in tools.values()}
    slots: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))
    answers = _Answers(reader, seconds)

    async def one(question: Question) -> Reading:
        tool = offered.get((question.server, question.tool))
        async with slots[question.server]:
            return await _first_reading(question, tool, answers)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(each)) for each in questions_of(calls)]
    return tuple(_within_bounds([each.result() for each in tasks]))


def _within_bounds(readings: Iterable[Reading]) -> Iterable[Reading]:
    left = MAX_KEPT_OF_PLAN
    for each in readings:
        kept = each.with_text(each.text if len(each.text) <= min(left, MAX_KEPT) else "")
        left -= len(kept.text)
        yield kept


async def _first_reading(question: Question, tool: OfferedTool | None, answers: "_Answers") -> Reading:
    arguments = arguments_of(question)
    if tool is None:
        return Reading(question=question, problem="no_tool")
    if (await verdict(tool.definition.input_schema, arguments)).fault is not None:
        return Reading(question=question, problem="arguments")
    if tool.ruling(arguments).effect is not Effect.READ:
        return Reading(question=question, problem="no_read")
    found = await answers.reading(question)
    return found.by(tool.definition.digest, tool.definition.settings)


class _Answers:
    """What reads answer: each is asked for once, however many parts of its answer count."""

    def __init__(self, reader: ReadTools, seconds: float) -> None:
        self._reader = reader
        self._seconds = seconds
        self._under_way: dict[tuple[str, str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._given: dict[tuple[str, str, str], ToolOutput | tuple[Problem, str]] = {}

    async def reading(self, question: Question) -> Reading:
        """What counts of the answer to one question, or why there is none."""
        key = (question.server, question.tool, question.arguments)
        async with self._under_way[key]:
            if key not in self._given:
                self._given[key] = await self._answer(question)
        given = self._given[key]
        return _found(question, given) if isinstance(given, ToolOutput) else _not_read(question, *given)

    async def _answer(self, question: Question) -> ToolOutput | tuple[Problem, str]:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._reader.read(question.server, question.tool, arguments_of(question))
        except TimeoutError:
            return "late", ""
        except ToolServerError as error:
            return "failed", str(error)


def _found(question: Question, output: ToolOutput) -> Reading:
    if output.says_writing:
        return Reading(question=question, problem="writes")
    if output.is_error:
        if question.is_missing(output.text):
            return Reading(question=question, digest=digest_of("", is_missing=True), is_missing=True)
        return _not_read(question, "failed", output.text)
    value = question.value_in(output.text, output.resource)
    if value is None:
        return Reading(question=question, problem="shape")
    try:
        found = digest_of(value, is_missing=False)
    except ValueError:
        return Reading(question=question, problem="shape")
    return Reading(question=question, digest=found, text=value, length=len(value))


def _not_read(question: Question, problem: Problem, detail: str) -> Reading:
    return Reading(question=question, problem=problem, detail=detail[:_DETAIL].encode(errors="replace").decode())


def check_required(calls: Sequence[PlannedCall], readings: Sequence[Reading]) -> None:
    """Make sure that all was read that a rule requires for these calls.

    Raises:
        ToolServerError: it was not, so that they make no plan.
    """
    known = {each.question for each in readings if each.is_known}
    for number, call in enumerate(calls, 1):
        for preview, asked in call.questions():
            if preview.required and asked not in known:
                raise ToolServerError(
                    Text(
                        "{tool} could not be read for call {number} of the plan, and the operator's rules require it.",
                        tool=f"{preview.server or call.server}.{preview.tool}",
                        number=number,
                    )
                )


async def changed_since(
    plan: Plan, next_index: int, *, pinned: PinnedReads, reader: ReadTools, may_read: MayRead, seconds: float = SECONDS
) -> Text | None:
    """Why nothing more of a plan may be sent: what was read for it is not so any more; None: all is as people saw it.

    Before the first call all calls are looked at, later the next one. What an earlier call of the same plan had read is
    no longer compared: that call was to change it. Nor is what no rule asked for, once such a call was to the same
    server.
    """
    calls = list(enumerate(plan.calls))[next_index : None if next_index == 0 else next_index + 1]
    before = set(questions_of(plan.calls[:next_index]))
    changed_by_us = {call.server for call in plan.calls[:next_index]}
    due: dict[Question, int] = {}
    for index, call in calls:
        for preview, asked in call.questions():
            reading = plan.reading_of(asked)
            if preview.required and (reading is None or not reading.is_known):
                return _never_read(index, call, preview)
            is_ours = reading is not None and preview.is_ready_made and reading.question.server in changed_by_us
            if reading is not None and reading.is_known and reading.question not in before and not is_ours:
                due.setdefault(reading.question, index)
    slots: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))
    answers = _Answers(reader, seconds)

    async def one(question: Question, index: int) -> Text | None:
        reading = plan.reading_of(question)
        async with slots[question.server]:
            return None if reading is None else await _objection(reading, index, pinned, answers, may_read)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(question, index)) for question, index in due.items()]
    return next((text for each in tasks if (text := each.result()) is not None), None)


def _never_read(index: int, call: PlannedCall, preview: Preview) -> Text:
    return Text(
        "not sent: {tool} was not read for call {number} when the plan was made, and the operator's rules require it: "
        "what did not run needs a new plan",
        tool=f"{preview.server or call.server}.{preview.tool}",
        number=index + 1,
    )


async def _objection(
    reading: Reading, index: int, pinned: PinnedReads, answers: _Answers, may_read: MayRead
) -> Text | None:
    asked = reading.question
    name = f"{asked.server}.{asked.tool}"
    try:
        settings = await pinned.settings_digest(asked.server)
        definition = await pinned.definition_digest(asked.server, asked.tool, reading.definition)
    except ToolServerError as error:
        return Text("not sent: {why}", why=error.text)
    if (settings, definition) != (reading.settings, reading.definition):
        return Text("not sent: {tool}, which showed what call {number} changes, has changed since: "
                    "what did not run needs a new plan", tool=name, number=index + 1)  # fmt: skip
    if not may_read(asked.server, asked.tool, arguments_of(asked)):
        return Text("not sent: the operator's rules no longer allow reading {tool}, which showed "
                    "what call {number} changes", tool=name, number=index + 1)  # fmt: skip
    now = await answers.reading(asked)
    if now.digest == reading.digest:
        return None
    if not now.is_known:
        return Text("not sent: {tool}, which showed what call {number} changes, could not be read again: {why}",
                    tool=name, number=index + 1, why=_PROBLEMS.get(now.problem) or now.detail)  # fmt: skip
    return Text("not sent: what {tool} read for call {number} has changed since the plan was made ({what}): "
                "what did not run needs a new plan", tool=name, number=index + 1, what=_told(reading, now))  # fmt: skip


def _told(then: Reading, now: Reading) -> Text:
    """What is different, in a few lines."""
    if now.is_missing:
        return Text("it no longer exists")
    if then.is_missing:
        return Text("it exists now")
    lengths = Text("{then:,} characters then, {now:,} now", then=then.length, now=now.length)
    if not then.is_whole:
        return lengths
    lines = [each for each in text_diff.compared(then.text, now.text) if each.sign != " "]
    told = [Text.verbatim(f"{each.sign} {_short(each.text)}") for each in lines[:_FEW]]
    if len(lines) > _FEW:
        told.append(Text("{count:,} more lines", count=len(lines) - _FEW))
    return Text.joined("; ", [lengths, *told])


def _short(line: str) -> str:
    line = line.rstrip("\n")
    return line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"
