"""A chat store of each kind, beside the log that it looks into, and a second way into the same one."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.chat.sql_store import SqlChatStore
from bot.chat.sql_tables import chat_metadata
from bot.chat.store import AuditEntry, ButtonRecord, CardRecord, ChatSetting, ChatStore, Limits
from coordination.domain import events as e
from coordination.domain.states import RunState
from coordination.domain.transitions import evolve
from coordination.ports import Job, RunLog
from coordination.storage.database import open_engine, parse_url
from coordination.storage.schema import metadata
from coordination.storage.sql_run_log import SqlLog
from tests.builders import REQUESTER, START, a_request
from tests.contract.logs import memory_bench
from tests.memory_chat_store import MemoryChatStore
from tests.sample_logs import POST, proposed

MANY = Limits(at_once=1000, waiting=1000, hourly=1000, each=1000)


@dataclass(frozen=True, kw_only=True)
class ChatStoreBench:
    """A memory under test. `other` is what another process of the same installation sees."""

    store: ChatStore
    other: ChatStore
    log: RunLog


@asynccontextmanager
async def memory_chat_store() -> AsyncGenerator[ChatStoreBench]:
    """The memory that tests of other parts use."""
    async with memory_bench() as bench:
        store = MemoryChatStore(bench.log)
        yield ChatStoreBench(store=store, other=store, log=bench.log)


@asynccontextmanager
async def sql_chat_store(url: str) -> AsyncGenerator[ChatStoreBench]:
    """The memory in a database that has its tables, or is a new SQLite file; opened twice."""
    async with (
        SqlLog.open(url, submit=submit_nothing) as log,
        SqlChatStore.open(url) as store,
        SqlChatStore.open(url) as other,
    ):
        yield ChatStoreBench(store=store, other=other, log=log)


def submit_nothing(connection: sa.Connection, job: Job) -> None:
    """No engine."""


def emptied(url: str) -> str:
    """The same database without a row in its tables, which is faster made than a new one."""
    engine = open_engine(parse_url(url), "write", connections=1)
    with engine.begin() as connection:
        for table in (*metadata.sorted_tables, *chat_metadata.sorted_tables):
            connection.execute(sa.delete(table))
    engine.dispose()
    return url


def a_card(run: str = "R1", *, at: datetime = START, **changes: str) -> CardRecord:
    """The card of a run that rita asks for in #general."""
    card = CardRecord(
        run=run,
        platform="discord",
        tenant="here",
        channel="general",
        thread="",
        requester=REQUESTER.id,
        requester_name=REQUESTER.name,
        asked_at=at,
    )
    return replace(card, **changes)


def a_button(id_: str = "b-1", *, card: CardRecord | None = None, at: datetime = START) -> ButtonRecord:
    """A button that approves."""
    of = card or a_card()
    return ButtonRecord(
        id=id_,
        run=of.run,
        tenant=of.tenant,
        attempt=of.attempt,
        action="approve",
        digest="d" * 64,
        index=None,
        value="",
        issued_at=at,
    )


def a_setting(key: str = "config", value: str = "ops", *, channel: str = "", tenant: str = "here") -> ChatSetting:
    """Something that alice set."""
    return ChatSetting(tenant=tenant, channel=channel, key=key, value=value, by="u-alice", by_name="alice", at=START)


def an_audit_entry(what: str, *, tenant: str = "here", detail: str = "", by: str = "u-mallory") -> AuditEntry:
    """A line of audit, about mallory where nobody is named."""
    return AuditEntry(
        tenant=tenant, channel="general", by=by, by_name=by.removeprefix("u-"), at=START, what=what, detail=detail
    )


async def admitted(store: ChatStore, card: CardRecord) -> CardRecord:
    """A card that is kept."""
    await store.admit(card, event="", limits=MANY)
    kept = await store.card(card.run)
    assert kept is not None
    return kept


async def begun(log: RunLog, run: str, *, at: datetime = START, tenant: str = "here", prompt: str = "Go.") -> RunState:
    """A run that the agents are at work on."""
    request = replace(a_request(prompt=prompt), tenant=tenant, requester=replace(REQUESTER, tenant=tenant))
    events: list[e.RunEvent] = [request, e.DeliberationStarted(revision=1)]
    state = evolve(evolve(None, events[0], at), events[1], at)
    await log.append(run, 0, events, at, state)
    return state


async def planned(log: RunLog, run: str, *, at: datetime = START, tenant: str = "here") -> RunState:
    """A run whose plan waits: what the winner recorded and answered, as the rules of now ask."""
    proposal = proposed(POST, run=run)
    text = proposal.plan.text
    events: list[e.RunEvent] = [
        e.ActionRecorded(agent=2, call=POST),
        e.AnswerAccepted(agent=2, number=1, epoch=1, text=text, calls=(POST,)),
        proposal,
    ]
    state = await begun(log, run, at=at, tenant=tenant)
    for event in events:
        state = evolve(state, event, at)
    await log.append(run, 2, events, at, state)
    return state


async def ended(log: RunLog, run: str, *, at: datetime = START, tenant: str = "here") -> RunState:
    """A run that was cancelled."""
    event = e.RunCancelled(by=REQUESTER, reason="")
    state = evolve(await begun(log, run, at=at, tenant=tenant), event, at)
    await log.append(run, 2, [event], at, state)
    return state


def later(**span: float) -> datetime:
    """A moment after the start."""
    return START + timedelta(**span)
