"""Errors carry templates and values: every sentence that the program raises is there in German, with the same blanks."""

import ast
import copy
import re
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import cast

import pytest
from babel.messages import pofile

from bot.cards.error_messages import error_line, plain_text
from bot.cards.results import told_result
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.cards.text import one_line, visible
from bot.i18n import ENGLISH, GERMAN, Catalog, speaking
from coordination.domain import events as e
from coordination.errors import ConfigError, RefusedError, ToolServerError
from coordination.storage.sql_run_log import decode, encode
from coordination.text import Text, TextParts, either, template, together
from tests.sample_logs import argued, recorded
from tests.syntax_trees import nodes_of, text_of

ROOT = Path(__file__).parents[2]
MODULES = sorted(chain((ROOT / "coordination").rglob("*.py"), (ROOT / "bot").rglob("*.py")))
BLANK = re.compile(r"\{(\w+)(?::[^}]*)?\}")
MAKERS = {"Text", "template"}


def blanks(text: str) -> list[str]:
    return sorted(BLANK.findall(text))


def has_words(text: str) -> bool:
    return any(character.isalpha() for character in BLANK.sub("", text))


def texts_in(path: Path) -> Iterator[ast.Call]:
    """Every place where a module makes a text."""
    if "coordination.text" not in text_of(path) and path.name != "text.py":
        return
    for node in nodes_of(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS and node.args:
            yield node


@cache
def said() -> dict[str, str]:
    """Every template in the code, and its plural."""
    found: dict[str, str] = {}
    for call in chain.from_iterable(map(texts_in, MODULES)):
        words = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        if words and has_words(words[0]):
            found[words[0]] = words[1] if len(words) > 1 else ""
    return found


@cache
def german() -> dict[str, tuple[str, ...]]:
    """Every sentence of the catalogue of errors, in all its forms, by its English."""
    with (ROOT / "bot/locales/errors/de.po").open("rb") as file:
        messages = [message for message in pofile.read_po(file, locale="de") if message.id]
    return {
        str(each.id if isinstance(each.id, str) else each.id[0]): (each.string,)
        if isinstance(each.string, str)
        else tuple(each.string or ())
        for each in messages
    }


def test_every_sentence_of_an_error_is_there_in_german() -> None:
    assert len(said()) > 200
    assert sorted(said().keys() - german().keys()) == []


def test_every_sentence_has_the_same_blanks_in_both_languages() -> None:
    assert {
        text: forms for text, forms in german().items() if any(set(blanks(form)) != set(blanks(text)) for form in forms)
    } == {}


def test_none_was_left_in_english() -> None:
    assert {text for text, forms in german().items() if text in forms and len(BLANK.sub("", text)) > 20} == set()


def test_what_people_type_is_the_same_in_german() -> None:
    typed = re.compile(r"`[^`{]+`|\b[A-Z]+(?:_[A-Z]+)+\b|\b[a-z]+(?:_[a-z]+)+\b")
    for text, forms in german().items():
        for form in forms:
            assert set(typed.findall(BLANK.sub("", text))) == set(typed.findall(BLANK.sub("", form))), text


ON_RECEIPTS = ("coordination/execution.py", "coordination/previews.py", "coordination/mcp_tools/server_errors.py")


def test_no_reason_that_a_call_did_not_run_has_people_repeat_the_whole_request() -> None:
    """Earlier calls of the plan may have run: who believes such a sentence has them made once more."""
    reasons = [
        each.value
        for path in ON_RECEIPTS
        for call in texts_in(ROOT / path)
        for each in call.args[:1]
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    assert len(reasons) > 40
    repeats = re.compile(r"\b(?:request again|ask again|try again|start again)\b")
    assert [each for each in reasons if repeats.search(each)] == []


def test_a_template_is_written_where_the_check_of_the_catalogue_sees_it() -> None:
    """One that is chosen first and filled later is marked as a `template`."""
    unmarked = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for node in nodes_of(path)
        if isinstance(node, ast.AnnAssign)
        and "LiteralString" in ast.unparse(node.annotation)
        and node.value is not None
        for value in (node.value.values if isinstance(node.value, ast.Dict) else [node.value])
        if isinstance(value, ast.Constant)
    }
    assert unmarked == set()


def test_no_error_of_the_core_is_raised_with_words_that_nobody_can_translate() -> None:
    """The type checkers hold the constructors to `Text`; this holds the text to be made of a template."""
    bare: set[str] = set()
    for path in (path for path in MODULES if path.is_relative_to(ROOT / "coordination")):
        for node in nodes_of(path):
            is_verbatim = isinstance(node, ast.Call) and ast.unparse(node.func) == "Text.verbatim"
            if is_verbatim and isinstance(cast("ast.Call", node).args[0], ast.JoinedStr | ast.Constant):
                words = ast.unparse(cast("ast.Call", node).args[0])
                if has_words(re.sub(r"\{[^}]*\}", "", words.removeprefix("f").strip("'\""))):
                    bare.add(f"{path.relative_to(ROOT)}: {words}")
    assert bare == set()


@pytest.mark.parametrize(
    ("catalog", "expected"),
    [
        (ENGLISH, "Agent x would have 1,500 tools, but models accept 128"),
        (GERMAN, "Agent x hätte 1500 Werkzeuge, aber Modelle nehmen nur 128 an"),
    ],
)
def test_a_text_is_its_english_and_is_told_in_any_language(catalog: Catalog, expected: str) -> None:
    tools = "1,500" if catalog is ENGLISH else "1500"
    text = Text(
        "Agent {agent} would have {count} tools, but models accept {limit}: the operator must deny some in the configuration "
        "(`tools:` or `exclude_tools`).",
        agent="x",
        count=tools,
        limit=128,
    )
    assert str(text) == text
    assert catalog.told(text).startswith(expected)


def test_numbers_are_written_as_the_language_does() -> None:
    text = Text("did not answer within {seconds:g} s: {tokens:,}", seconds=2.5, tokens=12_345)
    assert text == "did not answer within 2.5 s: 12,345"
    assert GERMAN.told(text) == "did not answer within 2,5 s: 12.345"


def test_texts_in_texts_are_told_in_the_same_language() -> None:
    error = ToolServerError(
        Text.joined(" ", [Text("The MCP server {server} {text}.", server="a", text=Text("has no name"))])
    )
    with speaking(GERMAN):
        assert plain_text(error_line(error)) == "Der MCP-Server a hat keinen Namen."
    assert str(error) == "The MCP server a has no name."


def test_a_text_among_the_values_of_a_sentence_of_the_bot_is_told_too() -> None:
    place = Text("nothing")
    for told in (
        GERMAN.text("doctor.database", database=place),
        plain_text(GERMAN.rich("doctor.database", database=place)),
    ):
        assert told == "Die Datenbank funktioniert: nichts."


def test_a_choice_has_its_words_in_between() -> None:
    assert (either(["a"]), either(["a", "b", "c"]), together(["a", "b"])) == ("a", "a, b or c", "a and b")
    assert GERMAN.told(together(["a", "b", "c"])) == "a, b und c"


def test_a_sentence_can_begin_with_a_value_and_go_on_after_one() -> None:
    inner = Text("the call {name}.", name="x")
    assert Text("{what:A} Then. {what:.}; more {{x}}", what=inner) == "The call x. Then. the call x; more {x}"


def test_what_counts_has_the_plural_of_its_language() -> None:
    assert [Text("{count} line", "{count} lines", count=count) for count in (1, 2)] == ["1 line", "2 lines"]


def test_copies_know_what_they_are_made_of() -> None:
    text = Text("agent {agent}: {problem}", agent="a", problem=Text("has no name"))
    made = copy.deepcopy(text)
    assert (made, made.parts) == (text, text.parts)
    assert made is not text


def test_a_value_that_is_not_there_is_left_open_and_raises_nothing() -> None:
    assert Text.of(TextParts("a {b} {c.__class__} {d:9999999}")) == "a {b} {c.__class__} {d:9999999}"
    assert template("x") == "x"


def test_other_peoples_words_stay_as_they_are() -> None:
    with speaking(GERMAN):
        assert one_line("the call", 100) == visible("the call") == "the call"
        assert one_line(Text("the call"), 100) == "den Aufruf"


WHY = Text("The MCP server {server} {text}.", server="board", text=Text("ended before it answered"))


def test_the_log_keeps_what_a_reason_was_made_of() -> None:
    event = decode("run_failed", 1, encode(e.RunFailed(reason=WHY)).body)
    assert isinstance(event, e.RunFailed)
    assert event.reason == "The MCP server board ended before it answered."
    with speaking(GERMAN):
        assert one_line(event.reason, 100) == "Der MCP-Server board wurde beendet, bevor er antwortete."


def test_a_reason_of_an_earlier_version_is_shown_as_it_was_written() -> None:
    event = decode("run_failed", 1, '{"reason":"The call","kind":"run_failed"}')
    assert isinstance(event, e.RunFailed)
    assert event.parts is None
    assert encode(event).body == '{"reason":"The call","kind":"run_failed"}'
    with speaking(GERMAN):
        assert one_line(event.reason, 100) == "The call"


def test_what_the_program_says_in_the_place_of_a_report_or_a_result_is_told_in_german() -> None:
    finished = decode("run_finished", 1, encode(e.RunFinished(report=Text("There is no report: {why}.", why=WHY))).body)
    late = decode("late_result", 1, encode(e.LateResult(index=0, succeeded=False, result=WHY)).body)
    assert isinstance(finished, e.RunFinished)
    assert isinstance(late, e.LateResult)
    with speaking(GERMAN):
        assert visible(finished.report or "").startswith("Es gibt keinen Bericht: Der MCP-Server board wurde beendet")
        assert visible(told_result(late.result)) == "Der MCP-Server board wurde beendet, bevor er antwortete."
        assert told_result("ok\n[the answer is not in the form that MCP asks for]\n[x]") == (
            "ok\n[die Antwort hat nicht die Form, die MCP verlangt]\n[x]"
        )


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("run_finished", '{"report":"There is no report: x.","kind":"run_finished"}'),
        ("run_finished", '{"report":null,"kind":"run_finished"}'),
        ("late_result", '{"index":0,"succeeded":true,"result":"The call","kind":"late_result"}'),
    ],
)
def test_a_report_or_result_of_an_earlier_version_stays_as_it_was_written(kind: str, body: str) -> None:
    assert encode(decode(kind, 1, body)).body == body


def test_parts_that_do_not_come_to_the_reason_count_for_nothing() -> None:
    """What was hashed and shown in English is what is shown in German."""
    event = e.RunFailed(reason="All is well.", parts=WHY.parts)
    assert event.parts is None
    with speaking(GERMAN):
        assert one_line(event.reason, 100) == "All is well."


def test_a_german_card_of_a_failed_run_is_german() -> None:
    log = recorded([*argued(), e.RunFailed(reason=WHY)])
    view = view_of(log)
    assert view is not None
    with speaking(GERMAN):
        card = card_for(view, log[-1].at)
    assert "Der MCP-Server board wurde beendet" in str(card)
    assert "ended before" not in str(card)


def test_a_german_terminal_tells_refusals_and_configurations_in_german() -> None:
    refused = RefusedError("empty_prompt", Text("Say what the agents should do: the request is empty."))
    config = ConfigError([Text("agent {agent}: {problem}", agent="a", problem=Text("has no name"))])
    with speaking(GERMAN):
        assert plain_text(error_line(config)) == "Agent a: hat keinen Namen"
        assert "Anfrage ist leer" in GERMAN.told(refused.text)
