"""The operator's rules: which tool runs at once, which waits for people, and which is not offered at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


class Effect(StrEnum):
    """What becomes of a tool call.

    READ runs at once. ASK is recorded and waits for people. AUTO is recorded, and a plan of nothing else needs nobody.
    DENY is not offered.
    """

    READ = "read"
    ASK = "ask"
    AUTO = "auto"
    DENY = "deny"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The first rule whose pattern matches `server.tool` decides; `*` and `?` are wild, letter case counts.

    Attributes:
        source: where the operator wrote it, for explanations: `tools[0]`, `exclude_tools of agent scout`.
    """

    match: str
    effect: Effect
    source: str

    def matches(self, server: str, tool: str) -> bool:
        """Whether the rule speaks of this tool."""
        return fnmatchcase(f"{server}.{tool}", self.match)


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What the rules say of one tool, and why."""

    effect: Effect
    reason: str


def rule(rules: Sequence[Rule], server: str, tool: str, *, says_read_only: bool, trusts_hints: bool) -> Ruling:
    """What may be done with a tool.

    A tool that nobody listed is asked about; a server's own word counts only if the operator trusts it by name.
    """
    for each in rules:
        if each.matches(server, tool):
            return Ruling(effect=each.effect, reason=f"{each.source}: {each.match}")
    if trusts_hints and says_read_only:
        return Ruling(effect=Effect.READ, reason=f"the operator trusts {server}'s readOnlyHint")
    return Ruling(effect=Effect.ASK, reason="no rule lists it")
