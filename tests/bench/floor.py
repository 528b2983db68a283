"""The least that a 2-agent run can cost: its requests alone, by bare aiohttp; beside it the SDK and our adapter.

    python -m tests.bench.floor [--runs 30] [--at-once 50] [--batch]

Each contender makes the same requests: both agents at once read, answer, wait for each other, and vote.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import aiohttp
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk

from coordination.llm.openai_chat import ChatCompletionsModel
from coordination.llm.openai_clients import OpenAIClients
from coordination.ports import ToolResult, ToolSpec, TurnContext, UserMessage
from tests.bench.mock_model import mock_model

Run: TypeAlias = Callable[[], Awaitable[None]]
Contender: TypeAlias = Callable[[str], AbstractAsyncContextManager[Run]]
"""Given the base URL, opens what it shares between runs, and gives what makes one run."""

AGENTS = (1, 2)
REQUESTS_PER_RUN = 6

SYSTEM = "You are one of 2 agents who work on one request. " * 30
OPENING = "<request>\nRead the notice and plan to post a better one.\n</request>\n" + "Others may have answered. " * 40
NOTICE = "Welcome. " * 20
READ = ToolSpec(
    name="mcp__notices__read_notice",
    description="Read one notice from the board.",
    input_schema={"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]},
)
ANSWER = ToolSpec(
    name="new_answer",
    description="End your turn with a new answer.",
    input_schema={
        "type": "object",
        "properties": {"content": {"type": "string"}},
        "required": ["content"],
        "additionalProperties": False,
    },
    is_strict=True,
)
VOTE = ToolSpec(
    name="vote",
    description="End your turn with a vote.",
    input_schema={
        "type": "object",
        "properties": {"agent_id": {"type": "string", "enum": ["agent1", "agent2"]}, "reason": {"type": "string"}},
        "required": ["agent_id", "reason"],
        "additionalProperties": False,
    },
    is_strict=True,
)


@asynccontextmanager
async def floor(base_url: str) -> AsyncGenerator[Run]:
    """Bare aiohttp, and one `json.loads` for every chunk."""
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer k"}) as session:
        address = f"{base_url}/chat/completions"

        async def turn(tools: Sequence[ToolSpec]) -> None:
            messages = _opening()
            while True:
                body = json.dumps(_body(messages, tools)).encode()
                name, arguments = await _floor_reply(session, address, body)
                if name != READ.name:
                    return
                messages += _read(name, arguments)

        yield lambda: _both(turn)


async def _floor_reply(session: aiohttp.ClientSession, address: str, body: bytes) -> tuple[str, str]:
    name = ""
    parts: list[str] = []
    rest = b""
    async with session.post(address, data=body, headers={"Content-Type": "application/json"}) as response:
        async for data in response.content.iter_any():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if not line.startswith(b"data: {"):
                    continue
                for choice in json.loads(line[6:])["choices"]:
                    for call in choice["delta"].get("tool_calls", ()):
                        name = call["function"].get("name", name)
                        parts.append(call["function"]["arguments"])
    arguments = "".join(parts)
    json.loads(arguments)
    return name, arguments


@asynccontextmanager
async def bare_sdk(base_url: str) -> AsyncGenerator[Run]:
    """The SDK as its documentation shows it: its own transport, and an object for every chunk."""
    # Its 5 seconds to connect are too few where 200 streams keep the loop busy.
    async with AsyncOpenAI(base_url=base_url, api_key="k", max_retries=0, timeout=600) as client:

        async def turn(tools: Sequence[ToolSpec]) -> None:
            messages = _opening()
            while True:
                create: Any = client.chat.completions.create  # its overloads take no plain dictionary
                name, parts = "", list[str]()
                stream: AsyncStream[ChatCompletionChunk] = await create(**_body(messages, tools))
                async for chunk in stream:
                    for choice in chunk.choices:
                        for call in choice.delta.tool_calls or ():
                            if call.function:
                                name = call.function.name or name
                                parts.append(call.function.arguments or "")
                if name != READ.name:
                    return
                messages += _read(name, "".join(parts))

        yield lambda: _both(turn)


@asynccontextmanager
async def our_adapter(base_url: str) -> AsyncGenerator[Run]:
    """Our model adapter alone, without coordination around it."""
    clients = OpenAIClients()
    model = ChatCompletionsModel(clients=clients, model="mock", base_url=base_url, api_key="k")

    async def turn(tools: Sequence[ToolSpec]) -> None:
        conversation = model.converse(SYSTEM, TurnContext(purpose="turn", revision=1, turn=1, agent=1))
        reply = await conversation.send([UserMessage(text=OPENING)], tools)
        while reply.calls[0].name == READ.name:
            reply = await conversation.send([ToolResult(call_id=reply.calls[0].id, text=NOTICE)], tools)
        await conversation.close()

    try:
        yield lambda: _both(turn)
    finally:
        await clients.aclose()


CONTENDERS: Mapping[str, Contender] = {"aiohttp floor": floor, "our adapter": our_adapter, "bare openai": bare_sdk}


async def _both(turn: Callable[[Sequence[ToolSpec]], Awaitable[None]]) -> None:
    """One run: both answer, then both vote."""
    await asyncio.gather(*(turn((READ, ANSWER)) for _ in AGENTS))
    await asyncio.gather(*(turn((READ, ANSWER, VOTE)) for _ in AGENTS))


def _opening() -> list[dict[str, object]]:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": OPENING}]


def _read(name: str, arguments: str) -> list[dict[str, object]]:
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": NOTICE},
    ]


def _body(messages: Sequence[Mapping[str, object]], tools: Sequence[ToolSpec]) -> dict[str, object]:
    return {
        "model": "mock",
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.input_schema},
            }
            for tool in tools
        ],
    }


@dataclass
class Timings:
    """Seconds of each run of one contender."""

    wall: list[float] = field(default_factory=list[float])
    cpu: list[float] = field(default_factory=list[float])
    runs_a_second: float = 0.0


async def measure(contender: Contender, base_url: str, timings: Timings, *, runs: int, at_once: int) -> None:
    """Add `runs` runs one after another, and the rate of `at_once` runs at once; the first two runs only warm up."""
    async with contender(base_url) as run:
        await run()
        await run()
        for _ in range(runs):
            wall, cpu = time.perf_counter(), time.process_time()
            await run()
            timings.wall.append(time.perf_counter() - wall)
            timings.cpu.append(time.process_time() - cpu)
        begun = time.perf_counter()
        await asyncio.gather(*(run() for _ in range(at_once)))
        timings.runs_a_second = max(timings.runs_a_second, at_once / (time.perf_counter() - begun))


async def _compare(*, runs: int, at_once: int, batch: bool) -> None:
    results = {name: Timings() for name in CONTENDERS}
    rounds = 3
    with mock_model(batch=batch) as base_url:
        for _ in range(rounds):
            for name, contender in CONTENDERS.items():
                await measure(contender, base_url, results[name], runs=-(-runs // rounds), at_once=at_once)
    least = results["aiohttp floor"]
    print(
        f"{'':15}{'wall ms':>9}{'cpu ms':>9}{'x floor':>9}{'x cpu':>7}{f'runs/s, {at_once} at once':>22}{'of floor':>10}"
    )
    for name, timings in results.items():
        wall, cpu = statistics.median(timings.wall), statistics.median(timings.cpu)
        print(
            f"{name:15}{wall * 1e3:9.1f}{cpu * 1e3:9.1f}{wall / statistics.median(least.wall):9.2f}"
            f"{cpu / statistics.median(least.cpu):7.2f}{timings.runs_a_second:22.1f}"
            f"{timings.runs_a_second / least.runs_a_second:10.2f}"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What a 2-agent run of 6 requests costs, at the least and with us.")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--batch", action="store_true", help="the server joins a reply into one write")
    options = parser.parse_args()
    asyncio.run(_compare(runs=options.runs, at_once=options.at_once, batch=options.batch))


if __name__ == "__main__":
    main()
