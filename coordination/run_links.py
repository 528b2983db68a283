"""Starts a run with a plan that follows from a run that has ended: once per purpose, whatever crashes meanwhile.

The mark in the log of the run that has ended decides every race. It is written first, with a job in the same
transaction by which a worker begins the other run if whoever wrote the mark could not.
"""

from collections.abc import Sequence

from coordination.domain import events as e
from coordination.domain.linked_runs import PURPOSES, link_of, preset_after, request_after
from coordination.domain.policy import Person
from coordination.domain.preset_plan import PresetPlan, Purpose
from coordination.domain.states import Finished, RunState
from coordination.domain.transitions import Recorded, authors_in, evolve, replay
from coordination.errors import ConflictError, RefusedError, RunNotFoundError
from coordination.ports import Clock, Job, NewId, RunLog
from coordination.run_request import authors_after
from coordination.run_writer import MAX_RACES, PATIENCE, PendingAppend, append_surely
from coordination.text import Text


async def link(
    log: RunLog, clock: Clock, new_id: NewId, run: str, purpose: Purpose, by: Person, *, name: str = ""
) -> str:
    """Have a run begin with what is left to plan after this one, and give its name; if there is one already, its name.

    `name` is a name kept free.

    Raises:
        RefusedError: nothing is left to plan to this end.
        RunNotFoundError: there is no such run in the person's tenant.
    """
    for _ in range(MAX_RACES):
        records = await log.read(run)
        state = replay(records) if records else None
        if state is None or state.request.tenant != by.tenant:
            raise RunNotFoundError(run)
        made = link_of(state, purpose)
        if made is not None:
            await begin_linked(log, clock, records, state, made)
            return made.run
        if preset_after(state, purpose) is None:
            raise RefusedError("nothing_left", Text("There is nothing left to plan for this run."))
        if name and await log.read(name):
            raise ConflictError(name, 0)
        new = name or await _free_name(log, new_id)
        event, now = e.RunLinked(run=new, purpose=purpose, by=by), clock.now()
        after = evolve(state, event, now)
        job = begin_job(run, state, purpose)
        pending = PendingAppend(run=run, expected=records[-1].seq, events=[event], at=now, state=after, job=job)
        try:
            written = await append_surely(log, clock, pending, patience=PATIENCE)
        except ConflictError:
            continue
        await begin_linked(log, clock, [*records, *written], after, event)
        return new
    raise ConflictError(run, 0)


async def _free_name(log: RunLog, new_id: NewId) -> str:
    for _ in range(MAX_RACES):
        name = new_id()
        if not await log.read(name):
            return name
    raise ConflictError("", 0)


def begin_job(run: str, state: RunState, purpose: Purpose) -> Job:
    """What has a worker begin the runs that are linked to one.

    Its revision is one that no plan of the run will ever have.
    """
    last = state.plan.revision if isinstance(state, Finished) else 0
    revision = last + 1_000 + PURPOSES.index(purpose)
    return Job(task="deliberate", run=run, tenant=state.request.tenant, revision=revision)


async def begin_all(log: RunLog, clock: Clock, run: str) -> None:
    """Begin every run that is linked to this one, and has not begun."""
    records = await log.read(run)
    state = replay(records)
    for purpose in PURPOSES:
        made = link_of(state, purpose)
        if made is not None:
            await begin_linked(log, clock, records, state, made)


async def begin_linked(
    log: RunLog, clock: Clock, records: Sequence[Recorded], state: RunState, made: e.RunLinked
) -> None:
    """Begin a run that is linked to the one of these records, unless it has begun."""
    preset, tenant = preset_after(state, made.purpose), state.request.tenant
    if await _has_begun(log, made.run, preset):
        return
    authors = authors_after(made.by, authors_in(records))
    event = request_after(state, made, authors)
    now = clock.now()
    begun = evolve(None, event, now)
    job = Job(task="deliberate", run=made.run, tenant=tenant, revision=1)
    pending = PendingAppend(run=made.run, expected=0, events=[event], at=now, state=begun, job=job)
    try:
        await append_surely(log, clock, pending, patience=PATIENCE)
    except ConflictError:  # A worker, or whoever pressed as well, was first.
        await _has_begun(log, made.run, preset)


async def _has_begun(log: RunLog, run: str, preset: PresetPlan | None) -> bool:
    """Whether there is a run of this name; it begins with this plan.

    Raises:
        ConflictError: there is another run of this name.
    """
    records = await log.read(run)
    if records and replay(records).request.preset != preset:
        raise ConflictError(run, 0)
    return bool(records)
