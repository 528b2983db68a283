"""Commands that make a new plan without agents, from a waiting plan or a run that has ended, and `withdraw`."""

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bot.application import Application
from bot.cards.run_view import RunView
from bot.i18n import catalog
from bot.machine import console_person
from bot.run_lookup import named_run, seen_run, waiting_plan
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from bot.terminal.protection import require_person
from bot.terminal.run_commands import Decide, decided, digest_of, run_interactively, unless_refused
from coordination.domain.canonical_json import Json
from coordination.domain.plan import PlannedCall
from coordination.domain.preset_plan import Purpose
from coordination.errors import RefusedError
from coordination.plan_edits import with_argument
from coordination.secret_marks import secrets_in


def select(context: CliContext, name: str, numbers: Sequence[int], *, digest: str) -> Exit:
    """Propose only these calls of the plan, and stay with it."""

    async def act(application: Application, run: str, view: RunView) -> object:
        indexes = [number - 1 for number in numbers]
        return await application.coordinator.select(run, digest_of(digest, view), console_person(), indexes)

    return _revised(context, name, act)


def edit(context: CliContext, name: str, number: int, argument: str, *, value: str | None, digest: str) -> Exit:
    """Propose the plan with other arguments of one call, of one argument or of all as JSON, and stay with it."""

    async def act(application: Application, run: str, view: RunView) -> object:
        plan = waiting_plan(view)
        if plan is None or not 0 < number <= len(plan.calls):
            raise RefusedError("no_call", catalog.text("usage.no_call", number=number))
        call = plan.calls[number - 1]
        text = value if value is not None else _from_editor(context, _value(call, argument))
        written = with_argument(call, argument, text) if argument else text
        shown = digest_of(digest, view)
        return await application.coordinator.edit(run, shown, console_person(), number - 1, written)

    return _revised(context, name, act)


def _revised(context: CliContext, name: str, revise: Decide) -> Exit:
    require_person(context.environment)

    async def begin(application: Application) -> str:
        run = await named_run(application.log, name)
        view, _ = await seen_run(application.log, application.coordinator, run)
        return await unless_refused(context, application, run, revise(application, run, view))

    return run_interactively(context, begin)


def withdraw(context: CliContext, name: str, *, digest: str) -> Exit:
    """Take back one's own approval, as long as more are needed."""

    async def act(application: Application, run: str, view: RunView) -> object:
        return await application.coordinator.withdraw(run, digest_of(digest, view), console_person())

    return decided(context, name, act)


def link(context: CliContext, name: str, purpose: Purpose) -> Exit:
    """Have a run begin with what is left to plan after this one, and stay with it."""
    require_person(context.environment)

    async def begin(application: Application) -> str:
        run = await named_run(application.log, name)
        return await application.coordinator.link(run, purpose, console_person())

    return run_interactively(context, begin)


def _value(call: PlannedCall, argument: str) -> str:
    """What the editor begins with: a text as it is, anything else as JSON."""
    arguments = call.written()
    value: Json = arguments
    if argument:
        if argument not in arguments:
            raise RefusedError("no_argument", catalog.text("usage.no_argument", name=argument))
        value = arguments[argument]
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    if secrets_in(text):
        raise RefusedError("no_editor", catalog.text("usage.no_editor_secret"))
    return text


def _from_editor(context: CliContext, text: str) -> str:
    command = context.environment.editor
    if not command or not context.stdin.isatty():
        raise RefusedError("no_editor", catalog.text("usage.no_editor"))
    return edited_in(command, text)


def edited_in(command: str, text: str) -> str:
    """The text as a person left it in their editor. Editors end a file with a line feed: one that was not there goes.

    Raises:
        RefusedError: the editor failed, or there is none of this name.
    """
    with tempfile.TemporaryDirectory(prefix="massgen-bot-") as folder:
        path = Path(folder) / "value"
        path.write_bytes(text.encode("utf-8", "replace"))
        try:
            subprocess.run([*shlex.split(command), os.fspath(path)], check=True)  # noqa: S603  # the person's own editor
            after = path.read_bytes().decode("utf-8")
        except (OSError, ValueError, subprocess.CalledProcessError):
            raise RefusedError("no_editor", catalog.text("usage.editor_failed", command=command)) from None
    return after if text.endswith("\n") else after.removesuffix("\n")
