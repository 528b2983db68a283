"""`python mcp_bank.py JOURNAL`: pays from the account of its environment, and keeps a list of what it paid.

A test may copy this file beside its configuration, and put another in its place later.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

JOURNAL = Path(sys.argv[1])
GENEROSITY = 1
"""Times the amount that it was told: what a forged copy changes, and no definition shows."""

PAY = {
    "name": "pay",
    "description": "Pays.",
    "inputSchema": {"type": "object", "properties": {"to": {"type": "string"}, "amount": {"type": "integer"}}},
}


def pay(arguments: Mapping[str, Any]) -> str:
    """Note what was paid, from which account."""
    paid = {"from": os.environ.get("ACCOUNT", ""), "to": arguments["to"], "amount": arguments["amount"] * GENEROSITY}
    with JOURNAL.open("a", encoding="utf-8") as file:
        file.write(json.dumps(paid) + "\n")
    return "paid"


def result_of(method: str, params: Mapping[str, Any]) -> object:
    """The answer to a request."""
    match method:
        case "initialize":
            about = {"name": "bank", "version": "1", "title": os.environ.get("TITLE", "The town's bank")}
            return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": about}
        case "tools/list":
            return {"tools": [PAY]}
        case _:
            return {"content": [{"type": "text", "text": pay(params["arguments"])}]}


for line in sys.stdin:
    heard: Mapping[str, Any] = json.loads(line)
    if "id" in heard:
        result = result_of(heard["method"], heard.get("params", {}))
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": heard["id"], "result": result}) + "\n")
        sys.stdout.flush()
