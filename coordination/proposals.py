"""How a turn's end is read from what a model called: strictly, and with words that let it mend its mistake."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coordination.domain.canonical_json import parse
from coordination.errors import InvalidJsonError
from coordination.ports import ToolCall
from coordination.prompts import NEW_ANSWER

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
