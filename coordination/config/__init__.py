"""Configurations: YAML in MassGen's shape and ours, turned into a run's values, with every problem told at once."""

from coordination.config.agents import AgentSettings, BackendSettings
from coordination.config.loader import (
    Settings,
    doubtful_undos,
    doubtful_vouchers,
    hidden_rules,
    load,
    parse,
    read_operator_policy,
    read_text,
    unmatched_rules,
)
from coordination.config.operator_policy import with_operator_policy
from coordination.config.providers import PROVIDERS, Family, Provider
from coordination.config.sections import ModelOptions

__all__ = [
    "PROVIDERS",
    "AgentSettings",
    "BackendSettings",
    "Family",
    "ModelOptions",
    "Provider",
    "Settings",
    "doubtful_undos",
    "doubtful_vouchers",
    "hidden_rules",
    "load",
    "parse",
    "read_operator_policy",
    "read_text",
    "unmatched_rules",
    "with_operator_policy",
]
