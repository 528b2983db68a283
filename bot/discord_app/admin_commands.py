"""`/massgen-admin`: for people who may manage the server, which is checked again here and by the desk."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import discord
from discord import app_commands

from bot.discord_app import limits
from bot.discord_app.command_words import told
from bot.discord_app.desk_line import DeskLine
from bot.discord_app.replies import AnyInteraction
from bot.discord_app.replying import reply
from bot.i18n import ENGLISH, Words

Complete: TypeAlias = Callable[[AnyInteraction, str], Coroutine[Any, Any, list[app_commands.Choice[str]]]]
Name: TypeAlias = app_commands.Range[str, 1, limits.CHOICE_TEXT]
_SCOPES = [
    app_commands.Choice(name=told("discord.cmd.channel"), value="channel"),
    app_commands.Choice(name=told("discord.cmd.server"), value="server"),
]


class AdminCommands(app_commands.Group):
    """What an administrator can set and see."""

    def __init__(self, desk: DeskLine, complete: Complete, words: Words = ENGLISH) -> None:
        """`complete` finds configurations by the beginning of their names."""
        super().__init__(
            name="massgen-admin",
            description=told("discord.cmd.admin"),
            guild_only=True,
            default_permissions=discord.Permissions(manage_guild=True),
        )
        self._desk = desk
        self._words = words
        self.add_command(ConfigCommands(self, complete))

    @app_commands.command(name="approvers", description=told("discord.cmd.approvers"))
    @app_commands.describe(scope=told("discord.cmd.scope"), value=told("discord.cmd.value"))
    @app_commands.choices(scope=_SCOPES)
    async def approvers(self, interaction: AnyInteraction, scope: str = "", value: str = "") -> None:
        """Who may approve here."""
        await self.ask(interaction, "approvers", scope=scope, value=value)

    @app_commands.command(name="limits", description=told("discord.cmd.limits"))
    @app_commands.describe(value=told("discord.cmd.value"))
    async def limits(self, interaction: AnyInteraction, value: str = "") -> None:
        """How much may be asked for, in the whole server."""
        await self.ask(interaction, "limits", value=value)

    @app_commands.command(name="freeze", description=told("discord.cmd.freeze"))
    async def freeze(self, interaction: AnyInteraction) -> None:
        """Have no approved call start in this server."""
        await self.ask(interaction, "freeze")

    @app_commands.command(name="thaw", description=told("discord.cmd.thaw"))
    async def thaw(self, interaction: AnyInteraction) -> None:
        """Let approved calls start again."""
        await self.ask(interaction, "thaw")

    @app_commands.command(name="audit", description=told("discord.cmd.audit"))
    @app_commands.describe(run=told("discord.cmd.run"))
    async def audit(self, interaction: AnyInteraction, run: str = "") -> None:
        """What was decided, by whom."""
        await self.ask(interaction, "audit", name=run)

    async def ask(
        self, interaction: AnyInteraction, verb: str, *, name: str = "", scope: str = "", value: str = ""
    ) -> None:
        """Put an order to the desk, which knows who may: a server's own settings can show a command to anybody."""
        await reply(
            interaction,
            lambda by, place: self._desk().admin(by, place, verb, name=name, scope=scope, value=value),
            self._words,
        )


class ConfigCommands(app_commands.Group):
    """`/massgen-admin config`."""

    def __init__(self, admin: AdminCommands, complete: Complete) -> None:
        """The parent asks; `complete` helps with names."""
        super().__init__(name="config", description=told("discord.cmd.config_group"))
        self._admin = admin
        for command in (self.use, self.check):
            command.autocomplete("name")(complete)

    @app_commands.command(name="list", description=told("discord.cmd.config_list"))
    async def list_configs(self, interaction: AnyInteraction) -> None:
        """All of them."""
        await self._admin.ask(interaction, "config-list")

    @app_commands.command(name="show", description=told("discord.cmd.config_show"))
    async def show(self, interaction: AnyInteraction) -> None:
        """The one that holds here."""
        await self._admin.ask(interaction, "config-show")

    @app_commands.command(name="use", description=told("discord.cmd.config_use"))
    @app_commands.describe(name=told("discord.cmd.name"), scope=told("discord.cmd.scope"))
    @app_commands.choices(scope=_SCOPES)
    async def use(self, interaction: AnyInteraction, name: Name, scope: str = "channel") -> None:
        """Set it."""
        await self._admin.ask(interaction, "config-use", name=name, scope=scope)

    @app_commands.command(name="reset", description=told("discord.cmd.config_reset"))
    @app_commands.describe(scope=told("discord.cmd.scope"))
    @app_commands.choices(scope=_SCOPES)
    async def reset(self, interaction: AnyInteraction, scope: str = "channel") -> None:
        """Forget it."""
        await self._admin.ask(interaction, "config-reset", scope=scope)

    @app_commands.command(name="allow", description=told("discord.cmd.config_allow"))
    @app_commands.describe(names=told("discord.cmd.names"), scope=told("discord.cmd.scope"))
    @app_commands.choices(scope=_SCOPES)
    async def allow(self, interaction: AnyInteraction, names: str = "", scope: str = "channel") -> None:
        """Say which ones members may ask for by name."""
        await self._admin.ask(interaction, "config-allow", name=names, scope=scope)

    @app_commands.command(name="check", description=told("discord.cmd.config_check"))
    @app_commands.describe(name=told("discord.cmd.name"))
    async def check(self, interaction: AnyInteraction, name: Name) -> None:
        """Check it."""
        await self._admin.ask(interaction, "config-check", name=name)
