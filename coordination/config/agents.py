"""Agents as they are written: who they are, what they are told, which model speaks for them, which tools they see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coordination.config.backends import BackendReader, BackendSettings
from coordination.config.diagnostics import KeyPath, mismatch, quoted
from coordination.config.nodes import Listing, Node, Table, kind_of, source_of
from coordination.config.section_reader import Reader, is_absent
from coordination.config.sections import AgentKeys, BackendKeys
from coordination.config.sections_sections import AGENT
from coordination.config.server_book import ServerBook
from coordination.config.servers import ServerReader, ToolEntry, WrittenServer
from coordination.config.tool_policy import AgentTools, Pattern, WrittenRule
from coordination.domain.rules import Rule
from coordination.ports import ServerSpec
from coordination.run_options import AgentProfile

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

    def __init__(self, reader: Reader, servers: ServerReader, folder: Path, environ: Mapping[str, str] | None) -> None:
        self._reader = reader
        self._backends = BackendReader(reader, folder, environ)
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
            report.complain(root.line_of("agent"), ("agent",), mismatch("both agent and agents", "one of them"))
        if many is None:
            if one is None:
                report.complain(root.line, (), mismatch("no agents", "the key agents, with a list of them"))
            return [] if one is None else [(one, ("agent",))]
        if not isinstance(many, Listing) or not many.items:
            report.complain(root.line_of("agents"), ("agents",), mismatch(kind_of(many), "a list of agents"))
            return []
        if len(many.items) > MAX_AGENTS:
            report.complain(many.line, ("agents",), mismatch(f"{len(many.items)} agents", f"at most {MAX_AGENTS}"))
        return [(item, ("agents", index)) for index, item in enumerate(many.items[:MAX_AGENTS])]

    def _agent(self, node: Node, path: KeyPath, number: int) -> WrittenAgent | None:
        report = self._reader.report
        if not isinstance(node, Table):
            report.complain(node.line, path, mismatch(kind_of(node), "a mapping with id, system_message and backend"))
            return None
        keys = self._reader.section(AGENT, node, path)
        backend = self._reader.table(node, "backend", path)
        place = (*path, "backend")
        written = node.entries.get("backend")
        is_missing = written is None or is_absent(written)
        if is_missing or (backend is not None and not backend.entries):
            found = "nothing" if is_missing else "an empty mapping"
            report.complain(node.line_of("backend"), place, mismatch(found, "a mapping with type and model"))
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
                self._reader.report.complain(line, (*agent.path, "id"), mismatch(found, "each id once"))

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
            self._reader.report.warn(
                own[0].line, (*agent.path, "backend", key), text, once_for=f"claude's own in {key}"
            )
        return tuple(entry for entry in entries if entry not in own)


def _system_message(keys: AgentKeys, backend: BackendKeys | None) -> str:
    """MassGen lets it be said in three places; the agent is told all of it."""
    said = (backend.system_prompt, keys.system_message, backend.append_system_prompt) if backend else ()
    return "\n\n".join(text.strip() for text in said if text.strip())
