"""The preview of a rule: how the file says it, and what is told of one that can't work."""

from dataclasses import replace

import pytest

from bot.check import _unnamed
from coordination.config import Settings, parse, unmatched_rules
from coordination.domain.canonical_json import canonical
from coordination.domain.conditions import CallContext
from coordination.domain.plan import PlannedCall
from coordination.domain.preview import Preview, Question
from coordination.domain.references import Reference
from coordination.domain.tool_rules import Effect, Ruling, both, possible_effects, rule
from coordination.errors import ConfigError
from coordination.text import Text
from tests.builders import a_definition

READ = "  - {match: files.read, effect: read}\n"
WRITE = (
    "  - match: files.write\n    effect: ask\n    preview: {tool: read, arguments: {path: $.path}, after: $.content}\n"
)
TOOLS = [
    a_definition("read", server="files", path="string"),
    a_definition("write", server="files", path="string", content="string"),
]
SHOWN = Preview(server="", tool="read", arguments='{"path":"$.path"}', after="$.content")


def settings_of(tools: str) -> Settings:
    text = (
        "agents: [{id: scout, backend: {type: ollama, model: m}}]\nmcp_servers: {files: {command: npx}}\n"
        f"tools:\n{tools}"
    )
    return parse(text, origin="ops.yaml", environ={})


def previews(tools: str) -> tuple[Preview, ...]:
    (agent,) = settings_of(tools).agents
    return rule(agent.rules, "files", "write", CallContext(arguments={})).previews


def test_a_rule_says_what_is_read_for_its_calls() -> None:
    assert previews(READ + WRITE) == (SHOWN,)
    many = (
        WRITE
        + "    preconditions: [{tool: files.stat, arguments: {deep: [1, $.path]}, shows: $.owner, required: true}]\n"
    )
    condition = Preview(
        server="files",
        tool="stat",
        arguments='{"deep":[1,"$.path"]}',
        shows="$.owner",
        required=True,
        is_condition=True,
    )
    assert previews(READ + many) == (SHOWN, condition)
    named = WRITE + "    preconditions: [{tool: get, arguments: {id: $.path}, shows: $.name, describes: $.path}]\n"
    name = Preview(
        server="",
        tool="get",
        arguments='{"id":"$.path"}',
        shows="$.name",
        is_condition=True,
        describes=True,
        beside="$.path",
    )
    assert previews(READ + named) == (SHOWN, name)


NAMES = Preview(
    server="",
    tool="look_up",
    arguments='{"channel":"$.channel","kind":"all","users":"$.mention_users"}',
    describes=True,
)


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ('{"channel":"7","content":"x","mention_users":["8"]}', '{"channel":"7","kind":"all","users":["8"]}'),
        ('{"channel":"7","mention_users":null}', '{"channel":"7","kind":"all"}'),
        ('{"content":"x"}', '{"kind":"all"}'),
    ],
)
def test_of_ids_that_a_call_leaves_out_nothing_is_asked(arguments: str, asked: str) -> None:
    assert NAMES.question("chat", arguments) == Question(server="chat", tool="look_up", arguments=asked)


def test_where_a_call_names_nothing_nothing_is_asked() -> None:
    only = Preview(server="", tool="look_up", arguments='{"channel":"$.channel"}', describes=True)
    assert only.question("chat", '{"content":"x"}') is None


def test_what_describes_ids_is_under_the_digest_and_older_plans_keep_theirs() -> None:
    assert list(NAMES.described()) == [("channel", "channel"), ("users", "mention_users")]
    assert list(SHOWN.described()) == []
    assert "describes" not in canonical(SHOWN.as_json())
    assert '"describes":true' in canonical(NAMES.as_json())


ISSUE = Preview(
    server="",
    tool="issue_read",
    arguments='{"issue_number":"$.issue_number","method":"get","repo":"$.repo"}',
    shows="$.title",
    is_condition=True,
    describes=True,
    beside="$.issue_number",
)
PEOPLE = replace(ISSUE, tool="get_user", arguments='{"all":[1,"$.people[*].id"]}', beside="$.people[*].id")


def asked_of(preview: Preview, arguments: str, references: tuple[Reference, ...] = ()) -> list[tuple[str, str | None]]:
    call = PlannedCall(
        server="hub", tool="t", arguments=arguments, definition="d", previews=(preview,), references=references
    )
    return [(each.beside, asked and asked.arguments) for each, asked in call.questions()]


@pytest.mark.parametrize(
    ("preview", "arguments", "asked"),
    [
        (ISSUE, '{"issue_number":7,"repo":"site"}', ['{"issue_number":7,"method":"get","repo":"site"}']),
        (ISSUE, '{"issue_number":7}', [None]),
        (ISSUE, '{"issue_number":null,"repo":"site"}', []),
        (ISSUE, '{"repo":"site"}', []),
        (PEOPLE, '{"people":[{"id":"a"},{"id":null},{"id":"c"}]}', ['{"all":[1,"a"]}', '{"all":[1,"c"]}']),
        (PEOPLE, '{"people":[]}', []),
        (PEOPLE, canonical({"people": [{"id": "a"}] * 21}), [None]),
        (replace(PEOPLE, beside="$.a[*].b[*]"), '{"a":[{"b":["x"]}]}', [None]),
    ],
)
def test_an_id_that_a_call_has_is_asked_about_and_each_of_a_list_by_itself(
    preview: Preview, arguments: str, asked: list[str | None]
) -> None:
    assert [each for _, each in asked_of(preview, arguments)] == asked


def test_which_of_a_list_is_described_is_known() -> None:
    assert [each for each, _ in asked_of(PEOPLE, '{"people":[{"id":"a"},{"id":"b"}]}')] == [
        "$.people[0].id",
        "$.people[1].id",
    ]


def test_an_id_that_only_an_earlier_call_tells_can_not_be_described() -> None:
    taken = Reference(argument="issue_number", call=0, path="/number")
    assert asked_of(ISSUE, '{"repo":"site"}', (taken,)) == [("$.issue_number", None)]


def test_what_stands_beside_an_id_is_under_the_digest() -> None:
    assert '"beside":"$.issue_number","describes":true' in canonical(ISSUE.as_json())
    assert "beside" not in canonical(NAMES.as_json())
    assert list(ISSUE.described()) == []


CHAT = """
agents: [{id: scout, backend: {type: ollama, model: m}}]
mcp_servers:
  chat: {command: %s, args: %s}
"""


@pytest.mark.parametrize(
    ("command", "arguments", "tool"),
    [
        ("python3", "[-m, massgen_bot, chat-tools, discord, --scope, visible]", "delete_message"),
        ("/opt/bin/massgen-bot", "[chat-tools, slack]", "reply_in_thread"),
        ("python3", "[-m, bot.tool_servers.slack_server]", "post_message"),
    ],
)
def test_what_ids_are_is_looked_up_for_the_programs_own_chat_tools(command: str, arguments: str, tool: str) -> None:
    (agent,) = parse(CHAT % (command, arguments), origin="x.yaml", environ={}).agents
    (preview,) = rule(agent.rules, "chat", tool).previews
    assert (preview.tool, preview.describes, preview.required) == ("look_up", True, False)
    assert rule(agent.rules, "chat", tool).effect is Effect.ASK
    assert rule(agent.rules, "chat", "look_up").effect is Effect.READ
    assert possible_effects(agent.rules, "chat", tool) == {Effect.ASK}


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("npx", "[chat-tools, discord]"),
        ("massgen-bot", "[chat-tools, irc]"),
        ("massgen-bot", "[run, chat-tools, discord]"),
        ("python3", "[-m, other.tool_servers.slack_server]"),
    ],
)
def test_another_program_is_not_taken_for_it(command: str, arguments: str) -> None:
    (agent,) = parse(CHAT % (command, arguments), origin="x.yaml", environ={}).agents
    assert agent.rules == ()


@pytest.mark.parametrize(
    ("written", "effect"),
    [
        ("{match: chat.look_up, effect: deny}", Effect.DENY),
        ("{match: 'chat.*', effect: ask}", Effect.ASK),
        ("{match: chat.look_up, effect: read}", Effect.READ),
    ],
)
def test_what_the_operator_says_of_looking_up_holds(written: str, effect: Effect) -> None:
    text = CHAT % ("massgen-bot", "[chat-tools, slack]") + f"tools: [{written}]\n"
    (agent,) = parse(text, origin="x.yaml", environ={}).agents
    assert rule(agent.rules, "chat", "look_up").effect is effect
    assert len(rule(agent.rules, "chat", "post_message").previews) == 1


def test_an_address_is_no_program() -> None:
    text = "agents: [{id: a, backend: {type: ollama, model: m}}]\nmcp_servers: {chat: {url: 'http://127.0.0.1:1'}}\n"
    (agent,) = parse(text, origin="x.yaml", environ={}).agents
    assert agent.rules == ()


def test_what_is_asked_has_the_arguments_of_the_call_in_it() -> None:
    asked = SHOWN.question("files", '{"content":"x","path":"/a"}')
    assert asked == Question(server="files", tool="read", arguments='{"path":"/a"}')
    assert SHOWN.question("files", '{"content":"x"}') is None
    several = Preview(server="", tool="read", arguments='{"path":"$.files[*].path"}')
    assert several.question("files", '{"files":[{"path":"/a"},{"path":"/b"}]}') is None


def test_of_two_rulings_everything_is_read_that_either_wants_read() -> None:
    one = Ruling(effect=Effect.ASK, reason=Text("then"), previews=(SHOWN,))
    other = Ruling(
        effect=Effect.AUTO, reason=Text("now"), previews=(SHOWN, Preview(server="", tool="b", arguments="{}"))
    )
    assert [each.tool for each in both(one, other).previews] == ["read", "b"]


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        (
            "effect: deny, preview: {tool: read}",
            "preview: found preview beside effect: deny; expected effect: ask or auto",
        ),
        ("effect: read, preconditions: [{tool: read}]", "preconditions: found preconditions beside effect: read"),
        ("effect: ask, preview: {arguments: {dry_run: true}}", "tool"),
        ("effect: ask, preview: {tool: 're*'}", "preview.tool: found 're*'; expected the name of a tool"),
        ("effect: ask, preview: {tool: read, arguments: [a]}", "preview.arguments: found a list; expected a mapping"),
        ("effect: ask, preview: {tool: read, after: content}", "preview.after: found 'content'; expected the path"),
        (
            "effect: ask, preconditions: [{tool: read, describes: path}]",
            "preconditions[0].describes: found 'path'; expected the path of an argument",
        ),
        (
            "effect: ask, preconditions: [{tool: read, after: $.a}]",
            "preconditions[0].after: found the unknown key after",
        ),
    ],
)
def test_what_makes_no_sense_is_told_by_its_place(keys: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_of(f"  - {{match: files.write, {keys}}}")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        (WRITE, "found files.read, which no rule allows as a read; expected a rule for it with effect: read"),
        (READ + WRITE.replace("tool: read", "tool: raad"), "found files.raad, which is not a tool; expected a tool"),
        (READ + WRITE.replace("{path: $.path}", "{path: $.pfad}"), "found the path $.pfad"),
        (READ + WRITE.replace("$.content", "$.contents"), "found the path $.contents"),
    ],
)
def test_a_preview_that_can_not_work_is_told_of_the_tools_there_are(rules: str, complaint: str) -> None:
    (line,) = unmatched_rules(settings_of(rules), TOOLS)
    assert ": tools[" in line
    assert "].preview: " in line
    assert complaint in line


@pytest.mark.parametrize(
    ("read", "complaint"),
    [
        ("{tool: read, arguments: {path: $.path}, describes: $.pfad}", "found the path $.pfad"),
        ("{tool: write, arguments: {path: $.path}, describes: $.path}", "found files.write, which no rule allows"),
    ],
)
def test_a_description_that_can_not_work_is_told_likewise(read: str, complaint: str) -> None:
    rules = f"{READ}  - {{match: files.write, effect: ask, preconditions: [{read}]}}\n"
    (line,) = unmatched_rules(settings_of(rules), TOOLS)
    assert "].preconditions: " in line
    assert complaint in line


def test_one_that_works_is_no_mistake() -> None:
    assert unmatched_rules(settings_of(READ + WRITE), TOOLS) == []


def test_rules_that_nobody_wrote_do_not_silence_the_warning_that_no_rule_names_a_tool() -> None:
    tools = [a_definition("look_up", server="chat"), a_definition("post_message", server="chat")]
    settings = parse(CHAT % ("massgen-bot", "[chat-tools, slack]"), origin="x.yaml", environ={})
    assert [str(each)[:32] for each in _unnamed(settings, tools)] == ["No rule names a tool of chat, so"]
