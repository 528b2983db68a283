"""The bare protocol for MCP servers that misbehave: line by line on stdio, and no politeness that a test did not ask for."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, cast

Json: TypeAlias = "None | bool | int | float | str | Sequence[Json] | Mapping[str, Json]"
Message: TypeAlias = Mapping[str, "Json"]
Call: TypeAlias = Callable[[Message], Message]


def say(message: Message) -> None:
    """Send one message."""
    sys.stdout.write(json.dumps(message, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def hear() -> Message | None:
    """The next message; None at the end of all input."""
    line = sys.stdin.readline()
    return part(json.loads(line)) if line else None


def part(value: object) -> Message:
    """The value if it is an object, else an empty one."""
    return cast("Message", value) if isinstance(value, dict) else {}


def a_tool(name: str, **more: Json) -> Message:
    """A tool that takes anything."""
    return {"name": name, "description": f"Does {name}.", "inputSchema": {"type": "object"}, **more}


def a_text(text: str, *, is_error: bool = False) -> Message:
    """The result of a call."""
    return {"content": [{"type": "text", "text": text}], "isError": is_error}


def greeting(version: Json = "2025-11-25") -> Message:
    """The result of a handshake."""
    capabilities: Message = {"tools": {"listChanged": True}}
    return {
        "protocolVersion": version,
        "capabilities": capabilities,
        "serverInfo": {"name": "raw", "version": "1"},
    }


def serve(tools: Callable[[Message], Message], call: Call) -> None:
    """Answer until the input ends. `tools` gets the parameters of tools/list, `call` those of tools/call."""
    while (message := hear()) is not None:
        if "id" not in message:
            continue
        params = part(message.get("params"))
        match message.get("method"):
            case "initialize":
                reply(message, greeting(params.get("protocolVersion")))
            case "tools/list":
                reply(message, tools(params))
            case "tools/call":
                reply(message, call(params))
            case method:
                refuse(message, -32601, f"{method} is not known here")


def reply(message: Message, result: Message) -> None:
    """Answer a request."""
    say({"jsonrpc": "2.0", "id": message["id"], **(result if "error" in result else {"result": result})})


def refuse(message: Message, code: int, text: str) -> None:
    """Answer a request with an error of the protocol."""
    reply(message, {"error": {"code": code, "message": text}})


def note(writer: Path, params: Message) -> None:
    """Count a call that was performed: one line, with what arrived."""
    with writer.open("a", encoding="utf-8") as file:
        file.write(json.dumps(params) + "\n")
