"""The run log in SQLite or PostgreSQL: append-only, hash-chained, and the judge of every race."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias, TypeVar

import sqlalchemy as sa
from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json
from sqlalchemy.dialects import postgresql, sqlite

from coordination.domain.canonical_json import config_digest
from coordination.domain.day_caps import midnight_before
from coordination.domain.events import RunEvent
from coordination.domain.grants import Standing, oldest_grant
from coordination.domain.plan import Outage
from coordination.domain.states import AwaitingDecision, RunState
from coordination.domain.transitions import Recorded
from coordination.errors import ConflictError, DatabaseAwayError, StorageError, StoredConfigError
from coordination.ports import Job, RunSummary
from coordination.storage.database import open_engine, parse_url, plainly
from coordination.storage.day_counts import check_day_caps
from coordination.storage.grant_records import check_grants, standing_in
from coordination.storage.group_commit import GroupCommit
from coordination.storage.known_commits import KnownCommits, Stop, stop_nothing
from coordination.storage.notifications import Listener, notify
from coordination.storage.schema import configs, events, installation, outages, prepare, runs
from coordination.storage.subscriptions import Followers
from coordination.storage.worker_leases import require_ownership
from coordination.text import Text

Fields: TypeAlias = dict[str, object]
Upcast: TypeAlias = Callable[[Fields], Fields]
"""Makes of an event's fields, as one version wrote them, what the next version would have written."""


def _without_authors(fields: Fields) -> Fields:
    """A request of the time before its lineage was recorded: its log is judged as it was then."""
    return {**fields, "rules_version": 1}


def _with_defaults(fields: Fields) -> Fields:
    """A step whose new fields have defaults that say what older events mean."""
    return fields


UPCASTS: Mapping[str, tuple[Upcast, ...]] = {
    "run_requested": (_without_authors,),
    # Planned calls got `settings` and `target`.
    "action_recorded": (_with_defaults,),
    "answer_accepted": (_with_defaults,),
    "plan_proposed": (_with_defaults,),
    "run_answered": (_with_defaults,),
    # Reads got `doubtful_rule`.
    "tool_read": (_with_defaults,),
}
"""By kind, one step from each older version to the next; a kind without any is at version 1."""

PROMPT_EXCERPT = 500
"""Characters of the request that a list of runs may show."""

FIRST_PREV = "0" * 64
"""What stands for the hash before a run's first event."""

_YOUNGER = (
    b',"home_team":"","is_guest":false,"is_bot":false,"is_deleted":false',
    b',"shown_as":"","email":"","host":""',
    b',"global_id":""',
    b',"allow_external":false',
    b',"binds_automatic":false',
    b',"is_quiet":false',
    b',"asked_in":""',
    b',"config_is_named":false',
    b',"because":""',
    b',"limit":0.0',
    b',"answer_until":null',
    b',"outage":null',
    b',"left_out":0',
    b',"says":""',
    b',"per_day":[]',
    b',"bars_grants":false',
    b',"bars_break_glass":false',
    b',"needs":{"quorums":[],"expires_after":null,"bars_requester":false,"bars_author":false,"per_plan":[],"read_first":[]}',
    b',"quorums":[]',
    b',"operator":""',
    b',"approvals_channel":""',
    b',"shows_private":false',
    b',"channels":[]',
    b',"allow_grants":false',
    b',"grants":[]',
    b',"break_glass":null',
    b',"previews":[]',
    b',"describes":false',
    b',"beside":""',
    b',"readings":[]',
    b',"parts":null',
    b',"plural":""',
    b',"input_schema":""',
    b',"revised":""',
    b',"started_today":[]',
    b',"origins":null',
    b',"references":[]',
    b',"returned":""',
    b',"kept":[]',
    b',"nothing_happened":false',
    b',"preset":null',
    b',"undo":null',
    b',"left_out":[]',
)
"""Fields that stored events did not always have, as they are written where nothing is set: then they are left out.

So an event of which they say nothing has the text that it always had. No string in JSON can contain these bytes, for
the quotes within it are escaped.
"""

_EVENTS: TypeAdapter[RunEvent] = TypeAdapter(Annotated[RunEvent, Field(discriminator="kind")])


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """An event and its stored form. `event` is what reading that form gives back."""

    event: RunEvent
    kind: str
    v: int
    body: str


def encode(event: RunEvent) -> Encoded:
    """The stored form of an event, in the newest version of its kind."""
    try:
        body = _EVENTS.dump_json(event)
    except PydanticSerializationError:
        # Half of a surrogate pair, which a model may write and no file can hold.
        text = json.dumps(_EVENTS.dump_python(event, mode="json"), ensure_ascii=False)
        event = _EVENTS.validate_json(text.encode("utf-8", "replace"))
        body = _EVENTS.dump_json(event)
    for absent in _YOUNGER:
        body = body.replace(absent, b"")
    return Encoded(event=event, kind=event.kind, v=_newest(event.kind, UPCASTS), body=body.decode())


def decode(kind: str, v: int, body: str, *, upcasts: Mapping[str, tuple[Upcast, ...]] = UPCASTS) -> RunEvent:
    """An event from its stored form, whatever version wrote it.

    Raises:
        StorageError: a newer program wrote it, or it is damaged.
    """
    newest = _newest(kind, upcasts)
    if v > newest:
        raise StorageError(Text("A newer massgen-bot wrote an event of kind {kind}: upgrade this program.", kind=kind))
    try:
        if v == newest:
            event = _EVENTS.validate_json(body)
        else:
            fields: Fields = from_json(body)
            for step in upcasts[kind][v - 1 :]:
                fields = step(fields)
            event = _EVENTS.validate_python(fields)
    except (ValidationError, ValueError):
        raise StorageError(
            Text(
                "An event of kind {kind} can't be read: upgrade this program, or find out what "
                "changed it with `massgen-bot audit verify`.",
                kind=kind,
            )
        ) from None
    return event


def time_text(at: datetime) -> str:
    """A moment in the one form that is stored: `2026-11-22T12:00:00.000000+00:00`."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone is not a moment")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def event_hash(prev: str, *, run: str, seq: int, at: str, kind: str, v: int, body: str) -> str:
    """The hash of one event and, through `prev`, of all before it. docs/audit.md tells others how to recompute it."""
    text = "\n".join(("massgen-bot/event", prev, run, str(seq), at, kind, str(v), body))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def plain_text(text: str) -> str:
    """A text that every database takes: without NUL and half surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def summary_row(run: str, state: RunState, at: str) -> dict[str, object]:
    """A run's line in the list of runs, where its newest event is of this time; `seq` and `head` are left to add."""
    request = state.request
    return {
        "run": run,
        "tenant": plain_text(request.tenant),
        "state": state.kind,
        "prompt": plain_text(request.prompt[:PROMPT_EXCERPT]),
        "requester": plain_text(request.requester.name),
        "config": plain_text(request.config),
        "started_at": at,
        "updated_at": at,
        "expires_at": time_text(state.plan.expires_at) if isinstance(state, AwaitingDecision) else None,
    }


def _newest(kind: str, upcasts: Mapping[str, tuple[Upcast, ...]]) -> int:
    return len(upcasts.get(kind, ())) + 1


Submit = Callable[[sa.Connection, Job], None]
Appended = Callable[[str, Sequence[Recorded]], None]


def _unheard() -> None:
    """Nobody here works."""


def _untold(run: str, records: Sequence[Recorded]) -> None:
    del run, records


"""Puts a job into the transaction that is open on a connection."""

_FOUND_AT_MOST = 10
READERS = 4
_AWAY_SECONDS = 1.0
_Result = TypeVar("_Result")
_Select = TypeVar("_Select", bound=sa.Select[*tuple[Any, ...]])


class SqlLog:
    """Fits `coordination.ports.RunLog`. Several processes may use one database at once."""

    def __init__(
        self,
        url: sa.URL,
        *,
        submit: Submit,
        watch_interval: float,
        appended: Appended,
        submitted: Callable[[], None],
        readers: int = READERS,
        stop: Stop = stop_nothing,
    ) -> None:
        """Use `open`, which also checks the tables and closes everything."""
        self._submit = submit
        self._appended = appended
        self._writing = open_engine(url, "write", connections=1)
        self._reading = open_engine(url, "read", connections=readers)
        self._insert = sqlite.insert if url.get_backend_name() == "sqlite" else postgresql.insert
        self._stop = stop
        self._known = KnownCommits(url, stop)
        self._writer = GroupCommit(self._writing, self._known.look)
        self._loop = asyncio.get_running_loop()
        self._check: asyncio.Task[None] | None = None
        self._readers = ThreadPoolExecutor(max_workers=readers, thread_name_prefix="log-reader")
        self._followers = Followers(self._newest, interval=watch_interval)
        self._submitted = submitted
        self._listener: Listener | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        submit: Submit,
        watch_interval: float = 0.25,
        others: Sequence[sa.MetaData] = (),
        appended: Appended = _untold,
        submitted: Callable[[], None] = _unheard,
        direct: str = "",
        readers: int = READERS,
        stop: Stop = stop_nothing,
    ) -> "AsyncGenerator[SqlLog]":
        """The log in the database of this address. A new SQLite file gets its tables.

        `submit` puts a job into the transaction of an append, `submitted` is told, from any thread, that some process
        did. `appended` is told of a run's events once this process has written them; it must not block.
        `watch_interval` is seconds between looks for what other processes wrote, while somebody follows a run. `others`
        are tables that share the database with the log's; a new SQLite file gets them too. `direct` is the address past
        a pooler, where `url` leads to one. `readers` is how many connections reads share at most. `stop` has no call
        start any more, where the database lost what was committed here.

        Raises:
            StorageError: the database can't be used; the text says what to do.
        """
        log = cls(
            parse_url(url),
            submit=submit,
            watch_interval=watch_interval,
            appended=appended,
            submitted=submitted,
            readers=readers,
            stop=stop,
        )
        try:
            await log._begin(others, parse_url(direct or url))
            yield log
        finally:
            await asyncio.to_thread(log._close)

    async def append(
        self,
        run: str,
        expected: int,
        events: Sequence[RunEvent],
        at: datetime,
        state: RunState,
        job: Job | None = None,
    ) -> Sequence[Recorded]:
        """Add events after number `expected`, all or none, and submit the job in the same transaction."""
        encoded = [encode(event) for event in events]
        summary = summary_row(run, state, time_text(at))

        context = copy_context()

        def work(connection: sa.Connection) -> str:
            self._known.require_none_lost(events)
            context.run(require_ownership, connection, events)
            rows = _chained(run, expected, self._head(connection, run, expected), time_text(at), encoded)
            check_day_caps(connection, time_text(midnight_before(at)), str(summary["tenant"]), events)
            check_grants(connection, str(summary["tenant"]), at, time_text(oldest_grant(at)), events)
            self._advance(connection, run, expected, {**summary, "seq": rows[-1]["seq"], "head": rows[-1]["hash"]})
            connection.execute(_ADD_EVENTS, rows)
            if job is not None:
                self._submit(connection, job)
            if self._listener is not None:
                notify(connection, run, expected + len(rows), has_job=job is not None)
            return str(rows[-1]["hash"])

        head = await self._writer.run(work)
        self._known.note(run, expected + len(encoded), head)
        records = [
            Recorded(run=run, seq=seq, at=at, event=each.event) for seq, each in enumerate(encoded, start=expected + 1)
        ]
        self._followers.tell(run, records)
        self._appended(run, records)
        return records

    async def read(self, run: str, after: int = 0) -> Sequence[Recorded]:
        """The events with a number above `after`, oldest first; none if there is no such run."""
        columns = (events.c.seq, events.c.at, events.c.kind, events.c.v, events.c.body)
        query = sa.select(*columns).where(events.c.run == run, events.c.seq > after).order_by(events.c.seq)

        def work(connection: sa.Connection) -> Sequence[Recorded]:
            return [
                Recorded(run=run, seq=seq, at=datetime.fromisoformat(at), event=decode(kind, v, body))
                for seq, at, kind, v, body in connection.execute(query)
            ]

        return await self._read(work)

    async def follow(self, run: str, after: int = 0) -> AsyncIterator[Recorded]:
        """The events above `after` and all that follow, also those of other processes. Never ends by itself."""
        with self._followers.joined(run, after) as follower:
            batch = await self._read_on(run, after)
            while True:
                for recorded in batch:
                    after = recorded.seq
                    yield recorded
                batch = await follower.more(after) or await self._read_on(run, after)

    async def _read_on(self, run: str, after: int) -> Sequence[Recorded]:
        """Read, once the database answers."""
        while True:
            try:
                return await self.read(run, after)
            except DatabaseAwayError:
                await asyncio.sleep(_AWAY_SECONDS)

    async def runs(self, *, tenant: str | None = None, limit: int = 50) -> Sequence[RunSummary]:
        """The newest runs, newest first."""
        query = _of(tenant, sa.select(runs)).order_by(runs.c.started_at.desc(), runs.c.run).limit(limit)
        return await self._read(lambda connection: [_run_summary(row) for row in connection.execute(query).mappings()])

    async def find(self, prefix: str, tenant: str | None = None) -> Sequence[str]:
        """The names of the runs that begin so, at most 10, letter case aside."""
        matching = sa.func.lower(runs.c.run).startswith(prefix.lower(), autoescape=True)
        query = _of(tenant, sa.select(runs.c.run)).where(matching).order_by(runs.c.run).limit(_FOUND_AT_MOST)
        return await self._read(lambda connection: connection.execute(query).scalars().all())

    async def due(self, at: datetime) -> Sequence[str]:
        """The runs whose plan has expired by `at` and still waits."""
        query = sa.select(runs.c.run).where(runs.c.expires_at <= time_text(at)).order_by(runs.c.expires_at)
        return await self._read(lambda connection: connection.execute(query).scalars().all())

    async def in_state(self, kinds: Sequence[str], tenant: str | None = None) -> Sequence[str]:
        """The runs whose state is of one of these kinds, oldest first."""
        query = (
            _of(tenant, sa.select(runs.c.run)).where(runs.c.state.in_(kinds)).order_by(runs.c.started_at, runs.c.run)
        )
        return await self._read(lambda connection: connection.execute(query).scalars().all())

    async def grants(self, at: datetime, tenant: str | None = None) -> Sequence[Standing]:
        """The grants that may hold at a moment in a tenant, or anywhere, oldest first.

        Revoked ones and used up ones too.
        """
        since = time_text(oldest_grant(at))
        return await self._read(lambda connection: standing_in(connection, tenant, since))

    async def stop_calls(self) -> None:
        """Have no call start any more, in any process: events that were in this log are gone."""
        await self._writer.run(self._stop)

    async def save_config(self, digest: str, text: str, origin: str) -> None:
        """Keep a configuration's text, unexpanded, under its digest; the same again changes nothing."""
        row = {"digest": digest, "text": text, "origin": origin}
        statement = self._insert(configs).on_conflict_do_nothing()
        await self._writer.run(lambda connection: connection.execute(statement, row).close())

    async def load_config(self, digest: str) -> tuple[str, str]:
        """The text and origin of a stored configuration, compared with its digest each time."""
        query = sa.select(configs.c.text, configs.c.origin).where(configs.c.digest == digest)
        found = await self._read(lambda connection: connection.execute(query).one_or_none())
        if found is None:
            raise StoredConfigError(
                [
                    Text(
                        "The database has no configuration {digest}: it was removed after the run began.",
                        digest=digest[:8],
                    )
                ]
            )
        text, origin = found
        if config_digest(text, origin) != digest:
            raise StoredConfigError(
                [
                    Text(
                        "The stored configuration {digest} was changed after the run began, so it "
                        "is not used: the operator must find out who wrote to the database "
                        "(`massgen-bot audit verify`).",
                        digest=digest[:8],
                    )
                ]
            )
        return text, origin

    async def away_after(self, moment: datetime) -> Outage | None:
        """The newest time since a moment that workers could not reach the database, if there is one."""
        query = sa.select(outages).where(outages.c.until > moment).order_by(outages.c.until.desc()).limit(1)
        found = await self._read(lambda connection: connection.execute(query).one_or_none())
        if found is None:
            return None
        return Outage(since=found.since.astimezone(UTC), until=found.until.astimezone(UTC))

    async def install_key(self) -> bytes:
        """The key of this installation's fingerprints, 32 bytes.

        The first who asks makes it, once for all processes.
        """
        query = sa.select(installation.c.value).where(installation.c.name == "fingerprints")
        found = await self._read(lambda connection: connection.execute(query).scalars().all())
        if not found:
            row = {"name": "fingerprints", "value": secrets.token_hex(32)}
            statement = self._insert(installation).on_conflict_do_nothing()
            await self._writer.run(lambda connection: connection.execute(statement, row).close())
            found = await self._read(lambda connection: connection.execute(query).scalars().all())
        return bytes.fromhex(found[0])

    def _head(self, connection: sa.Connection, run: str, expected: int) -> str:
        """The hash of event number `expected`, if that is the newest."""
        if expected == 0:
            return FIRST_PREV
        row = connection.execute(_HEAD, {"of_run": run}).one_or_none()
        if row is None or row.seq != expected:
            raise ConflictError(run, expected)
        head: str = row.head
        return head

    def _advance(self, connection: sa.Connection, run: str, expected: int, summary: Mapping[str, object]) -> None:
        """Move the run's summary on from event number `expected`: this is the compare-and-swap."""
        if expected == 0:
            begin = self._insert(runs).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
            moved = connection.execute(begin, summary)
        else:
            news = {name: summary[name] for name in _MOVING}
            moved = connection.execute(_ADVANCE, {**news, "of_run": run, "expected": expected})
        if moved.rowcount != 1:
            raise ConflictError(run, expected)

    def _newest(self, names: Sequence[str]) -> Mapping[str, int]:
        query = sa.select(runs.c.run, runs.c.seq).where(runs.c.run.in_(names))
        with plainly(self._reading.url), self._reading.connect() as connection:
            return dict(connection.execute(query).all())

    async def _read(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        def job() -> _Result:
            with plainly(self._reading.url), self._reading.connect() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._readers, job)

    async def _begin(self, others: Sequence[sa.MetaData], direct: sa.URL) -> None:
        await asyncio.to_thread(prepare, self._writing, *others)
        self._listen(direct)

    def _listen(self, url: sa.URL) -> None:
        if url.get_backend_name() == "postgresql":
            self._listener = Listener(url, heard=self._heard, told=self._told)

    def _told(self, is_told: bool) -> None:
        self._followers.told(is_told)
        if is_told:  # Another server may answer by now, and lack what we wrote: that must not wait for our next event.
            with suppress(RuntimeError):  # The loop is closed.
                self._loop.call_soon_threadsafe(self._check_again)

    def _check_again(self) -> None:
        self._check = asyncio.ensure_future(self._check_once())

    async def _check_once(self) -> None:
        with suppress(StorageError):
            await self._writer.run(_nothing)

    def _heard(self, run: str, seq: int, has_job: bool) -> None:
        self._followers.heard(run, seq)
        if has_job:
            self._submitted()

    def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._followers.close()
        self._writer.close()
        self._readers.shutdown()
        self._reading.dispose()
        self._writing.dispose()


def _nothing(connection: sa.Connection) -> None:
    """To write: whoever asks for it only wants to know whether it could be written."""
    del connection


_HEAD = sa.select(runs.c.seq, runs.c.head).where(runs.c.run == sa.bindparam("of_run"))
_ADVANCE = sa.update(runs).where(runs.c.run == sa.bindparam("of_run"), runs.c.seq == sa.bindparam("expected"))
_ADD_EVENTS = sa.insert(events)
_MOVING = ("state", "updated_at", "expires_at", "seq", "head")


def _chained(run: str, expected: int, prev: str, at: str, encoded: Sequence[Encoded]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for seq, each in enumerate(encoded, start=expected + 1):
        link = event_hash(prev, run=run, seq=seq, at=at, kind=each.kind, v=each.v, body=each.body)
        row = {"run": run, "seq": seq, "at": at, "kind": each.kind, "v": each.v, "body": each.body}
        rows.append({**row, "prev": prev, "hash": link})
        prev = link
    return rows


def _of(tenant: str | None, query: _Select) -> _Select:
    return query if tenant is None else query.where(runs.c.tenant == tenant)


def _run_summary(row: sa.RowMapping) -> RunSummary:
    expires_at = row["expires_at"]
    return RunSummary(
        run=row["run"],
        tenant=row["tenant"],
        state=row["state"],
        prompt=row["prompt"],
        requester=row["requester"],
        config=row["config"],
        started_at=datetime.fromisoformat(row["started_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
        seq=row["seq"],
    )
