"""Events as programs read them: one line of ASCII each, with nothing rounded and nothing left out."""

import dataclasses
import json

from hypothesis import given
from hypothesis import strategies as st

from bot.cards.plan_card import plan_json, plan_markdown
from bot.cards.run_view import view_of
from bot.terminal.output import event_line
from coordination.domain.canonical_json import canonical
from coordination.domain.transitions import Recorded
from tests.sample_logs import POST, approved, plan_in, proposed, recorded, started, succeeded, then, waiting


def parsed(record: Recorded) -> dict[str, object]:
    line = event_line(record)
    assert line.isascii()
    assert "\n" not in line
    event: dict[str, object] = json.loads(line)
    return event


def test_every_event_says_which_run_when_and_what_with_its_own_fields() -> None:
    log = approved()
    plan = plan_in(log)
    for each in then(log, started(plan, 0), succeeded(plan, 0)):
        event = parsed(each)
        assert (event["run"], event["seq"], event["kind"]) == (each.run, each.seq, each.event.kind)
        assert event["at"] == each.at.isoformat()
        assert {field.name for field in dataclasses.fields(each.event)} <= event.keys()


def test_a_proposal_has_the_whole_plan() -> None:
    record = waiting()[-1]
    event = parsed(record)
    plan = plan_in([record])
    assert event["digest"] == plan.digest
    assert event["plan"] == plan_json(plan)
    proposal = json.loads(event_line(record))["plan"]
    assert [call["arguments_text"] for call in proposal["calls"]] == [call.arguments for call in plan.calls]
    assert proposal["calls"][0]["arguments"]["title"] == "Power off on Friday"
    assert proposal["expires_at"] == plan.expires_at.isoformat()


def test_a_call_has_its_index_server_tool_and_arguments() -> None:
    log = approved()
    event = parsed(then(log, started(plan_in(log), 0))[-1])
    assert (event["index"], event["server"], event["tool"]) == (0, "board", "post_notice")
    assert event["arguments"] == json.loads(POST.arguments)
    assert event["arguments_text"] == POST.arguments


@given(st.integers(), st.text(st.characters(codec="utf-8")))
def test_big_numbers_and_strange_texts_survive(number: int, text: str) -> None:
    call = dataclasses.replace(POST, arguments=canonical({"number": number, "text": text}))
    event = json.loads(event_line(recorded([proposed(call)])[0]))
    assert event["plan"]["calls"][0]["arguments"] == {"number": number, "text": text}


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("`~\n")))
def test_nothing_in_a_plan_closes_the_fence_around_it(text: str) -> None:
    call = dataclasses.replace(POST, arguments=canonical({"text": text + "x"}))
    proposal = proposed(call, text=text)
    view = view_of(waiting())
    assert view is not None
    lines = plan_markdown(view, proposal.plan).split("\n")
    opened: str | None = None
    for line in lines:
        if opened is None and line.startswith("```"):
            opened = line.removesuffix("text")
        elif opened is not None and line.strip() == opened:
            opened = None
        elif opened is not None:
            assert not line.strip().startswith(opened) or line.strip().strip("`")
    assert opened is None
    assert lines[-2].startswith("Digest: `")
