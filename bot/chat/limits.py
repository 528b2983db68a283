"""How much may be asked for: the operator's limits, which an administrator can only lower."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, replace

from bot.chat.refusing import refused
from bot.chat.store import Limits, Setting
from coordination.errors import ConfigError

LIMITS_KEY = "limits"
DEFAULT_LIMITS = Limits(at_once=10, waiting=100, hourly=30)
_VARIABLES = {
    "at_once": "MASSGEN_BOT_RUNS_AT_ONCE",
    "waiting": "MASSGEN_BOT_RUNS_WAITING",
    "hourly": "MASSGEN_BOT_RUNS_PER_HOUR",
    "each": "MASSGEN_BOT_RUNS_AT_ONCE_EACH",
}
_PAIR = re.compile(r"(at_once|waiting|hourly|each)\s*=\s*(\d{1,6})")


def operator_limits(environ: Mapping[str, str]) -> Limits:
    """What the environment says.

    Raises:
        ConfigError: it says no number.
    """
    limits = DEFAULT_LIMITS
    for name, variable in _VARIABLES.items():
        text = environ.get(variable, "")
        if text and not (text.isdecimal() and 1 <= int(text) <= 999_999):
            raise ConfigError([f"{variable} must be a number from 1 to 999999."])
        if text:
            limits = replace(limits, **{name: int(text)})
    return limits


def limits_typed(text: str) -> dict[str, int]:
    """What a person typed: `at_once=3 hourly=10`.

    Raises:
        RefusedError: it can't be understood.
    """
    rest = _PAIR.sub("", text).replace(",", " ").strip()
    found = {name: int(number) for name, number in _PAIR.findall(text)}
    if rest or not found or not all(found.values()):
        raise refused("bad_limits", text=(rest or text)[:40])
    return found


def limits_in(setting: Setting | None, operator: Limits) -> Limits:
    """The limits that hold: never above the operator's."""
    if setting is None:
        return operator
    stored: dict[str, int] = json.loads(setting.value)
    most = {**asdict(operator), "each": operator.share}
    return replace(operator, **{name: min(number, most[name]) for name, number in stored.items() if name in most})
