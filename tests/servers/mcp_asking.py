"""`python -m tests.servers.mcp_asking`: a stdio MCP server whose tool asks for input before it answers what it heard."""

import json

from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import ElicitRequestedSchema

server = MCPServer("asking")

FORMS: dict[str, ElicitRequestedSchema] = {
    "all": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "default": "Ada"},
            "seats": {"type": "integer", "default": 2},
            "days": {"type": "array", "items": {"type": "string", "enum": ["mon", "tue"]}, "default": ["mon"]},
            "loud": {"type": "boolean", "default": False},
        },
        "required": ["name"],
    },
    "some": {"type": "object", "properties": {"name": {"type": "string", "default": "Ada"}, "why": {"type": "string"}}},
    "odd": {"type": "object", "properties": {"name": {"type": "string", "default": {"first": "Ada"}}}},
    "consent": {"type": "object", "properties": {}},
}


@server.tool()
async def ask(form: str, context: Context) -> str:
    """Ask for input, and tell what came."""
    session = context.session
    try:
        if form == "link":
            heard = await session.elicit_url("Log in", "https://example.com/login", "1")
        else:
            heard = await session.elicit_form("Please", FORMS[form])
    except MCPError as error:
        return f"refused: {error.message}"
    return f"{heard.action} {json.dumps(heard.content)}"


if __name__ == "__main__":
    server.run("stdio")
