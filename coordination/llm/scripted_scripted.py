"""Scripted models: no key, no network, and the same story every time."""

from collections.abc import Mapping

import yaml

from coordination.clock import PacedClock
from coordination.config import BackendSettings
from coordination.errors import ConfigError
from coordination.llm.script_file import Script, parse_script
from coordination.llm.scripted import ScriptedModel
from coordination.ports import Clock, Model

PACE_VARIABLE = "MASSGEN_BOT_DEMO_PACE"
"""Scales the pauses of scripted models: 1 as written, 0 none at all."""


class ScriptedBuilder:
    """Builds scripted models. They share a clock, which may run at another pace."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def build(self, agent: str, backend: BackendSettings) -> Model:
        """The model that plays an agent's script."""
        return ScriptedModel(_script(agent, backend), clock=self._clock)

    async def aclose(self) -> None:
        """Nothing is held."""


def open_builder(environ: Mapping[str, str], clock: Clock) -> ScriptedBuilder:
    """Read the pace.

    Raises:
        ConfigError: it is no number.
    """
    written = environ.get(PACE_VARIABLE, "1")
    try:
        pace = float(written)
    except ValueError:
        pace = -1.0
    if not 0 <= pace <= 100:
        raise ConfigError([f"{PACE_VARIABLE} must be a number from 0 to 100"])
    return ScriptedBuilder(PacedClock(clock, pace))


def _script(agent: str, backend: BackendSettings) -> Script:
    where = f"the script of agent {agent}"
    if backend.script_file is not None:
        return parse_script(_in_file(agent, backend), where=where)
    return parse_script(backend.script, where=where)


def _in_file(agent: str, backend: BackendSettings) -> object:
    path = backend.script_file
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) if path is not None else None
    except OSError:
        raise ConfigError([f"the script of agent {agent}: {path} can't be read"]) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigError([f"the script of agent {agent}: {path} is no YAML"]) from None
