"""The story of a run: one line per event that is worth telling, and nothing left out that moved the run."""

from dataclasses import replace

import pytest

from bot.cards.run_view import RunView, next_view
from bot.cards.table import coordination_table
from bot.cards.timeline import timeline_entry
from bot.message import Link, Mention, RichText, Status, StyledText, Timestamp
from coordination.domain import events as e
from coordination.domain.transitions import Recorded
from tests.builders import ALICE, BOB
from tests.sample_logs import (
    POST,
    approved,
    argued,
    asked,
    plan_in,
    recorded,
    started,
    succeeded,
    then,
    unknown,
    waiting,
)


def text_of(line: RichText) -> str:
    parts: list[str] = []
    for piece in line:
        match piece:
            case StyledText(text=text) | Mention(name=text) | Link(text=text):
                parts.append(text)
            case Timestamp(at=at):
                parts.append(at.isoformat())
    return "".join(parts)


def told(log: list[Recorded]) -> list[tuple[str, str]]:
    view: RunView | None = None
    lines: list[tuple[str, str]] = []
    for each in log:
        view = next_view(view, each)
        line = timeline_entry(each.event, view)
        if line is not None:
            lines.append((line.about, text_of(line.line)))
    return lines


def last(log: list[Recorded]) -> str:
    return told(log)[-1][1]


def test_the_agents_argument_can_be_followed_line_by_line() -> None:
    assert told(recorded(argued(POST)))[:8] == [
        ("", "rita asked: “Tell everyone about the power cut on Friday” · run 7Q4K"),
        ("", "the agents started planning"),
        ("agent1", "read board.list_notices"),
        ("agent1", "planned board.post_notice"),
        ("agent1", "answered agent1.1, 1 call: “Post it with the times.”"),
        ("agent2", "answered agent2.1, 1 call: “Post it.”"),
        ("agent1", "voted agent1: “it has the times”"),
        ("agent2", "answered agent2.2, 1 call: “Post it, and take the old one down.”"),
    ]


def test_a_void_vote_names_the_answer_that_came_after_it() -> None:
    assert ("agent1", "vote for agent1 no longer counts: agent2.2 came after it") in told(recorded(argued(POST)))


def test_what_agents_do_without_is_told_with_the_reason() -> None:
    begun = recorded([asked(), e.DeliberationStarted(revision=1)])
    away = e.ServerUnavailable(revision=1, server="files", reason="The MCP server files can't start.")
    odd = e.ToolUnavailable(agent=2, server="board", tool="move", reason="it has no name")
    assert told(then(begun, away, odd))[-2:] == [
        ("", "the agents plan without the tool server files: The MCP server files can't start."),
        ("agent2", "wanted board.move, which can't be used: it has no name"),
    ]


def test_decisions_say_who_of_which_plan_and_why() -> None:
    log = waiting(POST)
    digest = plan_in(log).digest
    short = f"{digest[:4]}-{digest[4:8]}"
    assert last(then(log, e.ApprovalGiven(by=ALICE, digest=digest))) == f"alice approved plan {short}"
    rejected = then(log, e.PlanRejected(by=BOB, digest=digest, reason="not\nnow"))
    assert last(rejected) == f"bob rejected plan {short}: “not now”"
    assert last(then(log, e.PlanRejected(by=BOB, digest=digest))) == f"bob rejected plan {short}"
    changed = then(log, e.ChangesRequested(by=BOB, digest=digest, text="shorter"))
    assert last(changed) == f"bob requested changes to plan {short}: “shorter”"


def test_calls_are_told_by_their_number() -> None:
    log = approved()
    plan = plan_in(log)
    lines = told(then(log, started(plan, 0), succeeded(plan, 0), started(plan, 1), unknown(plan, 1)))
    assert lines[-4:] == [
        ("call 1/2", "board.post_notice started"),
        ("call 1/2", "done: posted"),
        ("call 2/2", "board.remove_notice started"),
        ("call 2/2", "outcome unknown: the server stopped answering after it was asked"),
    ]


@pytest.mark.parametrize("verdict", ["happened", "run_it", "abandon"])
def test_every_verdict_has_its_words(verdict: e.Verdict) -> None:
    log = approved()
    plan = plan_in(log)
    resolved = e.CallResolved(index=0, by=ALICE, verdict=verdict, valid_until=plan.expires_at)
    assert "alice" in last(then(log, started(plan, 0), unknown(plan, 0), resolved))


def test_what_a_model_writes_can_not_break_out_of_its_line() -> None:
    log = recorded([asked(), e.DeliberationStarted(revision=1), e.AgentFailed(agent=1, reason="a\n\x1b[2J\u202eb")])
    assert last(log) == "dropped out: a ⟨U+001B⟩[2J⟨U+202E⟩b"
    assert timeline_entry(log[-1].event, next_view(next_view(next_view(None, log[0]), log[1]), log[2])) is not None


def test_housekeeping_is_not_told() -> None:
    log = recorded(argued(POST))
    about = {each.event.kind for each in log} - {"turn_started", "model_used", "agent_told"}
    assert len(told(log)) == sum(each.event.kind in about for each in log)


def test_the_table_has_rounds_down_and_agents_across() -> None:
    (part,) = coordination_table(recorded(argued(POST)))
    assert part.note == ""
    shown = [[[(entry.status, entry.text) for entry in cell] for cell in row.cells] for row in part.rows]
    assert [row.round for row in part.rows] == [1, 2, 3]
    assert shown[0][0] == [
        (Status.WORKING, "read list_notices"),
        (Status.WORKING, "planned post_notice"),
        (Status.DONE, "agent1.1, 1 call"),
    ]
    assert shown[1] == [
        [(Status.DONE, "voted agent1"), (Status.SKIPPED, "vote voided by agent2.2")],
        [(Status.DONE, "agent2.2, 1 call")],
    ]
    assert shown[2] == [[(Status.DONE, "voted agent2")], [(Status.DONE, "voted agent2")]]


def test_a_restart_begins_a_new_part_of_the_table_and_remembers_the_labels() -> None:
    first = argued(POST)[:9]
    log = recorded(
        [
            *first,
            e.DeliberationStarted(revision=1),
            e.TurnStarted(agent=1, turn=2, epoch=2),
            e.VoteCast(agent=1, choice=2, epoch=1, reason="x"),
            e.VoteVoided(agent=1, choice=2, epoch=1, by_epoch=2),
            e.AgentCorrected(agent=2, reason="two votes"),
        ]
    )
    before, after = coordination_table(log)
    assert before.note == ""
    assert after.note == "resumed after an interruption"
    assert after.rows[-1].cells[0][-1].text == "vote voided by agent2.1"


def test_wanted_changes_begin_a_part_that_says_so() -> None:
    log = waiting(POST)
    changed = then(
        log,
        e.ChangesRequested(by=ALICE, digest=plan_in(log).digest, text="shorter"),
        e.DeliberationStarted(revision=2),
        e.TurnStarted(agent=1, turn=1, epoch=0),
        e.AgentFailed(agent=1, reason="bad key"),
    )
    *_, newest = coordination_table(changed)
    assert newest.note == "revision 2, with the requested changes"
    assert newest.rows[0].cells[0][0].text == "dropped out: bad key"


def test_a_run_that_nobody_took_up_has_no_table() -> None:
    assert coordination_table(recorded([asked()])) == ()
    assert coordination_table([replace(each, event=asked()) for each in recorded([asked()])]) == ()
