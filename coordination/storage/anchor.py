"""An anchor: a text that stands for every log and every administrator's decision at one moment.

Kept where a writer of the database can't write, it finds what the log's own hashes can't: a log that was cut off,
removed or written anew together with all its later hashes and its summary.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import sqlalchemy as sa

from coordination.errors import StorageError
from coordination.storage.audit import Finding, audit_entries, has_decisions, reading
from coordination.storage.schema import events, pruned_runs
from coordination.storage.sql_run_log import FIRST_PREV, time_text
from coordination.text import Text

_FORM = "massgen-bot/anchor/1"
_AUDIT_FIELDS = ("number", "tenant", "channel", "by", "by_name", "at", "what", "detail")


@dataclass(frozen=True, kw_only=True)
class AnchorHead:
    """What stands for an anchor: the name of its file, its digest, and how many logs and decisions it covers."""

    file: str
    digest: str
    lines: int


def anchor(url: str, at: datetime) -> Sequence[str]:
    """The anchor of a database, as lines of JSON: what it is and its digest first, then one line a log.

    A run's line has the number and the hash of its newest event; a decision's line the hash over it and all before it.

    Raises:
        StorageError: the database can't be read.
    """
    with reading(url) as connection:
        lines = [
            *(_line({"run": run, "seq": seq, "hash": hash_}) for run, seq, hash_ in _heads(connection)),
            *(_line({"decision": number, "hash": hash_}) for number, hash_ in _decisions(connection)),
        ]
    head = {"anchor": _FORM, "at": time_text(at), "lines": len(lines), "digest": _digest(lines)}
    return [_line(head), *lines]


def anchor_of_day(url: str, folder: Path, at: datetime) -> Path | None:
    """Write the anchor of a day, by UTC, to a file of its own; None: it is there already.

    Raises:
        StorageError: the database can't be read, or the folder not be written to.
    """
    file = file_of_day(folder, at)
    if file.exists():
        return None
    unfinished = file.with_suffix(f".{secrets.token_hex(4)}.part")
    lines = anchor(url, at)
    try:
        unfinished.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", errors="surrogateescape")
        return file if _is_first(unfinished, file) else None
    except OSError as error:
        raise StorageError(Text("{file} can't be written: {why}", file=file, why=error.strerror or "")) from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _is_first(unfinished: Path, file: Path) -> bool:
    """Give a whole file its name, unless another has it: what was stamped or posted by then stays as it was."""
    try:
        file.hardlink_to(unfinished)
    except FileExistsError:
        return False
    except OSError:  # There are shares without hard links.
        unfinished.replace(file)
    return True


def file_of_day(folder: Path, at: datetime) -> Path:
    """Where the anchor of a day is, by UTC."""
    return folder / f"massgen-bot-{at.astimezone(UTC).date()}.jsonl"


def head_of(file: Path) -> AnchorHead:
    """What the first line of an anchor says of it.

    Raises:
        StorageError: the file can't be read, or is no anchor.
    """
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise StorageError(Text("{file} can't be read: {why}", file=file, why=error.strerror or "")) from error
    head, _ = _parsed(text)
    return AnchorHead(file=file.name, digest=str(head["digest"]), lines=_number(head["lines"]))


def compare(url: str, text: str) -> Sequence[Finding]:
    """Everything in which a database differs from an anchor of its past; what was added since is no difference.

    Raises:
        StorageError: the text is no anchor, or the database can't be read.
    """
    head, lines = _parsed(text)
    at = str(head["at"])
    if head["digest"] != _digest([_line(line) for line in lines]) or head["lines"] != len(lines):
        return [Finding(run="", seq=0, problem="the anchor was changed after it was written")]
    runs = {str(line["run"]): (_number(line["seq"]), str(line["hash"])) for line in lines if "run" in line}
    decided = {_number(line["decision"]): str(line["hash"]) for line in lines if "decision" in line}
    with reading(url) as connection:
        return [*_compared_runs(connection, runs, at), *_compared_decisions(connection, decided, at)]


def _compared_runs(connection: sa.Connection, anchored: Mapping[str, tuple[int, str]], at: str) -> Iterator[Finding]:
    last: dict[str, int] = {}
    there: dict[str, str] = {}
    pruned = {row.run: row for row in connection.execute(sa.select(pruned_runs))}
    query = sa.select(events.c.run, events.c.seq, events.c.hash).order_by(events.c.run, events.c.seq)
    for run, seq, hash_ in connection.execution_options(yield_per=1000).execute(query):
        if run in anchored and isinstance(seq, int):
            last[run] = seq
            if seq == anchored[run][0]:
                there[run] = hash_
    for run, (seq, hash_) in anchored.items():
        if run not in last and run in pruned:
            left = pruned[run]
            if left.seq < seq or (left.seq == seq and left.hash != hash_):
                yield Finding(run=run, seq=seq, problem=f"this run was pruned, but with another log than on {at}")
        elif run not in last:
            yield Finding(run=run, seq=1, problem=f"this run was removed: on {at} it had {seq} events")
        elif run not in there:
            went = last[run] + 1 if last[run] < seq else seq
            yield Finding(run=run, seq=went, problem=f"the log was cut off: on {at} it went on to event {seq}")
        elif there[run] != hash_:
            yield Finding(run=run, seq=seq, problem=f"the log was written anew: on {at} event {seq} was another one")


def _compared_decisions(connection: sa.Connection, anchored: Mapping[int, str], at: str) -> Iterator[Finding]:
    """The first decision of an administrator that is not the one that was anchored; all after it differ with it."""
    now = dict(_decisions(connection))
    for number, hash_ in anchored.items():
        if now.get(number) != hash_:
            how = "is missing" if number not in now else "is not what it was, or one before it was put in"
            problem = f"decision {number} of those of administrators {how} (anchored on {at})"
            yield Finding(run="", seq=number, problem=problem)
            return
    before = max(anchored, default=0)
    put_in = [number for number in now if number <= before and number not in anchored]
    if put_in:
        yield Finding(run="", seq=put_in[0], problem=f"decision {put_in[0]} was put in after {at}")


def _heads(connection: sa.Connection) -> Sequence[tuple[str, int, str]]:
    newest = sa.select(events.c.run, sa.func.max(events.c.seq).label("seq")).group_by(events.c.run).subquery()
    query = (
        sa.select(events.c.run, events.c.seq, events.c.hash)
        .join(newest, sa.and_(newest.c.run == events.c.run, newest.c.seq == events.c.seq))
        .order_by(events.c.run)
    )
    left = sa.select(pruned_runs.c.run, pruned_runs.c.seq, pruned_runs.c.hash)
    return sorted((run, seq, hash_) for each in (query, left) for run, seq, hash_ in connection.execute(each))


def _decisions(connection: sa.Connection) -> Iterator[tuple[int, str]]:
    """Every decision, each with a hash over it and all before it."""
    prev = FIRST_PREV
    if not has_decisions(connection):
        return
    for row in connection.execute(sa.select(audit_entries).order_by(audit_entries.c.number)).mappings():
        text = json.dumps(["massgen-bot/decision", prev, *(row[name] for name in _AUDIT_FIELDS)], ensure_ascii=False)
        prev = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        yield row["number"], prev


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join((_FORM, *lines)).encode("utf-8", "surrogateescape")).hexdigest()


def _line(value: Mapping[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _parsed(text: str) -> tuple[Mapping[str, object], Sequence[Mapping[str, object]]]:
    try:
        values: list[object] = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        values = []
    objects = [cast("Mapping[str, object]", value) for value in values if isinstance(value, dict)]
    if not objects or len(objects) != len(values) or objects[0].get("anchor") != _FORM:
        raise StorageError(Text("The file is not an anchor: choose one that `massgen-bot audit anchor` wrote."))
    if not {"at", "lines", "digest"} <= objects[0].keys() or not all(_is_entry(line) for line in objects[1:]):
        raise StorageError(Text("The anchor is damaged: choose another one that `massgen-bot audit anchor` wrote."))
    return objects[0], objects[1:]


def _is_entry(line: Mapping[str, object]) -> bool:
    is_run = isinstance(line.get("run"), str) and type(line.get("seq")) is int
    return isinstance(line.get("hash"), str) and (is_run or type(line.get("decision")) is int)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
