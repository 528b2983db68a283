"""The commands that only read: they start nothing and change nothing."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from bot.application import Application
from bot.cards.run_card import card_for
from bot.cards.run_view import RunView, next_view
from bot.cards.text import one_line, visible
from bot.i18n import catalog
from bot.log_access import open_reading
from bot.machine import PAGES, console_person
from bot.message import Timestamp
from bot.run_lookup import may_break_glass, named_run, seen_run
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit, exit_of, how_to_go_on
from bot.terminal.output import Renderer, plain_table, timestamp_text
from bot.terminal.screen import LineScreen, console_on
from coordination.domain.states import AwaitingDecision
from coordination.ports import RunSummary

_MOST_LOOKED_THROUGH = 1_000


def docs(context: CliContext, page: str) -> Exit:
    """Print a page of the documentation as it is written, or the names of all."""
    pages = {path.stem: path for path in (*sorted(PAGES.glob("*.md")), *sorted(PAGES.glob("how-to/*.md")))}
    if not page:
        context.print_line("\n".join(pages))
        return Exit.DONE
    path = pages.get(page.removeprefix("docs/").removeprefix("how-to/").removesuffix(".md"))
    if path is None:
        context.print_error(catalog.text("docs.no_page", page=visible(page), pages=", ".join(pages)))
        return Exit.USAGE
    context.print_line(path.read_text(encoding="utf-8").rstrip())
    return Exit.DONE


def status(context: CliContext, name: str) -> Exit:
    """How a run stands."""

    async def look() -> Exit:
        async with open_reading(context.environment.database_url(), context.parts()) as application:
            run = await named_run(application.log, name)
            view, _ = await seen_run(application.log, application.coordinator, run)
            print_card(context, view, application.clock.now())
            _advise(context, view)
            return exit_of(view.state)

    return asyncio.run(look())


def show(context: CliContext, name: str, *, with_timeline: bool) -> Exit:
    """Everything there is to know of a run."""

    async def look() -> Exit:
        async with open_reading(context.environment.database_url(), context.parts()) as application:
            run = await named_run(application.log, name)
            view, log = await seen_run(application.log, application.coordinator, run)
            screen = LineScreen(console_on(context.stdout), application.clock.now)
            screen.explain(view, log)
            if with_timeline:
                context.print_line("")
                seen: RunView | None = None
                for recorded in log:
                    seen = next_view(seen, recorded)
                    screen.tell(recorded, seen)
            screen.settle(view)
            _advise(context, view)
            return Exit.DONE

    return asyncio.run(look())


def history(context: CliContext, *, limit: int, is_break_glass: bool = False) -> Exit:
    """The newest runs; with `is_break_glass` those whose plan this account may approve alone in an emergency."""

    async def look() -> Exit:
        async with open_reading(context.environment.database_url(), context.parts()) as application:
            summaries = await application.log.runs(limit=_MOST_LOOKED_THROUGH if is_break_glass else limit)
            alone = await _for_break_glass(application, summaries)
            summaries = [each for each in summaries if each.run in alone or not is_break_glass][:limit]
            now = application.clock.now()
        if not summaries:
            context.print_line(catalog.text("runs.no_break_glass" if is_break_glass else "history.empty"))
            return Exit.DONE
        table = plain_table(
            *(catalog.text(f"history.{column}") for column in ("run", "state", "asked", "by", "prompt"))
        )
        table.expand = True
        table.columns[-1].ratio = 1  # the request has what room the others leave it
        table.columns[-1].overflow = "ellipsis"
        table.columns[-1].no_wrap = True
        for each in summaries:
            table.add_row(*_row(each, now, is_break_glass=each.run in alone))
        console_on(context.stdout).print(table)
        return Exit.DONE

    return asyncio.run(look())


async def _for_break_glass(application: Application, summaries: Sequence[RunSummary]) -> frozenset[str]:
    """The runs among these whose plan this account may approve alone in an emergency."""
    person, now = console_person(), application.clock.now()
    waiting = [each.run for each in summaries if each.state == AwaitingDecision.kind and each.tenant == person.tenant]
    states = [(run, await application.coordinator.state(run)) for run in waiting]
    return frozenset(run for run, state in states if may_break_glass(state, person, now))


def print_card(context: CliContext, view: RunView, now: datetime) -> None:
    """A run's card on standard output."""
    console = console_on(context.stdout)
    card = Renderer(console, now).card(card_for(view, now))
    console.print(Text("\n").join([Text(), card, Text()]), soft_wrap=True)


def _advise(context: CliContext, view: RunView) -> None:
    if (advice := how_to_go_on(view)) is not None:
        context.print_line(advice)


def _row(summary: RunSummary, now: datetime, *, is_break_glass: bool) -> tuple[Text, ...]:
    state = catalog.text(f"state.{summary.state}")
    mark = f" · {catalog.text('runs.break_glass')}" if is_break_glass else ""
    asked = timestamp_text(Timestamp(summary.started_at), now)
    return (
        Text(visible(summary.run), "bold"),
        Text(f"{state}{mark}"),
        Text(asked, "bright_black"),
        Text(one_line(summary.requester, 20)),
        Text(one_line(summary.prompt, 200)),
    )
