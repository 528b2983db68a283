"""What the tools of a pinned server were when the operator last accepted them, and how they differ from that now.

While they differ, no agent begins to plan: a description that changes is how a server gets agents to do something else.
"""

import json
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from coordination.domain import text_diff
from coordination.domain.canonical_json import canonical
from coordination.ports import ListedTool, ReadList, ToolDefinition
from coordination.run_options import AgentProfile
from coordination.text import Text

PINNED = " pinned"
"""Stands for the rule in a list that is a server's whole; no rule can be written so."""

_FEW = 8
_LINE = 120


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A tool of a pinned server that is not what it was; "" stands for one that there is not."""

    server: str
    tool: str
    before: str
    after: str

    @property
    def lines(self) -> tuple[str, ...]:
        """What differs, line by line, in a form for people."""
        compared = text_diff.compared(_for_people(self.before), _for_people(self.after))
        return tuple(f"{each.sign} {each.text.rstrip()}" for each in compared if each.sign != " ")

    def told(self, config: str) -> Text:
        """What an operator must know, and do."""
        name = f"{self.server}.{self.tool}"
        if not self.before:
            text = "{tool} is new on a pinned server: `massgen-bot check --accept {config}` accepts it"
            return Text(text, tool=name, config=config)
        if not self.after:
            text = "{tool} is gone from a pinned server: `massgen-bot check --accept {config}` accepts that"
            return Text(text, tool=name, config=config)
        lines = Text.joined("; ", [Text.verbatim(each[:_LINE]) for each in self.lines[:_FEW]])
        return Text(
            "{tool} on a pinned server has changed ({lines}): `massgen-bot check --accept {config}` accepts it",
            tool=name,
            lines=lines,
            config=config,
        )


def pins_now(
    agents: Sequence[AgentProfile], definitions: Sequence[ToolDefinition], absent: Container[str] = ()
) -> tuple[ReadList, ...]:
    """All that the pinned servers have now; of those that are `absent` nobody knows."""
    servers = {each.name: each for agent in agents for each in agent.servers if each.is_pinned}
    return tuple(
        ReadList(match=PINNED, server=name, tools=tuple(_listed(each) for each in definitions if each.server == name))
        for name in servers
        if name not in absent
    )


def drift(kept: Sequence[ReadList], now: Sequence[ReadList]) -> Iterator[Drift]:
    """Every tool that differs, of the servers that were accepted before."""
    accepted = {each.server: _by_name(each) for each in kept if each.match == PINNED}
    for each in now:
        if each.match != PINNED or each.server not in accepted:
            continue
        before, after = accepted[each.server], _by_name(each)
        for tool in sorted(before.keys() | after.keys()):
            if before.get(tool) != after.get(tool):
                yield Drift(server=each.server, tool=tool, before=before.get(tool, ""), after=after.get(tool, ""))


def _by_name(pins: ReadList) -> dict[str, str]:
    return {each.tool: each.definition for each in pins.tools}


def _listed(definition: ToolDefinition) -> ListedTool:
    whole = canonical(
        {
            "description": definition.description,
            "input": definition.input_schema,
            "output": definition.output_schema,
            "only reads": definition.says_read_only,
            "destroys": definition.says_destructive,
            "writes": definition.says_writing,
        }
    )
    return ListedTool(
        tool=definition.tool,
        digest=definition.digest,
        is_destructive=definition.says_destructive,
        definition=whole,
    )


def _for_people(definition: str) -> str:
    """One line for each line of the description, and for each part of a schema."""
    if not definition:
        return ""
    parts = json.loads(definition)
    description = str(parts.pop("description"))
    return f"{description}\n{json.dumps(parts, indent=1, sort_keys=True, ensure_ascii=False)}"
