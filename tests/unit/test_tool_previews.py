"""The preview of a rule: how the file says it, and what is told of one that can't work."""

import pytest

from coordination.config import Settings, parse, unmatched_rules
from coordination.domain.conditions import CallContext
from coordination.domain.preview import Preview, Question
from coordination.domain.tool_rules import Effect, Ruling, both, rule
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
        (WRITE, "found files.read, which no rule lets run as a read; expected a rule for it with effect: read"),
        (READ + WRITE.replace("tool: read", "tool: raad"), "found files.raad, which is no tool; expected a tool"),
        (READ + WRITE.replace("{path: $.path}", "{path: $.pfad}"), "found the path $.pfad"),
        (READ + WRITE.replace("$.content", "$.contents"), "found the path $.contents"),
    ],
)
def test_a_preview_that_can_not_work_is_told_of_the_tools_there_are(rules: str, complaint: str) -> None:
    (line,) = unmatched_rules(settings_of(rules), TOOLS)
    assert ": tools[" in line
    assert "].preview: " in line
    assert complaint in line


def test_one_that_works_is_no_mistake() -> None:
    assert unmatched_rules(settings_of(READ + WRITE), TOOLS) == []
