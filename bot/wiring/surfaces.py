"""The desk behind Discord and Slack, joined. It is still to be built: until then these front ends say so and stop."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from bot.surface import Desk, Surface
from bot.wiring.application import Overrides
from coordination.errors import ConfigError


def open_desk(
    environ: Mapping[str, str], overrides: Overrides, surfaces: Sequence[Surface]
) -> AbstractAsyncContextManager[Desk]:
    """The desk that these surfaces turn to.

    Raises:
        ConfigError: always, in this version.
    """
    del environ, overrides
    names = " and ".join(surface.name for surface in surfaces)
    raise ConfigError([f"Runs can't be asked for from {names} in this version; use `massgen-bot run` at a terminal."])
