"""The operator's rules: which tool runs at once, which waits for people, and which is not offered at all."""

import re
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
        is_sure: the operator vouches that what it lists as `read` does read, whatever it is called.
    """

    match: str
    effect: Effect
    source: str
    is_sure: bool = False

    def matches(self, server: str, tool: str) -> bool:
        """Whether the rule speaks of this tool."""
        return fnmatchcase(f"{server}.{tool}", self.match)


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What the rules say of one tool, and why."""

    effect: Effect
    reason: str


def rule(rules: Sequence[Rule], server: str, tool: str) -> Ruling:
    """What may be done with a tool. One that nobody listed is asked about, whatever its server says of it."""
    found = first_match(rules, server, tool)
    if found is None:
        return Ruling(effect=Effect.ASK, reason="no rule lists it")
    return Ruling(effect=found.effect, reason=f"{found.source}: {found.match}")


def first_match(rules: Sequence[Rule], server: str, tool: str) -> Rule | None:
    """The rule that decides about a tool, if one lists it."""
    return next((each for each in rules if each.matches(server, tool)), None)


def sounds_like_writing(tool: str) -> bool:
    """Whether a tool's name says that it changes something: of its first word for reading or writing, writing."""
    for word in _WORDS.findall(tool):
        if word.lower() in _READS:
            return False
        if word.lower() in _WRITES:
            return True
    return False


_WORDS = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_READS = frozenset(
    [
        "browse",
        "check",
        "count",
        "describe",
        "fetch",
        "find",
        "get",
        "info",
        "inspect",
        "list",
        "look",
        "lookup",
        "query",
        "read",
        "retrieve",
        "search",
        "show",
        "stat",
        "status",
        "view",
    ]
)
_WRITES = frozenset(
    [
        "accept",
        "add",
        "append",
        "approve",
        "archive",
        "assign",
        "attach",
        "ban",
        "buy",
        "cancel",
        "charge",
        "clear",
        "close",
        "commit",
        "copy",
        "create",
        "decline",
        "delete",
        "deploy",
        "destroy",
        "detach",
        "disable",
        "dismiss",
        "drop",
        "edit",
        "enable",
        "erase",
        "exec",
        "execute",
        "forward",
        "grant",
        "import",
        "insert",
        "install",
        "invite",
        "kick",
        "kill",
        "launch",
        "lock",
        "mail",
        "mark",
        "merge",
        "modify",
        "move",
        "mute",
        "notify",
        "overwrite",
        "patch",
        "pay",
        "pin",
        "post",
        "promote",
        "provision",
        "publish",
        "purge",
        "push",
        "put",
        "react",
        "refund",
        "register",
        "reject",
        "remove",
        "rename",
        "replace",
        "reply",
        "reset",
        "restart",
        "restore",
        "revoke",
        "run",
        "save",
        "scale",
        "send",
        "set",
        "shutdown",
        "start",
        "stop",
        "submit",
        "subscribe",
        "terminate",
        "transfer",
        "trigger",
        "truncate",
        "unassign",
        "unban",
        "unlock",
        "unpin",
        "unsubscribe",
        "update",
        "upload",
        "upsert",
        "wipe",
        "withdraw",
        "write",
    ]
)
