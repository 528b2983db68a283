"""What the program itself says of a tool's answer, and of arguments that don't fit, is told in the reader's language."""

import pytest
from jsonschema import Draft202012Validator

from bot.cards.error_messages import plain_text
from bot.cards.results import told_result
from bot.i18n import GERMAN, speaking
from coordination.domain import events as e
from coordination.domain.canonical_json import Json, JsonObject
from coordination.json_schema import WORDS, conforms, verdict
from coordination.mcp_tools.definitions import MAX_TEXT, output
from coordination.mcp_tools.json_rpc import Raw
from coordination.redaction import Redactor
from coordination.storage.sql_run_log import decode, encode
from coordination.text import Text
from tests.german import english_in
from tests.sample_logs import approved, plan_in, started, then
from tests.unit.test_cards import calls_of, card_of

TEXT: JsonObject = {"type": "string"}

MISFITS: dict[str, tuple[JsonObject, Json, str]] = {
    "additionalProperties": (
        {"properties": {"a": {}}, "additionalProperties": False},
        {"a": 1, "b": 2, "c": 3},
        "b, c",
    ),
    "anyOf": ({"anyOf": [TEXT]}, 1, "1"),
    "const": ({"const": 2}, 1, "1 ist nicht 2"),
    "contains": ({"contains": TEXT}, [1], "[1]"),
    "dependentRequired": (
        {"dependentRequired": {"x": ["y"], "a": ["c", "b"]}},
        {"a": 1, "c": 2},
        "b fehlt, obwohl es mit a",
    ),
    "enum": ({"enum": ["a", None]}, 1, '"a", null'),
    "exclusiveMaximum": ({"exclusiveMaximum": 2}, 2, "nicht kleiner als 2"),
    "exclusiveMinimum": ({"exclusiveMinimum": 2}, 2, "nicht größer als 2"),
    "false": ({"properties": {"a": False}}, {"a": [1]}, "[1] ist hier nicht erlaubt"),
    "items": ({"prefixItems": [{}, {}], "items": False}, [1, 2, 3], "[1, 2, 3] hat mehr als 2 Einträge"),
    "maxContains": ({"contains": TEXT, "maxContains": 1}, ["a", "b"], '["a", "b"] hat mehr als 1'),
    "maxItems": ({"maxItems": 1}, [1, 2], "[1, 2] hat mehr als 1"),
    "maxLength": ({"maxLength": 1}, "ab", '"ab" hat mehr als 1'),
    "maxProperties": ({"maxProperties": 0}, {"a": 1}, '{"a": 1} hat mehr als 0'),
    "maximum": ({"maximum": 2}, 3, "3 ist größer als 2"),
    "minContains": ({"contains": TEXT, "minContains": 2}, ["a"], '["a"] hat weniger als 2'),
    "minItems": ({"minItems": 1}, [], "[] hat weniger als 1"),
    "minLength": ({"minLength": 3}, "ab", '"ab" hat weniger als 3'),
    "minProperties": ({"minProperties": 1}, {}, "{} hat weniger als 1"),
    "minimum": ({"minimum": 2}, 1, "1 ist kleiner als 2"),
    "multipleOf": ({"multipleOf": 2}, 3, "kein Vielfaches von 2"),
    "not": ({"not": TEXT}, "a", '"a"'),
    "oneOf": ({"oneOf": [TEXT, {"minLength": 1}]}, "ab", '"ab"'),
    "pattern": ({"pattern": r"^\d$"}, "a", r'"a" passt nicht zu ^\d$'),
    "required": ({"required": ["a", "b"]}, {"a": 1}, "das Objekt: b fehlt"),
    "type": (
        {"properties": {"n": {"type": ["string", "null"]}}},
        {"n": True},
        "n: true ist nicht vom Typ string | null",
    ),
    "unevaluatedItems": ({"prefixItems": [{}], "unevaluatedItems": False}, [1, 2], "[1, 2] hat einen Eintrag"),
    "unevaluatedProperties": ({"unevaluatedProperties": False}, {"a": 1}, '{"a": 1} hat eine Eigenschaft'),
    "uniqueItems": ({"uniqueItems": True}, [1, 1], "[1, 1]"),
}

INSIDE = {
    "$dynamicRef", "$ref", "allOf", "dependentSchemas", "if", "patternProperties", "prefixItems", "properties",
    "propertyNames",
}  # fmt: skip
"""What is wrong is always said of a keyword inside."""

NO_KEYWORDS = {"false", "maxContains", "minContains"}
"""Said of a schema that allows nothing, and of `contains`."""


@pytest.mark.parametrize("keyword", MISFITS)
async def test_what_does_not_fit_is_said_in_german(keyword: str) -> None:
    schema, value, told = MISFITS[keyword]
    fault = (await conforms(schema, value)).fault
    assert fault is not None
    assert told in GERMAN.told(fault)
    assert english_in(fault, f"{schema} {value}") == []


def test_every_keyword_that_a_value_can_miss_has_words() -> None:
    assert WORDS.keys() == MISFITS.keys()
    assert set(Draft202012Validator.VALIDATORS) - {"format"} == WORDS.keys() - NO_KEYWORDS | INSIDE


async def test_no_value_is_refused_for_its_format() -> None:
    """An annotation, as the standard has it: servers differ in what they take for a date."""
    assert (await conforms({"format": "date"}, "tomorrow")).fault is None


async def test_an_argument_that_the_tool_does_not_know_is_named_in_german() -> None:
    fault = (await verdict({"properties": {"a": {}, "b": {}}}, {"c": 1})).fault
    assert fault == "unknown c; known are a, b"
    assert GERMAN.told(fault) == "unbekannt: c; bekannt: a, b"


RICH: Raw = [
    {"type": "text", "text": "seen"},
    {"type": "image", "data": "AAAA" * 4000, "mimeType": "image/png"},
    {"type": "audio", "data": "AAA="},
    {"type": "resource_link", "name": "plan", "uri": "file:///plan"},
    {"type": "resource", "resource": {"uri": "file:///note", "mimeType": "text/plain", "text": "its text"}},
    {"type": "resource", "resource": {"uri": "file:///blob", "blob": "AA=="}},
    {"type": "film", "frames": "x" * 2_001},
]


def test_what_is_not_text_and_each_remark_are_told_in_german() -> None:
    breaks = Text(
        "the answer does not match the tool's declared output: {fault}", fault=Text("{found} is missing", found="n")
    )
    answer = output({"content": RICH, "isError": [1]}, Redactor(), breaks=breaks)
    assert isinstance(answer.text, Text)
    assert GERMAN.told(answer.text).split("\n") == [
        "seen",
        "[Bild, image/png, 12 kB]",
        "[Audio, ohne Angabe des Typs, 2 Byte]",
        "[Link zu file:///plan]",
        "[Ressource file:///note, text/plain]",
        "its text",
        "[Ressource file:///blob, ohne Angabe des Typs, 1 Byte]",
        '{"type": "film", "frames": "' + "x" * 2_000 + '…"}',
        "[ein Teil der Antwort ist von einer hier unbekannten Art]",
        "[frames ist gekürzt: 1 weiteres Zeichen wurde ausgelassen]",
        "[die Antwort sagt nicht eindeutig, ob der Aufruf fehlgeschlagen ist]",
        "[die Antwort passt nicht zur angekündigten Ausgabe des Werkzeugs: n fehlt]",
    ]


def test_an_answer_of_words_alone_is_nobodys_to_translate() -> None:
    assert not isinstance(output({"content": [{"type": "text", "text": "the object"}]}, Redactor()).text, Text)


def test_secrets_are_gone_from_what_a_remark_quotes_and_from_what_goes_over_lines() -> None:
    link: Raw = {"type": "resource_link", "uri": "https://x/hunter22"}
    assert output({"content": [link]}, Redactor(["hunter22"])).text == "[link to https://x/[secret]]"
    both: Raw = [{"type": "text", "text": "hunter"}, {"type": "text", "text": "22-seen"}, link]
    spread = output({"content": both}, Redactor(["hunter\n22-seen"]))
    assert "22-seen" not in spread.text.replace("https://x/hunter22", "")


def test_a_cut_answer_says_in_german_how_much_is_missing() -> None:
    text = output({"content": [{"type": "text", "text": "x" * (MAX_TEXT + 1_234)}]}, Redactor()).text
    assert GERMAN.told(text).endswith("x\n[1.234 weitere Zeichen wurden ausgelassen]")


RESULT = Text.joined("\n", ["posted", Text("[link to {uri}]", uri="file:///x")])


def test_the_log_keeps_what_a_result_was_made_of_and_the_card_tells_it() -> None:
    log = approved()
    plan = plan_in(log)
    done = e.CallSucceeded(
        index=0, server="board", tool="post_notice", arguments=plan.calls[0].arguments, result=RESULT
    )
    read = decode("call_succeeded", 1, encode(done).body)
    assert isinstance(read, e.CallSucceeded)
    assert read.result == "posted\n[link to file:///x]"
    with speaking(GERMAN):
        card = card_of(then(log, started(plan, 0), read))
    assert "[Link zu file:///x]" in plain_text(calls_of(card).calls[0].outcome)


def test_a_result_of_an_earlier_version_stays_as_it_was_written() -> None:
    body = '{"index":0,"server":"b","tool":"t","arguments":"{}","result":"ok\\n[2 more characters were left out]","kind":"call_succeeded"}'
    read = decode("call_succeeded", 1, body)
    assert encode(read).body == body
    assert isinstance(read, e.CallSucceeded)
    with speaking(GERMAN):
        assert told_result(read.result) == "ok\n[2 more characters were left out]"
