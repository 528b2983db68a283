"""Configurations: YAML in MassGen's shape and ours, read with every problem told at once, and turned into a run's values."""

from coordination.settings.agents import AgentSettings
from coordination.settings.backends import BackendSettings
from coordination.settings.loading import load, parse, read_text
from coordination.settings.models import ModelOptions
from coordination.settings.providers import PROVIDERS, Family, Provider
from coordination.settings.run_settings import Settings, doubtful_vouchers, unmatched_rules

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
