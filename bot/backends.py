"""Every backend type as this machine has it: its library, its key, and, on request, whether it answers."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from coordination.clock import SystemClock
from coordination.config import PROVIDERS, AgentSettings, Provider, parse, read_text
from coordination.errors import ConfigError, ModelError, ModelFault
from coordination.llm.extras import install_command, is_installed
from coordination.llm.registry import Models, extra_of
from coordination.ports import Occasion, Told

TRIED_WITH: Mapping[str, str] = {
    "openai": "gpt-5-mini",
    "claude": "claude-haiku-5-5",
    "gemini": "gemini-3.8-flash",
    "claude_code": "sonnet",
    "grok": "grok-3-mini",
}
"""A small model of each provider that is known to have one; for the others somebody must name theirs in a file."""

LEAST_TOKENS = 16
"""The shortest reply that every API lets one ask for."""

PATIENCE = 120.0


@dataclass(frozen=True, kw_only=True)
class BackendRow:
    """One backend type. `key` names the variable that has a key, never the key.

    Attributes:
        install: the command that installs what is missing; empty: nothing is.
        variables: where a key is looked for; none: no key is needed, or none is looked for.
    """

    type: str
    title: str
    install: str
    key: str
    variables: tuple[str, ...]
    needs_key: bool
    model: str
    base_url: str


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One model that was asked for a word. `problem` says what came instead; empty: it works."""

    name: str
    model: str
    problem: str


def backend_rows(environ: Mapping[str, str]) -> tuple[BackendRow, ...]:
    """Every type that speaks to a server."""
    return tuple(_row(provider, environ) for provider in PROVIDERS.values() if provider.family != "scripted")


def try_backends(environ: Mapping[str, str], path: Path | None) -> tuple[Trial, ...]:
    """Ask the models of a configuration, or one of each provider that has a key here, for a word.

    Raises:
        ConfigError: the configuration can't be used.
    """
    if path is not None:
        settings = parse(read_text(path), origin=str(path.absolute()), environ=environ)
        return asyncio.run(_try(environ, settings.agents))
    ready = [row for row in backend_rows(environ) if row.key and row.model and not row.install]
    agents = [{"id": row.type, "backend": {"type": row.type, "model": row.model}} for row in ready]
    if not agents:
        return ()
    settings = parse(json.dumps({"agents": agents}), origin="massgen-bot models", environ=environ)
    return asyncio.run(_try(environ, settings.agents))


def _row(provider: Provider, environ: Mapping[str, str]) -> BackendRow:
    extra = extra_of(provider.family)
    address = environ.get("AZURE_OPENAI_ENDPOINT", "") if provider.type == "azure_openai" else ""
    return BackendRow(
        type=provider.type,
        title=provider.title,
        install=install_command(extra) if extra is not None and not is_installed(extra) else "",
        key=next((name for name in provider.key_variables if environ.get(name, "").strip()), ""),
        variables=provider.key_variables,
        needs_key=provider.needs_key,
        model=TRIED_WITH.get(provider.type, ""),
        base_url=provider.base_url or address,
    )


async def _try(environ: Mapping[str, str], agents: tuple[AgentSettings, ...]) -> tuple[Trial, ...]:
    models = Models(environ, SystemClock())
    seconds = [
        replace(agent, id=f"the fallback of {agent.id}", backend=agent.backend.fallback)
        for agent in agents
        if agent.backend.fallback is not None
    ]
    try:
        return tuple(await asyncio.gather(*(_trial(models, agent) for agent in (*agents, *seconds))))
    finally:
        await models.aclose()


async def _trial(models: Models, agent: AgentSettings) -> Trial:
    name = agent.backend.model or agent.backend.type
    try:
        model = models.shortest(agent, LEAST_TOKENS)
        occasion = Occasion(purpose="turn", revision=1, turn=1, agent=agent.number)
        conversation = model.converse("Answer with one word.", occasion)
        try:
            async with asyncio.timeout(PATIENCE):
                await conversation.send([Told(text="Say yes.")], ())
        finally:
            await conversation.close()
    except ConfigError as error:
        return Trial(name=agent.id, model=name, problem=error.complaints[0])
    except TimeoutError:
        return Trial(name=agent.id, model=name, problem=f"nothing came within {PATIENCE:g} s")
    except ModelError as error:
        # So short a reply is often broken off by its limit, and that is all that was asked for.
        is_cut_short = error.fault is ModelFault.CUT_OFF and not error.is_retryable
        return Trial(name=agent.id, model=name, problem="" if is_cut_short else str(error))
    return Trial(name=agent.id, model=name, problem="")
