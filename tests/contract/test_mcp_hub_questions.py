"""MCP servers that ask for input during a call: no person is asked, and nothing is agreed to that has no default."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from coordination.domain.canonical_json import canonical
from coordination.domain.plan import PlannedCall
from coordination.mcp_tools.hub import McpHub
from tests.servers.mcp_programs import approving, stdio

TRUSTED = replace(stdio("mcp_asking"), takes_its_defaults=True)


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(60), McpHub() as hub:
        yield hub


def question(form: str) -> PlannedCall:
    return PlannedCall(server="world", tool="ask", arguments=canonical({"form": form}), definition="")


async def test_a_server_is_told_that_nobody_can_be_asked(hub: McpHub) -> None:
    heard = await approving(hub, [stdio("mcp_asking")]).call(question("all"), "key")
    assert heard.text == "refused: Elicitation not supported"


async def test_a_server_whose_defaults_the_operator_takes_gets_these_and_no_more(hub: McpHub) -> None:
    executor = approving(hub, [TRUSTED])
    heard = await executor.call(question("all"), "key")
    defaults = {"name": "Ada", "seats": 2, "days": ["mon"], "loud": False}
    assert heard.text == f"accept {json.dumps(defaults)}"
    for form in ("some", "odd", "consent", "link"):
        heard = await executor.call(question(form), "key")
        assert heard.text == "decline null", form
