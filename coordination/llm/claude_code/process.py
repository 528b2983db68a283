"""Claude Code's program as a child process: a folder of its own, hardly any of our environment, no file of anyone's.

The SDK could start it too. It would hand it our whole environment, with every token in it, and wait for it to end.
"""

import asyncio
import json
import os
import shutil
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import claude_agent_sdk
from claude_agent_sdk import CLIConnectionError, Transport
from typing_extensions import override

from coordination.errors import ModelError, ModelFault
from coordination.llm.extras import LOCKED
from coordination.llm.model_errors import (
    Headers,
    Problem,
    Provider,
    Raw,
    broken,
    cut_off,
    declined,
    refused,
    too_short,
    unreadable,
)
from coordination.text import Text

LONGEST_LINE = 128_000_000
"""Bytes of one message of Claude Code's; it repeats a whole reply in one."""

END_SECONDS = 5.0
"""How long a process that was killed may take to be gone."""

INHERITED = (
    "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip
"""What the process gets of our environment. Tokens are not in it."""

_SETTINGS = {
    # One reply is one reply: who uses the port decides what is tried again, and when a conversation is too long.
    "CLAUDE_CODE_MAX_RETRIES": "0",
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_RETRY": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_FALLBACK": "1",
    "CLAUDE_CODE_NO_MODEL_FALLBACK": "1",
    "DISABLE_COMPACT": "1",
    # All calls of one message wait for their results together, as long as it takes.
    "CLAUDE_CODE_MAX_TOOL_USE_CONCURRENCY": "1000",
    "CLAUDE_CODE_MCP_AUTO_BACKGROUND_MS": "0",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "MCP_TOOL_TIMEOUT": "86400000",
    "MAX_MCP_OUTPUT_TOKENS": "1000000",
    "ENABLE_TOOL_SEARCH": "false",
    # Nothing goes anywhere but to the provider of the model, and nothing is remembered.
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_UPDATES": "1",
    "CLAUDE_CODE_ENTRYPOINT": "sdk-py",
    "CLAUDE_AGENT_SDK_VERSION": claude_agent_sdk.__version__,
}
_OAUTH_TOKEN = "sk-ant-oat"  # noqa: S105 (the beginning of every such token, as Anthropic makes them)
_CHUNK = 65_536


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How the process is to be started. `program` None: the one that came with the SDK, or else the one on the PATH."""

    model: str
    system: str
    base_url: str
    api_key: str
    server: str
    allowed: Sequence[str]
    headers: Headers = ()
    own_tools: Sequence[str] = ()
    effort: str | None = None
    max_output_tokens: int | None = None
    max_thinking_tokens: int | None = None
    program: str | None = None


class ClaudeCodeProcess(Transport):
    """The process, for the SDK to talk to. Only what belongs to its control protocol is handed on to the SDK."""

    def __init__(self, launch: Launch, *, take: Callable[[Mapping[str, Raw]], None], ended: Callable[[], None]) -> None:
        """`take` is told of all messages but those of the control protocol, `ended` once when no more can come."""
        self._launch = launch
        self._take = take
        self._ended = ended
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._victim: asyncio.subprocess.Process | None = None
        self._is_killed = False

    @override
    async def connect(self) -> None:
        """Start it.

        Raises:
            OSError: there is no such program, or it may not be run.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="massgen-claude-code-", ignore_cleanup_errors=True)
        root = Path(self._folder.name)
        for name in ("work", "home", "config", "temporary"):
            (root / name).mkdir()
        (root / "system.txt").write_text(self._launch.system, encoding="utf-8")
        self._process = await asyncio.create_subprocess_exec(
            _program(self._launch),
            *_arguments(self._launch, root),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=root / "work",
            env=_environment(self._launch, root),
            start_new_session=True,
        )
        self._victim = self._process

    @override
    async def write(self, data: str) -> None:
        stdin = self._process.stdin if self._process else None
        if stdin is None or not self.is_ready():
            raise CLIConnectionError("Claude Code has ended")
        try:
            stdin.write(data.encode("utf-8", "replace"))
            await stdin.drain()
        except OSError:
            raise CLIConnectionError("Claude Code has ended") from None

    @override
    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """The messages of the control protocol; the others go to `take` at once."""
        try:
            async for line in self._lines():
                message = _message(line)
                if str(message.get("type")).startswith("control_"):
                    yield cast("dict[str, Any]", message)
                elif message:
                    self._take(message)
        finally:
            self._ended()
        # Whoever waits for an answer in the control protocol learns only by an error that there will be none.
        if not self._is_killed:
            raise CLIConnectionError("Claude Code has ended")

    async def _lines(self) -> AsyncIterator[bytes]:
        stdout = self._process.stdout if self._process else None
        waiting: list[bytes] = []
        size = 0
        while stdout is not None and (data := await stdout.read(_CHUNK)):
            head, newline, rest = data.rpartition(b"\n")
            if newline:
                for line in b"".join((*waiting, head)).split(b"\n"):
                    yield line
                waiting, size = [], 0
            waiting.append(rest)
            size += len(rest)
            if size > LONGEST_LINE:
                self.kill()
                return

    def kill(self) -> None:
        """End it now. It has nothing to put in order: nobody will go on with this conversation."""
        self._is_killed = True
        # Only once: asyncio loses track of a child that is gone when it is signalled again.
        victim, self._victim = self._victim, None
        if victim is not None and victim.returncode is None:
            with suppress(ProcessLookupError):
                victim.kill()

    @override
    async def close(self) -> None:
        """End it and wait until it is gone, with everything that it wrote."""
        self.kill()
        process, self._process = self._process, None
        folder, self._folder = self._folder, None
        try:
            if process is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(END_SECONDS):
                        await _gone(process)
        finally:
            if folder is not None:
                folder.cleanup()

    @override
    def is_ready(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @override
    async def end_input(self) -> None:
        """Never: a conversation goes on until it is closed."""


async def _gone(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    # What nobody reads would keep the pipe open.
    while process.stdout is not None and await process.stdout.read(_CHUNK):
        pass
    await process.wait()


def _message(line: bytes) -> Mapping[str, Raw]:
    """The message of a line; empty if it is none, as programs print all sorts of things."""
    try:
        message: Raw = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _program(launch: Launch) -> str:
    if launch.program is not None:
        return launch.program
    bundled = (
        Path(claude_agent_sdk.__file__).parent / "_bundled" / ("claude.exe" if sys.platform == "win32" else "claude")
    )
    found = str(bundled) if bundled.is_file() else shutil.which("claude")
    if found is None:
        raise FileNotFoundError("claude")
    return found


def _arguments(launch: Launch, root: Path) -> list[str]:
    """No built-in tool, no setting, file or command of anybody's; the only MCP server is ours, served by the SDK."""
    servers = {"mcpServers": {launch.server: {"type": "sdk", "name": launch.server, "disableAutoBackground": True}}}
    arguments = [
        *("--output-format", "stream-json", "--input-format", "stream-json", "--verbose", "--include-partial-messages"),
        *("--model", launch.model),
        *("--system-prompt-file", str(root / "system.txt")),
        *("--tools", ",".join(launch.own_tools)),
        *("--allowedTools", ",".join(launch.allowed)),
        *("--permission-mode", "dontAsk"),
        *("--mcp-config", json.dumps(servers)),
        *("--strict-mcp-config", "--setting-sources=", "--disable-slash-commands", "--no-session-persistence"),
    ]
    if launch.effort is not None:
        arguments += ["--effort", launch.effort]
    if launch.max_thinking_tokens is not None:
        arguments += ["--max-thinking-tokens", str(launch.max_thinking_tokens)]
    return arguments


def _environment(launch: Launch, root: Path) -> dict[str, str]:
    key = "CLAUDE_CODE_OAUTH_TOKEN" if launch.api_key.startswith(_OAUTH_TOKEN) else "ANTHROPIC_API_KEY"
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ} | _SETTINGS
    environment |= {
        "HOME": str(root / "home"),
        "TMPDIR": str(root / "temporary"),
        "PWD": str(root / "work"),
        "CLAUDE_CONFIG_DIR": str(root / "config"),
        "ANTHROPIC_BASE_URL": launch.base_url,
        key: launch.api_key,
    }
    if launch.max_output_tokens is not None:
        environment["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(launch.max_output_tokens)
    if launch.headers:
        environment["ANTHROPIC_CUSTOM_HEADERS"] = "\n".join(f"{name}: {value}" for name, value in launch.headers)
    return environment


LENGTH_OPTION = "max_output_tokens"

_UNREACHABLE = (
    "ECONNREFUSED",
    "ConnectionRefused",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ENETUNREACH",
    "EHOSTUNREACH",
    "FailedToOpenSocket",
)
_CODES = {
    "authentication_failed": "authentication_error",
    "oauth_org_not_allowed": "authentication_error",
    "billing_error": "billing_error",
    "rate_limit": "rate_limit_error",
    "overloaded": "overloaded_error",
    "invalid_request": "invalid_request_error",
    "model_not_found": "not_found_error",
}


def failure(result: Mapping[str, Raw], code: str, provider: Provider) -> ModelError:
    """The error for a turn of Claude Code's that ended in one. `code` is its own word for what happened."""
    if result.get("stop_reason") == "refusal":
        return declined(provider)
    if code == "max_output_tokens":
        return too_short(provider, LENGTH_OPTION)
    status, words = result.get("api_error_status"), str(result.get("result"))
    problem = Problem(
        status=status if isinstance(status, int) else None,
        codes=(_CODES[code],) if code in _CODES else (),
        words=words,
        said=words if isinstance(result.get("result"), str) else "",
    )
    if problem.status is not None or problem.codes:
        return refused(problem, provider)
    if "certificate" in words.lower():
        return broken(ssl.SSLCertVerificationError(), provider)
    if any(name in words for name in _UNREACHABLE):
        return broken(OSError(), provider)
    return unreadable(provider) if code == "unknown" else cut_off(provider)


def going_in_circles(provider: Provider) -> ModelError:
    """The model calls nothing that exists, again and again."""
    return ModelError(
        ModelFault.CUT_OFF,
        Text(
            "Claude Code with {model} kept making calls that have no effect, and was stopped; if "
            "this continues, the operator must choose another model.",
            model=provider.model,
        ),
    )


def missing() -> ModelError:
    """There is no such program."""
    return ModelError(
        ModelFault.MISCONFIGURED,
        Text(
            "The Claude Code program is missing or can't be started; the operator must reinstall "
            "{package} where massgen-bot runs.",
            package=LOCKED["claude-code"],
        ),
    )


def stillborn(provider: Provider) -> ModelError:
    """It ended, or said nothing sensible, before it could be talked to."""
    return ModelError(
        ModelFault.MISCONFIGURED,
        Text(
            "Claude Code exited right after it was started with {model}; the operator must check "
            "the options of this model, and that {package} is installed.",
            model=provider.model,
            package=LOCKED["claude-code"],
        ),
    )


def slow_to_start(provider: Provider, seconds: float) -> ModelError:
    """It took too long to start, which a busy machine may be the reason of."""
    return ModelError(
        ModelFault.TIMED_OUT,
        Text(
            "Claude Code with {model} was not ready within {seconds:g} s; if this continues, the "
            "operator must reduce the load on this machine.",
            model=provider.model,
            seconds=seconds,
        ),
        is_retryable=True,
    )


def died(provider: Provider, *, is_retryable: bool) -> ModelError:
    """It ended in the middle, and with it all that it knew of the conversation."""
    return ModelError(
        ModelFault.CUT_OFF,
        Text(
            "Claude Code with {model} exited in the middle of its work; if this continues, the "
            "operator must make sure that the machine has enough memory.",
            model=provider.model,
        ),
        is_retryable=is_retryable,
    )
