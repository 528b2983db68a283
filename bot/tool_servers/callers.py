"""On whose behalf a tool of ours is called, and how far that lets it see."""

import json
import os
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Final, Literal, TypeAlias

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel

from bot.machine import CONSOLE
from bot.tool_servers.rate_limits import begin_call
from bot.tool_servers.refusals import ChatBusyError
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


class SentMessage(BaseModel):
    """A message that a tool sent, as it declares it: a later call of the same plan can take its ids."""

    channel: str
    message: str
    url: str = ""


class OpenedThread(BaseModel):
    """A thread or post that a tool opened, likewise."""

    thread: str
    url: str = ""


SentResult: TypeAlias = Annotated[CallToolResult, SentMessage]
OpenedResult: TypeAlias = Annotated[CallToolResult, OpenedThread]


def done(text: str, url: str = "", **made: str) -> CallToolResult:
    """What a tool answers once it has written: a sentence, the ids of what it made, and its address if it has one."""
    told = {**made, "url": url} if url else {**made}
    return CallToolResult(content=[TextContent(text=text)], structured_content=told or None)


async def may_read(readable: Awaitable[str]) -> bool:
    """Whether a channel may be read, by what raises where it may not.

    Raises:
        ChatBusyError: the chat does not say now.
    """
    try:
        await readable
    except ChatBusyError:
        raise
    except ToolError:
        return False
    return True


def known(found: Mapping[str, object]) -> str:
    """What `look_up` answers: JSON with a line for each thing, so that what differs later can be told in lines."""
    return json.dumps({name: each for name, each in found.items() if each}, ensure_ascii=False, indent=0)


_MOST_OF_A_TEXT = 300


def known_message(author: str, text: str, *, edited: str, files: Sequence[str], is_shown: bool) -> dict[str, str]:
    """A message as `look_up` tells of it: enough to recognize it, and what changes whenever it does.

    Where the run may not read there it `is_shown` without its text.
    """
    whole = json.dumps([author, text, edited, list(files)])
    found = {"author": author, "text": text[:_MOST_OF_A_TEXT] if is_shown else ""}
    return {**{name: each for name, each in found.items() if each}, "sha256": sha256(whole.encode()).hexdigest()}


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
