"""The tools of a server as they are listed at one moment, each pinned by the digest of its whole definition."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from mcp import Client, MCPError
from mcp.types import METHOD_NOT_FOUND, Tool

from coordination.adapters import mcp_complaints as complaints
from coordination.adapters.mcp_fingerprints import Fingerprint
from coordination.adapters.redaction import Redactor
from coordination.domain.canonical import Json, JsonObject, canonical, digest
from coordination.errors import InvalidJsonError
from coordination.ports import ServerSpec, ToolDefinition

MAX_TOOLS = 2_000
MAX_PAGES = 200

_LONGEST_TITLE = 100


@dataclass(frozen=True)
class Listing:
    """All tools of a server, by name, in its own order."""

    tools: Mapping[str, ToolDefinition]


async def list_tools(spec: ServerSpec, client: Client, fingerprint: Fingerprint, redactor: Redactor) -> Listing:
    """Every page, asked of the server itself and never of a cache; what models and people get of it has no secret of ours.

    Raises:
        ToolServerError: the list has no end, is too long, names a tool twice, or is not JSON.
    """
    tools: dict[str, ToolDefinition] = {}
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        try:
            page = await client.list_tools(cursor=cursor, cache_mode="bypass")
        except MCPError as error:
            if error.code == METHOD_NOT_FOUND and cursor is None:
                return Listing({})
            raise
        cursor = page.next_cursor
        if cursor in seen:
            break
        for tool in page.tools:
            if tool.name in tools:
                raise complaints.twice_the_same(spec, redactor.text(tool.name))
            tools[tool.name] = _definition(spec, client, tool, fingerprint, redactor)
        if len(tools) > MAX_TOOLS:
            raise complaints.too_many_tools(spec, MAX_TOOLS)
        if cursor is None:
            return Listing(tools)
        seen.add(cursor)
    raise complaints.endless_list(spec)


def _definition(
    spec: ServerSpec, client: Client, tool: Tool, fingerprint: Fingerprint, redactor: Redactor
) -> ToolDefinition:
    hints = tool.annotations
    try:
        text = canonical(_pinned(spec, client, tool))
    except InvalidJsonError:
        raise complaints.bad_definition(spec, redactor.text(tool.name)) from None
    return ToolDefinition(
        server=spec.name,
        tool=tool.name,
        description=redactor.text(tool.description or ""),
        input_schema=cast("JsonObject", redactor.json(tool.input_schema)),
        digest=digest("tool", text),
        says_read_only=hints is not None and hints.read_only_hint is True,
        says_destructive=hints is not None and hints.destructive_hint is True,
        settings=fingerprint.digest,
        target=redactor.text(_target(fingerprint, client)),
    )


def _target(fingerprint: Fingerprint, client: Client) -> str:
    """Where calls go, and what the server calls itself there, such as the name of the account that it acts for."""
    title = " ".join(_title(client).split())[:_LONGEST_TITLE]
    return f"{fingerprint.target} ({title})" if title else fingerprint.target


def _title(client: Client) -> str:
    about = client.server_info
    return (about.title or "") if about is not None else ""


def _pinned(spec: ServerSpec, client: Client, tool: Tool) -> Json:
    """Everything that may make the same name mean another thing."""
    about = client.server_info
    hints = tool.annotations
    title: dict[str, Json] = {"title": _title(client)} if _title(client) else {}
    return {
        "server": spec.name,
        "identity": spec.identity,
        "server_info": None if about is None else {"name": about.name, "version": about.version, **title},
        "tool": tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
        "output_schema": tool.output_schema,
        "annotations": None if hints is None else hints.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
