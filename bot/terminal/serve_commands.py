"""The commands for Discord: serve it, sync its commands, invite the bot, look whether it is well, lend agents its tools."""

# ruff: noqa: PLC0415 - a command loads its modules when it is called, so that `--help` is answered at once

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bot.cards.text import visible
from bot.terminal.cli_context import Here
from bot.terminal.error_handler import reported
from bot.terminal.exits import Exit
from bot.terminal.language import words_here
from bot.terminal.serving import report, serve_with_database, told_to_end

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from bot.chat.platform import Desk, Surface
    from bot.discord_app.program import OpenDesk

_help = words_here().say
_Guild = Annotated[
    int, typer.Option("--guild", metavar="ID", min=0, show_default=False, help=_help("help.discord_guild"))
]
_ToolsGuild = Annotated[str, typer.Option("--guild", metavar="ID", help=_help("help.chat_tools_guild"))]
_ToolsScope = Annotated[
    Literal["own", "visible"], typer.Option("--scope", help=_help("help.chat_tools_scope"), show_default=True)
]


def register_discord(app: typer.Typer, doctor: typer.Typer, chat_tools: typer.Typer, here: Callable[[], Here]) -> None:
    """Add `discord`, `discord run|sync|invite`, `doctor discord` and `chat-tools discord` to the command line."""
    discord = typer.Typer(help=_help("help.discord"), invoke_without_command=True, rich_markup_mode=None)
    app.add_typer(discord, name="discord")

    @discord.callback()
    def _discord(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            _run()

    @discord.command("run", help=_help("help.discord_run"))
    @reported
    def _run() -> int:
        return run(here())

    @discord.command("sync", help=_help("help.discord_sync"))
    @reported
    def _sync(*, guild: _Guild = 0) -> int:
        return sync(here(), guild)

    @discord.command("invite", help=_help("help.discord_invite"))
    @reported
    def _invite() -> int:
        return invite(here())

    @doctor.command("discord", help=_help("help.doctor_discord"))
    @reported
    def _doctor() -> int:
        return examine_discord(here())

    @chat_tools.command("discord", help=_help("help.chat_tools_discord"))
    @reported
    def _chat_tools(*, guild: _ToolsGuild = "", scope: _ToolsScope = "own") -> int:
        return lend_discord_tools(here(), guild, scope)


def run(here: Here) -> Exit:
    """Serve until SIGTERM or Ctrl-C."""
    asyncio.run(_serve_discord(here))
    return Exit.DONE


async def _serve_discord(here: Here) -> None:
    def open_desk(surface: "Surface") -> "AbstractAsyncContextManager[Desk]":
        from bot.chat_app import open_desk

        return open_desk(here.environ, here.parts(), [surface])

    await serve_with(here, open_desk)


async def serve_with(here: Here, open_desk: "OpenDesk") -> None:
    """Serve Discord until SIGTERM or Ctrl-C, with a desk that is opened once Discord takes the token.

    Raises:
        ConfigError: what the operator set is wrong, or Discord does not take it.
        StorageError: the database can't be used.
    """
    from bot.discord_app.program import run_bot

    ending = told_to_end()

    def tell(name: str, port: int) -> None:
        here.complain(here.words.say("discord.ready", name=visible(name)))
        if port:
            here.complain(here.words.say("discord.health", port=port))

    await serve_with_database(here, ending, lambda: run_bot(here.environ, open_desk, ending=ending, tell=tell))


def sync(here: Here, guild: int) -> Exit:
    """Tell Discord the commands, unless it knows them."""
    from bot.discord_app.program import logged_in
    from bot.discord_app.setup import sync_commands

    async def work() -> int | None:
        async with logged_in(here.environ) as client:
            return await sync_commands(client, guild or None)

    number = asyncio.run(work())
    here.tell(here.words.say("discord.in_step") if number is None else here.words.say("discord.synced", count=number))
    return Exit.DONE


def invite(here: Here) -> Exit:
    """Print the link."""
    from bot.discord_app.program import invitation, logged_in

    async def work() -> str:
        async with logged_in(here.environ) as client:
            return invitation(client)

    here.tell(asyncio.run(work()))
    return Exit.DONE


def examine_discord(here: Here) -> Exit:
    """A line for each thing that was looked at; fails if a person must do something."""
    from bot.discord_app.doctor import examine as examined

    return report(here, asyncio.run(examined(here.environ)))


def lend_discord_tools(here: Here, guild: str, scope: str) -> Exit:
    """Serve the tools until standard input ends."""
    from bot.tool_servers import discord_server
    from bot.tool_servers.callers import SCOPES

    return Exit.USAGE if asyncio.run(discord_server.serve(here.environ, guild, SCOPES[scope])) else Exit.DONE
