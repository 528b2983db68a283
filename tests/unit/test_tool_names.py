"""The names under which models are offered tools."""

import re
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from coordination.ports import ToolDefinition
from coordination.toolbox import MAX_NAME, offered_names

FITS = re.compile(r"[A-Za-z0-9_-]{1,64}")

servers = st.sampled_from(["a", "a_", "a__b", "a.b", "a b", "ä", "x" * 70])
tools = st.sampled_from(["b", "_b", "b__c", "c", "c.d", "c_d", "read notice", "☃", "y" * 70, "y" * 70 + "z"])


def tool(server: str, name: str) -> ToolDefinition:
    return ToolDefinition(server=server, tool=name, description="", input_schema={}, digest="")


def names(*definitions: ToolDefinition) -> list[str]:
    return list(offered_names(definitions))


def test_a_plain_name_is_the_one_that_claude_code_uses() -> None:
    assert names(tool("notices", "read_notice")) == ["mcp__notices__read_notice"]


def test_characters_that_providers_refuse_become_underscores() -> None:
    assert names(tool("my notices", "read.all")) == ["mcp__my_notices__read_all"]


def test_a_name_of_exactly_the_limit_stays_as_it_is() -> None:
    plain = "mcp__s__" + "t" * (MAX_NAME - 8)
    assert names(tool("s", "t" * (MAX_NAME - 8))) == [plain]
    assert names(tool("s", "t" * (MAX_NAME - 7))) != [plain]


def test_long_names_that_begin_alike_stay_apart() -> None:
    first, second = names(tool("s", "t" * 90 + "1"), tool("s", "t" * 90 + "2"))
    assert first != second
    assert first[:55] == second[:55] == ("mcp__s__" + "t" * 90)[:55]


def test_two_servers_whose_names_run_together_keep_their_tools_apart() -> None:
    offered = offered_names([tool("a__b", "c"), tool("a", "b__c")])
    assert [(each.server, each.tool) for each in offered.values()] == [("a__b", "c"), ("a", "b__c")]
    assert all(name.startswith("mcp__a__b__c_") for name in offered)


def test_a_tool_that_takes_the_hashed_name_of_another_hides_nothing() -> None:
    victim = [tool("s", "a.b"), tool("s", "a b")]
    stolen = names(*victim)[0].removeprefix("mcp__s__")
    assert len(offered_names([*victim, tool("s", stolen)])) == 3


@given(st.lists(st.builds(tool, servers, tools), unique_by=lambda each: (each.server, each.tool)))
def test_every_tool_has_a_fitting_name_of_its_own_in_the_given_order(definitions: Sequence[ToolDefinition]) -> None:
    offered = offered_names(definitions)
    assert list(offered.values()) == list(definitions)
    assert all(FITS.fullmatch(name) for name in offered)


@given(st.permutations([tool(server, name) for server in ("a", "a__b") for name in ("b__c", "c", "c.d", "c_d")]))
def test_the_names_do_not_depend_on_the_order(definitions: Sequence[ToolDefinition]) -> None:
    offered = offered_names(definitions)
    assert offered == offered_names(sorted(definitions, key=lambda each: (each.server, each.tool)))
