"""`spend`: what models cost, and the budgets of today.

A line on standard error says if one of them is nearly used.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from rich.text import Text

from bot.cards.budget_card import MARK, amount, budget_lines, share
from bot.cards.text import money, one_line, tokens
from bot.i18n import catalog, joined
from bot.log_access import open_reading
from bot.machine import CONSOLE
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from bot.terminal.output import Renderer, plain_table
from bot.terminal.screen import console_on
from coordination.config import parse
from coordination.day_budgets import DayBudget, day_budgets
from coordination.domain.day_caps import midnight_before
from coordination.errors import ConfigError, StorageError
from coordination.ports import RunLog, Spent
from coordination.storage.budget_warnings import SqlBudgetWarnings
from coordination.storage.usage import Share, SqlUsage

_SPEND_COLUMNS = ("tenant", "person", "config", "runs", "tokens", "cost")
_BUDGET_COLUMNS = ("tenant", "whose", "limit", "spent", "budget", "used")


def spend(context: CliContext, *, days: int) -> Exit:
    """What models were paid, by tenant, person and configuration; and what of today's budgets is used."""

    async def look() -> Exit:
        async with (
            open_reading(context.environment.database_url(), context.parts()) as application,
            SqlUsage.open(context.environment.database_url()) as usage,
        ):
            now = application.clock.now()
            shares = await usage.shares(now - timedelta(days=days))
            budgets = [each async for each in _budgets(context, application.log, usage, now)]
        if not shares:
            context.print_line(catalog.text("spend.empty", count=days))
            return Exit.DONE
        _print_shares(context, shares, days)
        if budgets:
            _print_budgets(context, budgets)
        return Exit.DONE

    return asyncio.run(look())


def _print_shares(context: CliContext, shares: Sequence[Share], days: int) -> None:
    table = plain_table(*(catalog.text(f"spend.{each}") for each in _SPEND_COLUMNS))
    for each in shares:
        words = (one_line(each.tenant, 24), one_line(each.requester, 20), one_line(each.config, 24))
        numbers = (catalog.number(each.runs), tokens(each.spent.tokens), money(each.spent.money))
        table.add_row(*map(Text, (*words, *numbers)))
    console_on(context.stdout).print(table)
    whole = sum(each.spent.money for each in shares)
    context.print_line(catalog.text("spend.whole", count=days, money=money(whole)))


async def _budgets(
    context: CliContext, log: RunLog, usage: SqlUsage, now: datetime
) -> AsyncIterator[tuple[DayBudget, Spent]]:
    """The budgets that today's runs count for, and what was spent of them.

    Those of a file that can't be read are left out.
    """
    seen: set[DayBudget] = set()
    for request in await usage.askers_since(midnight_before(now)):
        text, origin = await log.load_config(request.config_digest)
        try:
            settings = parse(text, origin=origin, environ=context.environment.for_configs(request.tenant), works=False)
        except ConfigError:
            continue
        limits = settings.profile(allow_requester_default=True).daily
        for each in day_budgets(limits, request.requester, request.asked_in):
            if each not in seen:
                seen.add(each)
                yield each, await each.spent(usage, now)


def _print_budgets(context: CliContext, budgets: Sequence[tuple[DayBudget, Spent]]) -> None:
    table = plain_table(*(catalog.text(f"spend.{each}") for each in _BUDGET_COLUMNS))
    for each, spent in budgets:
        used, is_nearly_used = each.used(spent), each.is_nearly_used(spent)
        table.add_row(
            Text(one_line(each.tenant, 24)),
            Text(one_line(each.name or each.place or catalog.text("spend.everyone"), 20)),
            Text(each.limit),
            Text(amount(used, is_money=each.is_money)),
            Text(amount(each.most, is_money=each.is_money)),
            Text(share(used, each.most, is_marked=is_nearly_used), "bright_yellow" if is_nearly_used else ""),
        )
    context.print_line("")
    console_on(context.stdout).print(table)
    context.print_line(catalog.text("spend.budgets", mark=MARK))


async def tell_budgets(context: CliContext, now: datetime) -> None:
    """Say on standard error which budgets of this machine are nearly used, each once a day."""
    try:
        async with SqlBudgetWarnings.open(context.environment.database_url()) as warnings:
            taken = await warnings.take(CONSOLE, now)
    except StorageError:  # The run is what people wait for: the warning stays, and the next command has it.
        return
    renderer = Renderer(console_on(context.stderr), now)
    for each in taken:
        context.print_error(renderer.line(joined(budget_lines(each), " ")).plain)
