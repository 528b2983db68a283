"""The command that serves every chat whose variables are set: one process, one application, one desk."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import typer

from bot.terminal import serve_commands, slack
from bot.terminal.cli_context import Here
from bot.terminal.error_handler import reported
from bot.terminal.exits import Exit
from bot.terminal.language import words_here
from coordination.errors import ConfigError

if TYPE_CHECKING:
    from bot.chat.platform import Desk, Surface

_help = words_here().say
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
    return serve_commands.run(here) if has_discord else slack.serve(here)


def _has(environ: Mapping[str, str], names: tuple[str, ...]) -> bool:
    return any(environ.get(name, "").strip() for name in names)


async def _serve_both(here: Here) -> None:
    def open_beside(surface: "Surface") -> "AbstractAsyncContextManager[Desk]":
        return slack.served(here, beside=[surface])

    await serve_commands.serve_with(here, open_beside)
