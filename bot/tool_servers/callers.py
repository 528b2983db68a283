"""On whose behalf a tool of ours is called, and how far that lets it see."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent

from bot.machine import CONSOLE
from bot.tool_servers.rate_limits import begin_call
from bot.variables import Environment
from coordination.domain.caller import CALLER, KEY_VARIABLE, Caller, verified

Scope: TypeAlias = Literal["own", "visible"]
"""What a run may read: the channel that it was asked for in; or whatever everybody there can read as well."""

SCOPES: Final[Mapping[str, Scope]] = {"own": "own", "visible": "visible"}

_NOBODY = "This call does not say on whose behalf it is made, so nothing was done."
_ELSEWHERE = "This run belongs to another server or workspace, so nothing was done."


@dataclass(frozen=True)
class Callers:
    """Checks calls. Without a key nobody started this server for other people: it serves who started it.

    Attributes:
        tenant: the only tenant whose people are served; empty where any may be, as at a terminal.
    """

    key: str = field(default="", repr=False)
    tenant: str = ""

    def of(self, context: Context, tool: str) -> Caller | None:
        """The people behind a call; None: the operator, at a terminal, who holds the token anyway.

        Raises:
            ToolError: nobody vouches for the call.
        """
        begin_call()
        if not self.key:
            return None
        meta = context.request_context.meta
        caller = verified(dict(meta).get(CALLER) if meta else None, self.key, tool=tool)
        if caller is None or not caller.requester:
            raise ToolError(_NOBODY)
        if caller.tenant == CONSOLE:
            return None
        if self.tenant and caller.tenant != self.tenant:
            raise ToolError(_ELSEWHERE)
        return caller


def done(text: str, url: str = "") -> CallToolResult:
    """What a tool answers once it has written: a sentence, and the address of what came of it where there is one."""
    return CallToolResult(content=[TextContent(text=text)], structured_content={"url": url} if url else None)


def callers_of(environment: Environment, tenant: str = "") -> Callers:
    """As the environment says. The key is taken out of ours, so that nothing that we start inherits it."""
    key = environment.caller_key.get_secret_value()
    os.environ.pop(KEY_VARIABLE, None)
    return Callers(key, tenant)


def scope_in(options: list[str]) -> Scope:
    """What `--scope` says, on a command line.

    Raises:
        ValueError: it is neither `own` nor `visible`.
    """
    said = options[options.index("--scope") + 1] if "--scope" in options[:-1] else "own"
    if said not in SCOPES:
        raise ValueError(said)
    return SCOPES[said]
