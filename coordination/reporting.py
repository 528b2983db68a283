"""The winner's short report of what really happened. It has the receipts, and no tools."""

import asyncio
from collections.abc import Callable, Sequence

from coordination import prompts
from coordination.agent_turn import record_wasted, used
from coordination.deliberation import Seat, abandon
from coordination.domain.events import ModelRetried, RunEvent
from coordination.domain.plan import Plan
from coordination.domain.receipt import Receipt
from coordination.errors import ModelError
from coordination.ports import Clock, Occasion, Told
from coordination.retry import RetryBudget, send_with_retry

TIMEOUT = 120.0
"""Seconds that people wait for a report at most; the receipts are there long before."""


async def write_report(
    seat: Seat,
    prompt: str,
    *,
    plan: Plan,
    receipts: Sequence[Receipt],
    clock: Clock,
    record: Callable[[RunEvent], None],
) -> str | None:
    """The report, or None where the model can't give one: then the receipts speak for themselves."""
    agent = seat.profile.number
    occasion = Occasion(purpose="report", revision=plan.revision, turn=1, agent=agent)

    async def on_retry(error: ModelError, wait: float) -> None:
        record_wasted(agent, seat.model, error, record)
        record(ModelRetried(agent=agent, reason=str(error), wait=wait))

    conversation = seat.model.converse(prompts.report_system(seat.profile), occasion)
    try:
        async with asyncio.timeout(TIMEOUT):
            reply = await send_with_retry(
                conversation,
                [Told(text=prompts.report(prompt, plan, receipts))],
                (),
                clock=clock,
                budget=RetryBudget(),
                on_retry=on_retry,
            )
    except ModelError as error:
        record_wasted(agent, seat.model, error, record)
        return None
    except TimeoutError:
        return None
    finally:
        await abandon(conversation)
    record(used(agent, seat.model, reply))
    return reply.text.strip() or None
