"""Admission control: who may start a run, and the event that starts it."""

from coordination.budget import daily
from coordination.domain.canonical_json import config_digest
from coordination.domain.events import RunRequested
from coordination.domain.policy import RULES_VERSION, Person
from coordination.errors import RefusedError
from coordination.ports import Clock, RunLog, Spending
from coordination.preparation import Configure
from coordination.run_options import RunProfile
from coordination.run_request import RunRequest, authors_for
from coordination.text import Text

EXTERNAL_ASK = Text(
    "Only full members can start a run here. For guests, bots and people from other organizations, the operator must "
    "set ask.external in the configuration."
)


async def check_may_ask(profile: RunProfile, requester: Person, spending: Spending, clock: Clock, place: str) -> None:
    """Make sure that a person may start a run of this configuration in a place, and that the day's limits allow it.

    Raises:
        RefusedError: they may not, or have not.
    """
    if requester.is_deleted or (requester.is_external and not profile.asks_external):
        raise RefusedError("external_ask", EXTERNAL_ASK)
    refusal = await daily(profile.daily, spending, clock=clock, requester=requester, place=place)()
    if refusal is not None:
        raise RefusedError("used_up", refusal)


async def requested(
    prompt: str, request: RunRequest, log: RunLog, configure: Configure, spending: Spending, clock: Clock
) -> RunRequested:
    """The event of a request that may be made, whose configuration is stored.

    Raises:
        ConfigError: the configuration can't be used; nothing was written.
        RefusedError: they may not ask, or the day's limits are used up.
    """
    profile = configure(request.config_text, request.origin, request.requester.tenant).profile
    await check_may_ask(profile, request.requester, spending, clock, request.asked_in)
    stored_under = config_digest(request.config_text, request.origin)
    await log.save_config(stored_under, request.config_text, request.origin)
    authors = authors_for(request)
    return RunRequested(
        tenant=request.requester.tenant,
        prompt=prompt,
        requester=request.requester,
        config=request.config_name,
        config_digest=stored_under,
        agents=tuple(agent.id for agent in profile.agents),
        history=request.history,
        earlier_requesters=authors.earlier,
        earlier_shapers=authors.shapers,
        rules_version=RULES_VERSION,
        asked_in=request.asked_in,
        config_is_named=request.config_is_named,
    )
