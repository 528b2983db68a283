"""Names of tools as providers accept them: at most 64 of `[A-Za-z0-9_-]`, and no two alike."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from coordination.ports import ToolDefinition

MAX_NAME = 64
"""Characters: the limit of OpenAI, Anthropic and Gemini alike."""

_HASH = 8


def offered_names(definitions: Sequence[ToolDefinition]) -> Mapping[str, ToolDefinition]:
    """Each tool under a name of its own, in the given order: `mcp__server__tool`, as Claude Code names them.

    A name that would be too long, or that two tools would share, gets a hash of the true names instead of its end.
    """
    plain = [_plain(each) for each in definitions]
    shared = Counter(plain)
    return {
        name if shared[name] == 1 and len(name) <= MAX_NAME else _hashed(name, each): each
        for name, each in zip(plain, definitions, strict=True)
    }


def _plain(definition: ToolDefinition) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"mcp__{definition.server}__{definition.tool}")


def _hashed(name: str, definition: ToolDefinition) -> str:
    true_name = f"{definition.server}\n{definition.tool}".encode()
    return f"{name[: MAX_NAME - _HASH - 1]}_{hashlib.sha256(true_name).hexdigest()[:_HASH]}"
