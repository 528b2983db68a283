"""`python -m tests.conformance.client URL`: what the suite runs as the client, which is our hub as a configuration sets it up.

The suite names the scenario, and what its client is told of beforehand, in two variables of the environment.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import urlsplit

import httpx2
import yaml

from coordination.config import parse
from coordination.domain.canonical_json import Json, canonical
from coordination.domain.plan import PlannedCall
from coordination.mcp_tools.hub import McpHub
from coordination.ports import ServerSpec

ARGUMENTS: Mapping[str, Mapping[str, Json]] = {"add_numbers": {"a": 5, "b": 3}}
"""What the tools of the suite's servers want; the others take nothing."""


def main() -> None:
    scenario = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
    told = cast("Mapping[str, str]", json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}")))
    asyncio.run(call_every_tool(configured(sys.argv[1], scenario, told)))


async def call_every_tool(servers: Sequence[ServerSpec]) -> None:
    """As approved calls run: the definition is read again, and the call leaves once."""
    async with asyncio.timeout(45), McpHub() as hub:
        executor = hub.executor(servers)
        for tool in await hub.definitions(servers):
            if await executor.definition_digest(tool.server, tool.tool) != tool.digest:
                raise SystemExit(f"the definition of {tool.tool} has changed")
            arguments = canonical(ARGUMENTS.get(tool.tool, {}))
            call = PlannedCall(
                server=tool.server,
                tool=tool.tool,
                arguments=arguments,
                definition=tool.digest,
                settings=tool.settings,
            )
            output = await executor.call(call, "conformance")
            print(output.text)  # noqa: T201  # the suite keeps it for who wants to see what went wrong


def configured(url: str, scenario: str, told: Mapping[str, str]) -> Sequence[ServerSpec]:
    """The suite's server as an operator would write it down, read as every configuration is."""
    server: dict[str, object] = {"url": url}
    if scenario.startswith("elicitation"):
        server["elicitation"] = "defaults"
    if told:
        server["auth"] = auth(url, told)
    text = yaml.safe_dump(
        {"agents": [{"backend": {"type": "ollama", "model": "none"}}], "mcp_servers": {"suite": server}}
    )
    secrets = {"SECRET": told.get("client_secret", ""), "KEY": told.get("private_key_pem", "")}
    return parse(text, origin="conformance.yaml", environ=secrets).servers


def auth(url: str, told: Mapping[str, str]) -> Mapping[str, str]:
    """The suite tells who the client is; the issuer, which an operator knows, is asked of the server."""
    who = {"type": "client_credentials", "issuer": issuer_for(url), "client_id": told["client_id"]}
    if "private_key_pem" in told:
        return who | {"private_key": "${KEY}", "signing_algorithm": told["signing_algorithm"]}
    return who | {"client_secret": "${SECRET}"}


def issuer_for(url: str) -> str:
    """The authorization server that the MCP server names."""
    parts = urlsplit(url)
    known = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path}"
    (issuer,) = httpx2.get(known, timeout=10).json()["authorization_servers"]
    return str(issuer)


if __name__ == "__main__":
    main()
