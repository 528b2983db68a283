"""What people type after `/massgen`, `/massgen-admin` or a mention, as an order."""

import re
from dataclasses import dataclass
from typing import TypeAlias

_RUN = re.compile(r"[A-Za-z0-9_-]{1,40}")
_SCOPES = {"channel": "channel", "server": "server", "workspace": "server"}
_CONFIG_VERBS = frozenset({"list", "show", "use", "reset", "check"})
_VALUE_VERBS = frozenset({"approvers", "limits", "freeze", "thaw", "audit"})
CONFIG_OPTION = re.compile(r"--config[ =](\S+)\s+(\S.*)", re.DOTALL)


@dataclass(frozen=True)
class AskFor:
    """Begin a run."""

    prompt: str
    config: str = ""


@dataclass(frozen=True)
class HelpMe:
    """Say what this is."""


@dataclass(frozen=True)
class ListRuns:
    """The newest runs; `is_mine`: of this person."""

    is_mine: bool


@dataclass(frozen=True)
class ShowRun:
    """One run."""

    run: str


@dataclass(frozen=True)
class CancelRun:
    """Stop a run; an empty one stands for a missing name."""

    run: str


@dataclass(frozen=True)
class RetryRun:
    """Ask the same again."""

    run: str


@dataclass(frozen=True, kw_only=True)
class AdminOrder:
    """One of the administrators' verbs."""

    verb: str
    name: str = ""
    scope: str = ""
    value: str = ""


Order: TypeAlias = AskFor | HelpMe | ListRuns | ShowRun | CancelRun | RetryRun


def order_in(text: str) -> Order:
    """The order in a text. A word with more behind it than one name is the beginning of a prompt."""
    words = text.split()
    if not words or words == ["help"]:
        return HelpMe()
    name = words[1] if len(words) == 2 and _RUN.fullmatch(words[1]) else ""
    match words[0].lower(), len(words):
        case "status", 1:
            return ListRuns(is_mine=True)
        case "history", 1:
            return ListRuns(is_mine=False)
        case "status", 2 if name:
            return ShowRun(name)
        case "cancel", 1:
            return CancelRun("")
        case "cancel", 2 if name:
            return CancelRun(name)
        case "retry", 2 if name:
            return RetryRun(name)
        case _:
            named = CONFIG_OPTION.fullmatch(text.strip())
            return AskFor(named[2], config=named[1]) if named else AskFor(text.strip())


def admin_order_in(text: str) -> AdminOrder | None:
    """The administrators' order in a text; None if there is none."""
    words = text.split()
    scope = ""
    if len(words) > 1 and words[-1].lower() in _SCOPES:
        scope = _SCOPES[words.pop().lower()]
    match words:
        case ["config", "allow", *names]:
            return AdminOrder(verb="config-allow", name=" ".join(names), scope=scope)
        case ["config", verb] if verb in _CONFIG_VERBS:
            return AdminOrder(verb=f"config-{verb}", scope=scope)
        case ["config", verb, name] if verb in _CONFIG_VERBS:
            return AdminOrder(verb=f"config-{verb}", name=name, scope=scope)
        case [verb, *rest] if verb in _VALUE_VERBS:
            return AdminOrder(verb=verb, scope=scope, value=" ".join(rest))
        case _:
            return None
