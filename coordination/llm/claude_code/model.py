"""Claude Code as a model: one conversation with its program, from what we say to what it says at the end.

Each conversation is a process, in a folder of its own that goes when it ends. None of Claude Code's tools is switched
on, but for its web search if the operator wants it; a hook denies all others again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar

from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, CLIConnectionError, HookMatcher
from typing_extensions import override

from coordination.config import BackendSettings, ModelOptions
from coordination.errors import ModelError
from coordination.llm.claude_code.messages import PREFIX, SERVER, WEB_SEARCH, Counter, Exchange
from coordination.llm.claude_code.process import ClaudeCodeProcess, Launch, died, missing, slow_to_start, stillborn
from coordination.llm.http_model import ServedModel, ServedOptions, with_idle_timeout
from coordination.llm.model_errors import Provider, Raw, silent, whole_text
from coordination.llm.provider import Shared, results_in, server_of, told_in
from coordination.ports import (
    Conversation,
    InputMessage,
    Model,
    Reply,
    ToolCall,
    ToolResult,
    ToolSpec,
    TurnContext,
)
from coordination.text import Text

GO_ON = "The connection broke off, and nothing that you wrote since came through. Please go on."
"""Said in place of words that were said already when the reply to them failed."""

INTERRUPT_SECONDS = 5.0
"""How long Claude Code may take to stop when it is told to; then it is killed."""


class ClaudeCodeSession:
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

    async def say(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> None:
        """Give the waiting calls their results, with what is told behind the last; or say it, if no call waits."""
        self._counter.notice(tools)
        results = {each.call_id: each for each in results_in(inputs)}
        told = told_in(inputs)
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


ANTHROPIC_BASE_URL = "https://api.anthropic.com"

EFFORTS = ("low", "medium", "high", "xhigh", "max")

_NAMES = f"""

Here the name of every tool begins with `{PREFIX}`: what is called `vote` above is `{PREFIX}vote`."""


@dataclass(frozen=True, kw_only=True)
class ClaudeCodeOptions(ServedOptions):
    """What is asked of Claude Code, beside the conversation.

    Attributes:
        max_thinking_tokens: for models before Claude 5, which do not go by effort.
        enable_web_search: lets it read the web at Anthropic's; the tokens of the search itself are not counted.
        program: where Claude Code is, if it is not to be the one that came with its library.
        start_timeout: seconds that it may take to be ready.
    """

    effort: str | None = None
    max_output_tokens: int | None = None
    max_thinking_tokens: int | None = None
    enable_web_search: bool = False
    program: str | None = None
    start_timeout: float = 90.0

    @override
    def diagnostics(self, model: str) -> list[Text]:
        if self.effort is None or self.effort in EFFORTS:
            return []
        return [
            Text(
                "The effort of {model} in Claude Code must be one of {efforts}.",
                model=model,
                efforts=", ".join(EFFORTS),
            )
        ]


class ClaudeCodeModel(ServedModel[ClaudeCodeOptions]):
    """Claude Code with one model.

    The key may also be a token that `claude setup-token` made; the login of the command line itself is not used.
    """

    default_base_url: ClassVar[str] = ANTHROPIC_BASE_URL
    default_options = ClaudeCodeOptions()

    @override
    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        return _ClaudeCodeConversation(self, system)

    async def open(self, system: str, tools: Sequence[ToolSpec]) -> ClaudeCodeSession:
        """Start Claude Code.

        Raises:
            ModelError: it can't be started.
        """
        options = self._options
        own_tools = (WEB_SEARCH,) if options.enable_web_search else ()
        launch = Launch(
            model=self._provider.model,
            system=whole_text(system + _NAMES),
            base_url=self._provider.base_url,
            api_key=self._provider.key,
            headers=self._provider.headers,
            server=SERVER,
            allowed=(f"mcp__{SERVER}", *own_tools),
            own_tools=own_tools,
            effort=options.effort,
            max_output_tokens=options.max_output_tokens,
            max_thinking_tokens=options.max_thinking_tokens,
            program=options.program,
        )
        session = ClaudeCodeSession(
            launch, tools, self._provider, limit=options.max_reply_characters, searches=options.enable_web_search
        )
        try:
            await session.open(options.start_timeout)
        except BaseException:
            await session.close()
            raise
        return session

    @property
    def patience(self) -> float:
        """Seconds without a sign after which a call is given up."""
        return self._options.read_timeout

    def lost(self) -> ModelError:
        """The error for a conversation whose process is gone."""
        return died(self._provider, is_retryable=False)


class _ClaudeCodeConversation:
    """The history is Claude Code's own. What it was told in vain it is not told twice."""

    def __init__(self, model: ClaudeCodeModel, system: str) -> None:
        self._model = model
        self._system = system
        self._session: ClaudeCodeSession | None = None
        self._in_vain: tuple[InputMessage, ...] | None = None
        self._has_history = False

    async def send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
        session = await self._living(tools)
        if self._in_vain == tuple(inputs):
            await session.tell(GO_ON)
        else:
            self._in_vain = tuple(inputs)
            await session.say(inputs, tools)
        reply = await session.reply(self._model.patience)
        self._in_vain = None
        self._has_history = True
        return reply

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _living(self, tools: Sequence[ToolSpec]) -> ClaudeCodeSession:
        """The session; begun anew if it died before anything was replied."""
        if self._session is not None and self._session.is_dead:
            if self._has_history:
                raise self._model.lost()
            await self.close()
        if self._session is None:
            self._in_vain = None
            self._session = await self._model.open(self._system, tools)
        return self._session


DEFAULT_MODEL = "sonnet"
"""What Claude Code calls the newest Sonnet; a configuration need not name a model for it."""


def build(agent: str, backend: BackendSettings, shared: Shared) -> Model:
    """The model of one agent: it starts a program of its own for every conversation."""
    del agent, shared
    server = server_of(backend)
    server["model"] = backend.model or DEFAULT_MODEL
    return ClaudeCodeModel(**server, options=_options(backend.options))


def _options(options: ModelOptions) -> ClaudeCodeOptions:
    _, budget = options.thinking_ahead
    return with_idle_timeout(
        ClaudeCodeOptions(
            effort=options.effort,
            max_output_tokens=options.output_tokens,
            max_thinking_tokens=budget,
            enable_web_search=options.enable_web_search,
        ),
        options,
    )
