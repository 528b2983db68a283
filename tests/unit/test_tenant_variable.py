"""A tool server can be kept in the tenant that a run comes from, whatever the operator's environment says."""

from bot.composition import Configurations
from coordination.clock import SystemClock
from coordination.llm.registry import Models

TEXT = """
agents: [{id: one, backend: {type: scripted, script: {turns: [[{answer: x}]]}}}]
mcp_servers: {chat: {command: tools, env: {TENANT: "${MASSGEN_BOT_TENANT}"}}}
"""


def test_each_tenants_run_has_a_tool_server_of_its_own() -> None:
    environ = {"MASSGEN_BOT_TENANT": "discord:0"}
    configure = Configurations(environ=environ, build=Models(SystemClock()), adapt=list)
    first, second = (configure(TEXT, "x.yaml", f"discord:{number}").profile.servers[0] for number in (1, 2))
    assert (first.env, second.env) == ((("TENANT", "discord:1"),), (("TENANT", "discord:2"),))
    assert first != second
    assert first.identity == second.identity
