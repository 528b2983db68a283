"""A database full of runs that wait for a decision."""

import asyncio
from datetime import UTC, datetime, timedelta

from bot.machine import console_person
from coordination.domain import events as e
from coordination.domain.policy import Policy
from coordination.domain.transitions import evolve
from coordination.ports import Job
from coordination.storage.sql_run_log import SqlLog
from tests.builders import a_call, a_plan, an_election_of


def _no_job(connection: object, job: Job) -> None:
    del connection, job


async def fill(url: str, count: int) -> None:
    """Write so many runs, each with a plan of one call that waits until tomorrow."""
    policy = Policy(allow_requester=True)
    now = datetime.now(UTC)  # noqa: TID251 - the runs must wait by the clock of the worker that is measured
    request = e.RunRequested(
        tenant="console",
        prompt="Post a notice.",
        requester=console_person(),
        config="bench",
        config_digest="0" * 64,
        agents=("one", "two"),
    )

    async def one(log: SqlLog, number: int) -> None:
        run = f"W{number:06}"
        plan = a_plan(
            a_call("post_notice", title=f"Notice {number}", body="All is well. " * 20),
            run=run,
            policy=policy,
            expires_at=now + timedelta(days=1),
        )
        story: list[e.RunEvent] = [
            request,
            e.DeliberationStarted(revision=1),
            e.PlanProposed(plan=plan, digest=plan.digest, election=an_election_of(plan)),
        ]
        state = None
        for event in story:
            state = evolve(state, event, now)
        if state is not None:
            await log.append(run, 0, story, now, state)

    async with SqlLog.open(url, submit=_no_job) as log:
        for start in range(0, count, 500):
            await asyncio.gather(*(one(log, number) for number in range(start, min(count, start + 500))))
