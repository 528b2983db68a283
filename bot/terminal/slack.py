"""The commands for Slack: serve it, print its manifest, look whether it is well, and lend agents its tools."""

# ruff: noqa: PLC0415 - a command loads its modules when it is called, so that `--help` is answered at once

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bot.terminal.cli_context import Here
from bot.terminal.error_handler import reported
from bot.terminal.exits import Exit
from bot.terminal.language import words_here
from bot.terminal.serving import report, serve_with_database, told_to_end

if TYPE_CHECKING:
    from bot.chat.platform import Desk, Surface

_help = words_here().say


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
        with_chat_tools: Annotated[
            bool, typer.Option("--chat-tools", help=_help("slack.help.with_chat_tools"))
        ] = False,
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
    from bot.slack_app.doctor import examine as examined

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
