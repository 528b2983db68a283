"""Names of tools as providers accept them: at most 64 of `[A-Za-z0-9_-]`, and no two alike."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count

from coordination.ports import ToolDefinition

MAX_NAME = 64
"""Characters: the limit of OpenAI, Anthropic and Gemini alike."""

_HASH = 8


def offered_names(definitions: Sequence[ToolDefinition]) -> Mapping[str, ToolDefinition]:
    """Each tool under a name of its own, in the given order: `mcp__server__tool`, as Claude Code names them.

    A name that would be too long, or that two tools would share, gets a hash of the true names instead of its end.
    The names depend on which tools there are, and not on their order.
    """
    tools = {(each.server, each.tool): each for each in definitions}
    names = {true_name: _name(*true_name, salt=0) for true_name in tools}
    # A server may call a tool just as another one's hashed name: each round moves all those that share a name apart.
    for salt in count(1):
        shared = Counter(names.values())
        clashing = [true_name for true_name, name in names.items() if shared[name] > 1]
        if not clashing:
            break
        for true_name in clashing:
            names[true_name] = _name(*true_name, salt=salt)
    return {names[true_name]: each for true_name, each in tools.items()}


def _name(server: str, tool: str, *, salt: int) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", f"mcp__{server}__{tool}")
    if salt == 0 and len(plain) <= MAX_NAME:
        return plain
    hashed = hashlib.sha256(f"{server}\n{tool}\n{salt}".encode()).hexdigest()[:_HASH]
    return f"{plain[: MAX_NAME - _HASH - 1]}_{hashed}"
