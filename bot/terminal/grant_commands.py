"""Standing grants at a terminal: list, add and revoke them."""

import asyncio
from collections.abc import Sequence

from bot.application import Application
from bot.cards.error_messages import plain_text
from bot.cards.grants import given_line, grant_line, period
from bot.cards.text import visible
from bot.composition import open_application
from bot.i18n import catalog
from bot.log_access import open_reading
from bot.machine import console_person
from bot.run_lookup import named_run, seen_run
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from bot.terminal.protection import require_person
from bot.terminal.run_commands import digest_of
from coordination.domain import states as s
from coordination.domain.grants import Grant
from coordination.errors import RefusedError


def listed(context: CliContext) -> Exit:
    """A line for each grant on which calls may start, of every tenant."""

    async def look() -> Exit:
        async with open_reading(context.environment.database_url(), context.parts()) as application:
            standing = await application.coordinator.grants.listed()
        for each in standing:
            context.print_line(f"{plain_text(grant_line(each))} · {visible(each.grant.tenant)}")
        if not standing:
            context.print_line(catalog.text("grant.none"))
        return Exit.DONE

    return asyncio.run(look())


def add(context: CliContext, name: str, *, call: int, lasts: str, times: int, free: Sequence[str], digest: str) -> Exit:
    """Allow calls like this one of a plan, in later runs of the same configuration."""
    require_person(context.environment)
    how_long = period(lasts)

    async def give() -> Exit:
        async with open_application(context.environment, context.parts(), works=False) as application:
            grant = await _given(application)
            context.print_line(plain_text(given_line(grant)))
            return Exit.DONE

    async def _given(application: Application) -> Grant:
        run = await named_run(application.log, name)
        view, _ = await seen_run(application.log, application.coordinator, run)
        state = view.state
        if not isinstance(state, s.AwaitingDecision | s.Finished) or call > len(state.plan.calls):
            raise RefusedError("no_call", catalog.text("grant.no_call", number=call))
        return await application.coordinator.grants.give(
            run,
            digest_of(digest, view) or state.plan.digest,
            console_person(),
            call - 1,
            lasts=how_long,
            most=times,
            free=free,
        )

    return asyncio.run(give())


def revoke(context: CliContext, name: str) -> Exit:
    """Have no call start on a grant any more, whose and where it is."""

    async def take() -> Exit:
        async with open_reading(context.environment.database_url(), context.parts()) as application:
            await application.coordinator.grants.revoke_any(name, console_person())
        context.print_line(catalog.text("grant.revoked", grant=visible(name)))
        return Exit.DONE

    return asyncio.run(take())
