"""What the operator sets in the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.i18n import words_for
from coordination.errors import ConfigError

TOKEN_VARIABLE = "DISCORD_BOT_TOKEN"  # noqa: S105 - the name of a variable
PORT_VARIABLE = "MASSGEN_BOT_HEALTH_PORT"


@dataclass(frozen=True, kw_only=True)
class DiscordSettings:
    """One bot. Without a port there is no health address."""

    token: str = field(repr=False)
    health_port: int | None


def discord_settings(environ: Mapping[str, str]) -> DiscordSettings:
    """The settings.

    Raises:
        ConfigError: one is missing, or nonsense.
    """
    token = environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise ConfigError([words_for(environ).say("discord.no_token")])
    port = environ.get(PORT_VARIABLE, "").strip()
    if port and not (port.isdecimal() and int(port) <= 65_535):
        raise ConfigError([words_for(environ).say("discord.bad_port")])
    return DiscordSettings(token=token, health_port=int(port) if port else None)
