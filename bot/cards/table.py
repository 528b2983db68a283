"""The coordination as a table: rounds down, agents across, and in each cell what that agent did in that round."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from bot.cards.text import one_line, visible
from bot.i18n import ENGLISH, Words
from bot.message import Mark
from coordination.domain import events as e
from coordination.domain.transitions import Recorded

_REASON = 100


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that an agent did in a round."""

    mark: Mark
    text: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One round: a cell per agent, each with its entries in order."""

    round: int
    cells: tuple[tuple[Entry, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One coordination of a run: the first, or one after wanted changes or a restart. `note` says which."""

    note: str
    rows: tuple[Row, ...]


@dataclass
class _Cells:
    """The table as it grows: entries by round and agent."""

    agents: int
    rounds: dict[int, list[list[Entry]]] = field(default_factory=dict[int, list[list[Entry]]])
    at: dict[int, int] = field(default_factory=dict[int, int])
    labels: dict[int, str] = field(default_factory=dict[int, str])

    def begin(self, agent: int, turn: int) -> None:
        """An agent is in this round now."""
        self.at[agent] = turn
        self._cell(agent)

    def add(self, agent: int, mark: Mark, text: str) -> None:
        """An agent did something in its round."""
        self._cell(agent).append(Entry(mark=mark, text=text))

    def _cell(self, agent: int) -> list[Entry]:
        row = self.rounds.setdefault(self.at.get(agent, 1), [[] for _ in range(self.agents)])
        return row[agent - 1]

    def rows(self) -> tuple[Row, ...]:
        """The rounds in order."""
        return tuple(
            Row(round=number, cells=tuple(tuple(cell) for cell in cells))
            for number, cells in sorted(self.rounds.items())
        )


def coordination_table(log: Sequence[Recorded], words: Words = ENGLISH) -> tuple[Part, ...]:
    """The table of a run's log, a part for each time that the coordination was taken up."""
    parts: list[Part] = []
    agents, note, revision = 0, "", 0
    cells = _Cells(agents)
    for recorded in log:
        match recorded.event:
            case e.RunRequested(agents=names):
                agents = len(names)
            case e.DeliberationStarted() as event:
                if cells.rounds:
                    parts.append(Part(note=note, rows=cells.rows()))
                is_restart = event.revision == revision
                note = _note(event.revision, words, is_restart=is_restart)
                cells = _Cells(agents, labels=cells.labels if is_restart else {})
                revision = event.revision
            case event:
                _count(cells, event, words)
    return (*parts, Part(note=note, rows=cells.rows())) if cells.rounds else tuple(parts)


def _note(revision: int, words: Words, *, is_restart: bool) -> str:
    if is_restart:
        return words.say("table.restarted")
    return words.say("table.revision", number=revision) if revision > 1 else ""


def _count(cells: _Cells, event: e.RunEvent, words: Words) -> None:
    match event:
        case e.TurnStarted(agent=agent, turn=turn):
            cells.begin(agent, turn)
        case e.ToolRead() | e.ActionRecorded() | e.AgentTold() | e.AgentCorrected():
            cells.add(event.agent, Mark.WORKING, _work(event, words))
        case e.AnswerAccepted(agent=agent, number=number, epoch=epoch):
            label = f"agent{agent}.{number}"
            cells.labels[epoch] = label
            key = "table.answered_with_plan" if event.calls else "table.answered"
            cells.add(agent, Mark.DONE, words.say(key, label=label, calls=words.say("calls", count=len(event.calls))))
        case e.VoteCast(agent=agent, choice=choice):
            cells.add(agent, Mark.DONE, words.say("table.voted", choice=f"agent{choice}"))
        case e.VoteVoided(agent=agent, by_epoch=by_epoch):
            newer = cells.labels.get(by_epoch, str(by_epoch))
            cells.add(agent, Mark.SKIPPED, words.say("table.vote_void", newer=newer))
        case e.AgentFailed(agent=agent, reason=reason):
            cells.add(agent, Mark.FAILED, words.say("table.out", reason=one_line(reason, _REASON)))
        case _:
            return


def _work(event: e.ToolRead | e.ActionRecorded | e.AgentTold | e.AgentCorrected, words: Words) -> str:
    match event:
        case e.ToolRead(tool=tool):
            return words.say("table.read", tool=visible(tool))
        case e.ActionRecorded(call=call):
            return words.say("table.planned", tool=visible(call.tool))
        case e.AgentTold():
            return words.say("table.told")
        case e.AgentCorrected(reason=reason):
            return words.say("table.corrected", reason=one_line(reason, _REASON))
        case _:
            assert_never(event)
