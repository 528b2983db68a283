"""The commands that look after the database: bring it up to date, prove it, hand its events out."""

import asyncio

from bot.cli.here import Here
from bot.commands import named_run
from bot.console_app.exits import Exit
from bot.presenter.visible import visible
from bot.wiring.keeping import export_run, migrate_all, verify_log
from bot.wiring.reading import open_reading


def migrate(here: Here) -> Exit:
    """Make the tables, or bring older ones up to date."""
    here.tell(here.words.say("migrate.done", database=visible(migrate_all(here.environ))))
    return Exit.DONE


def verify(here: Here, name: str) -> Exit:
    """Whether the log of one run, or of all, is as it was written."""
    run = _whole_name(here, name) if name else None
    findings = verify_log(here.environ, run)
    for finding in findings:
        where = visible(f"{finding.run} {finding.seq}".strip())
        here.tell(here.words.say("audit.finding", where=where, problem=visible(finding.problem)))
    if findings:
        return Exit.FAILED
    here.tell(here.words.say("audit.run_whole", run=visible(run)) if run else here.words.say("audit.all_whole"))
    return Exit.DONE


def export(here: Here, name: str) -> Exit:
    """A run's events with their hashes, one JSON object a line."""
    for line in export_run(here.environ, _whole_name(here, name)):
        here.tell(line)
    return Exit.DONE


def _whole_name(here: Here, prefix: str) -> str:
    async def look() -> str:
        async with open_reading(here.environ, here.parts()) as application:
            return await named_run(application.log, prefix, words=here.words)

    return asyncio.run(look())
