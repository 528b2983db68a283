"""Which tools an agent may see and what may be done with them: every way to write it, as rules of one kind."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property

from typing_extensions import override

from coordination.config.diagnostics import (
    Diagnostic,
    Diagnostics,
    Place,
    expected_but_found,
    key_name,
    nearest,
    printable,
    quoted,
)
from coordination.config.sections import RuleKeys
from coordination.config.server_sections import ServerKeys
from coordination.config.yaml_tree import Scalar
from coordination.domain.tool_rules import Effect, Rule, matching, sounds_like_writing
from coordination.ports import ToolDefinition
from coordination.text import Text

_PREFIX = "mcp__"
_LONGEST = 200


class _NoToolError(ValueError):
    """A text that names no tool; its words are a complaint."""

    def __init__(self, found: Text, expected: Text, suggestion: str | None = None) -> None:
        self.text = expected_but_found(found, expected, suggestion)
        super().__init__(self.text)

    def said_of(self, text: str, written: str) -> Text:
        """The complaint; one that does not repeat what a variable had."""
        if text == written:
            return self.text
        return expected_but_found(quoted(written, _LONGEST), Text("server.tool of a known server"))


@dataclass(frozen=True, kw_only=True)
class AllExcept(Rule):
    """A rule for every tool that `match` names, except those that one of `listed` names."""

    listed: tuple[str, ...]

    @cached_property
    @override
    def fits(self) -> Callable[[str], bool]:
        """Whether a tool is one that the list leaves out."""
        speaks_of = super().fits
        return lambda name: speaks_of(name) and not any(fnmatchcase(name, pattern) for pattern in self.listed)


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A pattern that an operator wrote, and the servers whose tools it is about.

    Attributes:
        may_be_idle: it only forbids, whatever the server: that it forbids nothing now is no mistake.
    """

    match: str
    written: str
    servers: frozenset[str]
    place: Place
    may_be_idle: bool = False


def read_rules(
    rules: Sequence[RuleKeys], servers: frozenset[str] | None, report: Diagnostics
) -> tuple[tuple[Rule, ...], tuple[Pattern, ...]]:
    """The entries of `tools` in the order of the file, and their patterns. `servers` are the names written anywhere.

    None: the rules are for servers that nobody knows yet.
    """
    found: list[tuple[Rule, Pattern]] = []
    for keys in rules:
        place, written = keys.table.place_of("match"), keys.table.source("match")
        try:
            match = _resolved(keys.match, servers)
        except _NoToolError as error:
            report.add_error(place, error.said_of(keys.match, written))
            continue
        effect = Effect(keys.effect)
        is_net = effect is Effect.DENY and match.startswith("*")
        rule = Rule(
            match=match,
            effect=effect,
            source=key_name(keys.table.place.path),
            is_sure=keys.sure,
            when=tuple(keys.when),
            says=keys.says,
            needs=keys.needs,
            if_from_read=keys.what_if_from_read,
            previews=keys.previews,
            has_own_view=keys.has_own_view,
            undo=None if keys.undo is None else keys.undo.as_undo,
        )
        found.append(
            (rule, Pattern(match=match, written=written, servers=frozenset(), place=place, may_be_idle=is_net))
        )
    return tuple(rule for rule, _ in found), tuple(pattern for _, pattern in found)


class AgentTools:
    """What the lists of tools in one agent's part of the file say, as rules.

    With them come the patterns that they were made of.
    """

    def __init__(self, agent: str, names: Mapping[str, str], report: Diagnostics) -> None:
        """`names` are those of the agent's servers: the name in the file -> the name in the run."""
        self._agent = agent
        self._names = names
        self._report = report
        self.patterns: list[Pattern] = []

    def rules(
        self,
        servers: Sequence[ServerKeys],
        allowed: Sequence[Scalar] | None,
        excluded: Sequence[Scalar],
        shared: Sequence[Rule],
    ) -> tuple[Rule, ...]:
        """The agent's rules, in order: what is excluded, what is left out, and the rules that are `shared` by all."""
        rules: list[Rule] = []
        for server in servers:
            rules += self._denied(server.exclude_tools, server.name)
        rules += self._denied(excluded)
        for server in servers:
            rules += self._limited(server.allowed_tools, server.name)
        rules += self._limited(allowed)
        return (*rules, *(each for rule in shared for each in self._for_own_names(rule)))

    def _denied(self, entries: Sequence[Scalar], server: str = "") -> list[Rule]:
        source = Text("exclude_tools of agent {agent}", agent=self._agent)
        return [Rule(match=match, effect=Effect.DENY, source=source) for match in self._matches(entries, server)]

    def _limited(self, entries: Sequence[Scalar] | None, server: str = "") -> list[Rule]:
        if entries is None:
            return []
        match = f"{self._names[server]}.*" if server else "*"
        source = Text("not among allowed_tools of agent {agent}", agent=self._agent)
        listed = tuple(self._matches(entries, server))
        return [AllExcept(match=match, effect=Effect.DENY, source=source, listed=listed)]

    def _matches(self, entries: Sequence[Scalar], server: str) -> list[str]:
        own = {server: self._names[server]} if server else self._names
        found: list[Pattern] = []
        for entry in entries:
            try:
                match = _resolved_entry(entry.text, own, only_server=bool(server))
            except _NoToolError as error:
                self._report.add_error(entry.place, error.said_of(entry.text, entry.source))
                continue
            about = frozenset(own.values())
            found.append(Pattern(match=match, written=entry.source, servers=about, place=entry.place))
        self.patterns += found
        return [pattern.match for pattern in found]

    def _for_own_names(self, rule: Rule) -> list[Rule]:
        """The rule, and the same for each server of this agent that runs under another name than is written."""
        head, dot, tail = rule.match.partition(".")
        found = [rule]
        for written, name in self._names.items():
            if dot and written != name and fnmatchcase(written, head) and not fnmatchcase(name, head):
                found.append(replace(rule, match=f"{name}.{tail}"))
        return found


def unmatched(
    patterns: Sequence[Pattern], definitions: Sequence[ToolDefinition], absent: Collection[str] = ()
) -> list[Diagnostic]:
    """The patterns that match no tool of the servers as they are: each is a mistake in the file.

    One that may match a tool of a server that is `absent` now is left alone until that is back.
    """
    diagnostics: list[Diagnostic] = []
    for pattern in patterns:
        about = [each for each in definitions if not pattern.servers or each.server in pattern.servers]
        names = [f"{each.server}.{each.tool}" for each in about]
        if pattern.may_be_idle or any(fnmatchcase(name, pattern.match) for name in names):
            continue
        if any(_may_match(pattern, server) for server in absent):
            continue
        found = Text("{pattern}, which matches no tool", pattern=quoted(pattern.written, _LONGEST))
        any_server, tool = pattern.match.startswith("*."), pattern.match.removeprefix("*.")
        meant = nearest(tool, [each.tool for each in about] if any_server else names)
        text = expected_but_found(found, Text("a tool that the servers have"), meant)
        diagnostics.append(Diagnostic(pattern.place.line, key_name(pattern.place.path), text))
    return diagnostics


def _may_match(pattern: Pattern, server: str) -> bool:
    """Whether a tool of a server could have a name that the pattern matches; too often rather than too seldom."""
    if pattern.servers and server not in pattern.servers:
        return False
    plain, begins = re.split(r"[*?]", pattern.match)[0], f"{server}."
    return plain.startswith(begins) or begins.startswith(plain)


def doubtful_reads(
    rules: Sequence[Rule], patterns: Sequence[Pattern], definitions: Sequence[ToolDefinition], *, is_sure: bool
) -> list[Diagnostic]:
    """The tools that a rule lists as `read` although their name or their server says that they write.

    Of rules that are not sure these are mistakes. Where a rule `is_sure`, nobody but the operator vouches for such a
    tool, which runs without being asked about: that is told as a warning.
    """
    lines = {key_name(pattern.place.path[:-1]): pattern.place.line for pattern in patterns}
    found: list[Diagnostic] = []
    for each in definitions:
        reads = [rule for rule in matching(rules, each.server, each.tool) if rule.effect is Effect.READ]
        rule = next((rule for rule in reads if rule.is_sure is is_sure), None)
        if rule is not None and rule.source in lines and (each.says_destructive or sounds_like_writing(each.tool)):
            found.append(Diagnostic(lines[rule.source], rule.source, _doubt(each, is_sure=is_sure)))
    return found


def _doubt(each: ToolDefinition, *, is_sure: bool) -> Text:
    tool = f"{printable(each.server)}.{printable(each.tool)}"
    if is_sure and each.says_destructive:
        return Text(
            "{tool} is marked as destructive, and runs while agents plan, because the rule says sure: true", tool=tool
        )
    if is_sure:
        return Text(
            "{tool} sounds like it writes, and runs while agents plan, because the rule says sure: true",
            tool=tool,
        )
    found = (
        Text("effect: read for {tool}, which is marked as destructive", tool=tool)
        if each.says_destructive
        else Text("effect: read for {tool}, which sounds like it writes", tool=tool)
    )
    return expected_but_found(found, Text("effect: ask, or sure: true if it only reads"))


def _resolved_entry(text: str, names: Mapping[str, str], *, only_server: bool) -> str:
    """The pattern of one name in a list: `mcp__server__tool`, `server.tool` or `tool`."""
    if not text.startswith(_PREFIX) and "." not in text and _is_pattern(text):
        return f"{next(iter(names.values()))}.{text}" if only_server else f"*.{text}"
    head, _, tail = _resolved(text, frozenset(names)).partition(".")
    return f"{names.get(head, head)}.{tail}"


def _resolved(text: str, servers: frozenset[str] | None) -> str:
    """The pattern `server.tool` of a name in either spelling."""
    if not _is_pattern(text):
        raise _NoToolError(
            Text("text that is empty, or has spaces or brackets"), Text("server.tool (* and ? are wildcards)")
        )
    if text == "*":
        return text
    if text.startswith(_PREFIX):
        rest = text.removeprefix(_PREFIX)
        servers = servers or frozenset()
        server = max((name for name in servers if rest.startswith(f"{name}__")), key=len, default=None)
        if server is None:
            raise _unknown_server(rest.split("__")[0], servers)
        return f"{server}.{rest[len(server) + 2 :]}"
    head, dot, _ = text.partition(".")
    if not dot:
        raise _NoToolError(quoted(text, _LONGEST), Text("server.tool"), f"*.{text}")
    if servers is not None and not any(each in head for each in "*?") and head not in servers:
        raise _unknown_server(head, servers)
    return text


def _is_pattern(text: str) -> bool:
    return 0 < len(text) <= _LONGEST and text.isprintable() and not any(each in text for each in " []")


def _unknown_server(name: str, servers: frozenset[str]) -> "_NoToolError":
    found = Text("the unknown server {name}", name=quoted(name, _LONGEST))
    return _NoToolError(found, Text("a server of mcp_servers"), nearest(name, sorted(servers)))
