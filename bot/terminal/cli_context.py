"""The context of a command: the environment, the three streams, the language, a decision given in advance."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

from bot.i18n import ENGLISH, LANGUAGE_VARIABLE, Catalog, catalog_for, catalog_in
from coordination.errors import ConfigError

if TYPE_CHECKING:
    from bot.application import Overrides
    from bot.variables import Environment


@dataclass(frozen=True, kw_only=True)
class CliContext:
    """One process, as its commands see it. `overrides` is called when a command builds its application.

    `serves`: the command goes on until it is told to end, and nobody sits before it.
    """

    environ: dict[str, str]
    overrides: "Callable[[], Overrides] | None" = None
    serves: bool = False
    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)

    @cached_property
    def environment(self) -> "Environment":
        """The environment, read when a command first needs it."""
        from bot.variables import Environment  # noqa: PLC0415  # `--help` needs none, and pydantic is slow to load

        return Environment(self.environ)

    def parts(self) -> "Overrides":
        """What is put around the real parts: nothing, outside of tests."""
        if self.overrides is not None:
            return self.overrides()
        from bot.application import Overrides  # noqa: PLC0415  # the database's library is slow to load

        return Overrides()

    def print_line(self, text: str) -> None:
        """One line on standard output."""
        self.stdout.write(f"{text}\n")
        self.stdout.flush()

    def print_error(self, text: str) -> None:
        """One line on standard error."""
        from bot.telemetry.log_lines import say  # noqa: PLC0415  # needs pydantic, which is slow to load

        say(self.stderr, text)


def process_catalog(environ: Mapping[str, str]) -> Catalog:
    """The language of the command line: the one that is named, or else the terminal's; English where we lack it."""
    named = environ.get(LANGUAGE_VARIABLE, "")
    locale = next((each for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (each := environ.get(name, ""))), "")
    try:
        return catalog_for(named) if named.strip() else catalog_in(locale)
    except ConfigError:
        return ENGLISH


help_text = process_catalog(os.environ).text
"""Looks up what `--help` says: typer wants it before any command is called."""


@dataclass(frozen=True, kw_only=True)
class PresetDecision:
    """A yes or a no to whatever plan comes; it is said of the digest that was shown, once."""

    approves: bool
    reason: str = ""
