"""What `read` rules with wildcards may let run: the tools that they matched when the operator last checked."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from coordination.domain.conditions import CallContext
from coordination.domain.tool_rules import UNKNOWN_CALL, Effect, Rule, Ruling, matching, rule
from coordination.ports import ListedTool, ReadList, ToolDefinition
from coordination.run_options import AgentProfile
from coordination.text import Text


def lists_now(
    agents: Sequence[AgentProfile], definitions: Sequence[ToolDefinition], absent: Container[str] = ()
) -> tuple[ReadList, ...]:
    """What each such rule matches on each server, as the servers are now; a list may be empty.

    Of the servers that are `absent` nobody knows what it would match: they get no list, since an empty one would hold.
    What an earlier rule takes out is in the list all the same: to take that rule away later is the operator's own act.
    """
    found: dict[tuple[str, str], ReadList] = {}
    for agent in agents:
        for each in agent.rules:
            if not _is_wild_read(each):
                continue
            for server in agent.servers:
                if server.name in absent:
                    continue
                tools = tuple(
                    ListedTool(tool=one.tool, digest=one.digest, is_destructive=one.says_destructive)
                    for one in definitions
                    if one.server == server.name and each.matches(one.server, one.tool)
                )
                found[each.match, server.name] = ReadList(match=each.match, server=server.name, tools=tools)
    return tuple(found.values())


def missing(kept: Sequence[ReadList], now: Sequence[ReadList]) -> tuple[ReadList, ...]:
    """The lists of now that were never made: their rule or their server is new."""
    known = {(each.match, each.server) for each in kept}
    return tuple(each for each in now if (each.match, each.server) not in known)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How the lists of now differ from earlier ones: `server.tool`, sorted."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


NO_CHANGES = Changes(added=(), removed=())


def changes(kept: Sequence[ReadList], now: Sequence[ReadList]) -> Changes:
    """What came and went in lists that there were before; a list made for the first time is no change."""
    new = {(each.match, each.server): each for each in now}
    added: set[str] = set()
    removed: set[str] = set()
    for each in kept:
        then = {(tool.tool, tool.is_destructive) for tool in each.tools}
        here = new.get((each.match, each.server))
        if here is None:
            continue
        these = {(tool.tool, tool.is_destructive) for tool in here.tools}
        added |= {f"{each.server}.{tool}" for tool, harms in these if not {(tool, harms), (tool, True)} & then}
        removed |= {f"{each.server}.{tool}" for tool, _ in then if tool not in {name for name, _ in these}}
    return Changes(added=tuple(sorted(added)), removed=tuple(sorted(removed)))


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The lists that hold for one configuration.

    Attributes:
        config: what the operator gives to `massgen-bot check` to accept what is new.
    """

    config: str
    lists: Sequence[ReadList]

    def ruling(self, rules: Sequence[Rule], definition: ToolDefinition, context: CallContext = UNKNOWN_CALL) -> Ruling:
        """What may be done with a call: what its rules say, or `ask` if nobody has seen the tool as it is."""
        said = rule(rules, definition.server, definition.tool, context)
        doubt = self._doubt_of_any(rules, definition)
        if doubt is None or said.effect is not Effect.READ:
            return said
        reason = Text(
            "{rule}: {doubt}; run `massgen-bot check {config}` to accept it",
            rule=said.reason,
            doubt=doubt,
            config=self.config,
        )
        return Ruling(effect=Effect.ASK, reason=reason, says=said.says)

    def refused(
        self, agents: Sequence[AgentProfile], definitions: Sequence[ToolDefinition]
    ) -> Iterator[tuple[ToolDefinition, Ruling]]:
        """The tools that a rule would let run for an agent, and that ask instead; each once."""
        seen: set[tuple[str, str]] = set()
        for agent in agents:
            names = {server.name for server in agent.servers}
            for each in definitions:
                key = each.server, each.tool
                doubt = self._doubt_of_any(agent.rules, each)
                if each.server in names and key not in seen and doubt is not None:
                    seen.add(key)
                    yield each, self.ruling(agent.rules, each)

    def _doubt_of_any(self, rules: Sequence[Rule], definition: ToolDefinition) -> Text | None:
        """Why a `read` rule with a wildcard lets no call of a tool run, if one would let some."""
        wild = [each for each in matching(rules, definition.server, definition.tool) if _is_wild_read(each)]
        return next((doubt for each in wild if (doubt := self._doubt(each, definition)) is not None), None)

    def _doubt(self, found: Rule, definition: ToolDefinition) -> Text | None:
        for each in self.lists:
            if (each.match, each.server) != (found.match, definition.server):
                continue
            listed = next((one for one in each.tools if one.tool == definition.tool), None)
            if listed is None:
                return Text("new since the last check")
            is_worse = definition.says_destructive and not listed.is_destructive
            return (
                Text("marked as destructive since the last check")
                if is_worse and listed.digest != definition.digest
                else None
            )
        return None


def _is_wild_read(each: Rule) -> bool:
    # The operator's own rules only take away: none lets a tool run.
    return each.effect is Effect.READ and not each.is_operators and any(sign in each.match for sign in "*?")
