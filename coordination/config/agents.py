"""Agents as they are written, and the model that speaks for each: provider, address, key, options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from coordination.config.diagnostics import KeyPath, any_of, expected_but_found, nearest, quoted
from coordination.config.providers import PROVIDERS, Family, Provider, problems_of, provider_at, type_of_model
from coordination.config.section_reader import Reader, is_absent, writes
from coordination.config.sections import (
    AGENT,
    BACKEND,
    FALLBACK,
    PRICE,
    REASONING,
    TEXT,
    THINKING,
    AgentKeys,
    BackendKeys,
    ModelOptions,
    PriceKeys,
    Section,
)
from coordination.config.servers import ServerBook, ServerReader, ToolEntry, WrittenServer
from coordination.config.tool_policy import AgentTools, Pattern, WrittenRule
from coordination.config.yaml_tree import Listing, Node, Table, Variables, is_open, kind_of, source_of
from coordination.domain.policy import Rule
from coordination.ports import ServerSpec
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


class BackendReader:
    """Reads one agent's `backend`. Without an environment no key is looked up, and none is missed."""

    def __init__(self, reader: Reader, folder: Path, variables: Variables) -> None:
        self._reader = reader
        self._folder = folder
        self._variables = variables

    def keys(self, table: Table, path: KeyPath, section: Section[BackendKeys] = BACKEND) -> BackendKeys | None:
        """What is written, checked key by key."""
        given: dict[str, object] = {}
        rest = dict(table.entries)
        for key, inner in (("price", PRICE), ("reasoning", REASONING), ("thinking", THINKING), ("text", TEXT)):
            nested = self._reader.table(table, key, path)
            rest.pop(key, None)
            if nested is not None:
                given[key] = self._reader.section(inner, nested, (*path, key))
        own = Table(entries=rest, key_lines=table.key_lines, line=table.line)
        return self._reader.section(section, own, path, given, is_partial_welcome=True)

    def settings(self, keys: BackendKeys, table: Table, path: KeyPath) -> BackendSettings | None:
        """The model that is meant; None after complaints."""
        provider = self._provider(keys, table, path)
        if provider is None:
            return None
        self._check(keys, provider, table, path)
        self._warn(keys, provider, table, path)
        base_url = self._base_url(keys, provider, table, path)
        api_key, key_name = self._key(keys, provider, table, path)
        return BackendSettings(
            provider=provider,
            model=keys.model or "",
            base_url=base_url,
            api_key=api_key,
            key_name=key_name,
            api_version=keys.api_version,
            options=ModelOptions.model_construct(**{name: getattr(keys, name) for name in ModelOptions.model_fields}),
            price=keys.price,
            fallback=self._fallback(table, path),
            script=keys.script,
            script_file=self._folder / keys.script_file if keys.script_file else None,
        )

    def _fallback(self, table: Table, path: KeyPath) -> BackendSettings | None:
        nested = self._reader.table(table, "fallback", path)
        if nested is None:
            return None
        place = (*path, "fallback")
        keys = self.keys(nested, place, FALLBACK)
        return None if keys is None else self.settings(keys, nested, place)

    def _provider(self, keys: BackendKeys, table: Table, path: KeyPath) -> Provider | None:
        if keys.type is None:
            return self._inferred(keys, table, path)
        provider = PROVIDERS.get(keys.type.casefold())
        if provider is None:
            expected = _NOT_HERE.get(keys.type) or any_of(PROVIDERS)
            found = f"the backend type {quoted(source_of(table, 'type'))}"
            self._add_error(table, "type", path, expected_but_found(found, expected, nearest(keys.type, PROVIDERS)))
        return provider

    def _inferred(self, keys: BackendKeys, table: Table, path: KeyPath) -> Provider | None:
        if keys.script is not None or keys.script_file is not None:
            return PROVIDERS["scripted"]
        if keys.base_url is not None:
            return provider_at(keys.base_url) or PROVIDERS["chatcompletion"]
        type_ = type_of_model(keys.model or "")
        if type_ is not None:
            return PROVIDERS[type_]
        if writes(table, "type") or (writes(table, "model") and keys.model is None):
            return None
        model = quoted(source_of(table, "model"), 60)
        found = f"no type, and the model {model} tells none" if keys.model else "neither type nor model"
        self._add_error(table, "type", path, expected_but_found(found, f"type: {any_of(PROVIDERS)}"))
        return None

    def _check(self, keys: BackendKeys, provider: Provider, table: Table, path: KeyPath) -> None:
        if provider.family == "scripted":
            if writes(table, "script") == writes(table, "script_file"):
                found = "neither script nor script_file" if keys.script is None else "both script and script_file"
                self._add_error(table, "script", path, expected_but_found(found, "one of them"))
        elif not writes(table, "model") and provider.family != "claude_code":
            self._add_error(
                table, "model", path, expected_but_found("nothing", f"the name of a model of {provider.title}")
            )
        if keys.max_tokens and keys.max_completion_tokens and keys.max_tokens != keys.max_completion_tokens:
            found = "max_tokens and max_completion_tokens, which differ"
            self._add_error(table, "max_tokens", path, expected_but_found(found, "one of them"))
        for (key, *below), text in problems_of(keys, provider.family):
            self._reader.report.add_error(table.line_of(key), (*path, key, *below), text)

    def _warn(self, keys: BackendKeys, provider: Provider, table: Table, path: KeyPath) -> None:
        for key in ("enable_code_interpreter", "enable_code_execution"):
            if getattr(keys, key):
                self._warn_of(table, key, path, "has no effect here: code execution is not offered in planning mode")
        if keys.cwd:
            why = "agents have no files of their own; give them an MCP server for files"
            self._warn_of(table, "cwd", path, f"has no effect with {provider.type}: {why}")
        if keys.enable_web_search and not provider.searches_web:
            why = (
                f"{provider.title} offers no search that this program uses; give the agent an MCP server that searches"
            )
            self._warn_of(table, "enable_web_search", path, f"has no effect with {provider.type}: {why}")
        idle = ModelOptions.model_fields.keys() - OPTIONS[provider.family] - {"enable_web_search"}
        for key in sorted(idle & keys.model_fields_set):
            if getattr(keys, key) is not None:
                why = f"the API of {provider.title} has no such option"
                self._warn_of(table, key, path, f"has no effect with {provider.type}: {why}")

    def _base_url(self, keys: BackendKeys, provider: Provider, table: Table, path: KeyPath) -> str:
        base_url = keys.base_url or provider.base_url
        if not base_url and provider.type == "azure_openai":
            base_url = self._variables.value("AZURE_OPENAI_ENDPOINT")
            if not base_url and self._variables.are_known:
                expected = "the address of the Azure resource, or the variable AZURE_OPENAI_ENDPOINT to be set"
                self._add_error(table, "base_url", path, expected_but_found("nothing", expected))
        return base_url

    def _key(self, keys: BackendKeys, provider: Provider, table: Table, path: KeyPath) -> tuple[SecretStr | None, str]:
        if writes(table, "api_key"):
            return None if is_open(table.entries["api_key"]) else keys.api_key, _variable_of(table) or "api_key"
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
            self._add_error(table, "api_key", path, expected_but_found(f"no key for {known.title}", expected))
        return None, owner.key_variables[0] if owner.key_variables else "api_key"

    def _add_error(self, table: Table, key: str, path: KeyPath, text: str) -> None:
        self._reader.report.add_error(table.line_of(key), (*path, key), text)

    def _warn_of(self, table: Table, key: str, path: KeyPath, text: str) -> None:
        self._reader.report.add_warning(table.line_of(key), (*path, key), text, once_for=f"backend.{key}: {text}")


def _variable_of(table: Table) -> str:
    """The variable that `api_key` is read from, if it is no more than that."""
    source = source_of(table, "api_key")
    name = source.removeprefix("${").removesuffix("}").split(":-")[0]
    return name if source.startswith("${") and name.isidentifier() else ""


MAX_AGENTS = 50

_CLAUDE_CODES_OWN = frozenset(
    {
        "Agent",
        "Bash",
        "BashOutput",
        "Edit",
        "ExitPlanMode",
        "Glob",
        "Grep",
        "KillBash",
        "KillShell",
        "LS",
        "MultiEdit",
        "NotebookEdit",
        "NotebookRead",
        "Read",
        "SlashCommand",
        "Task",
        "TodoRead",
        "TodoWrite",
        "WebFetch",
        "WebSearch",
        "Write",
    }
)


@dataclass(frozen=True, kw_only=True)
class AgentSettings:
    """One agent: `number` counts from 1 in the order of the file."""

    number: int
    id: str
    system_message: str = field(repr=False)
    backend: BackendSettings
    servers: tuple[ServerSpec, ...] = field(repr=False)
    rules: tuple[Rule, ...]
    patterns: tuple[Pattern, ...] = field(repr=False)

    def profile(self) -> AgentProfile:
        """The agent as a run needs it."""
        return AgentProfile(
            number=self.number,
            id=self.id,
            system_message=self.system_message,
            servers=self.servers,
            rules=self.rules,
        )


@dataclass(frozen=True, kw_only=True)
class WrittenAgent:
    """One agent as its place in the file has it."""

    number: int
    id: str
    path: KeyPath
    table: Table
    backend_table: Table
    keys: AgentKeys | None
    backend: BackendKeys | None
    servers: tuple[WrittenServer, ...]


class AgentReader:
    """Reads every agent of the file."""

    def __init__(self, reader: Reader, servers: ServerReader, folder: Path, variables: Variables) -> None:
        self._reader = reader
        self._backends = BackendReader(reader, folder, variables)
        self._servers = servers

    def written(self, root: Table) -> tuple[WrittenAgent, ...]:
        """The agents under `agents`, or the one under `agent`."""
        found = [self._agent(node, path, number) for number, (node, path) in enumerate(self._places(root), start=1)]
        agents = tuple(agent for agent in found if agent is not None)
        self._check_ids(agents)
        return agents

    def settings(
        self, agent: WrittenAgent, *, shared: Sequence[WrittenServer], book: ServerBook, rules: Sequence[WrittenRule]
    ) -> AgentSettings | None:
        """The agent with its model, its servers and its rules; None after complaints."""
        own = [book.entered(server, agent.number) for server in agent.servers]
        written = [*shared, *(server for server in agent.servers if server.name not in {each.name for each in shared})]
        servers = {server.name: server for server in shared} | {
            server.name: entered for server, entered in zip(agent.servers, own, strict=True)
        }
        tools = AgentTools(
            agent=agent.id,
            names={
                **{name: name for name in self._servers.broken},
                **{name: server.spec.name for name, server in servers.items()},
            },
            servers=[*shared, *agent.servers],
            allowed=self._limits(agent),
            excluded=self._exclusions(agent),
        )
        own_rules, patterns = tools.rules(rules, self._reader.report)
        backend = self._backend(agent)
        if agent.keys is None or backend is None:
            return None
        return AgentSettings(
            number=agent.number,
            id=agent.id,
            system_message=_system_message(agent.keys, agent.backend),
            backend=backend,
            servers=tuple(servers[server.name].spec for server in written),
            rules=own_rules,
            patterns=patterns,
        )

    def _places(self, root: Table) -> list[tuple[Node, KeyPath]]:
        one, many = root.entries.get("agent"), root.entries.get("agents")
        report = self._reader.report
        if one is not None and many is not None:
            report.add_error(
                root.line_of("agent"), ("agent",), expected_but_found("both agent and agents", "one of them")
            )
        if many is None:
            if one is None:
                report.add_error(root.line, (), expected_but_found("no agents", "the key agents, with a list of them"))
            return [] if one is None else [(one, ("agent",))]
        if not isinstance(many, Listing) or not many.items:
            report.add_error(root.line_of("agents"), ("agents",), expected_but_found(kind_of(many), "a list of agents"))
            return []
        if len(many.items) > MAX_AGENTS:
            report.add_error(
                many.line, ("agents",), expected_but_found(f"{len(many.items)} agents", f"at most {MAX_AGENTS}")
            )
        return [(item, ("agents", index)) for index, item in enumerate(many.items[:MAX_AGENTS])]

    def _agent(self, node: Node, path: KeyPath, number: int) -> WrittenAgent | None:
        report = self._reader.report
        if not isinstance(node, Table):
            report.add_error(
                node.line, path, expected_but_found(kind_of(node), "a mapping with id, system_message and backend")
            )
            return None
        keys = self._reader.section(AGENT, node, path)
        backend = self._reader.table(node, "backend", path)
        place = (*path, "backend")
        written = node.entries.get("backend")
        is_missing = written is None or is_absent(written)
        if is_missing or (backend is not None and not backend.entries):
            found = "nothing" if is_missing else "an empty mapping"
            report.add_error(node.line_of("backend"), place, expected_but_found(found, "a mapping with type and model"))
        if backend is None:
            backend = Table(entries={}, key_lines={}, line=node.line_of("backend"))
        has_backend = bool(backend.entries)
        return WrittenAgent(
            number=number,
            id=(keys.id if keys else None) or f"agent{number}",
            path=path,
            table=node,
            backend_table=backend,
            keys=keys,
            backend=self._backends.keys(backend, place) if has_backend else None,
            servers=self._servers.servers(backend, place),
        )

    def _check_ids(self, agents: Sequence[WrittenAgent]) -> None:
        first: dict[str, WrittenAgent] = {}
        for agent in agents:
            other = first.setdefault(agent.id, agent)
            if other is not agent:
                line = agent.table.line_of("id")
                found = f"the id {quoted(source_of(agent.table, 'id'))} a second time (first in line {other.table.line_of('id')})"
                self._reader.report.add_error(line, (*agent.path, "id"), expected_but_found(found, "each id once"))

    def _backend(self, agent: WrittenAgent) -> BackendSettings | None:
        if agent.backend is None:
            return None
        return self._backends.settings(agent.backend, agent.backend_table, (*agent.path, "backend"))

    def _limits(self, agent: WrittenAgent) -> tuple[ToolEntry, ...] | None:
        """The agent's `allowed_tools`; one that only names Claude Code's own tools says nothing of MCP's."""
        entries = self._entries(agent, "allowed_tools")
        if not entries:
            return entries
        return self._without_claude_codes_own(agent, "allowed_tools", entries) or None

    def _exclusions(self, agent: WrittenAgent) -> tuple[ToolEntry, ...]:
        disallowed = self._entries(agent, "disallowed_tools") or ()
        kept = self._without_claude_codes_own(agent, "disallowed_tools", disallowed)
        return (*(self._entries(agent, "exclude_tools") or ()), *kept)

    def _entries(self, agent: WrittenAgent, key: str) -> tuple[ToolEntry, ...] | None:
        return self._servers.tool_entries(agent.backend_table, key, (*agent.path, "backend"))

    def _without_claude_codes_own(
        self, agent: WrittenAgent, key: str, entries: tuple[ToolEntry, ...]
    ) -> tuple[ToolEntry, ...]:
        own = [entry for entry in entries if entry.text.split("(")[0] in _CLAUDE_CODES_OWN]
        if own:
            text = "Claude Code's own tools have no effect here: agents get the tools of MCP servers, and no others"
            self._reader.report.add_warning(
                own[0].line, (*agent.path, "backend", key), text, once_for=f"claude's own in {key}"
            )
        return tuple(entry for entry in entries if entry not in own)


def _system_message(keys: AgentKeys, backend: BackendKeys | None) -> str:
    """MassGen lets it be said in three places; the agent is told all of it."""
    said = (backend.system_prompt, keys.system_message, backend.append_system_prompt) if backend else ()
    return "\n\n".join(text.strip() for text in said if text.strip())
