"""Claude Code as a model: it thinks in a loop of its own, and reaches our tools, and nothing else, through us.

Each conversation is a process, in a folder of its own that goes when it ends. None of Claude Code's tools is switched
on, but for its web search if the operator wants it; a hook denies all others again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from coordination.errors import ConfigError, ModelError
from coordination.llm.claude_code.claude_code_faults import died
from coordination.llm.claude_code.claude_code_tools import PREFIX, SERVER, WEB_SEARCH
from coordination.llm.claude_code.model import GO_ON, Session
from coordination.llm.claude_code.process import Launch
from coordination.llm.model_address import check_address
from coordination.llm.model_errors import Provider, whole_text
from coordination.ports import Conversation, Occasion, Reply, Said, ToolSpec

ANTHROPIC_BASE_URL = "https://api.anthropic.com"

EFFORTS = ("low", "medium", "high", "xhigh", "max")

_NAMES = f"""

Here the name of every tool begins with `{PREFIX}`: what is called `vote` above is `{PREFIX}vote`."""


@dataclass(frozen=True, kw_only=True)
class ClaudeCodeOptions:
    """What is asked of Claude Code, beside the conversation.

    Attributes:
        max_thinking_tokens: for models before Claude 5, which do not go by effort.
        enable_web_search: lets it read the web at Anthropic's; the tokens of the search itself are not counted.
        program: where Claude Code is, if it is not to be the one that came with its library.
        start_timeout: seconds that it may take to be ready.
        read_timeout: seconds without any sign of it after which a call is given up.
        max_reply_characters: a longer reply is stopped.
    """

    effort: str | None = None
    max_output_tokens: int | None = None
    max_thinking_tokens: int | None = None
    enable_web_search: bool = False
    program: str | None = None
    start_timeout: float = 90.0
    read_timeout: float = 120.0
    max_reply_characters: int = 12_000_000


class ClaudeCodeModel:
    """Claude Code with one model. `key_name` is what people know the key by, such as ANTHROPIC_API_KEY.

    The key may also be a token that `claude setup-token` made; the login of the command line itself is not used.
    """

    def __init__(
        self,
        *,
        model: str,
        base_url: str = ANTHROPIC_BASE_URL,
        api_key: str = "",
        key_name: str = "",
        options: ClaudeCodeOptions | None = None,
    ) -> None:
        check_address(base_url, model)
        self._provider = Provider(model=model, base_url=base_url, key_name=key_name, key=api_key)
        self._api_key = api_key
        self._options = options or ClaudeCodeOptions()
        if self._options.effort is not None and self._options.effort not in EFFORTS:
            raise ConfigError([f"The effort of {model} in Claude Code must be one of {', '.join(EFFORTS)}."])

    @property
    def name(self) -> str:
        """The name of the model that Claude Code uses."""
        return self._provider.model

    def converse(self, system: str, occasion: Occasion) -> Conversation:
        """Begin a fresh conversation; the occasion makes no difference to a real model."""
        del occasion
        return _ClaudeCodeConversation(self, system)

    async def open(self, system: str, tools: Sequence[ToolSpec]) -> Session:
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
            api_key=self._api_key,
            server=SERVER,
            allowed=(f"mcp__{SERVER}", *own_tools),
            own_tools=own_tools,
            effort=options.effort,
            max_output_tokens=options.max_output_tokens,
            max_thinking_tokens=options.max_thinking_tokens,
            program=options.program,
        )
        session = Session(
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
        self._session: Session | None = None
        self._in_vain: tuple[Said, ...] | None = None
        self._has_history = False

    async def send(self, said: Sequence[Said], tools: Sequence[ToolSpec]) -> Reply:
        session = await self._living(tools)
        if self._in_vain == tuple(said):
            await session.tell(GO_ON)
        else:
            self._in_vain = tuple(said)
            await session.say(said, tools)
        reply = await session.reply(self._model.patience)
        self._in_vain = None
        self._has_history = True
        return reply

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _living(self, tools: Sequence[ToolSpec]) -> Session:
        """The session; begun anew if it died before anything was replied."""
        if self._session is not None and self._session.is_dead:
            if self._has_history:
                raise self._model.lost()
            await self.close()
        if self._session is None:
            self._in_vain = None
            self._session = await self._model.open(self._system, tools)
        return self._session
