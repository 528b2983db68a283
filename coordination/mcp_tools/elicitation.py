"""What a server is answered when it asks for input during a call: never by a person, at most its own defaults."""

import logging
from collections.abc import Mapping
from typing import TypeAlias, cast

from mcp.client import ClientRequestContext
from mcp.client.session import ElicitationFnT
from mcp.types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult

log = logging.getLogger(__name__)

_Value: TypeAlias = "str | int | float | bool | list[str] | None"


def its_own_defaults(server: str) -> ElicitationFnT:
    """Accepts a form every field of which has a default, with exactly these; declines whatever else is asked for."""

    async def answer(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context
        values = _defaults(params.requested_schema) if isinstance(params, ElicitRequestFormParams) else None
        if values is None:
            log.info("an MCP server asked for what it has no default for, and was declined", extra={"server": server})
            return ElicitResult(action="decline")
        log.info("an MCP server asked for input, and got its own defaults", extra={"server": server})
        return ElicitResult(action="accept", content=values)

    return answer


def _defaults(schema: Mapping[str, object]) -> dict[str, _Value] | None:
    """None where a field has no default that a form may hold, or where there is no field: that asks for consent."""
    fields = schema.get("properties")
    if not isinstance(fields, Mapping) or not fields:
        return None
    values: dict[str, _Value] = {}
    for name, about in cast("Mapping[str, object]", fields).items():
        default = cast("Mapping[str, object]", about).get("default") if isinstance(about, Mapping) else None
        if not _may_be_in_a_form(default):
            return None
        values[name] = cast("_Value", default)
    return values


def _may_be_in_a_form(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, str) for each in cast("list[object]", value))
    return isinstance(value, str | int | float)
