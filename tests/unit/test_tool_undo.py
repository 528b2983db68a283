"""The undo of a rule: how the file says it, what it makes of a call and its result, and what is told of one that can't work."""

from dataclasses import replace

import pytest

from bot.check import _found_out
from bot.composition import Configuration
from coordination.clock import SystemClock
from coordination.config import Settings, doubtful_undos, parse, unmatched_rules
from coordination.domain.canonical_json import JsonObject, canonical
from coordination.domain.conditions import CallContext
from coordination.domain.tool_rules import Effect, Ruling, both, rule
from coordination.domain.undo import MAX_TAKEN, Undo, path_in, structured
from coordination.errors import ConfigError
from coordination.llm.registry import Models
from coordination.preparation import ServerTools
from coordination.text import Text
from tests.builders import a_call, a_definition

POST = (
    "  - match: chat.post\n    effect: ask\n    undo: {tool: delete, arguments: {channel: $.channel, id: $result.id}}\n"
)
TOOLS = [
    a_definition("post", server="chat", channel="string", text="string"),
    a_definition("delete", server="chat", channel="string", id="string"),
    a_definition("look", server="chat", channel="string"),
]
UNDO = Undo(server="", tool="delete", arguments='{"channel":"$.channel","id":"$result.id"}')


def settings_of(tools: str) -> Settings:
    text = (
        "agents: [{id: scout, backend: {type: ollama, model: m}}]\nmcp_servers: {chat: {command: npx}}\n"
        f"tools:\n{tools}"
    )
    return parse(text, origin="ops.yaml", environ={})


def test_a_rule_names_the_call_that_takes_its_calls_back() -> None:
    (agent,) = settings_of(POST).agents
    assert rule(agent.rules, "chat", "post", CallContext(arguments={})).undo == UNDO
    assert rule(agent.rules, "chat", "delete", CallContext(arguments={})).undo is None
    elsewhere = settings_of(POST.replace("tool: delete", "tool: files.remove")).agents[0]
    found = rule(elsewhere.rules, "chat", "post").undo
    assert found is not None
    assert (found.server, found.tool) == ("files", "remove")


def test_an_undo_that_the_rules_never_let_be_planned_is_none() -> None:
    (agent,) = settings_of(POST + "  - {match: chat.delete, effect: deny}\n").agents
    assert rule(agent.rules, "chat", "post").undo is None
    (agent,) = settings_of(POST + "  - {match: chat.delete, effect: auto}\n").agents
    assert rule(agent.rules, "chat", "post").undo == UNDO


@pytest.mark.parametrize(("chat", "tool"), [("discord", "send_message"), ("slack", "reply_in_thread")])
def test_what_the_programs_own_chat_tools_post_can_be_deleted_where_that_asks(chat: str, tool: str) -> None:
    text = (
        "agents: [{id: scout, backend: {type: ollama, model: m}}]\n"
        f"mcp_servers: {{chat: {{command: massgen-bot, args: [chat-tools, {chat}]}}}}\n"
    )
    (agent,) = parse(text, origin="ops.yaml", environ={}).agents
    undo = rule(agent.rules, "chat", tool).undo
    assert undo is not None
    assert undo.filled("{}", 'Posted.\n{"channel":"C1","message":"1.2","url":"https://x"}') == (
        '{"channel":"C1","message":"1.2"}'
    )
    (agent,) = parse(
        f"{text}tools: [{{match: chat.delete_message, effect: deny}}]\n", origin="b.yaml", environ={}
    ).agents
    assert rule(agent.rules, "chat", tool).undo is None


def test_where_rules_name_different_undos_there_is_none() -> None:
    one = Ruling(effect=Effect.ASK, reason=Text("then"), undo=UNDO)
    other = Ruling(effect=Effect.AUTO, reason=Text("now"), undo=Undo(server="", tool="hide", arguments="{}"))
    plain = Ruling(effect=Effect.ASK, reason=Text("now"))
    assert both(one, other).undo is None
    assert (both(one, plain).undo, both(plain, one).undo, both(one, one).undo) == (UNDO, UNDO, UNDO)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ('{"id":"17"}', '{"channel":"ops","id":"17"}'),
        ('Posted.\n{"id":17}', '{"channel":"ops","id":17}'),
        ("Posted 17.", None),
        ("17", None),
        ('{"id":null}', None),
        ('{"id":""}', None),
        ('{"id":{"of":"17"}}', None),
        ('{"other":"17"}', None),
        (f'{{"id":"{"x" * (MAX_TAKEN + 1)}"}}', None),
        ('{"id":"17"', None),
    ],
)
def test_only_a_short_single_value_is_taken_from_a_result(result: str, expected: str | None) -> None:
    assert UNDO.filled('{"channel":"ops","text":"hi"}', result) == expected


def test_what_a_call_lacks_or_has_several_of_takes_nothing_back() -> None:
    assert UNDO.filled('{"text":"hi"}', '{"id":"17"}') is None
    many = Undo(server="", tool="delete", arguments='{"all":[1,"$.files[*].id",{"as":"it is"}],"cost":"5 $"}')
    assert many.filled('{"files":[{"id":1},{"id":2}]}', "") is None
    assert many.filled('{"files":[{"id":1}]}', "") == '{"all":[1,1,{"as":"it is"}],"cost":"5 $"}'


def test_what_a_template_says() -> None:
    assert path_in("$.channel") == (False, "$.channel")
    assert path_in("$result.id") == (True, "$.id")
    assert (path_in("$"), path_in("$result"), path_in("plain"), path_in("$resultid")) == (None, None, None, None)
    assert structured("[1]") == [1]


def test_the_undo_is_part_of_what_people_approve_and_changes_nothing_where_there_is_none() -> None:
    call = a_call(channel="ops")
    assert "undo" not in canonical(call.as_json())
    assert '"undo":{"arguments"' in canonical(replace(call, undo=UNDO).as_json())


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("effect: deny, undo: {tool: delete}", "undo: found undo beside effect: deny; expected effect: ask or auto"),
        ("effect: ask, undo: {tool: 'del*'}", "undo.tool: found 'del*'; expected the name of a tool"),
        ("effect: ask, undo: {tool: delete, arguments: [a]}", "undo.arguments: found a list; expected a mapping"),
        ("effect: ask, undo: {tool: delete, result: x}", "undo.result: found the unknown key result"),
    ],
)
def test_what_makes_no_sense_is_told_by_its_place(keys: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_of(f"  - {{match: chat.post, {keys}}}")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("undo", "complaint"),
    [
        (
            "{tool: deletes}",
            "found chat.deletes, which is not a tool; expected a tool that the servers have; did you mean chat.delete?",
        ),
        ("{tool: look}", "found chat.look, whose calls the rules never plan"),
        ("{tool: delete, arguments: {channels: $.channel}}", "found 'channels', which chat.delete does not take"),
        ("{tool: delete, arguments: {id: $.number}}", "$.number"),
        ("{tool: delete, arguments: {id: [{at: $result}]}}", "found '$result'; expected the path of an argument"),
    ],
)
def test_an_undo_that_can_not_work_is_a_complaint_with_its_line(undo: str, complaint: str) -> None:
    settings = settings_of(
        f"  - {{match: chat.look, effect: read}}\n  - match: chat.post\n    effect: ask\n    undo: {undo}\n"
    )
    (told,) = unmatched_rules(settings, TOOLS)
    assert complaint in told
    assert "tools[1].undo" in told
    assert ":5:" in told


def test_an_undo_that_works_or_whose_server_is_away_is_no_complaint() -> None:
    assert unmatched_rules(settings_of(POST), TOOLS) == []
    away = settings_of("  - {match: chat.post, effect: ask, undo: {tool: files.remove}}")
    assert unmatched_rules(away, TOOLS) == []
    plain = settings_of("  - {match: chat.post, effect: ask}")
    assert unmatched_rules(plain, TOOLS) == []


@pytest.mark.parametrize(
    ("output", "is_told"),
    [
        (None, False),
        ({"type": "object", "properties": {"id": {"type": "string"}}}, False),
        ({"type": "object", "properties": {"id": {}}}, False),
        ({"type": "object", "properties": {"id": {"type": ["string", "null"]}}}, False),
        ({"type": "object", "properties": {"id": {"$ref": "#/$defs/id"}}}, False),
        ({"type": "object", "properties": {"ok": {"type": "boolean"}}, "additionalProperties": True}, False),
        ({"type": "object"}, False),
        ({"type": "object", "properties": {"result": {"type": "object", "properties": {"id": {}}}}}, False),
        ({"type": "object", "properties": {"number": {"type": "string"}}}, True),
        ({"type": "object", "properties": {"id": {"type": "object"}}}, True),
        ({"type": "object", "properties": {"result": {"type": "object", "properties": {"key": {}}}}}, True),
        ({"type": "object", "additionalProperties": False}, True),
    ],
)
def test_a_path_that_declared_results_do_not_have_is_a_warning_with_its_line(
    output: JsonObject | None, is_told: bool
) -> None:
    settings = settings_of(POST)
    tools = [replace(TOOLS[0], output_schema=output), *TOOLS[1:]]
    assert unmatched_rules(settings, tools) == []
    told = [
        "ops.yaml:4: tools[0].undo: calls of chat.post can't be undone: their declared results have no short value at "
        "$result.id"
    ]
    assert doubtful_undos(settings, tools) == (told if is_told else [])


def test_of_tools_that_a_rule_never_decides_about_or_that_nobody_can_use_nothing_is_said() -> None:
    no_id: JsonObject = {"type": "object", "properties": {"number": {"type": "string"}}}
    wide = POST.replace("match: chat.post", 'match: "chat.*"')
    tools = [replace(each, output_schema=no_id) for each in TOOLS]
    (told,) = doubtful_undos(settings_of(wide), tools)
    assert "calls of chat.delete, chat.look, chat.post can't be undone" in told
    (told,) = doubtful_undos(settings_of("  - {match: chat.look, effect: read}\n" + wide), tools)
    assert "calls of chat.delete, chat.post can't be undone" in told
    assert doubtful_undos(settings_of(wide), [replace(each, unusable="is broken") for each in tools]) == []
    assert doubtful_undos(settings_of("  - {match: chat.post, effect: ask}\n"), tools) == []


def test_check_warns_of_it_and_the_log_has_it_when_agents_plan(caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_of(POST)
    no_id: JsonObject = {"type": "object", "properties": {"number": {"type": "string"}}}
    tools = [replace(TOOLS[0], output_schema=no_id), *TOOLS[1:]]
    (warning,) = _found_out(settings, ServerTools(definitions=tools, absent={}))
    assert "$result.id" in warning
    profile = settings.profile(allow_requester_default=True)
    configuration = Configuration(
        settings=settings, profile=profile, build=Models(SystemClock()), adapt=lambda models: models
    )
    assert configuration.diagnostics(tools) == []
    assert caplog.messages == [str(warning)]
