"""The coordination as a table: rounds down, agents across, and in each cell what that agent did in that round."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from bot.cards.text import one_line, visible
from bot.i18n import catalog
from bot.message import Status
from coordination.domain import events as e
from coordination.domain.transitions import Recorded

_REASON = 100


@dataclass(frozen=True, kw_only=True)
class TableEntry:
    """One thing that an agent did in a round."""

    status: Status
    text: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One round: a cell per agent, each with its entries in order."""

    round: int
    cells: tuple[tuple[TableEntry, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One coordination of a run: the first, or one after wanted changes or a restart. `note` says which."""

    note: str
    rows: tuple[Row, ...]


@dataclass
class _Cells:
    """The table as it grows: entries by round and agent."""

    agents: int
    rounds: dict[int, list[list[TableEntry]]] = field(default_factory=dict[int, list[list[TableEntry]]])
    at: dict[int, int] = field(default_factory=dict[int, int])
    labels: dict[int, str] = field(default_factory=dict[int, str])

    def begin(self, agent: int, turn: int) -> None:
        """An agent is in this round now."""
        self.at[agent] = turn
        self._cell(agent)

    def add(self, agent: int, status: Status, text: str) -> None:
        """An agent did something in its round."""
        self._cell(agent).append(TableEntry(status=status, text=text))

    def _cell(self, agent: int) -> list[TableEntry]:
        row = self.rounds.setdefault(self.at.get(agent, 1), [[] for _ in range(self.agents)])
        return row[agent - 1]

    def rows(self) -> tuple[Row, ...]:
        """The rounds in order."""
        return tuple(
            Row(round=number, cells=tuple(tuple(cell) for cell in cells))
            for number, cells in sorted(self.rounds.items())
        )


def coordination_table(log: Sequence[Recorded]) -> tuple[Part, ...]:
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
                note = _note(event.revision, is_restart=is_restart)
                cells = _Cells(agents, labels=cells.labels if is_restart else {})
                revision = event.revision
            case event:
                _count(cells, event)
    return (*parts, Part(note=note, rows=cells.rows())) if cells.rounds else tuple(parts)


def _note(revision: int, *, is_restart: bool) -> str:
    if is_restart:
        return catalog.text("table.restarted")
    return catalog.text("table.revision", number=revision) if revision > 1 else ""


def _count(cells: _Cells, event: e.RunEvent) -> None:
    match event:
        case e.TurnStarted(agent=agent, turn=turn):
            cells.begin(agent, turn)
        case e.ToolRead() | e.ActionRecorded() | e.ActionWithdrawn() | e.AgentTold() | e.AgentCorrected():
            cells.add(event.agent, Status.WORKING, _work(event))
        case e.AnswerAccepted(agent=agent, number=number, epoch=epoch):
            label = f"agent{agent}.{number}"
            cells.labels[epoch] = label
            key = "table.answered_with_plan" if event.calls else "table.answered"
            cells.add(
                agent, Status.DONE, catalog.text(key, label=label, calls=catalog.text("calls", count=len(event.calls)))
            )
        case e.VoteCast(agent=agent, choice=choice):
            cells.add(agent, Status.DONE, catalog.text("table.voted", choice=f"agent{choice}"))
        case e.VoteVoided(agent=agent, by_epoch=by_epoch):
            newer = cells.labels.get(by_epoch, str(by_epoch))
            cells.add(agent, Status.SKIPPED, catalog.text("table.vote_void", newer=newer))
        case e.AgentFailed(agent=agent, reason=reason):
            cells.add(agent, Status.FAILED, catalog.text("table.out", reason=one_line(reason, _REASON)))
        case _:
            return


def _work(event: e.ToolRead | e.ActionRecorded | e.ActionWithdrawn | e.AgentTold | e.AgentCorrected) -> str:
    match event:
        case e.ToolRead(tool=tool):
            return catalog.text("table.read", tool=visible(tool))
        case e.ActionRecorded(call=call):
            return catalog.text("table.planned", tool=visible(call.tool))
        case e.ActionWithdrawn(call=call):
            return catalog.text("table.withdrawn_action", tool=visible(call.tool))
        case e.AgentTold():
            return catalog.text("table.told")
        case e.AgentCorrected(reason=reason):
            return catalog.text("table.corrected", reason=one_line(reason, _REASON))
        case _:
            assert_never(event)
