"""Any plan becomes a message that Slack takes, that pings nobody, and that can be read whole or can't be approved."""

import html
import json
import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.cards.grants import grant_form
from bot.cards.parts import approvers
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.cards.text import original_of_lines, visible
from bot.chat.platform import CardTooLarge
from bot.chat.run_queries import pages_of
from bot.chat.service_port import Pages, Private
from bot.i18n import ENGLISH, GERMAN, LANGUAGES, Catalog, speaking
from bot.message import FORMS, Action, Card, Mention, Paragraph, Severity, StyledText, Timestamp
from bot.slack_app.interactions import details_modal, run_window, text_modal
from bot.slack_app.markup import Block
from bot.slack_app.payloads import Opened
from bot.slack_app.render import Attached, FileLink, NotAttached, Rendered, rendered
from coordination.domain import events as e
from coordination.domain.canonical_json import canonical
from coordination.domain.plan import PlannedCall
from coordination.domain.policy import Policy
from coordination.domain.transitions import Recorded
from tests.builders import START, a_call, a_plan
from tests.sample_logs import (
    POST,
    REMOVE,
    approved,
    argued,
    plan_in,
    recorded,
    started,
    succeeded,
    then,
    unknown,
    waiting,
)
from tests.servers.slack_blocks import diagnostics, parts

THERE = Attached(
    (FileLink("plan.md", "https://files.test/plan.md"), FileLink("plan.json", "https://files.test/plan.json"))
)


@dataclass
class Ids:
    """Issues an id for each button, and remembers for which."""

    issued: list[Action] = field(default_factory=list[Action])

    def id_for(self, action: Action, value: str = "") -> str:
        self.issued.append(action)
        return f"{action.value:-<22}"


def card_of(log: list[Recorded]) -> Card:
    view = view_of(log)
    assert view is not None
    return card_for(view, log[-1].at)


def buttons_of(message: Rendered) -> list[str]:
    return [part["action_id"] for part in parts(message.blocks) if part.get("type") == "button"]


def fenced(message: Rendered) -> str:
    """Every value, in a fence or in a line of code behind its name, as a person reads it."""
    texts = [part["text"] for part in parts(message.blocks) if part.get("type") == "mrkdwn"]
    form = r"(?:^|(?<=\n))(?:```\n(.*?)\n```|`[^`\n]+`  `([^`\n]+)`)(?=\n|$)"
    found = ["".join(each) for text in texts for each in re.findall(form, text, re.DOTALL)]
    return html.unescape("".join(found)).replace("⟨U+0060⟩", "`")


TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "<!channel> <@U0001> <#C1> @everyone",
            "``` \n``` *bold* _it_ ~no~ `code`",
            "<https://evil.test|good> http://evil.test &amp; &lt;!here&gt;",
            "\u202eabc\u2066\u200b\x00\x07\u2028",
            "⟨U+0060⟩",
            "😀" * 40,
            "`" * 50,
            "&" * 500,
        ]
    ),
    st.integers(1, 100_000).map(lambda size: "x<`&" * (size // 4 + 1)),
)
CALLS = st.lists(
    st.builds(
        lambda arguments, is_destructive: PlannedCall(
            server="board",
            tool="post_notice",
            arguments=canonical(arguments),
            definition="0" * 64,
            is_destructive=is_destructive,
        ),
        st.dictionaries(st.text(min_size=1, max_size=30), TEXTS, max_size=4),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(calls=CALLS, catalog=st.sampled_from(list(LANGUAGES.values())))
@example(calls=[a_call("post_notice", body="y" * 100_000) for _ in range(60)], catalog=GERMAN)
@example(
    calls=[
        replace(a_call("post_notice"), arguments=canonical({f"argument{n}": "<!channel>" * 20 for n in range(20)}))
        for _ in range(3)
    ],
    catalog=ENGLISH,
)
def test_any_plan_fits_pings_nobody_and_is_readable_or_not_approvable(
    calls: list[PlannedCall], catalog: Catalog
) -> None:
    ids = Ids()
    with speaking(catalog):
        card = card_of(waiting(*calls))
        message = rendered(card, ids)
    assert diagnostics(json.loads(json.dumps(message.blocks))) == []
    if message.needs_files:
        assert "approve" not in buttons_of(message)
        assert Action.APPROVE not in ids.issued
        with speaking(catalog):
            message = rendered(card, Ids(), THERE)
        assert diagnostics(json.loads(json.dumps(message.blocks))) == []
        assert "approve" in buttons_of(message)
        everything = "".join(file.text for file in card.attachments)
    else:
        assert "approve" in buttons_of(message)
        everything = fenced(message)
    for item in (item for section in card.sections for item in getattr(section, "calls", ())):
        for argument in item.arguments:
            assert argument.text in everything


@given(text=st.text(max_size=400))
def test_an_argument_on_a_card_reads_back_to_the_letter(text: str) -> None:
    call = a_call("post_notice", body=f"a{text}b")
    message = rendered(card_of(waiting(call)), Ids())
    assert not message.needs_files
    assert original_of_lines(fenced(message).replace("`", "⟨U+0060⟩")) == f"a{text}b"


@pytest.mark.parametrize("position", range(0, 20_000, 617))
def test_a_marker_anywhere_in_a_long_argument_is_found(position: int) -> None:
    body = "x" * position + "MARKER" + "x" * (20_000 - position)
    card = card_of(waiting(a_call("post_notice", body=body)))
    message = rendered(card, Ids())
    assert message.needs_files
    assert "MARKER" in fenced(message) or any("MARKER" in file.text for file in card.attachments)


def test_what_is_cut_keeps_its_beginning_and_end_and_says_how_much_is_missing() -> None:
    message = rendered(card_of(waiting(a_call("post_notice", body="A" * 20_000 + "Z" * 20_000))), Ids(), THERE)
    text = fenced(message)
    assert text.startswith("A")
    assert text.endswith("Z")
    hidden = 40_000 - len(text)
    assert f"{hidden:,} characters" in json.dumps(message.blocks)


def test_a_plan_that_fits_nowhere_is_refused() -> None:
    card = replace(card_of(waiting(a_call("post_notice", body="x" * 50_000))), attachments=())
    with pytest.raises(CardTooLarge):
        rendered(card, Ids())


def test_without_its_files_a_long_plan_says_why_nobody_can_approve_it() -> None:
    card = card_of(waiting(a_call("post_notice", body="x" * 50_000)))
    message = rendered(card, Ids(), NotAttached("Nobody gave me files:write."))
    assert "Nobody gave me files:write." in json.dumps(message.blocks)
    assert "approve" not in buttons_of(message)


def test_every_state_of_a_run_is_a_message() -> None:
    log = approved(POST, REMOVE)
    plan = plan_in(log)
    running = then(log, started(plan, 0))
    done = then(running, succeeded(plan, 0, result="r" * 5_000))
    doubt = then(done, started(plan, 1), unknown(plan, 1))
    for story in (recorded(argued(POST)[:1]), recorded(argued(POST)[:14]), waiting(), log, running, done, doubt):
        for catalog in LANGUAGES.values():
            with speaking(catalog):
                assert diagnostics(rendered(card_of(list(story)), Ids()).blocks) == []


def test_what_slack_adds_to_a_german_card_is_german() -> None:
    with speaking(GERMAN):
        card = card_of(waiting(POST, REMOVE, a_call("post_notice", body="y" * 100_000)))
        shown = json.dumps(rendered(card, Ids()).blocks, ensure_ascii=False)
        complete = json.dumps(rendered(card, Ids(), THERE).blocks)
    for text in ("Zeichen davon stehen nur in plan.md", "sobald seine Dateien im Thread sind", "Änderungen anfordern"):
        assert text in shown
    assert "Noch nicht" in complete


def test_sixty_long_receipts_are_shortened_to_fit() -> None:
    log = approved(*(a_call("post_notice", title=f"notice {number}") for number in range(60)))
    plan = plan_in(log)
    for index in range(60):
        log = then(log, started(plan, index), succeeded(plan, index, result="done " * 200))
    message = rendered(card_of(log), Ids())
    assert diagnostics(message.blocks) == []
    assert not message.needs_files


def test_a_dangerous_yes_is_asked_for_twice_by_slack() -> None:
    message = rendered(card_of(waiting(POST, REMOVE)), Ids())
    (confirm,) = [part["confirm"] for part in parts(message.blocks) if "confirm" in part and "type" in part]
    assert confirm["title"]["text"] == "1 call may destroy something"
    assert "remove_notice" in confirm["text"]["text"]


def test_eight_alike_calls_are_told_apart_in_the_second_question() -> None:
    calls = [a_call("post_notice", body="x" * 300, title=f"notice {number}") for number in range(8)]
    calls = [
        replace(call, arguments=canonical({"about": f"n{number}", "body": "x" * 300}))
        for number, call in enumerate(calls)
    ]
    message = rendered(card_of(waiting(*calls)), Ids())
    (confirm,) = [part["confirm"] for part in parts(message.blocks) if "confirm" in part and "type" in part]
    lines = confirm["text"]["text"].split("\n")
    assert len(lines) == len(set(lines)) == 8


def test_the_text_beside_the_blocks_has_the_first_lines() -> None:
    text = rendered(card_of(waiting(POST, REMOVE)), Ids()).text
    assert text.split("\n")[:4] == [
        "🔵 Waiting for approval: “Tell everyone about the power cut on Friday”",
        "requested by rita",
        "1 board · post_notice (sends)",
        "2 board · remove_notice (deletes, may destroy)",
    ]
    sentence = Card(
        severity=Severity.ATTENTION,
        status="Not done",
        title=(),
        reference=(),
        sections=(Paragraph(lines=((StyledText("Only ops can decide <here>."),),)),),
    )
    assert rendered(sentence).text == "🟠 Not done\nOnly ops can decide &lt;here&gt;."


def test_a_finished_card_has_its_calls_and_waits_for_no_file() -> None:
    log = approved(a_call("post_notice", body="z" * 30_000))
    plan = plan_in(log)
    done = then(log, started(plan, 0), succeeded(plan, 0, "posted"), e.RunFinished(report="All is well."))
    message = rendered(card_of(done), Ids())
    assert diagnostics(message.blocks) == []
    assert not message.needs_files
    shown = json.dumps(message.blocks, ensure_ascii=False)
    assert "zzzz" in shown
    assert "\\n✓ posted" in shown
    assert "All is well." in shown
    assert buttons_of(message) == ["details"]


def test_a_moment_is_shown_in_the_readers_clock_and_a_person_by_name() -> None:
    card = Card(
        severity=Severity.DONE,
        status="Done",
        title=(StyledText("t"),),
        reference=(),
        sections=(
            Paragraph(lines=((Mention("U1", "<!here>"), StyledText(" at "), Timestamp(START + timedelta(hours=1))),)),
        ),
        footer=(StyledText("until "), Timestamp(START)),
    )
    message = rendered(card)
    assert diagnostics(message.blocks) == []
    (date,) = [part for part in parts(message.blocks) if part.get("type") == "date"]
    assert date["timestamp"] == int((START + timedelta(hours=1)).timestamp())
    assert f"<!date^{int(START.timestamp())}^" in json.dumps(message.blocks)


def test_whoever_is_known_by_id_alone_is_linked_so_that_readers_see_a_name() -> None:
    policy = Policy(roles=("S0123OPS9", "ops"), users=("U0123ALICE", "U0123BOB9"))
    line = (*approvers(policy), Mention("U0123RITA", "rita (U0123RITA)"))
    card = Card(severity=Severity.DONE, status="Done", title=(), reference=(), sections=(Paragraph(lines=(line,)),))
    message = rendered(card)
    assert diagnostics(message.blocks) == []
    found = list(parts(message.blocks))
    assert [part["usergroup_id"] for part in found if part.get("type") == "usergroup"] == ["S0123OPS9"]
    assert [part["user_id"] for part in found if part.get("type") == "user"] == ["U0123ALICE", "U0123BOB9"]
    assert [part["text"] for part in found if part.get("style") == {"bold": True}] == ["ops", "rita (U0123RITA)"]


@given(title=st.text(max_size=300), lines=st.lists(st.text(max_size=3_000), max_size=12))
def test_any_prose_fits(title: str, lines: list[str]) -> None:
    card = Card(
        severity=Severity.DONE,
        status="Done",
        title=(StyledText(visible(title)),),
        reference=(StyledText(visible(title)),),
        sections=(Paragraph(lines=tuple((StyledText(visible(line)),) for line in lines), is_quoted=True),) * 3,
    )
    message = rendered(card)
    assert diagnostics(message.blocks) == []
    assert "<" not in message.text


def test_what_a_private_answer_can_not_hold_is_said_to_be_in_the_thread_of_the_card() -> None:
    message = rendered(card_of(waiting(a_call("post_notice", body="x" * 30_000))))
    assert "only in plan.md, in the thread of the run's card" in json.dumps(message.blocks)
    assert "can be approved" not in json.dumps(message.blocks)


def test_what_stands_below_the_calls_has_its_own_room() -> None:
    card = card_of(waiting(a_call("post_notice", body="x" * 3_000)))
    rounds = Paragraph(lines=tuple((StyledText(f"agent{number} voted agent1"),) for number in range(20)))
    message = rendered(replace(card, sections=(*card.sections, rounds)))
    assert "agent19 voted agent1" in json.dumps(message.blocks)


def test_a_short_argument_is_one_line_and_a_long_text_never_folds() -> None:
    """Slack may fold a section behind "See more" unless it is told not to: nobody decides on what they did not unfold."""
    message = rendered(
        card_of(waiting(replace(POST, arguments=canonical({"amount": 120.5, "body": "x" * 900})))), Ids()
    )
    sections = [block for block in message.blocks if block["type"] == "section"]
    assert "`amount`  `120.5`" in json.dumps(sections)
    assert [block.get("expand") for block in sections] == [True] * len(sections)


def test_what_will_happen_comes_first_and_what_machines_need_last() -> None:
    card = card_of(waiting(POST, REMOVE))
    kinds = [(block["type"], json.dumps(block, ensure_ascii=False)) for block in rendered(card, Ids()).blocks]
    texts = [text for _, text in kinds]
    assert "requested by " in texts[1]
    assert "*1*  `board` · `post_notice`  _sends_" in texts[2]
    assert "⚠️ _deletes, may destroy_" in texts[3]
    assert [kind for kind, text in kinds if "digest" in text] == ["context"]
    assert "run 7Q4K · plan" in texts[-1]


def test_who_asked_is_a_mention_on_a_card_that_is_an_edit() -> None:
    asked_by = replace(card_of(waiting()), reference=(Mention("U0123RITA", "rita", is_linked=True),))
    linked = [part for part in parts(rendered(asked_by, Ids()).blocks) if part.get("type") == "user"]
    assert linked == [{"type": "user", "user_id": "U0123RITA"}]
    assert [each.is_linked for each in card_of(waiting()).reference if isinstance(each, Mention)] == [True]
    planning = card_of(recorded(argued(POST)[:5]))
    assert [each.is_linked for each in planning.reference if isinstance(each, Mention)] == [False]


def test_a_window_names_the_run_that_it_is_about() -> None:
    opened = Opened(button="b" * 22, channel="C1", thread="", message="1.1")
    (block,) = [part for part in parts(text_modal(FORMS[Action.CHANGE], opened, "7Q4K")) if part.get("type") == "input"]
    assert block["label"]["text"] == "What should be different? (run 7Q4K)"


@pytest.mark.parametrize(("number", "kinds"), [(0, []), (10, ["checkboxes"]), (11, ["multi_static_select"])])
def test_a_grant_is_given_in_a_window_of_several_fields(number: int, kinds: list[str]) -> None:
    arguments = {f"a{each:02}": "v" * 200 for each in range(number)}
    call = replace(a_call("post_notice"), arguments=canonical(arguments))
    opened = Opened(button="b" * 22, channel="C1", thread="", message="1.1", choice="1")
    view = text_modal(grant_form(a_plan(replace(call, origins=())), "1"), opened, "7Q4K")
    blocks = cast("list[Block]", view["blocks"])
    assert diagnostics(blocks) == []
    assert "Allow calls like call 1 (run 7Q4K)" in json.dumps(blocks[0])
    inputs = [cast("dict[str, Any]", each["element"]) for each in blocks[1:]]
    assert [each["type"] for each in inputs] == ["static_select", "number_input", *kinds]
    assert inputs[0]["initial_option"]["value"] == "24h"
    assert (inputs[1]["initial_value"], inputs[1]["max_value"]) == ("5", "1000")
    assert [each["optional"] for each in blocks[1:]] == [False, False, *(True for _ in kinds)]


@pytest.mark.parametrize(("length", "is_whole"), [(20, True), (30_000, False)])
def test_a_window_decides_where_it_shows_all_of_the_plan_and_is_for_reading_elsewhere(
    length: int, is_whole: bool
) -> None:
    view = view_of(waiting(a_call("post_notice", body="x" * length)))
    assert view is not None
    decision = Private(card_for(view, view.updated_at), ids=Ids())
    opened = Opened(button="", channel="", thread="", message="", run="7Q4K")
    blocks = cast("list[Block]", run_window(Pages("7Q4K", pages_of(view, view.updated_at), decision), opened)["blocks"])
    assert diagnostics(blocks) == []
    assert ("approve" in buttons_of(Rendered(text="", blocks=blocks))) == is_whole
    assert ("reject" in buttons_of(Rendered(text="", blocks=blocks))) == is_whole


def test_the_details_have_the_plan_to_the_letter() -> None:
    view = view_of(waiting(a_call("post_notice", body="x" * 20_000, note="\u202e")))
    assert view is not None
    pages = pages_of(view, view.updated_at)
    opened = Opened(button="b" * 22, channel="C1", thread="", message="1.1")
    shown: list[list[Block]] = []
    for page in range(12):
        blocks = cast("list[Block]", details_modal(pages, replace(opened, page=page))["blocks"])
        assert diagnostics(blocks) == []
        if blocks not in shown:
            shown.append(blocks)
    of_file = [blocks for blocks in shown if "*plan.json*" in json.dumps(blocks)]
    text = "".join(fenced(Rendered(text="", blocks=blocks)) for blocks in of_file)
    assert json.loads(text) == json.loads(pages[0].attachments[1].text)
