"""What a writing tool answers where it was refused: whether anything happened, as a mark that no words can stand for.

The mark is a matter of record, not of which error was raised: it is set where no request with an effect has left, or
where the chat itself refused each that did. An error after something was done, or of which nobody knows, has none.
"""

import functools
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent

from coordination.ports.tools import NOTHING_HAPPENED


class ChatRefusedError(ToolError):
    """The chat itself refused a request, or it never got there: nothing was done."""


class ChatBusyError(ChatRefusedError):
    """The chat asks to wait for long, or does not answer a read: it says neither yes nor no, and is not taken to."""


@dataclass
class _Effects:
    """Whether the tool that is called has done something, or may have."""

    are_possible: bool = False


_effects: ContextVar[_Effects] = ContextVar("effects")


@contextmanager
def effect() -> Generator[None]:
    """Around one request with an effect: it may have happened unless `ChatRefusedError` comes of it."""
    effects = _effects.get(None) or _Effects(are_possible=True)
    before, effects.are_possible = effects.are_possible, True
    try:
        yield
    except ChatRefusedError:
        effects.are_possible = before
        raise


def writes(tool: Callable[..., Awaitable[CallToolResult]]) -> Callable[..., Awaitable[CallToolResult]]:
    """The same tool, whose refusals are marked where nothing happened."""

    @functools.wraps(tool)
    async def called(*args: object, **given: object) -> CallToolResult:
        effects = _Effects()
        token = _effects.set(effects)
        try:
            return await tool(*args, **given)
        except ToolError as error:
            if effects.are_possible:
                raise
            refused = CallToolResult(content=[TextContent(text=str(error))], is_error=True)
            refused.meta = {NOTHING_HAPPENED: True}
            return refused
        finally:
            _effects.reset(token)

    return called
