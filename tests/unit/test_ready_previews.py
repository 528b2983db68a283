"""Of servers that people know it is known what shows what a call changes: chosen by name and tool, and off by a word."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from coordination.config import parse
from coordination.domain.canonical_json import Json, JsonObject, canonical
from coordination.domain.conditions import steps_of
from coordination.domain.plan import PlannedCall
from coordination.domain.preview import RESOURCE, Preview, Question, Reading, arguments_of, edited
from coordination.domain.tool_rules import Ruling, sounds_like_writing
from coordination.errors import ConfigError
from coordination.known_servers import KNOWN_SERVERS
from coordination.mcp_tools.definitions import output
from coordination.mcp_tools.json_rpc import Raw
from coordination.ports import ToolDefinition, ToolOutput
from coordination.previews import changed_since, read_all
from coordination.redaction import Redactor
from coordination.run_options import AgentProfile
from coordination.toolbox import OfferedTool, offer
from tests.builders import a_definition, a_plan

FILES = "secure-filesystem-server"
READS = "{match: files.read_text_file, effect: read}"
CONFIG = """
agents: [{id: scout, backend: {type: ollama, model: m}}]
mcp_servers: {files: {command: npx%s}}
tools: [%s]
"""
EDIT: JsonObject = {"path": "/a", "content": "x"}


def tools_of(program: str, **tools: tuple[str, ...]) -> list[ToolDefinition]:
    return [
        replace(a_definition(name, server="files", **dict.fromkeys(arguments, "string")), program=program)
        for name, arguments in tools.items()
    ]


DISK = tools_of(FILES, read_text_file=("path",), write_file=("path", "content"))


def offered(*rules: str, server: str = "", tools: list[ToolDefinition] | None = None) -> Mapping[str, OfferedTool]:
    (agent,) = parse(CONFIG % (server, ", ".join(rules)), origin="x.yaml", environ={}).agents
    profile = AgentProfile(number=1, id="scout", system_message="", servers=agent.servers, rules=agent.rules)
    return {each.definition.tool: each for each in offer(profile, DISK if tools is None else tools).values()}


def previews(
    *rules: str, arguments: JsonObject = EDIT, server: str = "", tools: list[ToolDefinition] | None = None
) -> list[str]:
    ruling: Ruling = offered(*rules, server=server, tools=tools)["write_file"].ruling(arguments)
    return [f"{each.tool} {each.after}" for each in ruling.previews]


def test_the_servers_own_name_and_its_tools_choose_what_is_read() -> None:
    assert previews(READS) == ["read_text_file $.content"]
    assert previews(READS, "{match: files.write_file, effect: auto}") == ["read_text_file $.content"]
    assert previews(READS, tools=[replace(each, program="files") for each in DISK]) == []
    assert previews(READS, tools=DISK[1:]) == []


def test_nothing_is_read_that_no_rule_allows_as_a_read_with_these_arguments() -> None:
    assert previews() == []
    assert previews("{match: files.read_text_file, effect: deny}") == []
    inside = "{match: files.read_text_file, when: {$.path: {folder: /srv}}, effect: read}"
    assert previews(inside) == []
    assert previews(inside, arguments={"path": "/srv/a", "content": "x"}) == ["read_text_file $.content"]


def test_nothing_is_read_where_the_tool_of_that_name_takes_something_else() -> None:
    assert previews(READS, tools=[*tools_of(FILES, read_text_file=("file",)), DISK[1]]) == []
    assert previews(READS, tools=[*tools_of(FILES, read_text_file=("path", "of")), DISK[1]]) == []


def test_what_a_rule_says_of_it_holds_alone() -> None:
    own = "{match: files.write_file, effect: ask, preview: {tool: read_text_file, arguments: {path: /x}}}"
    assert previews(READS, own) == ["read_text_file "]
    besides = "{match: files.write_file, effect: ask, preconditions: [{tool: read_text_file, arguments: {path: /x}}]}"
    assert previews(READS, besides) == ["read_text_file ", "read_text_file $.content"]


@pytest.mark.parametrize("word", ["off", "'off'", "false"])
def test_it_is_off_by_a_word(word: str) -> None:
    assert previews(READS, f"{{match: files.write_file, effect: ask, preview: {word}}}") == []
    assert previews(READS, server=f", previews: {word}") == []
    assert previews(READS, server=", previews: on") == ["read_text_file $.content"]


def test_what_is_turned_off_for_one_server_is_on_for_the_others() -> None:
    assert previews(READS, server="}, more: {command: npx, previews: off") == ["read_text_file $.content"]


@pytest.mark.parametrize(("key", "where"), [("preview: maybe", "preview"), ("preview: [a]", "preview")])
def test_another_word_is_told(key: str, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        previews(READS, f"{{match: files.write_file, effect: ask, {key}}}")
    assert f"{where}: found" in str(caught.value)
    assert "expected off, or a mapping such as {tool: read_text_file}" in str(caught.value)


def test_to_turn_it_off_for_calls_that_nobody_plans_is_told() -> None:
    with pytest.raises(ConfigError, match="found preview beside effect: deny"):
        previews(READS, "{match: files.write_file, effect: deny, preview: off}")


def test_what_is_known_of_servers_is_sound() -> None:
    for server, tools in KNOWN_SERVERS.items():
        for tool, some in tools.items():
            for each in some:
                assert each.server == ""
                assert each.is_ready_made
                assert (each.required, each.is_condition, each.describes) == (False, False, False), (server, tool)
                assert not sounds_like_writing(each.tool), (server, tool)
                paths = [each.after, each.edits, "" if each.shows == RESOURCE else each.shows]
                assert all(steps_of(path) for path in paths if path), (server, tool)


PULL: JsonObject = {"owner": "o", "repo": "r", "pullNumber": 7}
ISSUE: JsonObject = {"method": "update", "owner": "o", "repo": "r", "issue_number": "7"}


def chosen(tool: str, arguments: JsonObject, **reads: tuple[str, ...]) -> list[tuple[str, str, Json]]:
    """Of GitHub's server: what is read, what of it is shown, and with which arguments it is asked for."""
    tools = tools_of("github-mcp-server", **reads, **{tool: tuple(arguments)})
    rules = [f"{{match: files.{each}, effect: read}}" for each in reads]
    found = offered(*rules, tools=tools)[tool].ruling(arguments).previews
    asked = [each.question("files", canonical(arguments)) for each in found]
    return [(each.tool, each.shows, arguments_of(each)) for each in asked if each is not None]


def test_only_what_a_call_replaces_is_shown_of_an_issue() -> None:
    reads = ("method", "owner", "repo", "issue_number")
    asked = {"method": "get", "owner": "o", "repo": "r", "issue_number": "7"}
    assert chosen("issue_write", {**ISSUE, "body": "b", "labels": ["x"]}, issue_read=reads) == [
        ("issue_read", "$.body", asked),
        ("issue_read", "$.labels", asked),
    ]
    created: JsonObject = {"method": "create", "owner": "o", "repo": "r", "title": "t"}
    assert chosen("issue_write", created, issue_read=reads) == []


def test_what_is_merged_is_shown_by_whichever_tool_a_version_has() -> None:
    old, new = ("owner", "repo", "pullNumber"), ("method", "owner", "repo", "pullNumber")
    assert chosen("merge_pull_request", PULL, get_pull_request_diff=old) == [("get_pull_request_diff", "", PULL)]
    found = chosen("merge_pull_request", PULL, pull_request_read=new)
    assert found == [("pull_request_read", "", {**PULL, "method": "get_diff"})]


@pytest.mark.parametrize(
    ("edits", "after"),
    [
        ([{"oldText": "b", "newText": "B"}, {"oldText": "aB", "newText": ""}], "\nab\n"),
        ([], "ab\nab\n"),
        ([{"oldText": "c", "newText": "C"}], None),
        ([{"oldText": "", "newText": "C"}], None),
        ([{"oldText": "b", "newText": "$&"}], None),
        ([{"oldText": "b", "newText": "\r\n"}], None),
        ([{"oldText": "b"}], None),
        (["b"], None),
        (None, None),
    ],
)
def test_edits_are_made_one_after_the_other_where_it_is_plain_what_they_come_to(edits: Json, after: str | None) -> None:
    assert edited("ab\nab\n", edits) == after
    preview = Preview(server="", tool="read", arguments="{}", edits="$.edits")
    assert preview.replacement(canonical({"edits": edits}), "ab\nab\n") == after
    assert preview.replacement(canonical({"edits": edits}), None) is None


def test_what_is_new_of_a_preview_is_under_the_digest_and_older_plans_keep_theirs() -> None:
    plain = Preview(server="", tool="read", arguments="{}")
    assert {"edits", "is_ready_made"} & set(dict_of(plain)) == set()
    assert dict_of(replace(plain, edits="$.e", is_ready_made=True)).items() >= {
        ("edits", "$.e"),
        ("is_ready_made", True),
    }


def dict_of(preview: Preview) -> Mapping[str, Json]:
    found = preview.as_json()
    assert isinstance(found, Mapping)
    return found


def test_the_text_of_the_one_resource_in_an_answer_may_be_what_counts() -> None:
    block: Raw = {"type": "resource", "resource": {"uri": "repo://a", "text": "x\n"}}
    said: Raw = {"type": "text", "text": "successfully downloaded"}
    one = output({"content": [said, block]}, Redactor(()))
    assert one.resource == "x\n"
    assert output({"content": [block, block]}, Redactor(())).resource is None
    assert output({"content": [said]}, Redactor(())).resource is None
    assert output({"content": [block], "isError": True}, Redactor(())).resource is None
    asked = Question(server="files", tool="get", arguments="{}", shows=RESOURCE)
    assert (asked.value_in(one.text, one.resource), asked.value_in(one.text)) == ("x\n", None)


def test_an_answer_whose_structured_content_is_its_text_under_one_name_is_not_repeated() -> None:
    text: Raw = {"type": "text", "text": "x\n"}
    assert output({"content": [text], "structuredContent": {"content": "x\n"}}, Redactor(())).text == "x\n"
    both = output({"content": [text], "structuredContent": {"content": "y"}}, Redactor(())).text
    assert both == 'x\n\n{"content": "y"}'


class Counted:
    """Answers with an issue, and counts how often it is asked."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.asked = 0

    async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
        self.asked += 1
        return ToolOutput(text=self.answer)

    async def definition_digest(self, server: str, tool: str, expected: str = "") -> str | None:
        return f"definition-of-{tool}"

    async def settings_digest(self, server: str) -> str:
        return ""


def recorded(tools: Mapping[str, OfferedTool], tool: str, arguments: JsonObject) -> PlannedCall:
    ruling = tools[tool].ruling(arguments)
    return PlannedCall(
        server="files", tool=tool, arguments=canonical(arguments), definition="d", previews=ruling.previews
    )


async def test_one_answer_is_read_once_however_many_of_its_parts_are_shown() -> None:
    reads = ("method", "owner", "repo", "issue_number")
    arguments: JsonObject = {**ISSUE, "title": "t", "body": "b"}
    tools = offered(
        "{match: files.issue_read, effect: read}",
        tools=tools_of("github-mcp-server", issue_read=reads, issue_write=tuple(arguments)),
    )
    world = Counted('{"title":"T","body":"B"}')
    calls = (recorded(tools, "issue_write", arguments),)
    readings = await read_all(calls, tools, world)
    assert [each.text for each in readings] == ["T", "B"]
    assert world.asked == 1
    assert await changed(calls, readings, 0, world) == ""
    assert world.asked == 2
    world.answer = '{"title":"T","body":"C"}'
    assert "issue_read read for call 1 has changed" in await changed(calls, readings, 0, world)


async def changed(calls: Sequence[PlannedCall], readings: tuple[Reading, ...], index: int, world: Counted) -> str:
    plan = replace(a_plan(*calls), readings=readings)
    found = await changed_since(plan, index, pinned=world, reader=world, may_read=lambda *_: True)
    return str(found or "")


async def test_what_the_plans_own_calls_changed_stops_nothing_that_no_rule_asked_to_read() -> None:
    """To add changes what a commit commits; what a rule of the operator wants to stay as it is has to."""
    tools = offered(
        "{match: files.git_status, effect: read}",
        "{match: files.git_diff_staged, effect: read}",
        tools=tools_of(
            "mcp-git",
            git_status=("repo_path",),
            git_diff_staged=("repo_path",),
            git_add=("repo_path", "files"),
            git_commit=("repo_path", "message"),
        ),
    )
    world = Counted("nothing")
    calls = (
        recorded(tools, "git_add", {"repo_path": "/r", "files": "a"}),
        recorded(tools, "git_commit", {"repo_path": "/r", "message": "m"}),
    )
    readings = await read_all(calls, tools, world)
    world.answer = "something"
    assert "git_status read for call 1 has changed" in await changed(calls, readings, 0, world)
    assert await changed(calls, readings, 1, world) == ""
    asked_for = tuple(
        replace(each, previews=tuple(replace(one, is_ready_made=False) for one in each.previews)) for each in calls
    )
    assert "git_diff_staged read for call 2 has changed" in await changed(asked_for, readings, 1, world)
