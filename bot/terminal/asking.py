"""The commands that ask for a run: `run`, and `demo`."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

from bot.application import Application
from bot.cards.run_view import RunView
from bot.cards.text import visible
from bot.environment import CONFIGS, config_file, made, state_folder
from bot.people import console_person
from bot.terminal import terminal
from bot.terminal.attending import attended, leave
from bot.terminal.cli_context import Here
from bot.terminal.cli_context_orders import Order
from bot.terminal.exits import Exit
from coordination.config import read_text
from coordination.service import Ask

DEMO_WORLD = "notices.json"
"""The file in the state folder that is the demo's board."""


def run(here: Here, prompt: str, *, config: str, order: Order | None, emits: bool) -> Exit:
    """Ask for a run under a configuration, and stay with it."""
    ask = _ask(here.stdin.read() if prompt == "-" else prompt, config_file(config))
    return leave(here, _asked(here, ask, order=order, emits=emits))


def demo(here: Here, prompt: str, *, config: str, order: Order | None, emits: bool) -> Exit:
    """The same in a toy world, which begins anew, and where a plan needs no person if none is there. No other world does."""
    path = config_file(config) if config else CONFIGS / "demo.yaml"
    if order is None and not config and not terminal.can_ask(here.stdin, here.stderr if emits else here.stdout):
        here.complain(here.words.say("demo.approves_itself"))
        order = Order(approves=True)
    ask = _ask(prompt or here.words.say("demo.prompt"), path)
    (made(state_folder(here.environ)) / DEMO_WORLD).unlink(missing_ok=True)
    view = _asked(here, ask, order=order, emits=emits)
    status = leave(here, view)
    if not emits and view.ended_at is not None:
        here.tell(here.words.say("demo.next", run=visible(view.run)))
    if not emits and (folder := _out_of_reach(here)) is not None:
        here.tell(here.words.say("demo.activate", folder=visible(str(folder))))
    return status


def _out_of_reach(here: Here) -> Path | None:
    """The folder of the program, as seen from here, if a shell would not find it by its name."""
    folder = Path(sys.executable).parent
    if shutil.which("massgen-bot", path=here.environ.get("PATH")) or not (folder / "activate").exists():
        return None
    return min(folder, Path(os.path.relpath(folder)), key=lambda path: len(str(path)))


def _asked(here: Here, ask: Ask, *, order: Order | None, emits: bool) -> RunView:
    async def begin(application: Application) -> str:
        return await application.coordinator.start(ask)

    return asyncio.run(attended(here, begin, order=order, emits=emits, is_new=True))


def _ask(prompt: str, path: Path) -> Ask:
    return Ask(
        prompt=prompt,
        requester=console_person(),
        config_name=path.stem,
        config_text=read_text(path),
        origin=str(path.absolute()),
    )
