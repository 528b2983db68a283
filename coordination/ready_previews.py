"""Chooses what is read before people decide on a call of which no rule says what to read.

A server's name is what it says of itself. That gives it nothing: what is read is a tool of its own that the rules allow
as a read with these very arguments, and an agent could have called it as well.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from coordination.domain.canonical_json import JsonObject, canonical
from coordination.domain.conditions import at_path, steps_of
from coordination.domain.preview import Preview, arguments_of
from coordination.domain.tool_rules import Effect, Ruling
from coordination.known_servers import KNOWN_SERVERS
from coordination.ports import ToolDefinition


def with_ready_made(
    found: Ruling,
    tool: ToolDefinition,
    arguments: JsonObject,
    tools: Mapping[tuple[str, str], ToolDefinition],
    may_read: Callable[[ToolDefinition, JsonObject], bool],
) -> Ruling:
    """A ruling on a call, with what comes with the program to be read for it.

    What a rule says of that holds alone. `tools` are those on offer, by server and name.
    """
    if found.has_own_view or found.effect not in (Effect.ASK, Effect.AUTO):
        return found
    ready = tuple(
        each
        for each in KNOWN_SERVERS.get(tool.program, {}).get(tool.tool, ())
        if _is_of_use(each, tool, arguments, tools.get((tool.server, each.tool)), may_read)
    )
    return replace(found, previews=(*found.previews, *ready)) if ready else found


def _is_of_use(
    preview: Preview,
    tool: ToolDefinition,
    arguments: JsonObject,
    reads: ToolDefinition | None,
    may_read: Callable[[ToolDefinition, JsonObject], bool],
) -> bool:
    """Whether a call has all that is asked about, and its server a tool that may be asked."""
    asked = preview.question(tool.server, canonical(arguments))
    if reads is None or asked is None:
        return False
    if preview.after and any(each is None for each in at_path(arguments, steps_of(preview.after) or ())):
        return False
    given = arguments_of(asked)
    return _takes(reads, given) and may_read(reads, given)


def _takes(tool: ToolDefinition, arguments: JsonObject) -> bool:
    """Whether a tool has these arguments, and asks for no others: other versions may."""
    names, needed = tool.input_schema.get("properties"), tool.input_schema.get("required")
    has_all = isinstance(names, Mapping) and arguments.keys() <= names.keys()
    return has_all and (not isinstance(needed, list) or set(needed) <= arguments.keys())
