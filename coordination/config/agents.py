"""Agents as a run needs them, and the model that speaks for each: provider, address, key, options."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

from pydantic import SecretStr

from coordination.config.diagnostics import LONGEST_SHOWN, Diagnostics, Place, nearest, quoted
from coordination.config.headers import Header, headers_of, problems_of_headers
from coordination.config.interpolation import Variables, described
from coordination.config.providers import (
    PROVIDERS,
    Family,
    Provider,
    problems_of,
    provider_at,
    reserved_headers,
    type_of_model,
)
from coordination.config.sections import AgentKeys, BackendKeys, ModelKeys, ModelOptions, PriceKeys
from coordination.config.server_sections import ServerKeys
from coordination.config.servers import IN_THE_FILE, LEAST_KEY, ServerBook, secrets_in_the_file
from coordination.config.tool_policy import AgentTools, Pattern
from coordination.config.yaml_tree import Node, Scalar, Table, is_open
from coordination.domain.tool_rules import Rule
from coordination.run_options import AgentProfile
from coordination.text import Text, either, template

_SAMPLING = frozenset({"temperature", "top_p", "max_tokens", "max_completion_tokens", "extra_body", "idle_timeout"})
_THINKING = frozenset({"reasoning", "reasoning_effort", "thinking", "max_thinking_tokens"})
_LOCAL = frozenset({"top_k", "repetition_penalty", "separate_reasoning", "chat_template_kwargs"})

OPTIONS: Mapping[Family, frozenset[str]] = {
    "responses": _SAMPLING | {"reasoning", "reasoning_effort", "text", "enable_web_search"},
    "chat": _SAMPLING | _LOCAL | {"seed", "reasoning", "reasoning_effort", "text"},
    "anthropic": _SAMPLING | _THINKING | {"top_k", "enable_web_search"},
    "gemini": _SAMPLING | _THINKING | {"top_k", "seed", "enable_web_search"},
    "claude_code": _THINKING | {"enable_web_search", "idle_timeout"},
    "scripted": frozenset(),
}
"""The options that each API has; an option that is set for an API without it gets a warning."""

_NOT_HERE = {
    "ag2": Text("the model's own type, because AG2's agents bring their own loop"),
    "antigravity_cli": Text("gemini with the same model, because Antigravity brings its own loop and tools"),
    "codex": Text("openai with the same model, because Codex brings its own loop and tools"),
    "copilot": Text("the model's own type, because GitHub Copilot brings its own loop and tools"),
    "gemini_cli": Text("gemini with the same model, because Gemini CLI brings its own loop and tools"),
    "inference": either(["vllm", "sglang"]),
}


_NO_CODE = Text("code execution is not offered in planning mode")
_NO_FILES = Text("agents have no files of their own; give them an MCP server for files")


@dataclass(frozen=True, kw_only=True)
class BackendSettings:
    """One agent's model, ready to be built.

    Attributes:
        provider: whose API it is; `provider.family` chooses the adapter.
        model: the provider's name of it; empty where the adapter has a default of its own.
        base_url: the config's, else the provider's.
        api_key: the config's, else that of the provider's variable; None: none is needed, or it can't be known here.
        key_name: where the key came from or should come from, for messages: a variable's name or `api_key`.
        headers: sent with every request, beside those that the adapter needs.
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
    headers: tuple[Header, ...] = field(default=(), repr=False)
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
    """Finds the model that is meant by each `backend`.

    Without an environment no key is looked up, and none is missed.
    """

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
            headers=self._headers(keys, provider),
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
            found, known = _written(keys, "type", _THE_TYPE), either(PROVIDERS)
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
        model = _written(keys, "model", _THE_MODEL, 60)
        found = (
            Text("no type, and {model} doesn't imply one", model=model)
            if keys.model
            else Text("neither type nor model")
        )
        self._expect(keys, "type", found, Text("type: {types}", types=either(PROVIDERS)))
        return None

    def _check(self, keys: ModelKeys, provider: Provider) -> None:
        table = keys.table
        if provider.family == "scripted":
            if table.writes("script") == table.writes("script_file"):
                neither, both = Text("neither script nor script_file"), Text("both script and script_file")
                self._expect(keys, "script", neither if keys.script is None else both, Text("one of them"))
        elif not table.writes("model") and provider.family != "claude_code":
            wanted = Text("a model name for {provider}", provider=provider.title)
            self._expect(keys, "model", Text("nothing"), wanted)
        if keys.max_tokens and keys.max_completion_tokens and keys.max_tokens != keys.max_completion_tokens:
            found = Text("max_tokens and max_completion_tokens, which differ")
            self._expect(keys, "max_tokens", found, Text("one of them"))
        for (key, *below), text in problems_of(keys, provider.family):
            line, path = table.place_of(key)
            self._report.add_error(Place(line, (*path, *below)), text)

    def _warn(self, keys: ModelKeys, provider: Provider) -> None:
        type_, title = provider.type, provider.title
        for key in ("enable_code_interpreter", "enable_code_execution"):
            if getattr(keys, key):
                self._warn_of(keys, key, Text("has no effect here: {why}", why=_NO_CODE))
        if keys.cwd:
            self._warn_of(keys, "cwd", Text("has no effect with {type}: {why}", type=type_, why=_NO_FILES))
        if keys.enable_web_search and not provider.searches_web:
            why = Text(
                "{provider} offers no web search that this program can use; give the agent an MCP server that searches",
                provider=title,
            )
            self._warn_of(keys, "enable_web_search", Text("has no effect with {type}: {why}", type=type_, why=why))
        idle = ModelOptions.model_fields.keys() - OPTIONS[provider.family] - {"enable_web_search"}
        why = Text("the API of {provider} has no such option", provider=title)
        for key in sorted(idle & keys.model_fields_set):
            if getattr(keys, key) is not None:
                self._warn_of(keys, key, Text("has no effect with {type}: {why}", type=type_, why=why))

    def _base_url(self, keys: ModelKeys, provider: Provider) -> str:
        base_url = keys.base_url or provider.base_url
        if not base_url and provider.type == "azure_openai":
            base_url = self._variables.value("AZURE_OPENAI_ENDPOINT")
            if not base_url and self._variables.needs_keys:
                expected = Text("the address of the Azure resource, or the variable AZURE_OPENAI_ENDPOINT to be set")
                self._expect(keys, "base_url", Text("nothing"), expected)
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
        if known is not None and known.needs_key and self._variables.needs_keys:
            expected = Text("the variable {variables} to be set (or api_key)", variables=either(known.key_variables))
            self._expect(keys, "api_key", Text("no key for {provider}", provider=known.title), expected)
        return None, owner.key_variables[0] if owner.key_variables else "api_key"

    def _headers(self, keys: ModelKeys, provider: Provider) -> tuple[Header, ...]:
        if not keys.headers:
            return ()
        place = keys.table.place_of("headers")
        if provider.family == "scripted":
            why = Text("the API of {provider} has no such option", provider=provider.title)
            self._warn_of(keys, "headers", Text("has no effect with {type}: {why}", type=provider.type, why=why))
        node = keys.table.entries["headers"]
        written: Mapping[str, Node] = node.entries if isinstance(node, Table) else {}
        known = {name: value for name, value in keys.headers.items() if not is_open(written[name])}
        problems = [*problems_of_headers(known), *reserved_headers(keys.headers, provider)]
        for name, found, expected in problems:
            self._report.expect(Place(place.line, (*place.path, name)), found, expected)
        for name in secrets_in_the_file(keys.table, "headers"):
            where = Place(place.line, (*place.path, name))
            self._report.add_warning(where, IN_THE_FILE, once_for=f"backend.headers.{name}")
        return headers_of(known, keys.table.sources("headers"))

    def _expect(self, keys: ModelKeys, key: str, found: Text, expected: Text, suggestion: str | None = None) -> None:
        self._report.expect(keys.table.place_of(key), found, expected, suggestion)

    def _warn_of(self, keys: ModelKeys, key: str, text: Text) -> None:
        self._report.add_warning(keys.table.place_of(key), text, once_for=f"backend.{key}: {text}")


_THE_TYPE = (template("{value} as the backend type"), template("the backend type {value}"))
_THE_MODEL = (template("{value} as the model"), template("the model {value}"))


def _written(
    keys: ModelKeys, key: str, what: tuple[LiteralString, LiteralString], longest: int = LONGEST_SHOWN
) -> Text:
    """The value of a key for a message, and what it is there for."""
    node, source = keys.table.entries.get(key), keys.table.source(key)
    if isinstance(node, Scalar) and "${" in source:
        return Text(what[0], value=described(node, longest))
    return Text(what[1], value=quoted(source, longest))


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
                written = quoted(agent.table.source("id"))
                found = Text("the id {id} again (first used in line {line})", id=written, line=line)
                self._report.expect(agent.table.place_of("id"), found, Text("a unique id"))

    def _limits(self, keys: BackendKeys) -> Sequence[Scalar] | None:
        """The agent's `allowed_tools`; one that only names Claude Code's own tools says nothing of MCP's."""
        if not keys.allowed_tools:
            return keys.allowed_tools
        return self._for_mcp(keys, "allowed_tools", keys.allowed_tools) or None

    def _for_mcp(self, keys: BackendKeys, key: str, entries: Sequence[Scalar]) -> Sequence[Scalar]:
        own = [entry for entry in entries if _CLAUDE_CODES_OWN.fullmatch(entry.text.split("(")[0])]
        if own:
            text = Text("Claude Code's built-in tools have no effect here: agents only get tools from MCP servers")
            place = Place(own[0].line, keys.table.place_of(key).path)
            self._report.add_warning(place, text, once_for=f"claude's own in {key}")
        return [entry for entry in entries if entry not in own]
