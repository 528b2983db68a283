"""The commands: each is acknowledged in private at once, and answered by the desk."""

import discord
from discord import app_commands

from bot.discord_app import limits
from bot.discord_app.admin_commands import AdminCommands, Name
from bot.discord_app.command_words import told
from bot.discord_app.desk_line import DeskLine
from bot.discord_app.identity import person_of, place_of
from bot.discord_app.modals import ask_modal, typed
from bot.discord_app.permissions import missing
from bot.discord_app.replies import AnyInteraction, answered, sentence, tell
from bot.discord_app.replying import reply
from bot.i18n import ENGLISH, Words

Words6000 = app_commands.Range[str, 1, limits.COMMAND_TEXT]


class Requests:
    """Starts runs: from the command, and from the window of the message command."""

    def __init__(self, desk: DeskLine, words: Words = ENGLISH) -> None:
        """The desk decides."""
        self._desk = desk
        self._words = words

    async def ask(self, interaction: AnyInteraction, prompt: str, config: str = "") -> None:
        """Begin a run here, unless its card could not be posted."""
        async with answered(interaction, self._words):
            is_thread = isinstance(interaction.channel, discord.Thread)
            lacking = missing(interaction.app_permissions, self._words, is_thread=is_thread)
            if prompt.strip() and lacking:
                text = self._words.say("discord.forbidden", permissions=", ".join(lacking))
                await tell(interaction, sentence(text, self._words), self._words)
                return
        if prompt.strip():
            once = str(interaction.id)
            await reply(
                interaction,
                lambda by, place: self._desk().ask(by, place, prompt, config=config, once=once),
                self._words,
            )
        else:
            await reply(interaction, lambda by, place: self._desk().help(by, place), self._words)

    async def submitted(self, interaction: AnyInteraction) -> None:
        """The window of `from_message` came back."""
        await self.ask(interaction, typed(interaction.data))

    async def from_message(self, interaction: AnyInteraction, message: discord.Message) -> None:
        """Open a window with a message's words, for the person to say what is to be done."""
        async with answered(interaction, self._words):
            if not message.content:
                await tell(interaction, sentence(self._words.say("discord.no_text"), self._words), self._words)
                return
            await interaction.response.send_modal(ask_modal(message.content, self._words))

    async def complete(self, interaction: AnyInteraction, current: str) -> list[app_commands.Choice[str]]:
        """The configurations whose names begin so."""
        if interaction.guild_id is None:
            return []
        by, place = person_of(interaction, interaction.guild_id), place_of(interaction, interaction.guild_id)
        names = await self._desk().config_names(place, current, by=by)
        fitting = [name for name in names if limits.units(name) <= limits.CHOICE_TEXT]
        return [app_commands.Choice(name=name, value=name) for name in fitting[: limits.CHOICES]]


def add_commands(
    tree: app_commands.CommandTree[discord.Client], requests: Requests, desk: DeskLine, words: Words = ENGLISH
) -> None:
    """Give the tree every command that there is."""

    @tree.command(name="massgen", description=told("discord.cmd.massgen"))
    @app_commands.describe(prompt=told("discord.cmd.prompt"), config=told("discord.cmd.config"))
    @app_commands.autocomplete(config=requests.complete)
    async def massgen(interaction: AnyInteraction, prompt: Words6000 = "", config: Name = "") -> None:
        await requests.ask(interaction, prompt, config)

    @tree.context_menu(name=told("discord.cmd.from_message"))
    async def from_message(interaction: AnyInteraction, message: discord.Message) -> None:
        await requests.from_message(interaction, message)

    del massgen, from_message
    tree.add_command(RunCommands(desk, words))
    tree.add_command(AdminCommands(desk, requests.complete, words))


class RunCommands(app_commands.Group):
    """`/massgen-runs`: look at runs, stop them, start them again."""

    def __init__(self, desk: DeskLine, words: Words = ENGLISH) -> None:
        """The desk answers."""
        super().__init__(name="massgen-runs", description=told("discord.cmd.runs"), guild_only=True)
        self._desk = desk
        self._words = words

    @app_commands.command(name="list", description=told("discord.cmd.list"))
    @app_commands.describe(mine=told("discord.cmd.mine"), waiting=told("discord.cmd.waiting"))
    async def list_runs(self, interaction: AnyInteraction, mine: bool = False, waiting: bool = False) -> None:
        """The newest runs here."""
        await reply(
            interaction, lambda by, place: self._desk().runs(by, place, mine=mine, waiting=waiting), self._words
        )

    @app_commands.command(name="show", description=told("discord.cmd.show"))
    @app_commands.describe(run=told("discord.cmd.run"))
    async def show(self, interaction: AnyInteraction, run: Name) -> None:
        """One run."""
        await reply(interaction, lambda by, place: self._desk().show(by, place, run), self._words)

    @app_commands.command(name="cancel", description=told("discord.cmd.cancel"))
    @app_commands.describe(run=told("discord.cmd.run"))
    async def cancel(self, interaction: AnyInteraction, run: Name) -> None:
        """Stop a run."""
        await reply(interaction, lambda by, place: self._desk().cancel(by, place, run), self._words)

    @app_commands.command(name="retry", description=told("discord.cmd.retry"))
    @app_commands.describe(run=told("discord.cmd.run"))
    async def retry(self, interaction: AnyInteraction, run: Name) -> None:
        """Ask the same again."""
        once = str(interaction.id)
        await reply(interaction, lambda by, place: self._desk().retry(by, place, run, once=once), self._words)
