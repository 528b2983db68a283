"""What the operator sets for Discord in the environment, and where Discord is."""

from dataclasses import dataclass, field
from typing import Final

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.i18n import catalog
from bot.variable_parsers import yes_or_no
from bot.variables import Environment
from coordination.errors import ConfigError

REAL_API: Final = "https://discord.com/api/v10"


def aim(environment: Environment) -> None:
    """Point discord.py at the addresses of the environment.

    Raises:
        ConfigError: one of them is no address.
    """
    Route.BASE = _address("DISCORD_API_URL", environment.discord_api_url, ("http", "https")) or REAL_API
    if gateway := _address("DISCORD_GATEWAY_URL", environment.discord_gateway_url, ("ws", "wss")):
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
        # Discord names an address to resume at, which a proxy would not see.
        setattr(DiscordWebSocket, "gateway", _Pinned(yarl.URL(gateway)))  # noqa: B010 - a data descriptor, unknown to its type


def pinned_gateway(environment: Environment) -> str:
    """The gateway that the environment names; empty: Discord may choose."""
    return _address("DISCORD_GATEWAY_URL", environment.discord_gateway_url, ("ws", "wss"))


class _Pinned:
    """An attribute that keeps its value."""

    def __init__(self, url: yarl.URL) -> None:
        self._url = url

    def __get__(self, instance: object, owner: object) -> yarl.URL:
        return self._url

    def __set__(self, instance: object, value: object) -> None:
        del instance, value


def pin(client: discord.AutoShardedClient, gateway: str) -> None:
    """Let the client's shards connect to a gateway, whichever one Discord names."""
    ask = client.http.get_bot_gateway

    async def asked() -> tuple[int, str, object]:
        shards, _, limits = await ask()
        return shards, gateway, limits

    setattr(client.http, "get_bot_gateway", asked)  # noqa: B010 - discord.py has no setting for this


def _address(variable: str, written: str, schemes: tuple[str, ...]) -> str:
    text = written.strip().rstrip("/")
    try:
        is_good = not text or (yarl.URL(text).scheme in schemes and bool(yarl.URL(text).host))
    except ValueError:
        is_good = False
    if not is_good:
        named = ", ".join(f"{scheme}://" for scheme in schemes)
        raise ConfigError([catalog.text("discord.bad_address", variable=variable, schemes=named)])
    return text


@dataclass(frozen=True, kw_only=True)
class DiscordSettings:
    """One bot. With `lists_members` its application has the privileged intent that this takes."""

    token: str = field(repr=False)
    lists_members: bool = False


def discord_settings(environment: Environment) -> DiscordSettings:
    """The settings.

    Raises:
        ConfigError: one is missing, or nonsense.
    """
    token = environment.discord_bot_token.get_secret_value().strip()
    if not token:
        raise ConfigError([catalog.text("discord.no_token")])
    lists = yes_or_no(environment.discord_members, "DISCORD_MEMBERS_INTENT", default=False)
    return DiscordSettings(token=token, lists_members=lists)
