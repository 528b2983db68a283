"""Nothing that people see or press depends on the process that showed it."""

import pytest

from bot.cards import Card
from bot.presenter.card import card_for
from bot.presenter.view import view_of
from bot.surface import Place
from coordination.domain import events as e
from coordination.domain.run import Recorded
from tests.builders import ALICE
from tests.contract.slack_desk import IssuedIds, SmallDesk
from tests.contract.slack_stage import Stage, a_team, app_for, served
from tests.servers.slack_server import SlackServer, slack_serving
from tests.stories import POST, argued, plan_in, recorded, started, succeeded, then, waiting

PLACE = Place(surface="slack", tenant="slack:-:T1", channel="C1")


def card_of(log: list[Recorded]) -> Card:
    view = view_of(log)
    assert view is not None
    return card_for(view, log[-1].at)


@pytest.mark.parametrize("kind", ["socket", "http"])
async def test_a_run_goes_from_command_to_receipts_over_a_restart(kind: str) -> None:
    server = SlackServer([a_team()])
    desk = SmallDesk(changed=server.changed)
    log = waiting(POST)
    async with slack_serving(server):
        first = app_for(server, kind)
        async with served(server, first, kind, desk) as line:
            alice = Stage(server, first, line, desk).somebody()
            await alice.command("tell the town")
            await server.until(lambda: desk.done)
            posted = await first.surface.post(PLACE, card_of(recorded(argued(POST)[:14])), IssuedIds(desk, "7Q4K"))
            ids = IssuedIds(desk, "7Q4K")
            await first.surface.edit(posted, card_of(log), ids)
            ids.bind(posted)
            (message,) = server.cards()
            await alice.click(message, "change")
            view = await alice.opened()
        second = app_for(server, kind)
        async with served(server, second, kind, desk) as line:
            bob = Stage(server, second, line, desk).somebody("UBOB")
            await bob.click(message, "approve")
            await server.until(lambda: len(desk.done) == 2)
            plan = plan_in(log)
            log = then(log, e.ApprovalGiven(by=ALICE, digest=plan.digest), started(plan, 0), succeeded(plan, 0))
            await second.surface.edit(posted, card_of(log), IssuedIds(desk, "7Q4K"))
            late = Stage(server, second, line, desk).somebody()
            await late.submit(view, "in German, please")
            await server.until(lambda: any("decided already" in str(each) for each in server.whispers))
    assert [(verb, by) for verb, by, _ in desk.done] == [("ask", "UALICE"), ("approve", "UBOB")]
    assert "posted" in message.text
    assert not message.has("approve")
    assert server.complaints == []
    assert len(server.cards()) == 1
