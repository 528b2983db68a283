"""Configurations: YAML in MassGen's shape and ours, read with every problem told at once, and turned into a run's values."""

from coordination.config.agents import AgentSettings
from coordination.config.backends import BackendSettings
from coordination.config.loading import load, parse, read_text
from coordination.config.providers import PROVIDERS, Family, Provider
from coordination.config.run_settings import Settings, doubtful_vouchers, unmatched_rules
from coordination.config.sections import ModelOptions

__all__ = [
    "PROVIDERS",
    "AgentSettings",
    "BackendSettings",
    "Family",
    "ModelOptions",
    "Provider",
    "Settings",
    "doubtful_vouchers",
    "load",
    "parse",
    "read_text",
    "unmatched_rules",
]
