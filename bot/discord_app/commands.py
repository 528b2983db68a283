"""The commands, those of administrators too: each is acknowledged in private at once, and answered by the service."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import discord
from discord import app_commands
from typing_extensions import override

from bot.attached_files import with_files
from bot.chat.service_port import (
    MOST_REQUIRED,
    AdminCommand,
    CancelRun,
    ListGrants,
    ListRuns,
    Request,
    RetryRun,
    ShowHelp,
    ShowRun,
    StartRun,
)
from bot.discord_app import markup as limits
from bot.discord_app.identity import GetChatService, person_of, place_of
from bot.discord_app.interactions import ask_modal
from bot.discord_app.message_content import files_of_message, text_of_message
from bot.discord_app.replies import AnyInteraction, answer, reply_privately, report_errors, sentence
from bot.i18n import ENGLISH, LANGUAGES, catalog


def localized(key: str) -> app_commands.locale_str:
    """A word of the commands; Discord gets it in every language, whichever one the operator chose."""
    return app_commands.locale_str(ENGLISH.text(key), key=key)


class Languages(app_commands.Translator):
    """Finds the words that `told` stands for. What people type is the same in every language."""

    @override
    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        del context
        key, catalog = string.extras.get("key"), LANGUAGES.get(locale.value)
        return catalog.text(key) if catalog is not None and isinstance(key, str) else None


Complete: TypeAlias = Callable[[AnyInteraction, str], Coroutine[Any, Any, list[app_commands.Choice[str]]]]
Name: TypeAlias = app_commands.Range[str, 1, limits.CHOICE_TEXT]
Somebody: TypeAlias = discord.User | discord.Member | discord.Role
"""What Discord calls mentionable: it offers the people and roles of the server, and sends an id."""

_SCOPES = [
    app_commands.Choice(name=localized("discord.cmd.channel"), value="channel"),
    app_commands.Choice(name=localized("discord.cmd.server"), value="server"),
]


class AdminCommands(app_commands.Group):
    """What an administrator can set and see."""

    def __init__(self, chat_service: GetChatService, complete: Complete) -> None:
        """`complete` finds configurations by the beginning of their names."""
        super().__init__(
            name="massgen-admin",
            description=localized("discord.cmd.admin"),
            guild_only=True,
            default_permissions=discord.Permissions(manage_guild=True),
        )
        self._chat_service = chat_service
        self.add_command(ConfigCommands(self, complete))

    @app_commands.command(name="approvers", description=localized("discord.cmd.approvers"))
    @app_commands.describe(
        scope=localized("discord.cmd.scope"),
        who=localized("discord.cmd.who"),
        who_2=localized("discord.cmd.who_more"),
        who_3=localized("discord.cmd.who_more"),
        required=localized("discord.cmd.required"),
        requester=localized("discord.cmd.requester"),
        value=localized("discord.cmd.approvers_value"),
    )
    @app_commands.choices(scope=_SCOPES)
    async def approvers(
        self,
        interaction: AnyInteraction,
        *,
        scope: str = "",
        who: Somebody | None = None,
        who_2: Somebody | None = None,
        who_3: Somebody | None = None,
        required: app_commands.Range[int, 1, MOST_REQUIRED] | None = None,
        requester: bool | None = None,
        value: str = "",
    ) -> None:
        """Who may approve here: picked from Discord's own lists, or typed."""
        picked = [each.mention for each in (who, who_2, who_3) if each is not None]
        picked += [] if required is None else [f"required={required}"]
        picked += [] if requester is None else [f"requester={'yes' if requester else 'no'}"]
        await self.ask(interaction, "approvers", scope=scope, value=" ".join(filter(None, [*picked, value])))

    @app_commands.command(name="limits", description=localized("discord.cmd.limits"))
    @app_commands.describe(value=localized("discord.cmd.value"))
    async def limits(self, interaction: AnyInteraction, value: str = "") -> None:
        """How much may be asked for, in the whole server."""
        await self.ask(interaction, "limits", value=value)

    @app_commands.command(name="prompts", description=localized("discord.cmd.prompts"))
    @app_commands.describe(scope=localized("discord.cmd.scope"), value=localized("discord.cmd.prompts_value"))
    @app_commands.choices(scope=_SCOPES)
    async def prompts(self, interaction: AnyInteraction, *, scope: str = "", value: str = "") -> None:
        """What people are suggested to ask here."""
        await self.ask(interaction, "prompts", scope=scope, value=value)

    @app_commands.command(name="freeze", description=localized("discord.cmd.freeze"))
    async def freeze(self, interaction: AnyInteraction) -> None:
        """Have no approved call start in this server."""
        await self.ask(interaction, "freeze")

    @app_commands.command(name="thaw", description=localized("discord.cmd.thaw"))
    async def thaw(self, interaction: AnyInteraction) -> None:
        """Let approved calls start again."""
        await self.ask(interaction, "thaw")

    @app_commands.command(name="grants", description=localized("discord.cmd.grants"))
    @app_commands.describe(revoke=localized("discord.cmd.grants_revoke"))
    async def grants(self, interaction: AnyInteraction, revoke: str = "") -> None:
        """What approvers allow for a time and a number; or take one of these back."""
        await self.ask(interaction, "grants", value=f"revoke {revoke}" if revoke else "")

    @app_commands.command(name="audit", description=localized("discord.cmd.audit"))
    @app_commands.describe(run=localized("discord.cmd.run"))
    async def audit(self, interaction: AnyInteraction, run: str = "") -> None:
        """What was decided, by whom."""
        await self.ask(interaction, "audit", name=run)

    async def ask(
        self, interaction: AnyInteraction, action: str, *, name: str = "", scope: str = "", value: str = ""
    ) -> None:
        """Send a command to the chat service, which knows who may use it: a server can show a command to anybody."""
        command = AdminCommand(action=action, name=name, scope=scope, value=value)
        await answer(interaction, command, self._chat_service)


class ConfigCommands(app_commands.Group):
    """`/massgen-admin config`."""

    def __init__(self, admin: AdminCommands, complete: Complete) -> None:
        """The parent asks; `complete` helps with names."""
        super().__init__(name="config", description=localized("discord.cmd.config_group"))
        self._admin = admin
        for command in (self.use, self.check):
            command.autocomplete("name")(complete)
        self._complete = complete
        self.allow.autocomplete("names")(self._complete_names)

    async def _complete_names(self, interaction: AnyInteraction, current: str) -> list[app_commands.Choice[str]]:
        """The last of several names; those before it stay as they are."""
        before, space, last = current.rpartition(" ")
        found = [f"{before}{space}{each.value}" for each in await self._complete(interaction, last)]
        fitting = [each for each in found if limits.units(each) <= limits.CHOICE_TEXT]
        return [app_commands.Choice(name=each, value=each) for each in fitting]

    @app_commands.command(name="list", description=localized("discord.cmd.config_list"))
    async def list_configs(self, interaction: AnyInteraction) -> None:
        """All of them."""
        await self._admin.ask(interaction, "config-list")

    @app_commands.command(name="show", description=localized("discord.cmd.config_show"))
    async def show(self, interaction: AnyInteraction) -> None:
        """The one that holds here."""
        await self._admin.ask(interaction, "config-show")

    @app_commands.command(name="use", description=localized("discord.cmd.config_use"))
    @app_commands.describe(name=localized("discord.cmd.name"), scope=localized("discord.cmd.scope"))
    @app_commands.choices(scope=_SCOPES)
    async def use(self, interaction: AnyInteraction, name: Name, scope: str = "channel") -> None:
        """Set it."""
        await self._admin.ask(interaction, "config-use", name=name, scope=scope)

    @app_commands.command(name="reset", description=localized("discord.cmd.config_reset"))
    @app_commands.describe(scope=localized("discord.cmd.scope"))
    @app_commands.choices(scope=_SCOPES)
    async def reset(self, interaction: AnyInteraction, scope: str = "channel") -> None:
        """Forget it."""
        await self._admin.ask(interaction, "config-reset", scope=scope)

    @app_commands.command(name="allow", description=localized("discord.cmd.config_allow"))
    @app_commands.describe(names=localized("discord.cmd.names"), scope=localized("discord.cmd.scope"))
    @app_commands.choices(scope=_SCOPES)
    async def allow(self, interaction: AnyInteraction, names: str = "", scope: str = "channel") -> None:
        """Say which ones members may ask for by name."""
        await self._admin.ask(interaction, "config-allow", name=names, scope=scope)

    @app_commands.command(name="check", description=localized("discord.cmd.config_check"))
    @app_commands.describe(name=localized("discord.cmd.name"))
    async def check(self, interaction: AnyInteraction, name: Name) -> None:
        """Check it."""
        await self._admin.ask(interaction, "config-check", name=name)


_PATIENCE = 1.5
"""Seconds for the files of a message: a window can only be the first answer, within three."""

CommandText = app_commands.Range[str, 1, limits.COMMAND_TEXT]


class CommandHandlers:
    """Starts runs: from the command, and from the window of the message command."""

    def __init__(self, chat_service: GetChatService) -> None:
        """The chat service decides."""
        self._chat_service = chat_service

    def ask(self, interaction: AnyInteraction, prompt: str, config: str = "") -> Coroutine[Any, Any, None]:
        """Begin a run here, or say what this is."""
        start = StartRun(prompt=prompt, config=config, event_id=str(interaction.id))
        return answer(interaction, start if prompt.strip() else ShowHelp(), self._chat_service)

    async def from_message(self, interaction: AnyInteraction, message: discord.Message) -> None:
        """Open a window with a message's words, for the person to say what is to be done."""
        async with report_errors(interaction):
            text = text_of_message(message)
            try:
                async with asyncio.timeout(_PATIENCE):
                    prompt, refused = await with_files(text, files_of_message(message))
            except TimeoutError:
                prompt, refused = text, (catalog.text("chat.too_slow"),)
            if limits.units(prompt) > limits.MODAL_TEXT // 2:
                most = catalog.text("files.window_too_small", most=limits.MODAL_TEXT // 2)
                prompt, refused = text, (*refused, most)
            if not prompt:
                await reply_privately(interaction, sentence(" ".join(refused) or catalog.text("discord.no_text")))
                return
            await interaction.response.send_modal(ask_modal(prompt))
            if refused:
                await reply_privately(interaction, sentence(" ".join(refused)))

    async def complete(self, interaction: AnyInteraction, current: str) -> list[app_commands.Choice[str]]:
        """The configurations whose names begin so."""
        if interaction.guild_id is None:
            return []
        by, place = person_of(interaction, interaction.guild_id), place_of(interaction, interaction.guild_id)
        names = await self._chat_service().config_names(place, current, by=by)
        fitting = [name for name in names if limits.units(name) <= limits.CHOICE_TEXT]
        return [app_commands.Choice(name=name, value=name) for name in fitting[: limits.CHOICES]]


def add_commands(
    tree: app_commands.CommandTree[discord.Client], requests: CommandHandlers, chat_service: GetChatService
) -> None:
    """Give the tree every command that there is."""

    @tree.command(name="massgen", description=localized("discord.cmd.massgen"))
    @app_commands.describe(prompt=localized("discord.cmd.prompt"), config=localized("discord.cmd.config"))
    @app_commands.autocomplete(config=requests.complete)
    async def massgen(interaction: AnyInteraction, prompt: CommandText = "", config: Name = "") -> None:
        await requests.ask(interaction, prompt, config)

    @tree.command(name="massgen-grants", description=localized("discord.cmd.own_grants"))
    @app_commands.describe(revoke=localized("discord.cmd.grants_revoke"))
    @app_commands.guild_only()
    async def own_grants(interaction: AnyInteraction, revoke: Name = "") -> None:
        await answer(interaction, ListGrants(revoke=revoke.strip()), chat_service)

    @tree.context_menu(name=localized("discord.cmd.from_message"))
    async def from_message(interaction: AnyInteraction, message: discord.Message) -> None:
        await requests.from_message(interaction, message)

    del massgen, own_grants, from_message
    tree.add_command(RunCommands(chat_service))
    tree.add_command(AdminCommands(chat_service, requests.complete))


class RunCommands(app_commands.Group):
    """`/massgen-runs`: look at runs, stop them, start them again."""

    def __init__(self, chat_service: GetChatService) -> None:
        """The chat service answers."""
        super().__init__(name="massgen-runs", description=localized("discord.cmd.runs"), guild_only=True)
        self._chat_service = chat_service

    @app_commands.command(name="list", description=localized("discord.cmd.list"))
    @app_commands.describe(
        mine=localized("discord.cmd.mine"),
        waiting=localized("discord.cmd.waiting"),
        break_glass=localized("discord.cmd.break_glass"),
    )
    async def list_runs(
        self, interaction: AnyInteraction, *, mine: bool = False, waiting: bool = False, break_glass: bool = False
    ) -> None:
        """The newest runs here."""
        await self._answer(interaction, ListRuns(is_mine=mine, is_waiting=waiting, is_break_glass=break_glass))

    @app_commands.command(name="show", description=localized("discord.cmd.show"))
    @app_commands.describe(run=localized("discord.cmd.run"))
    async def show(self, interaction: AnyInteraction, run: Name) -> None:
        """One run."""
        await self._answer(interaction, ShowRun(run=run))

    @app_commands.command(name="cancel", description=localized("discord.cmd.cancel"))
    @app_commands.describe(run=localized("discord.cmd.run"))
    async def cancel(self, interaction: AnyInteraction, run: Name) -> None:
        """Stop a run."""
        await self._answer(interaction, CancelRun(run=run))

    @app_commands.command(name="retry", description=localized("discord.cmd.retry"))
    @app_commands.describe(run=localized("discord.cmd.run"))
    async def retry(self, interaction: AnyInteraction, run: Name) -> None:
        """Ask the same again."""
        await self._answer(interaction, RetryRun(run=run, event_id=str(interaction.id)))

    def _answer(self, interaction: AnyInteraction, request: Request) -> Coroutine[Any, Any, None]:
        return answer(interaction, request, self._chat_service)
