"""`python -m tests.servers.mcp_repeating`: a server that repeats its environment and arguments in everything it says."""

import base64
import json
import os
import sys
from urllib.parse import quote

from tests.servers.mcp_raw import Message, a_text, a_tool, part, serve


def everything() -> str:
    """Every form in which programs repeat what they were given."""
    given = [os.environ.get("API_TOKEN", ""), *sys.argv[1:]]
    forms = [
        form
        for each in given
        for form in (
            each,
            quote(each, safe=""),
            base64.b64encode(each.encode()).decode(),
            base64.b64encode(f"user:{each}".encode()).decode(),
            base64.urlsafe_b64encode(f"x{each}y".encode()).decode(),
            json.dumps({"it": each}),
            each.encode().hex(),
        )
    ]
    return f"I live in {os.environ.get('HOME_FOLDER', '')} as {os.environ.get('ACCOUNT', '')}: " + " ".join(forms)


def call(params: Message) -> Message:
    sys.stderr.write(everything() + "\n")
    sys.stderr.flush()
    match part(params.get("arguments")).get("how"):
        case "error":
            return {"error": {"code": -32602, "message": everything()}}
        case "failed":
            return a_text(everything(), is_error=True)
        case "structured":
            return {"content": [], "structuredContent": {"environment": everything()}}
        case "long":
            return a_text("x" * 199_990 + os.environ["API_TOKEN"] + "y" * 100_000)
        case _:
            return a_text(everything())


if __name__ == "__main__":
    schema: Message = {"type": "object", "properties": {"how": {"type": "string", "description": everything()}}}
    tools = [a_tool("look", description=everything(), inputSchema=schema), a_tool("write")]
    serve(lambda _: {"tools": tools}, call)
