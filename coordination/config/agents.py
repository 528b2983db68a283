"""Agents as a run needs them, and the model that speaks for each: provider, address, key, options."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from coordination.config.diagnostics import LONGEST_SHOWN, Diagnostics, Place, any_of, nearest, quoted
from coordination.config.providers import PROVIDERS, Family, Provider, problems_of, provider_at, type_of_model
from coordination.config.sections import AgentKeys, BackendKeys, ModelKeys, ModelOptions, PriceKeys
from coordination.config.server_sections import ServerKeys
from coordination.config.servers import IN_THE_FILE, LEAST_KEY, ServerBook
from coordination.config.tool_policy import AgentTools, Pattern
from coordination.config.yaml_tree import Scalar, Variables, described, is_open
from coordination.domain.tool_rules import Rule
from coordination.run_options import AgentProfile

_SAMPLING = frozenset({"temperature", "top_p", "max_tokens", "max_completion_tokens", "extra_body"})
_THINKING = frozenset({"reasoning", "reasoning_effort", "thinking", "max_thinking_tokens"})
_LOCAL = frozenset({"top_k", "repetition_penalty", "separate_reasoning", "chat_template_kwargs"})

OPTIONS: Mapping[Family, frozenset[str]] = {
    "responses": _SAMPLING | {"reasoning", "reasoning_effort", "text", "enable_web_search"},
    "chat": _SAMPLING | _LOCAL | {"seed", "reasoning", "reasoning_effort", "text"},
    "anthropic": _SAMPLING | _THINKING | {"top_k", "enable_web_search"},
    "gemini": _SAMPLING | _THINKING | {"top_k", "seed", "enable_web_search"},
    "claude_code": _THINKING | {"enable_web_search"},
    "scripted": frozenset(),
}
"""The options that each API has; an option that is set for an API without it gets a warning."""

_NOT_HERE = {
    "ag2": "the type of the model itself, since AG2's agents bring a loop of their own",
    "antigravity_cli": "gemini with the same model, since Antigravity brings a loop and tools of its own",
    "codex": "openai with the same model, since Codex brings a loop and tools of its own",
    "copilot": "the type of the model itself, since GitHub Copilot brings a loop and tools of its own",
    "gemini_cli": "gemini with the same model, since Gemini CLI brings a loop and tools of its own",
    "inference": "vllm or sglang",
}


@dataclass(frozen=True, kw_only=True)
class BackendSettings:
    """One agent's model, ready to be built.

    Attributes:
        provider: whose API it is; `provider.family` chooses the adapter.
        model: the provider's name of it; empty where the adapter has a default of its own.
        base_url: the config's, else the provider's.
        api_key: the config's, else that of the provider's variable; None: none is needed, or it can't be known here.
        key_name: where the key came from or should come from, for messages: a variable's name or `api_key`.
        price: what the config says that it costs; None: whatever the program knows.
        fallback: the model that is asked when this one can't be.
        script: a scripted agent's steps, as plain data.
        script_file: the file that has them instead.
    """

    provider: Provider
    model: str
    base_url: str = field(default="", repr=False)
    api_key: SecretStr | None = None
    key_name: str = ""
    api_version: str | None = None
    options: ModelOptions = field(default_factory=ModelOptions)
    price: PriceKeys | None = None
    fallback: "BackendSettings | None" = None
    script: Mapping[str, Any] | None = field(default=None, repr=False)
    script_file: Path | None = None

    @property
    def type(self) -> str:
        """The backend type, such as `openai`."""
        return self.provider.type


class Backends:
    """Finds the model that is meant by each `backend`. Without an environment no key is looked up, and none is missed."""

    def __init__(self, report: Diagnostics, folder: Path, variables: Variables) -> None:
        self._report = report
        self._folder = folder
        self._variables = variables

    def settings(self, keys: ModelKeys) -> BackendSettings | None:
        """The model that is meant; None after complaints."""
        provider = self._provider(keys)
        if provider is None:
            return None
        self._check(keys, provider)
        self._warn(keys, provider)
        base_url = self._base_url(keys, provider)
        api_key, key_name = self._key(keys, provider)
        fallback = keys.fallback if isinstance(keys, BackendKeys) else None
        return BackendSettings(
            provider=provider,
            model=keys.model or "",
            base_url=base_url,
            api_key=api_key,
            key_name=key_name,
            api_version=keys.api_version,
            options=ModelOptions.model_construct(**{name: getattr(keys, name) for name in ModelOptions.model_fields}),
            price=keys.price,
            fallback=None if fallback is None else self.settings(fallback),
            script=keys.script,
            script_file=self._folder / keys.script_file if keys.script_file else None,
        )

    def _provider(self, keys: ModelKeys) -> Provider | None:
        if keys.type is None:
            return self._inferred(keys)
        provider = PROVIDERS.get(keys.type.casefold())
        if provider is None:
            found, known = _written(keys, "type", "the backend type"), any_of(PROVIDERS)
            instead = _NOT_HERE.get(keys.type.casefold())
            self._expect(keys, "type", found, instead or known, None if instead else nearest(keys.type, PROVIDERS))
        return provider

    def _inferred(self, keys: ModelKeys) -> Provider | None:
        if keys.script is not None or keys.script_file is not None:
            return PROVIDERS["scripted"]
        if keys.base_url is not None:
            return provider_at(keys.base_url) or PROVIDERS["chatcompletion"]
        type_ = type_of_model(keys.model or "")
        if type_ is not None:
            return PROVIDERS[type_]
        table = keys.table
        if table.writes("type") or (table.writes("model") and keys.model is None):
            return None
        model = _written(keys, "model", "the model", 60)
        found = f"no type, and {model} tells none" if keys.model else "neither type nor model"
        self._expect(keys, "type", found, f"type: {any_of(PROVIDERS)}")
        return None

    def _check(self, keys: ModelKeys, provider: Provider) -> None:
        table = keys.table
        if provider.family == "scripted":
            if table.writes("script") == table.writes("script_file"):
                found = "neither script nor script_file" if keys.script is None else "both script and script_file"
                self._expect(keys, "script", found, "one of them")
        elif not table.writes("model") and provider.family != "claude_code":
            self._expect(keys, "model", "nothing", f"the name of a model of {provider.title}")
        if keys.max_tokens and keys.max_completion_tokens and keys.max_tokens != keys.max_completion_tokens:
            self._expect(keys, "max_tokens", "max_tokens and max_completion_tokens, which differ", "one of them")
        for (key, *below), text in problems_of(keys, provider.family):
            line, path = table.place_of(key)
            self._report.add_error(Place(line, (*path, *below)), text)

    def _warn(self, keys: ModelKeys, provider: Provider) -> None:
        here, with_type = "has no effect here", f"has no effect with {provider.type}"
        for key in ("enable_code_interpreter", "enable_code_execution"):
            if getattr(keys, key):
                self._warn_of(keys, key, f"{here}: code execution is not offered in planning mode")
        if keys.cwd:
            why = "agents have no files of their own; give them an MCP server for files"
            self._warn_of(keys, "cwd", f"{with_type}: {why}")
        if keys.enable_web_search and not provider.searches_web:
            why = "offers no search that this program uses; give the agent an MCP server that searches"
            self._warn_of(keys, "enable_web_search", f"{with_type}: {provider.title} {why}")
        idle = ModelOptions.model_fields.keys() - OPTIONS[provider.family] - {"enable_web_search"}
        for key in sorted(idle & keys.model_fields_set):
            if getattr(keys, key) is not None:
                self._warn_of(keys, key, f"{with_type}: the API of {provider.title} has no such option")

    def _base_url(self, keys: ModelKeys, provider: Provider) -> str:
        base_url = keys.base_url or provider.base_url
        if not base_url and provider.type == "azure_openai":
            base_url = self._variables.value("AZURE_OPENAI_ENDPOINT")
            if not base_url and self._variables.are_known:
                expected = "the address of the Azure resource, or the variable AZURE_OPENAI_ENDPOINT to be set"
                self._expect(keys, "base_url", "nothing", expected)
        return base_url

    def _key(self, keys: ModelKeys, provider: Provider) -> tuple[SecretStr | None, str]:
        if keys.table.writes("api_key"):
            source = keys.table.source("api_key")
            if "${" not in source and len(source) >= LEAST_KEY:
                self._warn_of(keys, "api_key", IN_THE_FILE)
            name = _variable_in(source) or "api_key"
            return None if is_open(keys.table.entries["api_key"]) else keys.api_key, name
        known = provider_at(keys.base_url) if keys.base_url else provider
        # A key goes to its own provider only: never to whatever server a bare chatcompletion's base_url names.
        owner = known or (None if provider.type == "chatcompletion" else provider)
        if owner is None:
            return None, "api_key"
        for name in owner.key_variables:
            value = self._variables.value(name).strip()
            if value:
                return SecretStr(value), name
        if known is not None and known.needs_key and self._variables.are_known:
            expected = f"the variable {any_of(known.key_variables)} to be set (or api_key)"
            self._expect(keys, "api_key", f"no key for {known.title}", expected)
        return None, owner.key_variables[0] if owner.key_variables else "api_key"

    def _expect(self, keys: ModelKeys, key: str, found: str, expected: str, suggestion: str | None = None) -> None:
        self._report.expect(keys.table.place_of(key), found, expected, suggestion)

    def _warn_of(self, keys: ModelKeys, key: str, text: str) -> None:
        self._report.add_warning(keys.table.place_of(key), text, once_for=f"backend.{key}: {text}")


def _written(keys: ModelKeys, key: str, what: str, longest: int = LONGEST_SHOWN) -> str:
    """The value of a key for a message, and what it is there for."""
    node, source = keys.table.entries.get(key), keys.table.source(key)
    if isinstance(node, Scalar) and "${" in source:
        return f"{described(node, longest)} as {what}"
    return f"{what} {quoted(source, longest)}"


def _variable_in(source: str) -> str:
    """The variable that a value is read from, if it is no more than that."""
    name = source.removeprefix("${").removesuffix("}").split(":-")[0]
    return name if source.startswith("${") and name.isidentifier() else ""


_CLAUDE_CODES_OWN = re.compile(
    "Agent|Bash|BashOutput|Edit|ExitPlanMode|Glob|Grep|KillBash|KillShell|LS|MultiEdit|NotebookEdit|"
    "NotebookRead|Read|SlashCommand|Task|TodoRead|TodoWrite|WebFetch|WebSearch|Write"
)


@dataclass(frozen=True, kw_only=True)
class AgentSettings(AgentProfile):
    """One agent with its model. `patterns` are those that the operator wrote for it alone."""

    backend: BackendSettings
    patterns: tuple[Pattern, ...] = field(repr=False)


class Agents:
    """Puts together what the file says of each agent, in its own part and for all."""

    def __init__(self, report: Diagnostics, backends: Backends, book: ServerBook) -> None:
        self._report = report
        self._backends = backends
        self._book = book

    def settings(
        self, agents: Sequence[AgentKeys], shared: Sequence[ServerKeys], rules: Sequence[Rule], broken: frozenset[str]
    ) -> tuple[AgentSettings, ...]:
        """The agents with their models, servers and rules, without those that were complained of.

        `shared` are the servers of all; nothing is held against those who name one of the `broken` servers.
        """
        self._check_ids(agents)
        found = [self._settings(agent, shared, rules, broken) for agent in agents]
        return tuple(agent for agent in found if agent is not None)

    def _settings(
        self, agent: AgentKeys, shared: Sequence[ServerKeys], rules: Sequence[Rule], broken: frozenset[str]
    ) -> AgentSettings | None:
        written = agent.backend or BackendKeys()
        servers = {**self._book.shared, **self._book.entered(written.mcp_servers, agent.number)}
        names = {**{name: name for name in broken}, **{name: spec.name for name, spec in servers.items()}}
        tools = AgentTools(agent.name, names, self._report)
        excluded = [*written.exclude_tools, *self._for_mcp(written, "disallowed_tools", written.disallowed_tools)]
        own_rules = tools.rules([*shared, *written.mcp_servers], self._limits(written), excluded, rules)
        backend = None if agent.backend is None else self._backends.settings(agent.backend)
        if backend is None:
            return None
        # MassGen lets it be said in four places; the agent is told all of it.
        said = (written.system_prompt, agent.system_message, written.append_system_prompt, agent.append_system_prompt)
        return AgentSettings(
            number=agent.number,
            id=agent.name,
            system_message="\n\n".join(text.strip() for text in said if text.strip()),
            backend=backend,
            servers=tuple(servers.values()),
            rules=own_rules,
            patterns=tuple(tools.patterns),
        )

    def _check_ids(self, agents: Sequence[AgentKeys]) -> None:
        first: dict[str, AgentKeys] = {}
        for agent in agents:
            other = first.setdefault(agent.name, agent)
            if other is not agent:
                line = other.table.line_of("id")
                found = f"the id {quoted(agent.table.source('id'))} a second time (first in line {line})"
                self._report.expect(agent.table.place_of("id"), found, "each id once")

    def _limits(self, keys: BackendKeys) -> Sequence[Scalar] | None:
        """The agent's `allowed_tools`; one that only names Claude Code's own tools says nothing of MCP's."""
        if not keys.allowed_tools:
            return keys.allowed_tools
        return self._for_mcp(keys, "allowed_tools", keys.allowed_tools) or None

    def _for_mcp(self, keys: BackendKeys, key: str, entries: Sequence[Scalar]) -> Sequence[Scalar]:
        own = [entry for entry in entries if _CLAUDE_CODES_OWN.fullmatch(entry.text.split("(")[0])]
        if own:
            text = "Claude Code's own tools have no effect here: agents get the tools of MCP servers, and no others"
            place = Place(own[0].line, keys.table.place_of(key).path)
            self._report.add_warning(place, text, once_for=f"claude's own in {key}")
        return [entry for entry in entries if entry not in own]
