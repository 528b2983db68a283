"""The commands that serve Discord, Slack, or both, and what belongs to each: set-up, doctor, tools for agents."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from bot.cards.text import visible
from bot.i18n import catalog, catalog_for, speaking
from bot.terminal.cli_context import CliContext
from bot.terminal.cli_context import help_text as _help
from bot.terminal.error_handler import Exit, reported
from coordination.errors import ConfigError, DatabaseAwayError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from bot.chat.platform import ChatPlatform, Checkup
    from bot.chat.service_port import ChatService
    from bot.discord_app.setup import Synced
    from bot.telemetry.health import Health


LONGEST_WAIT = 300.0
"""Seconds that a command which serves waits for its database and its chats when it starts.

Then whatever restarts it takes over; systemd gives up what ends five times in as many minutes.
"""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


def told_to_end() -> asyncio.Event:
    """Set when the process is told to end, by SIGTERM or Ctrl-C; told a second time, it ends at once.

    Needs a running loop.
    """
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def end() -> None:
        ending.set()
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in numbers:
        loop.add_signal_handler(number, end)
    return ending


@asynccontextmanager
async def health_of(context: CliContext, ending: asyncio.Event) -> AsyncGenerator["Health"]:
    """The health of this process, served where a port is set, from before the database is asked for the first time.

    Raises:
        ConfigError: the port is none, or is taken.
    """
    from bot.telemetry.health import open_health

    def tell(port: int) -> None:
        context.print_error(catalog.text("health.at", port=port))

    async with open_health(context.environment, ending, tell) as health:
        yield health


async def serve_once_reachable(
    context: CliContext, ending: asyncio.Event, serve: Callable[[], Awaitable[None]]
) -> None:
    """Serve once the database answers, and the chats do. What goes away while that begins is waited for, too.

    Raises:
        StorageError: the database can't be used, or is away later than LONGEST_WAIT after the start.
        ConfigError: a chat can't be used, or is away later than that.
    """
    from coordination.storage.database import ping

    url, loop = context.environment.database_url(), asyncio.get_running_loop()
    deadline, pause, told = loop.time() + LONGEST_WAIT, _FIRST_PAUSE, ""
    while not ending.is_set():
        try:
            await asyncio.to_thread(ping, url)
            await serve()
        except Exception as error:
            away = _what_is_away(error)
            if away is None or loop.time() >= deadline:
                raise
            if str(away) != told:
                told = str(away)
                context.print_error(catalog.text("serve.away", problem=told, minutes=int(LONGEST_WAIT // 60)))
        else:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await ending.wait()
        pause = min(2 * pause, _LONGEST_PAUSE)


def _what_is_away(error: Exception) -> Exception | None:
    """The last error that says so, if all that happened says no more than that."""
    from bot.chat.platform import ChatAwayError

    if isinstance(error, ExceptionGroup):
        errors = [_what_is_away(each) for each in cast("ExceptionGroup[Exception]", error).exceptions]
        return None if None in errors else errors[-1]
    return error if isinstance(error, DatabaseAwayError | ChatAwayError) else None


def report(context: CliContext, found: "Sequence[Checkup]") -> Exit:
    """A line for each thing that was looked at; fails if a person must do something."""
    for each in found:
        context.print_line(f"{'ok' if each.is_well else '!!'}  {visible(each.text)}")
    return Exit.DONE if all(each.is_well for each in found) else Exit.USAGE


# ruff: noqa: PLC0415 - a command loads its modules when it is called, so that `--help` is answered at once


_NoWork = Annotated[bool, typer.Option("--no-work", help=_help("help.no_work"))]
_Guild = Annotated[
    int, typer.Option("--guild", metavar="ID", min=0, show_default=False, help=_help("help.discord_guild"))
]
_Removes = Annotated[bool, typer.Option("--remove", help=_help("help.discord_remove"))]
_ToolsGuild = Annotated[str, typer.Option("--guild", metavar="ID", help=_help("help.chat_tools_guild"))]
_ToolsScope = Annotated[
    Literal["own", "visible"], typer.Option("--scope", help=_help("help.chat_tools_scope"), show_default=True)
]


def register_discord(app: typer.Typer, doctor: typer.Typer, tools: typer.Typer, cli: Callable[[], CliContext]) -> None:
    """Add `discord`, `discord run|sync|invite`, `doctor discord` and `chat-tools discord` to the command line."""
    discord = typer.Typer(help=_help("help.discord"), invoke_without_command=True, rich_markup_mode=None)
    app.add_typer(discord, name="discord")

    @discord.callback()
    def _discord(context: typer.Context, *, no_work: _NoWork = False) -> None:
        if context.invoked_subcommand is None:
            _run(no_work=no_work)

    @discord.command("run", help=_help("help.discord_run"))
    @reported
    def _run(*, no_work: _NoWork = False) -> int:
        return run(cli(), works=not no_work)

    @discord.command("sync", help=_help("help.discord_sync"))
    @reported
    def _sync(*, guild: _Guild = 0, removes: _Removes = False) -> int:
        return unsync(cli(), guild) if removes else sync(cli(), guild)

    @discord.command("invite", help=_help("help.discord_invite"))
    @reported
    def _invite() -> int:
        return invite(cli())

    @doctor.command("discord", help=_help("help.doctor_discord"))
    @reported
    def _doctor() -> int:
        return examine_discord(cli())

    @tools.command("discord", help=_help("help.chat_tools_discord"))
    @reported
    def _chat_tools(*, guild: _ToolsGuild = "", scope: _ToolsScope = "own") -> int:
        return lend_discord_tools(cli(), guild, scope)


def run(context: CliContext, *, works: bool) -> Exit:
    """Serve until SIGTERM or Ctrl-C."""
    _run_chat(context, _serve_discord(context, works=works))
    return Exit.DONE


def _run_chat(context: CliContext, serving: Coroutine[Any, Any, None]) -> None:
    """Speak the operator's language, and not the terminal's.

    What a place reads must not depend on who started the bot.
    """
    with speaking(catalog_for(context.environment.language)):
        asyncio.run(serving)


async def _serve_discord(context: CliContext, *, works: bool) -> None:
    def open_chat_service(_: "Health", platform: "ChatPlatform") -> "AbstractAsyncContextManager[ChatService]":
        from bot.chat_app import open_chat_service

        return open_chat_service(context.environment, context.parts(), [platform], works=works)

    await serve_with(context, open_chat_service)


async def serve_with(
    context: CliContext,
    open_chat_service: "Callable[[Health, ChatPlatform], AbstractAsyncContextManager[ChatService]]",
) -> None:
    """Serve Discord until SIGTERM or Ctrl-C, with a chat service that is opened once Discord takes the token.

    Raises:
        ConfigError: what the operator set is wrong, or Discord does not take it.
        StorageError: the database can't be used.
    """
    from bot.discord_app.client import run_bot

    ending = told_to_end()

    def tell(name: str) -> None:
        context.print_error(catalog.text("discord.ready", name=visible(name)))

    async with health_of(context, ending) as health:
        run = partial(
            run_bot, context.environment, partial(open_chat_service, health), ending=ending, tell=tell, health=health
        )
        await serve_once_reachable(context, ending, run)


def sync(context: CliContext, guild: int) -> Exit:
    """Tell Discord the commands, unless it knows them."""
    from bot.discord_app.client import logged_in
    from bot.discord_app.setup import sync_commands

    async def work() -> "Synced":
        async with logged_in(context.environment) as client:
            return await sync_commands(client, guild or None)

    done = asyncio.run(work())
    context.print_line(
        catalog.text("discord.in_step") if done.count is None else catalog.text("discord.synced", count=done.count)
    )
    if done.is_double:
        context.print_error(catalog.text("doctor.commands_twice", guild=guild))
    return Exit.DONE


def unsync(context: CliContext, guild: int) -> Exit:
    """Have Discord forget the commands of one server, or those of all."""
    from bot.discord_app.client import logged_in
    from bot.discord_app.setup import remove_commands

    async def work() -> int:
        async with logged_in(context.environment) as client:
            return await remove_commands(client, guild or None)

    count = asyncio.run(work())
    context.print_line(
        catalog.text("discord.removed", count=count) if count else catalog.text("discord.none_to_remove")
    )
    return Exit.DONE


def invite(context: CliContext) -> Exit:
    """Print the link."""
    from bot.discord_app.client import logged_in
    from bot.discord_app.errors import invitation

    async def work() -> str:
        async with logged_in(context.environment) as client:
            return invitation(client)

    context.print_line(asyncio.run(work()))
    return Exit.DONE


def examine_discord(context: CliContext) -> Exit:
    """A line for each thing that was looked at; fails if a person must do something."""
    from bot.chat_app import installation_report, name_report
    from bot.discord_app.setup import examine as examined

    async def work() -> "list[Checkup]":
        found = await examined(context.environment, name_report(context.environment))
        return [*found, *await installation_report(context.environment)]

    return report(context, asyncio.run(work()))


def lend_discord_tools(context: CliContext, guild: str, scope: str) -> Exit:
    """Serve the tools until standard input ends."""
    from bot.tool_servers import discord_server
    from bot.tool_servers.callers import SCOPES

    return Exit.USAGE if asyncio.run(discord_server.serve(context.environment, guild, SCOPES[scope])) else Exit.DONE


# ruff: noqa: PLC0415 - a command loads its modules when it is called, so that `--help` is answered at once


_WithChatTools = Annotated[bool, typer.Option("--chat-tools", help=_help("slack.help.with_chat_tools"))]
_WithApprovalsChannel = Annotated[
    bool, typer.Option("--approvals-channel", help=_help("slack.help.with_approvals_channel"))
]
_WithEmail = Annotated[bool, typer.Option("--email", help=_help("slack.help.with_email"))]


def register_slack(app: typer.Typer, doctor: typer.Typer, tools: typer.Typer, cli: Callable[[], CliContext]) -> None:
    """Add `slack`, `slack manifest`, `doctor slack` and `chat-tools slack` to the command line."""
    slack = typer.Typer(help=_help("slack.help.slack"), invoke_without_command=True, rich_markup_mode=None)
    app.add_typer(slack, name="slack")

    @slack.callback()
    def _slack(context: typer.Context, *, no_work: _NoWork = False) -> None:
        if context.invoked_subcommand is None:
            _serve(no_work=no_work)

    @reported
    def _serve(*, no_work: bool) -> int:
        return serve(cli(), works=not no_work)

    _register_manifest(slack, cli)

    @doctor.command("slack", help=_help("slack.help.doctor"))
    @reported
    def _doctor() -> int:
        return examine_slack(cli())

    @tools.command("slack", help=_help("slack.help.chat_tools"))
    @reported
    def _chat_tools(
        *,
        scope: Annotated[
            Literal["own", "visible"], typer.Option("--scope", help=_help("help.chat_tools_scope"), show_default=True)
        ] = "own",
    ) -> int:
        return lend_slack_tools(cli(), scope)


def _register_manifest(slack: typer.Typer, cli: Callable[[], CliContext]) -> None:
    @slack.command("manifest", help=_help("slack.help.manifest"))
    @reported
    def _manifest(
        *,
        url: Annotated[str, typer.Option("--url", metavar="URL", help=_help("slack.help.url"))] = "",
        with_chat_tools: _WithChatTools = False,
        with_approvals_channel: _WithApprovalsChannel = False,
        with_email: _WithEmail = False,
        as_agent: Annotated[bool, typer.Option("--agent/--no-agent", help=_help("slack.help.agent"))] = True,
    ) -> int:
        made = {
            "has_chat_tools": with_chat_tools,
            "is_agent": as_agent,
            "has_approvals_channel": with_approvals_channel,
            "has_email": with_email,
        }
        return print_manifest(cli(), url, **made)


def print_manifest(context: CliContext, url: str, **made: bool) -> Exit:
    """The manifest on standard output."""
    from bot.slack_app.setup import manifest
    from coordination.errors import ConfigError

    if url and not url.startswith("https://"):
        raise ConfigError([catalog.text("slack.only_https")])
    with speaking(catalog_for(context.environment.language)):
        context.print_line(manifest(url, **made))
    return Exit.DONE


def examine_slack(context: CliContext) -> Exit:
    """A line for each thing that was looked at; fails if a person must do something."""
    from bot.chat_app import installation_report, name_report
    from bot.slack_app.setup import examine as examined

    async def work() -> "list[Checkup]":
        found = await examined(context.environment, name_report(context.environment))
        return [*found, *await installation_report(context.environment)]

    return report(context, asyncio.run(work()))


def lend_slack_tools(context: CliContext, scope: str) -> Exit:
    """Serve the tools until standard input ends."""
    from bot.tool_servers import slack_server as slack
    from bot.tool_servers.callers import SCOPES

    return Exit.USAGE if asyncio.run(slack.serve(context.environment, SCOPES[scope])) else Exit.DONE


def serve(context: CliContext, *, works: bool) -> Exit:
    """Serve until SIGTERM or Ctrl-C."""
    _run_chat(context, _serve_slack(context, works=works))
    return Exit.DONE


async def _serve_slack(context: CliContext, *, works: bool) -> None:
    ending = told_to_end()
    async with health_of(context, ending) as health:

        async def serve_until_told() -> None:
            async with served(context, health, works=works):
                await ending.wait()

        await serve_once_reachable(context, ending, serve_until_told)


@asynccontextmanager
async def served(
    context: CliContext, health: "Health", *, works: bool, beside: "Sequence[ChatPlatform]" = ()
) -> AsyncGenerator["ChatService"]:
    """Slack, served until the context ends, by a chat service that other chats turn to as well.

    Raises:
        ConfigError: what the operator set is wrong, or Slack does not take it.
        StorageError: the database can't be used.
    """
    from bot.chat_app import open_chat_service
    from bot.slack_app.client import opened_slack
    from bot.slack_app.settings import slack_settings

    async with (
        opened_slack(slack_settings(context.environment), context.environment.database_url()) as app,
        open_chat_service(context.environment, context.parts(), [*beside, app.platform], works=works) as chat_service,
        app.serving(chat_service, health) as address,
    ):
        context.print_error(catalog.text("slack.ready_at" if address else "slack.ready", address=address))
        yield chat_service


_DISCORD = ("DISCORD_BOT_TOKEN",)
_SLACK = ("SLACK_BOT_TOKEN", "SLACK_CLIENT_ID")


def register_up(app: typer.Typer, cli: Callable[[], CliContext]) -> None:
    """Add `up` to the command line."""

    @app.command("up", help=_help("help.up"))
    @reported
    def _up(*, no_work: _NoWork = False) -> int:
        return up(cli(), works=not no_work)


def up(context: CliContext, *, works: bool) -> Exit:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: no chat is set, or something of one is wrong: then none is served.
    """
    has_discord, has_slack = (bool(context.environment.first_set(names)) for names in (_DISCORD, _SLACK))
    if has_discord and has_slack:
        _run_chat(context, _serve_both(context, works=works))
        return Exit.DONE
    if not has_discord and not has_slack:
        raise ConfigError([catalog.text("up.no_chat")])
    return run(context, works=works) if has_discord else serve(context, works=works)


async def _serve_both(context: CliContext, *, works: bool) -> None:
    def open_beside(health: "Health", platform: "ChatPlatform") -> "AbstractAsyncContextManager[ChatService]":
        return served(context, health, works=works, beside=[platform])

    await serve_with(context, open_beside)
