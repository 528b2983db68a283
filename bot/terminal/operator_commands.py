"""The operator's commands: migrate and prune the database, and freeze all calls."""

import asyncio
from collections.abc import Sequence

from bot import log_access
from bot.cards.text import duration, visible
from bot.database_admin import forget_person, migrate_all, prune_runs
from bot.i18n import catalog
from bot.machine import console_person
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from bot.terminal.protection import require_person
from coordination.storage.audit import Finding
from coordination.storage.overview import DatabaseWatch


def migrate(context: CliContext) -> Exit:
    """Make the tables, or bring older ones up to date."""
    context.print_line(
        catalog.text("migrate.done", database=visible(migrate_all(context.environment.direct_database_url())))
    )
    return Exit.DONE


def workers(context: CliContext) -> Exit:
    """A line for each worker: its slot, machine, process, start and last sign of life, and its jobs."""
    watch = DatabaseWatch(context.environment.database_url())
    try:
        watch.ping()
        found = watch.workers()
    finally:
        watch.close()
    for each in found:
        key = "workers.alive" if each.is_alive else "workers.quiet"
        jobs = visible(", ".join(each.jobs)) if each.jobs else catalog.text("workers.idle")
        name = f"{each.slot} · {each.host}" if each.host else each.slot
        if each.age is not None:
            name = catalog.text("workers.since", worker=name, time=duration(each.age))
        context.print_line(catalog.text(key, worker=visible(name), seconds=round(each.quiet), jobs=jobs))
    if not found:
        context.print_line(catalog.text("workers.none"))
    return Exit.DONE


def print_findings(context: CliContext, findings: Sequence[Finding]) -> None:
    """A line for each thing that is not as it was written."""
    for finding in findings:
        where = visible(f"{finding.run} {finding.seq}".strip())
        context.print_line(catalog.text("audit.finding", where=where, problem=visible(finding.problem)))


def prune(context: CliContext, days: int, *, removes: bool) -> Exit:
    """Remove what ended long ago; what was tampered with stays, and is told."""
    if removes:
        require_person(context.environment)
    done = prune_runs(context.environment.database_url(), days, removes=removes)
    print_findings(context, done.findings)
    context.print_line(catalog.text("prune.done" if removes else "prune.would", count=done.runs))
    return Exit.FAILED if done.findings else Exit.DONE


def forget(context: CliContext, person: str, tenant: str, *, removes: bool) -> Exit:
    """Remove what a person's runs left here, and say what stays."""
    if removes:
        require_person(context.environment)
    done = forget_person(context.environment.database_url(), person, tenant, removes=removes)
    print_findings(context, done.findings)
    context.print_line(catalog.text("prune.done" if removes else "prune.would", count=done.runs))
    if done.entries:
        context.print_line(catalog.text("forget.entries", count=done.entries))
    if done.unfinished:
        runs = visible(", ".join(done.unfinished))
        context.print_line(catalog.text("forget.unfinished", count=len(done.unfinished), runs=runs))
    return Exit.FAILED if done.findings or done.unfinished else Exit.DONE


def freeze(context: CliContext, tenant: str) -> Exit:
    """Have no approved call start. Nobody is refused this: to stop is safe."""
    count = asyncio.run(
        log_access.freeze(context.environment.database_url(), context.parts(), tenant, console_person())
    )
    context.print_line(catalog.text("freeze.done", where=_where(tenant), count=count))
    return Exit.DONE


def thaw(context: CliContext, tenant: str) -> Exit:
    """Let approved calls start again."""
    require_person(context.environment)
    count = asyncio.run(log_access.thaw(context.environment.database_url(), context.parts(), tenant, console_person()))
    if count is None:
        context.print_error(catalog.text("freeze.nothing", where=_where(tenant)))
        return Exit.USAGE
    context.print_line(catalog.text("freeze.undone", where=_where(tenant), count=count))
    return Exit.DONE


def _where(tenant: str) -> str:
    return visible(tenant) if tenant else catalog.text("freeze.everywhere")
