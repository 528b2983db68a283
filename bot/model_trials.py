"""The models available here: which providers are ready, and whether a model calls tools, as agents must."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from bot.variables import Environment
from coordination.clock import SystemClock
from coordination.config import PROVIDERS, AgentSettings, BackendSettings, Provider, parse, read_text
from coordination.errors import ConfigError, ModelError, ModelFault
from coordination.llm.extras import extra_of, install_command, is_installed
from coordination.llm.local_servers import listens, models_at, ollama_window
from coordination.llm.registry import Models
from coordination.ports import ToolSpec, TurnContext, UserMessage
from coordination.text import NO_TEXT, Text

TRIED_WITH: Mapping[str, str] = {
    "openai": "gpt-5-mini",
    "claude": "claude-haiku-5-5",
    "gemini": "gemini-3.8-flash",
    "claude_code": "sonnet",
    "grok": "grok-3-mini",
}
"""A small model of each provider that is known to have one; for the others somebody must name theirs in a file."""

MOST_TOKENS = 4_096
"""What a reply of a trial may have: enough for a model that thinks before it calls a tool."""

LEAST_WINDOW = 16_384
"""Tokens that an agent with some tools needs to see at once."""

PATIENCE = 120.0

_TOOL = ToolSpec(
    name="say",
    description="Says a word.",
    input_schema={"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
)
_REQUEST = "Call the tool say with the word yes."

_ADVICE: Mapping[str, Text] = {
    "ollama": Text("use a model that `ollama show` lists with the capability tools, such as qwen3:8b or gpt-oss:20b"),
    "lmstudio": Text("load a model that LM Studio lists as trained for tool use, such as qwen3-8b or gpt-oss-20b"),
    "vllm": Text("start vLLM with --enable-auto-tool-choice and the --tool-call-parser for the model"),
    "sglang": Text("start SGLang with the --tool-call-parser for the model"),
}
_ANY_MODEL = Text("use a model that supports tool calls")
_NO_MODEL: Mapping[str, Text] = {
    "ollama": Text("has no model yet: `ollama pull qwen3:8b` gets one"),
    "lmstudio": Text("has no model yet: load one that is trained for tool use, such as qwen3-8b"),
}


@dataclass(frozen=True, kw_only=True)
class BackendRow:
    """One backend type. `key` names the variable that has a key, never the key.

    Attributes:
        install: the command that installs what is missing; empty: nothing is.
        variables: where a key is looked for; none: no key is needed, or none is looked for.
        is_running: whether its server on this machine listens; None: it is elsewhere.
    """

    type: str
    title: str
    install: str
    key: str
    variables: tuple[str, ...]
    needs_key: bool
    model: str
    base_url: str
    is_running: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One model that was asked to call a tool.

    Attributes:
        problem: what came instead; empty: it works.
        remark: what may go wrong with it all the same.
    """

    name: str
    model: str
    problem: Text = NO_TEXT
    remark: Text = NO_TEXT


def backend_rows(environment: Environment) -> tuple[BackendRow, ...]:
    """Every type that speaks to a server."""
    listening = asyncio.run(_listening())
    return tuple(
        replace(_row(provider, environment), is_running=listening.get(provider.type))
        for provider in PROVIDERS.values()
        if provider.family != "scripted"
    )


async def _listening() -> Mapping[str, bool]:
    """Whether the server of each type that runs on one's own machine is there."""
    local = [provider for provider in PROVIDERS.values() if _is_local(provider)]
    found = await asyncio.gather(*(listens(provider.base_url) for provider in local))
    return dict(zip((provider.type for provider in local), found, strict=True))


def _is_local(provider: Provider) -> bool:
    return provider.family == "chat" and not provider.needs_key


def try_backends(environment: Environment, path: Path | None) -> tuple[Trial, ...]:
    """Have the models of a configuration call a tool, or one of each provider that has a key or a server here.

    Raises:
        ConfigError: the configuration can't be used.
    """
    if path is not None:
        settings = parse(read_text(path), origin=str(path.absolute()), environ=environment.for_configs())
        return asyncio.run(_try(environment, settings.agents))
    return asyncio.run(_try_all(environment))


async def _try_all(environment: Environment) -> tuple[Trial, ...]:
    rows = [_row(provider, environment) for provider in PROVIDERS.values() if provider.family != "scripted"]
    models = {row.type: row.model for row in rows if row.key and row.model and not row.install}
    empty: list[Trial] = []
    for type_, is_there in (await _listening()).items():
        found = await models_at(PROVIDERS[type_].base_url) if is_there else None
        if found:
            models[type_] = found[0]
        elif found is not None:
            empty.append(Trial(name=type_, model="-", problem=_NO_MODEL.get(type_, Text("has no model"))))
    if not models:
        return tuple(empty)
    agents = [{"id": type_, "backend": {"type": type_, "model": model}} for type_, model in models.items()]
    settings = parse(json.dumps({"agents": agents}), origin="massgen-bot models", environ=environment.for_configs())
    return (*await _try(environment, settings.agents), *empty)


def _row(provider: Provider, environment: Environment) -> BackendRow:
    extra = extra_of(provider.family)
    address = environment.azure_openai_endpoint if provider.type == "azure_openai" else ""
    return BackendRow(
        type=provider.type,
        title=provider.title,
        install=install_command(extra) if extra is not None and not is_installed(extra) else "",
        key=environment.first_set(provider.key_variables),
        variables=provider.key_variables,
        needs_key=provider.needs_key,
        model=TRIED_WITH.get(provider.type, ""),
        base_url=provider.base_url or address,
    )


async def _try(environment: Environment, agents: tuple[AgentSettings, ...]) -> tuple[Trial, ...]:
    models = Models(SystemClock(), pace=environment.pace())
    seconds = [
        replace(agent, id=Text("the fallback of {agent}", agent=agent.id), backend=agent.backend.fallback)
        for agent in agents
        if agent.backend.fallback is not None
    ]
    try:
        return tuple(await asyncio.gather(*(_trial(models, agent) for agent in (*agents, *seconds))))
    finally:
        await models.aclose()


async def _trial(models: Models, agent: AgentSettings) -> Trial:
    trial = Trial(name=agent.id, model=agent.backend.model or agent.backend.type)
    try:
        model = models.shortest(agent, MOST_TOKENS)
        turn_context = TurnContext(purpose="turn", revision=1, turn=1, agent=agent.number)
        conversation = model.converse("This is a trial. Do what you are asked, and nothing else.", turn_context)
        try:
            async with asyncio.timeout(PATIENCE):
                reply = await conversation.send([UserMessage(text=_REQUEST)], (_TOOL,))
        finally:
            await conversation.close()
    except ConfigError as error:
        return replace(trial, problem=error.diagnostics[0])
    except TimeoutError:
        return replace(trial, problem=Text("no answer within {seconds:g} s", seconds=PATIENCE))
    except ModelError as error:
        if error.fault is ModelFault.CUT_OFF and not error.is_retryable:
            return replace(
                trial, remark=Text("{count:,} tokens were not enough for it to call a tool", count=MOST_TOKENS)
            )
        return replace(trial, problem=await nothing_listens(agent.backend) or error.text)
    if not any(call.name == _TOOL.name for call in reply.calls):
        advice = _ADVICE.get(_kind(agent.backend), _ANY_MODEL)
        problem = Text("answers with text when asked to call a tool, which agents need: {advice}", advice=advice)
        return replace(trial, problem=problem)
    return replace(trial, remark=await _small_window(agent.backend))


def _kind(backend: BackendSettings) -> str:
    """The type of the server, also where only an address tells that it is one on this machine."""
    if _is_local(backend.provider) or not _is_here(backend.base_url):
        return backend.type
    port = urlsplit(backend.base_url).port
    ports = {urlsplit(each.base_url).port: each.type for each in PROVIDERS.values() if _is_local(each)}
    return ports.get(port, backend.type)


def _is_here(base_url: str) -> bool:
    return (urlsplit(base_url).hostname or "") in {"localhost", "127.0.0.1", "::1"}


async def nothing_listens(backend: BackendSettings) -> Text:
    """That a server on this machine does not run, and what to start; empty where it does, or is elsewhere."""
    if backend.provider.family == "scripted" or not _is_here(backend.base_url) or await listens(backend.base_url):
        return NO_TEXT
    kind, address = _kind(backend), urlsplit(backend.base_url).netloc
    if _is_local(PROVIDERS[kind]):
        return Text(
            "nothing is listening at {address}: start {program}", address=address, program=PROVIDERS[kind].title
        )
    return Text("nothing is listening at {address}: start the server, or correct its base_url", address=address)


async def _small_window(backend: BackendSettings) -> Text:
    """That Ollama shows a model too little of a conversation, which it does unless it is told otherwise."""
    if _kind(backend) != "ollama":
        return NO_TEXT
    window = await ollama_window(backend.base_url, backend.model)
    if window is not None and window >= LEAST_WINDOW:
        return NO_TEXT
    if window is None:
        return Text(
            "Ollama doesn't say how many tokens the model sees (by default 4,096), and drops the oldest ones: agents "
            "need "
            "{least:,} or more. Start Ollama with OLLAMA_CONTEXT_LENGTH=32768 in its environment",
            least=LEAST_WINDOW,
        )
    return Text(
        "Ollama shows the model {window:,} tokens, and drops the oldest ones: agents need {least:,} or more. Start "
        "Ollama "
        "with OLLAMA_CONTEXT_LENGTH=32768 in its environment",
        window=window,
        least=LEAST_WINDOW,
    )
