"""One conversation with Claude Code's program: what we say, what it calls, and what it says at the end."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, CLIConnectionError, HookMatcher

from coordination.errors import ModelError
from coordination.llm.claude_code.claude_code_faults import died, missing, slow_to_start, stillborn
from coordination.llm.claude_code.claude_code_tools import Counter
from coordination.llm.claude_code.messages import Exchange
from coordination.llm.claude_code.process import ClaudeCodeProcess, Launch
from coordination.llm.model_errors import Provider, Raw, silent, whole_text
from coordination.ports import Reply, Said, Told, ToolCall, ToolResult, ToolSpec

GO_ON = "The connection broke off, and nothing that you wrote since came through. Please go on."
"""Said in place of words that were said already when the reply to them failed."""

INTERRUPT_SECONDS = 5.0
"""How long Claude Code may take to stop when it is told to; then it is killed."""


class Session:
    """A running Claude Code, from its start to its end."""

    def __init__(
        self, launch: Launch, tools: Sequence[ToolSpec], provider: Provider, *, limit: int, searches: bool
    ) -> None:
        """`limit` bounds the characters of a reply."""
        self._provider = provider
        self._exchange = Exchange(provider, limit=limit)
        self._changed = asyncio.Event()
        self._waiting: dict[str, asyncio.Future[ToolResult]] = {}
        self._is_dead = False
        self._has_replied = False
        self._counter = Counter(tools, self._park)
        self._process = ClaudeCodeProcess(launch, take=self._take, ended=self._ended)
        self._client = ClaudeSDKClient(
            ClaudeAgentOptions(
                mcp_servers={launch.server: {"type": "sdk", "name": launch.server, "instance": self._counter.server}},
                hooks={
                    "PreToolUse": [HookMatcher(hooks=[self._counter.guard(may_search=searches)], on_failure="block")]
                },
                skills=[],
                # People's words may look like commands, or like files to be read.
                verbatim_prompts=True,
            ),
            transport=self._process,
        )

    @property
    def is_dead(self) -> bool:
        """Whether the process has ended, and with it the conversation."""
        return self._is_dead

    async def open(self, seconds: float) -> None:
        """Start it, and wait until it listens.

        Raises:
            ModelError: it can't be started, or is not ready in time.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._client.connect()
        except TimeoutError:
            raise slow_to_start(self._provider, seconds) from None
        except OSError:
            raise missing() from None
        except Exception:  # noqa: BLE001 (the SDK raises plain exceptions, with the program's own words in them)
            raise stillborn(self._provider) from None

    async def say(self, said: Sequence[Said], tools: Sequence[ToolSpec]) -> None:
        """Give the waiting calls their results, with what is told behind the last; or say it, if no call waits."""
        self._counter.notice(tools)
        results = {each.call_id: each for each in said if isinstance(each, ToolResult)}
        told = "\n\n".join(each.text for each in said if isinstance(each, Told))
        waiting = {identity: future for identity, future in self._waiting.items() if not future.done()}
        if not waiting:
            await self.tell(told or GO_ON)
            return
        self._waiting = {}
        self._exchange.begin()
        last = next(reversed(waiting))
        for identity, future in waiting.items():
            result = results.get(identity) or ToolResult(call_id=identity, text="Nobody answered this.", is_error=True)
            text = f"{result.text}\n\n{told}" if told and identity == last else result.text
            future.set_result(replace(result, text=whole_text(text)))

    async def tell(self, text: str) -> None:
        """Say something while no call waits."""
        self._waiting = {}
        self._exchange.begin()
        if self._is_dead:
            self._ended()
            return
        with suppress(CLIConnectionError):
            await self._client.query(whole_text(text))

    async def reply(self, patience: float) -> Reply:
        """Wait for what comes of it, but no longer than `patience` seconds without any sign.

        Raises:
            ModelError: it failed; the session may go on unless it is dead then.
        """
        try:
            while (outcome := self._exchange.outcome()) is None:
                self._changed.clear()
                async with asyncio.timeout(patience):
                    await self._changed.wait()
        except TimeoutError:
            await self._interrupt()
            raise silent(self._provider) from None
        except asyncio.CancelledError:
            self.kill()
            raise
        if isinstance(outcome, ModelError):
            if not self._exchange.is_idle:
                self.kill()
            raise outcome
        self._has_replied = True
        return outcome

    def kill(self) -> None:
        """End the program at once."""
        self._is_dead = True
        self._process.kill()

    async def close(self) -> None:
        """End the program, and remove what it wrote."""
        self.kill()
        try:
            await self._client.disconnect()
        finally:
            await self._process.close()

    async def _interrupt(self) -> None:
        """Have it drop what it waits for; what was said to it stays said."""
        try:
            async with asyncio.timeout(INTERRUPT_SECONDS):
                await self._client.interrupt()
                while not self._exchange.is_idle and not self._is_dead:
                    self._changed.clear()
                    await self._changed.wait()
        except Exception:  # noqa: BLE001 (the SDK raises plain exceptions; whatever it was, the program does not obey)
            self.kill()

    async def _park(self, call: ToolCall) -> ToolResult:
        future: asyncio.Future[ToolResult] = asyncio.get_running_loop().create_future()
        self._waiting[call.id] = future
        self._exchange.park(call)
        self._changed.set()
        return await future

    def _take(self, message: Mapping[str, Raw]) -> None:
        self._exchange.take(message)
        self._changed.set()

    def _ended(self) -> None:
        self._is_dead = True
        self._exchange.fail(died(self._provider, is_retryable=not self._has_replied))
        self._changed.set()
