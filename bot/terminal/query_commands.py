"""The commands that only look: nothing is started for them, and nothing changes by them."""

import asyncio
from datetime import datetime

from rich.text import Text

from bot.cards.run_card import card_for
from bot.cards.run_view import RunView, next_view
from bot.cards.text import one_line, visible
from bot.environment import PAGES
from bot.i18n import Words
from bot.log_access import open_reading
from bot.message import Moment
from bot.run_lookup import named_run, seen_run
from bot.terminal.cli_context import Here
from bot.terminal.error_handler import Exit, exit_of, how_to_go_on
from bot.terminal.output import Renderer, moment_text, plain_table
from bot.terminal.screen import LineScreen, console_on
from coordination.ports import RunSummary


def docs(here: Here, page: str) -> Exit:
    """Print a page of the documentation as it is written, or the names of all."""
    pages = {path.stem: path for path in sorted(PAGES.glob("*.md"))}
    if not page:
        here.tell("\n".join(pages))
        return Exit.DONE
    path = pages.get(page.removeprefix("docs/").removesuffix(".md"))
    if path is None:
        here.complain(here.words.say("docs.no_page", page=visible(page), pages=", ".join(pages)))
        return Exit.USAGE
    here.tell(path.read_text(encoding="utf-8").rstrip())
    return Exit.DONE


def status(here: Here, name: str) -> Exit:
    """How a run stands."""

    async def look() -> Exit:
        async with open_reading(here.environ, here.parts()) as application:
            run = await named_run(application.log, name, words=here.words)
            view, _ = await seen_run(application.log, application.coordinator, run)
            print_card(here, view, application.clock.now())
            _advise(here, view)
            return exit_of(view.state)

    return asyncio.run(look())


def show(here: Here, name: str, *, tells_story: bool) -> Exit:
    """Everything there is to know of a run."""

    async def look() -> Exit:
        async with open_reading(here.environ, here.parts()) as application:
            run = await named_run(application.log, name, words=here.words)
            view, log = await seen_run(application.log, application.coordinator, run)
            screen = LineScreen(console_on(here.stdout), application.clock.now, here.words)
            screen.explain(view, log)
            if tells_story:
                here.tell("")
                seen: RunView | None = None
                for recorded in log:
                    seen = next_view(seen, recorded)
                    screen.tell(recorded, seen)
            screen.settle(view)
            _advise(here, view)
            return Exit.DONE

    return asyncio.run(look())


def history(here: Here, *, limit: int) -> Exit:
    """The newest runs."""

    async def look() -> Exit:
        async with open_reading(here.environ, here.parts()) as application:
            summaries = await application.log.runs(limit=limit)
            now = application.clock.now()
        if not summaries:
            here.tell(here.words.say("history.empty"))
            return Exit.DONE
        table = plain_table(
            *(here.words.say(f"history.{column}") for column in ("run", "state", "asked", "by", "prompt"))
        )
        table.expand = True
        table.columns[-1].ratio = 1  # the request has what room the others leave it
        table.columns[-1].overflow = "ellipsis"
        table.columns[-1].no_wrap = True
        for each in summaries:
            table.add_row(*_row(each, now, here.words))
        console_on(here.stdout).print(table)
        return Exit.DONE

    return asyncio.run(look())


def print_card(here: Here, view: RunView, now: datetime) -> None:
    """A run's card on standard output."""
    console = console_on(here.stdout)
    card = Renderer(console, now, here.words).card(card_for(view, now, here.words))
    console.print(Text("\n").join([Text(), card, Text()]), soft_wrap=True)


def _advise(here: Here, view: RunView) -> None:
    if (advice := how_to_go_on(view, here.words)) is not None:
        here.tell(advice)


def _row(summary: RunSummary, now: datetime, words: Words) -> tuple[Text, ...]:
    state = words.say(f"state.{summary.state}")
    asked = moment_text(Moment(summary.started_at), now, words)
    return (
        Text(visible(summary.run), "bold"),
        Text(state),
        Text(asked, "bright_black"),
        Text(one_line(summary.requester, 20)),
        Text(one_line(summary.prompt, 200)),
    )
