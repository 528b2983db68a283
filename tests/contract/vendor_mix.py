"""Every vendor's API on a local server, for agents that act by one script, whoever stands behind them."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from coordination.llm.extras import Extra, is_installed
from tests.contract.test_models import Act
from tests.servers import (
    chat_server,
    claude_code_backend,
    gemini_server,
    messages_server,
    responses_server,
    vendor_server,
)
from tests.servers.vendor_server import Json

HALF = '{"text": "half'
"""Arguments that are no JSON, as a model may write them."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One agent's backend as YAML, and what its server has seen.

    Attributes:
        callers: the headers of every request, which name the caller.
        requests: their bodies; `prefix` gives the parts of one in the order in which they are cached.
    """

    yaml: str
    callers: Sequence[Mapping[str, str]]
    requests: Sequence[Json]
    prefix: Callable[[Json], Sequence[str]]


def variable(vendor: str) -> str:
    """Where the key of a vendor's agent is read from."""
    return f"CANARY_{vendor.upper()}"


def canary(vendor: str) -> str:
    """The key of a vendor's agent: nothing but its server may ever see it."""
    return f"sk-canary-{vendor}-0123456789"


def told_off(vendor: str) -> str:
    """How a careless provider refuses a key: by repeating it."""
    return f"Incorrect API key provided: {canary(vendor)}."


def backend(vendor: str, model: str, address: str) -> str:
    """One agent's backend, as YAML."""
    return f"{{type: {vendor}, model: {model}, base_url: '{address}', api_key: '${{{variable(vendor)}}}'}}"


@asynccontextmanager
async def chatcompletion(*acts: Act) -> AsyncGenerator[Backend]:
    """Chat Completions."""
    error = {"message": told_off("chatcompletion"), "code": "invalid_api_key"}
    queue: list[chat_server.Scripted] = [
        chat_server.Fails(status=401, error=error)
        if action.fails
        else chat_server.Says(
            text=action.text,
            calls=[
                chat_server.Call(name=name, arguments=text, id=f"call_{n}")
                for n, (name, text) in enumerate(action.calls)
            ],
        )
        for action in acts
    ]
    async with chat_server.chat_server(*queue, counts=True) as server:
        yaml = backend("chatcompletion", "m", server.base_url)
        yield Backend(yaml=yaml, callers=server.headers, requests=server.requests, prefix=chat_server.prefix)
        assert (server.diagnostics, server.queue) == ([], [])


@asynccontextmanager
async def openai(*acts: Act) -> AsyncGenerator[Backend]:
    """OpenAI Responses."""
    error = {"message": told_off("openai"), "type": "invalid_request_error", "code": "invalid_api_key"}
    queue: list[responses_server.Scripted] = [
        vendor_server.Fails(status=401, error=error)
        if action.fails
        else responses_server.Says(
            reasoning=["gAAAA"],
            texts=[action.text] if action.text else [],
            calls=[
                responses_server.Call(name=name, arguments=text, call_id=f"call_{n}")
                for n, (name, text) in enumerate(action.calls)
            ],
        )
        for action in acts
    ]
    async with responses_server.responses_server(*queue) as server:
        yaml = backend("openai", "gpt-x", f"{server.address}/v1")
        yield Backend(yaml=yaml, callers=server.headers, requests=server.requests, prefix=responses_server.prefix)
        assert (server.diagnostics, server.queue) == ([], [])


@asynccontextmanager
async def claude(*acts: Act) -> AsyncGenerator[Backend]:
    """Anthropic Messages."""
    error = {"message": told_off("claude"), "type": "authentication_error"}
    queue: list[messages_server.Scripted] = [
        vendor_server.Fails(status=401, error=error)
        if action.fails
        else messages_server.Says(
            thinking=["Hm."],
            text=action.text,
            calls=[messages_server.Call(name=name, arguments=text) for name, text in action.calls],
        )
        for action in acts
    ]
    async with messages_server.messages_server(*queue) as server:
        yaml = backend("claude", "claude-x", server.address)
        yield Backend(yaml=yaml, callers=server.headers, requests=server.requests, prefix=messages_server.prefix)
        assert (server.diagnostics, server.queue) == ([], [])


@asynccontextmanager
async def gemini(*acts: Act) -> AsyncGenerator[Backend]:
    """Gemini. Its arguments are objects on the wire, so they can be wrong, but never half."""
    error = {"message": told_off("gemini"), "status": "UNAUTHENTICATED"}
    queue: list[gemini_server.Scripted] = [
        gemini_server.Fails(status=401, error=error)
        if action.fails
        else gemini_server.Says(
            text=action.text,
            calls=[
                gemini_server.Call(name=name, args=json.loads(_whole(text)), signature="c2lnbg==")
                for name, text in action.calls
            ],
        )
        for action in acts
    ]
    async with gemini_server.gemini_server(*queue, counts=True) as server:
        yaml = backend("gemini", "gemini-x", server.base_url)
        yield Backend(yaml=yaml, callers=server.headers, requests=server.requests, prefix=gemini_server.prefix)
        assert (server.diagnostics, server.queue) == ([], [])


@asynccontextmanager
async def claude_code(*acts: Act) -> AsyncGenerator[Backend]:
    """Claude Code, whose program reads the arguments before we do."""
    prefix = claude_code_backend.PREFIX
    queue: list[claude_code_backend.Scripted] = [
        claude_code_backend.Fails(status=401, kind="authentication_error", message=told_off("claude_code"))
        if action.fails
        else claude_code_backend.Says(
            text=action.text,
            calls=[
                claude_code_backend.Call(name=prefix + name.removeprefix("mcp__"), arguments=_whole(text))
                for name, text in action.calls
            ],
        )
        for action in acts
    ]
    async with claude_code_backend.claude_code_backend(*queue, counts=True) as server:
        yaml = backend("claude_code", "claude-sonnet-5-5", server.base_url)
        yield Backend(yaml=yaml, callers=server.headers, requests=server.requests, prefix=messages_server.prefix)
        assert (server.diagnostics, server.queue, server.elsewhere) == ([], [], [])


def _whole(text: str) -> str:
    return '{"text": 7, "channel": "a"}' if text == HALF else text


Vendor = Callable[..., AbstractAsyncContextManager[Backend]]

VENDORS: Mapping[str, Vendor] = {
    "chatcompletion": chatcompletion,
    "openai": openai,
    "claude": claude,
    "gemini": gemini,
    "claude_code": claude_code,
}

_EXTRAS: Mapping[str, Extra] = {"claude_code": "claude-code"}

MIXES: Sequence[tuple[str, str]] = (
    ("openai", "claude"),
    ("claude", "gemini"),
    ("gemini", "chatcompletion"),
    ("chatcompletion", "openai"),
    ("claude_code", "openai"),
)
"""Each vendor writes once beside another's agent; the case study's own mix is the last."""


def missing_extra(*vendors: str) -> Extra | None:
    """What would have to be installed for agents of these vendors; None: nothing."""
    extras: list[Extra] = [_EXTRAS[vendor] for vendor in vendors if vendor in _EXTRAS]
    return next((extra for extra in extras if not is_installed(extra)), None)
