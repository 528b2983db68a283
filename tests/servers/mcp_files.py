"""`python mcp_files.py`: reads and writes text files, as the filesystem server of the protocol's authors does."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_TEXT = {"type": "string"}
TOOLS = [
    {
        "name": "read_text_file",
        "description": "Reads a file.",
        "inputSchema": {"type": "object", "properties": {"path": _TEXT}, "required": ["path"]},
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "write_file",
        "description": "Writes a file.",
        "inputSchema": {
            "type": "object",
            "properties": {"path": _TEXT, "content": _TEXT},
            "required": ["path", "content"],
        },
    },
]


def used(tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a call of a tool gives."""
    path = Path(arguments["path"])
    if tool == "write_file":
        path.write_text(arguments["content"], encoding="utf-8")
        return {"content": [{"type": "text", "text": "written"}]}
    if not path.exists():
        error = f"ENOENT: no such file or directory, open '{path}'"
        return {"content": [{"type": "text", "text": error}], "isError": True}
    return {"content": [{"type": "text", "text": path.read_text(encoding="utf-8")}]}


def result_of(method: str, params: Mapping[str, Any]) -> object:
    """The answer to a request."""
    match method:
        case "initialize":
            about = {"name": "files", "version": "1"}
            return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": about}
        case "tools/list":
            return {"tools": TOOLS}
        case _:
            return used(params["name"], params["arguments"])


for line in sys.stdin:
    heard: Mapping[str, Any] = json.loads(line)
    if "id" in heard:
        result = result_of(heard["method"], heard.get("params", {}))
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": heard["id"], "result": result}) + "\n")
        sys.stdout.flush()
