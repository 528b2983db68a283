"""The operator's commands: the database brought up to date, proved, handed out; and the freeze of all calls."""

import asyncio
import json
from pathlib import Path

from bot import log_access
from bot.cards.text import visible
from bot.database_admin import anchor_of, compare_with, export_run, migrate_all, verify_log
from bot.environment import console_person
from bot.log_access import open_reading
from bot.run_lookup import named_run
from bot.terminal.cli_context import Here
from bot.terminal.error_handler import Exit
from bot.terminal.protection import require_person


def migrate(here: Here) -> Exit:
    """Make the tables, or bring older ones up to date."""
    here.tell(here.words.say("migrate.done", database=visible(migrate_all(here.environ))))
    return Exit.DONE


def verify(here: Here, name: str, anchor: str = "") -> Exit:
    """Whether the log of one run, or of all, is as it was written; and all as an anchor has it, where one is named."""
    if anchor and name:
        here.complain(here.words.say("audit.anchor_of_all"))
        return Exit.USAGE
    run = _whole_name(here, name) if name else None
    findings = verify_log(here.environ, run)
    if anchor:
        findings = [*findings, *compare_with(here.environ, Path(anchor))]
    for finding in findings:
        where = visible(f"{finding.run} {finding.seq}".strip())
        here.tell(here.words.say("audit.finding", where=where, problem=visible(finding.problem)))
    if findings:
        return Exit.FAILED
    here.tell(here.words.say("audit.run_whole", run=visible(run)) if run else here.words.say("audit.all_whole"))
    return Exit.DONE


def anchor(here: Here, file: str) -> Exit:
    """What stands for the whole database now, in a new file or on standard output."""
    lines = anchor_of(here.environ)
    if not file:
        for line in lines:
            here.tell(line)
        return Exit.DONE
    try:
        with Path(file).open("x", encoding="utf-8") as to:
            to.write("".join(f"{line}\n" for line in lines))
    except OSError as error:
        here.complain(
            here.words.say("audit.anchor_not_written", file=visible(file), reason=visible(error.strerror or ""))
        )
        return Exit.USAGE
    here.tell(here.words.say("audit.anchored", file=visible(file), digest=str(json.loads(lines[0])["digest"])))
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


def freeze(here: Here, tenant: str) -> Exit:
    """Have no approved call start. Nobody is refused this: to stop is safe."""
    count = asyncio.run(log_access.freeze(here.environ, here.parts(), tenant, console_person()))
    here.tell(here.words.say("freeze.done", where=_where(here, tenant), count=count))
    return Exit.DONE


def thaw(here: Here, tenant: str) -> Exit:
    """Let approved calls start again."""
    require_person(here.environ, here.words)
    count = asyncio.run(log_access.thaw(here.environ, here.parts(), tenant, console_person()))
    if count is None:
        here.complain(here.words.say("freeze.nothing", where=_where(here, tenant)))
        return Exit.USAGE
    here.tell(here.words.say("freeze.undone", where=_where(here, tenant), count=count))
    return Exit.DONE


def _where(here: Here, tenant: str) -> str:
    return visible(tenant) if tenant else here.words.say("freeze.everywhere")
