"""The commands that verify the log, export it, and write anchors."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC
from pathlib import Path

from bot.cards.decisions import decisions_of
from bot.cards.error_messages import plain_text
from bot.cards.parts import spending
from bot.cards.run_view import RunView, next_view, view_of
from bot.cards.text import visible
from bot.database_admin import anchor_of, compare_with, export_run, text_of, verify_log
from bot.i18n import catalog, joined
from bot.log_access import open_reading
from bot.run_lookup import named_run
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from bot.terminal.operator_commands import print_findings
from bot.terminal.screen import LineScreen, console_on
from coordination.domain.transitions import Recorded
from coordination.storage.anchor import head_of
from coordination.storage.audit import Finding
from coordination.storage.signed_export import Shown, sign, verify_signed
from coordination.storage.time_stamps import verify_stamp


def verify(context: CliContext, name: str, anchor: str = "", tsa: str = "") -> Exit:
    """Whether the log of one run, or of all, is as it was written; and all as an anchor has it, where one is named.

    `tsa` names the certificates that the time stamp beside the anchor is held against.
    """
    if (anchor and name) or (tsa and not anchor):
        context.print_error(catalog.text("audit.anchor_of_all" if name else "audit.tsa_without_anchor"))
        return Exit.USAGE
    run = _whole_name(context, name) if name else None
    findings = verify_log(context.environment.database_url(), run)
    if anchor:
        findings = [*findings, *compare_with(context.environment.database_url(), Path(anchor))]
        findings = [*findings, *_told_anchor(context, Path(anchor), tsa)]
    print_findings(context, findings)
    if findings:
        return Exit.FAILED
    context.print_line(catalog.text("audit.run_whole", run=visible(run)) if run else catalog.text("audit.all_whole"))
    return Exit.DONE


def _told_anchor(context: CliContext, anchor: Path, tsa: str) -> Sequence[Finding]:
    """Say which anchor it is, and since when there was it; returns what is wrong with its time stamp."""
    context.print_line(catalog.text("audit.anchor_of", digest=visible(head_of(anchor).digest)))
    if not tsa:
        return []
    stamped = verify_stamp(anchor, Path(tsa))
    if stamped.at is not None:
        context.print_line(catalog.text("audit.stamped", at=f"{stamped.at:%Y-%m-%d %H:%M:%S}"))
    return stamped.findings


def verify_file(context: CliContext, file: str, key: str) -> Exit:
    """Whether a signed export is whole, and signed with the key of which this is the public half.

    No database is asked.
    """
    if not key:
        context.print_error(catalog.text("audit.no_key"))
        return Exit.USAGE
    verified = verify_signed(text_of(Path(file)), Path(key))
    print_findings(context, verified.findings)
    if verified.findings:
        return Exit.FAILED
    run, head = visible(verified.run), visible(verified.head)
    context.print_line(catalog.text("audit.signed_whole", run=run, head=head, key=verified.key_id))
    return Exit.DONE


def show_file(context: CliContext, file: str, key: str) -> Exit:
    """Tell the whole story of a signed export that is intact, in the same words as of a run in the database."""
    verified = verify_signed(text_of(Path(file)), Path(key))
    view = view_of(verified.log)
    if view is None:
        print_findings(context, verified.findings)
        return Exit.FAILED
    screen = LineScreen(console_on(context.stdout), lambda: verified.log[-1].at)
    screen.explain(view, verified.log)
    seen: RunView | None = None
    for recorded in verified.log:
        seen = next_view(seen, recorded)
        screen.tell(recorded, seen)
    screen.settle(view)
    if used := spending(view):
        context.print_line(catalog.text("audit.used", used=plain_text(joined(used, " · "))))
    _tell_decisions(context, verified.log)
    context.print_line(catalog.text("audit.shown" if verified.shown else "audit.shown_nowhere"))
    for each in verified.shown:
        context.print_line(f"  {_shown_line(each)}")
    return Exit.DONE


def _tell_decisions(context: CliContext, log: Sequence[Recorded]) -> None:
    context.print_line(catalog.text("audit.decided"))
    for recorded, line in decisions_of(log, names_accounts=True):
        context.print_line(f"  {recorded.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC · {plain_text(line)}")


def _shown_line(shown: Shown) -> str:
    words = {name: visible(value) for name, value in asdict(shown).items()}
    if shown.person:
        return catalog.text("audit.shown_person", **words)
    match shown.kind:
        case "card":
            return catalog.text("audit.shown_card", **words)
        case "story":
            return catalog.text("audit.shown_story", **words)
        case _:
            return catalog.text("audit.shown_copy", **words)


def anchor(context: CliContext, file: str) -> Exit:
    """What stands for the whole database now, in a new file or on standard output."""
    lines = anchor_of(context.environment.database_url())
    if not file:
        for line in lines:
            context.print_line(line)
        return Exit.DONE
    try:
        with Path(file).open("x", encoding="utf-8") as to:
            to.write("".join(f"{line}\n" for line in lines))
    except OSError as error:
        context.print_error(
            catalog.text("audit.anchor_not_written", file=visible(file), reason=visible(error.strerror or ""))
        )
        return Exit.USAGE
    context.print_line(catalog.text("audit.anchored", file=visible(file), digest=str(json.loads(lines[0])["digest"])))
    return Exit.DONE


def export(context: CliContext, name: str, key: str = "") -> Exit:
    """A run's events with their hashes, one JSON object a line; or all of them in an envelope, signed with a key."""
    if key:
        context.print_line(sign(context.environment.database_url(), _whole_name(context, name), Path(key)))
        return Exit.DONE
    for line in export_run(context.environment.database_url(), _whole_name(context, name)):
        context.print_line(line)
    return Exit.DONE


def _whole_name(context: CliContext, prefix: str) -> str:
    async def look() -> str:
        async with open_reading(context.environment.database_url(), context.parts()) as application:
            return await named_run(application.log, prefix)

    return asyncio.run(look())
