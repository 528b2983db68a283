"""The commands that serve Discord, Slack, or both, and what belongs to each: set-up, doctor, tools for agents."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from bot.cards.text import visible
from bot.terminal.cli_context import Here, words_here
from bot.terminal.error_handler import Exit, reported
from coordination.errors import ConfigError, DatabaseAwayError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from bot.chat.platform import Checkup, Desk, Surface
    from bot.discord_app.client import OpenDesk


LONGEST_WAIT = 300.0
"""Seconds that a command which serves waits for its database when it starts, as whatever restarts it would."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


def told_to_end() -> asyncio.Event:
    """Set when the process is told to end, by SIGTERM or Ctrl-C. Needs a running loop."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    return ending


async def database_answers(here: Here, ending: asyncio.Event) -> bool:
    """Wait for a database that is away at the start, and say so once. False: told to end meanwhile.

    Raises:
        StorageError: the database can't be used, or has not answered for LONGEST_WAIT.
    """
    from bot.application import database_url
    from coordination.storage.database import ping

    url, loop = database_url(here.environ), asyncio.get_running_loop()
    deadline, pause = loop.time() + LONGEST_WAIT, _FIRST_PAUSE
    while True:
        try:
            await asyncio.to_thread(ping, url)
        except DatabaseAwayError as error:
            if loop.time() >= deadline:
                raise
            if pause == _FIRST_PAUSE:
                here.complain(
                    here.words.say("serve.database_away", problem=str(error), minutes=int(LONGEST_WAIT // 60))
                )
        else:
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await ending.wait()
        if ending.is_set():
            return False
        pause = min(2 * pause, _LONGEST_PAUSE)


async def serve_with_database(here: Here, ending: asyncio.Event, serve: Callable[[], Awaitable[None]]) -> None:
    """Serve once the database answers. If it goes away again while that begins, wait again, and begin anew.

    Raises:
        StorageError: the database can't be used, or is away later than LONGEST_WAIT after the start.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while await database_answers(here, ending):
        try:
            await serve()
        except Exception as error:
            if not _says_no_more_than_away(error) or loop.time() - begun >= LONGEST_WAIT:
                raise
        else:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_PAUSE):
                await ending.wait()


def _says_no_more_than_away(error: Exception) -> bool:
    if isinstance(error, ExceptionGroup):
        errors = cast("ExceptionGroup[Exception]", error).exceptions
        return all(_says_no_more_than_away(each) for each in errors)
    return isinstance(error, DatabaseAwayError)


def report(here: Here, found: "Sequence[Checkup]") -> Exit:
    """A line for each thing that was looked at; fails if a person must do something."""
    for each in found:
        here.tell(f"{'ok' if each.is_well else '!!'}  {visible(each.text)}")
    return Exit.DONE if all(each.is_well for each in found) else Exit.USAGE


# ruff: noqa: PLC0415 - a command loads its modules when it is called, so that `--help` is answered at once


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
    from bot.discord_app.client import run_bot

    ending = told_to_end()

    def tell(name: str, port: int) -> None:
        here.complain(here.words.say("discord.ready", name=visible(name)))
        if port:
            here.complain(here.words.say("discord.health", port=port))

    await serve_with_database(here, ending, lambda: run_bot(here.environ, open_desk, ending=ending, tell=tell))


def sync(here: Here, guild: int) -> Exit:
    """Tell Discord the commands, unless it knows them."""
    from bot.discord_app.client import logged_in
    from bot.discord_app.setup import sync_commands

    async def work() -> int | None:
        async with logged_in(here.environ) as client:
            return await sync_commands(client, guild or None)

    number = asyncio.run(work())
    here.tell(here.words.say("discord.in_step") if number is None else here.words.say("discord.synced", count=number))
    return Exit.DONE


def invite(here: Here) -> Exit:
    """Print the link."""
    from bot.discord_app.client import invitation, logged_in

    async def work() -> str:
        async with logged_in(here.environ) as client:
            return invitation(client)

    here.tell(asyncio.run(work()))
    return Exit.DONE


def examine_discord(here: Here) -> Exit:
    """A line for each thing that was looked at; fails if a person must do something."""
    from bot.discord_app.setup import examine as examined

    return report(here, asyncio.run(examined(here.environ)))


def lend_discord_tools(here: Here, guild: str, scope: str) -> Exit:
    """Serve the tools until standard input ends."""
    from bot.tool_servers import discord_server
    from bot.tool_servers.callers import SCOPES

    return Exit.USAGE if asyncio.run(discord_server.serve(here.environ, guild, SCOPES[scope])) else Exit.DONE


# ruff: noqa: PLC0415 - a command loads its modules when it is called, so that `--help` is answered at once


_WithChatTools = Annotated[bool, typer.Option("--chat-tools", help=_help("slack.help.with_chat_tools"))]


def register_slack(app: typer.Typer, doctor: typer.Typer, chat_tools: typer.Typer, here: Callable[[], Here]) -> None:
    """Add `slack`, `slack manifest`, `doctor slack` and `chat-tools slack` to the command line."""
    slack = typer.Typer(help=_help("slack.help.slack"), invoke_without_command=True, rich_markup_mode=None)
    app.add_typer(slack, name="slack")

    @slack.callback()
    def _slack(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            _serve()

    @reported
    def _serve() -> int:
        return serve(here())

    @slack.command("manifest", help=_help("slack.help.manifest"))
    @reported
    def _manifest(
        *,
        url: Annotated[str, typer.Option("--url", metavar="URL", help=_help("slack.help.url"))] = "",
        with_chat_tools: _WithChatTools = False,
        as_agent: Annotated[bool, typer.Option("--agent", help=_help("slack.help.agent"))] = False,
    ) -> int:
        return print_manifest(here(), url, has_chat_tools=with_chat_tools, is_agent=as_agent)

    @doctor.command("slack", help=_help("slack.help.doctor"))
    @reported
    def _doctor() -> int:
        return examine_slack(here())

    @chat_tools.command("slack", help=_help("slack.help.chat_tools"))
    @reported
    def _chat_tools(
        *,
        scope: Annotated[
            Literal["own", "visible"], typer.Option("--scope", help=_help("help.chat_tools_scope"), show_default=True)
        ] = "own",
    ) -> int:
        return lend_slack_tools(here(), scope)


def print_manifest(here: Here, url: str, *, has_chat_tools: bool, is_agent: bool) -> Exit:
    """The manifest on standard output."""
    from bot.slack_app.setup import manifest
    from coordination.errors import ConfigError

    if url and not url.startswith("https://"):
        raise ConfigError([here.words.say("slack.only_https")])
    here.tell(manifest(url, has_chat_tools=has_chat_tools, is_agent=is_agent, words=here.words))
    return Exit.DONE


def examine_slack(here: Here) -> Exit:
    """A line for each thing that was looked at; fails if a person must do something."""
    from bot.slack_app.setup import examine as examined

    return report(here, asyncio.run(examined(here.environ)))


def lend_slack_tools(here: Here, scope: str) -> Exit:
    """Serve the tools until standard input ends."""
    from bot.tool_servers import slack_server as slack
    from bot.tool_servers.callers import SCOPES

    return Exit.USAGE if asyncio.run(slack.serve(here.environ, SCOPES[scope])) else Exit.DONE


def serve(here: Here) -> Exit:
    """Serve until SIGTERM or Ctrl-C."""
    asyncio.run(_serve_slack(here))
    return Exit.DONE


async def _serve_slack(here: Here) -> None:
    ending = told_to_end()

    async def serve_until_told() -> None:
        async with served(here):
            await ending.wait()

    await serve_with_database(here, ending, serve_until_told)


@asynccontextmanager
async def served(here: Here, *, beside: "Sequence[Surface]" = ()) -> AsyncGenerator["Desk"]:
    """Slack, served until the context ends, by a desk that other chats turn to as well.

    Raises:
        ConfigError: what the operator set is wrong, or Slack does not take it.
        StorageError: the database can't be used.
    """
    from bot.application import database_url
    from bot.chat_app import open_desk
    from bot.slack_app.client import opened_slack
    from bot.slack_app.settings import slack_settings

    async with (
        opened_slack(slack_settings(here.environ), database_url(here.environ), here.words) as app,
        open_desk(here.environ, here.parts(), [*beside, app.surface]) as desk,
        app.serving(desk) as address,
    ):
        here.complain(here.words.say("slack.ready_at" if address else "slack.ready", address=address))
        yield desk


_DISCORD = ("DISCORD_BOT_TOKEN",)
_SLACK = ("SLACK_BOT_TOKEN", "SLACK_BOT_TOKEN_FILE", "SLACK_CLIENT_ID")


def register_up(app: typer.Typer, here: Callable[[], Here]) -> None:
    """Add `up` to the command line."""

    @app.command("up", help=_help("help.up"))
    @reported
    def _up() -> int:
        return up(here())


def up(here: Here) -> Exit:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: no chat is set, or something of one is wrong: then none is served.
    """
    has_discord, has_slack = _has(here.environ, _DISCORD), _has(here.environ, _SLACK)
    if has_discord and has_slack:
        asyncio.run(_serve_both(here))
        return Exit.DONE
    if not has_discord and not has_slack:
        raise ConfigError([here.words.say("up.no_chat")])
    return run(here) if has_discord else serve(here)


def _has(environ: Mapping[str, str], names: tuple[str, ...]) -> bool:
    return any(environ.get(name, "").strip() for name in names)


async def _serve_both(here: Here) -> None:
    def open_beside(surface: "Surface") -> "AbstractAsyncContextManager[Desk]":
        return served(here, beside=[surface])

    await serve_with(here, open_beside)
