"""Standing grants in a chat: an approver allows calls like one on a card; administrators see what holds, and take it back."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.chat.service_port import AskForText, ListGrants, PressButton
from bot.message import Action
from bot.slack_app.commands import parse_admin_command
from coordination.domain import states as s
from tests.builders import ALICE, BOB, MALLORY, REQUESTER, a_definition
from tests.service.chat_service_harness import ELSEWHERE, NAMED_ADMIN, TEAM, ChatServiceHarness, texts

GRANTS = TEAM.replace("roles: [ops]}}", "roles: [ops]}, grants: true}")


@pytest.fixture
def harness(tmp_path: Path) -> ChatServiceHarness:
    harness = ChatServiceHarness(tmp_path)
    harness.write("team", GRANTS)
    harness.hub.tools = [replace(a_definition("post", title="string"), settings="s")]
    harness.world.settings["board"] = "s"
    return harness


async def finished(harness: ChatServiceHarness) -> tuple[str, str]:
    """A run that is done, and the menu on its card."""
    run = await harness.ask()
    await harness.press(ALICE, (await harness.shown(run))[Action.APPROVE])
    await harness.work()
    return run, (await harness.shown(run))[Action.GRANT]


async def test_a_grant_from_a_card_approves_the_next_run_until_an_administrator_revokes_it(
    harness: ChatServiceHarness,
) -> None:
    _, menu = await finished(harness)
    given = await harness.allow(ALICE, menu, "1")
    assert "5 calls of board.post" in texts(given)
    run = await harness.ask()
    await harness.work()
    state = await harness.people.state(run)
    assert isinstance(state, s.Finished)
    assert state.approvals == (ALICE,)
    card = await harness.told(run)
    assert "alice's standing grant" in card
    assert "(0 of 5 used before)" in card
    listed = texts(await harness.admin("grants"))
    assert "1 of 5 calls used" in listed
    (standing,) = await harness.people.grants.listed(REQUESTER.tenant)
    assert "Revoked" in texts(await harness.admin("grants", value=f"revoke {standing.grant.id}"))
    assert "There are no standing grants." in texts(await harness.admin("grants"))
    assert "There is no standing grant" in texts(await harness.admin("grants", value=f"revoke {standing.grant.id}"))
    again = await harness.ask()
    await harness.work()
    assert isinstance(await harness.people.state(again), s.AwaitingDecision)


async def test_the_window_opens_for_nobody_who_could_not_approve(harness: ChatServiceHarness) -> None:
    run, menu = await finished(harness)
    assert "can decide" in texts(await harness.press(MALLORY, menu, text="1"))
    assert harness.refusals(run) == ["not_an_approver"]
    assert "There are no standing grants." in texts(await harness.admin("grants"))


async def test_the_window_has_a_field_for_the_time_for_the_number_and_for_what_may_differ(
    harness: ChatServiceHarness,
) -> None:
    _, menu = await finished(harness)
    answer = await harness.say(PressButton(button=menu, message="m-1", choice="1"), ALICE)
    assert isinstance(answer.reply, AskForText)
    lasts, most, free = answer.reply.form.fields
    assert (lasts.sort, lasts.text, lasts.text in [each.value for each in lasts.options]) == ("choice", "24h", True)
    assert (most.sort, most.most) == ("number", 1000)
    assert (free.sort, [(each.label, each.description) for each in free.options]) == (
        "ticks",
        [("title", "Post hello.")],
    )
    await harness.allow(ALICE, menu, "1", lasts="7d", most="3", free="0")
    (standing,) = await harness.people.grants.listed()
    assert (standing.grant.most, standing.grant.free, standing.grant.arguments) == (3, ("title",), "{}")
    assert standing.grant.until - standing.given_at == timedelta(days=7)


@pytest.mark.parametrize(
    ("field", "written", "said"),
    [
        ("lasts", "", "“” is not a duration."),
        ("lasts", "tomorrow", "“tomorrow” is not a duration."),
        ("lasts", "60d", "at most 30 days"),
        ("most", "", "“” is not a number of calls."),
        ("most", "many", "“many” is not a number of calls."),
        ("most", "-1", "“-1” is not a number of calls."),
        ("most", "²", "is not a number of calls."),
        ("most", "0", "1 to 1000 calls"),
        ("most", "1001", "1 to 1000 calls"),
        ("free", "1", "no such argument"),
        ("free", "title", "no such argument"),
    ],
)
async def test_what_can_not_be_read_is_told_in_a_sentence_of_its_own_and_grants_nothing(
    harness: ChatServiceHarness, field: str, written: str, said: str
) -> None:
    _, menu = await finished(harness)
    assert said in texts(await harness.allow(ALICE, menu, "1", **{field: written}))
    assert list(await harness.people.grants.listed()) == []


async def test_no_argument_is_offered_that_a_grant_could_not_leave_open(harness: ChatServiceHarness) -> None:
    harness.hub.tools = [replace(a_definition("post", title="string"), settings="s", says_destructive=True)]
    _, menu = await finished(harness)
    answer = await harness.say(PressButton(button=menu, message="m-1", choice="1"), ALICE)
    assert isinstance(answer.reply, AskForText)
    assert [each.name for each in answer.reply.form.fields] == ["lasts", "most"]
    assert "no such argument" in texts(await harness.allow(ALICE, menu, "1", free="0"))


async def test_a_call_that_the_menu_does_not_have_opens_no_window(harness: ChatServiceHarness) -> None:
    _, menu = await finished(harness)
    for choice in ("0", "2", "", "²", "1.0"):
        answer = await harness.say(PressButton(button=menu, message="m-1", choice=choice), ALICE)
        assert "The plan has no call" in texts(answer)


async def test_only_administrators_see_and_revoke_the_grants_of_others(harness: ChatServiceHarness) -> None:
    assert "administrator" in texts(await harness.admin("grants", by=ALICE)).lower()
    _, menu = await finished(harness)
    await harness.allow(ALICE, menu, "1")
    (standing,) = await harness.people.grants.listed()
    own, elsewhere = ListGrants(), replace(ALICE, tenant="elsewhere")
    assert "You have no standing grants here." in texts(await harness.say(own, BOB))
    assert "You have no standing grants here." in texts(await harness.say(own, elsewhere, ELSEWHERE))
    revoke = ListGrants(revoke=standing.grant.id)
    refused = texts(await harness.say(revoke, BOB))
    assert "Only alice and administrators can revoke this grant." in refused
    assert harness.audit[-1] == (BOB.id, "refused grants revoke")
    assert "There is no standing grant" in texts(await harness.say(revoke, elsewhere, ELSEWHERE))
    assert [each.grant for each in await harness.people.grants.listed()] == [standing.grant]
    assert "Revoked" in texts(await harness.say(revoke, NAMED_ADMIN))


async def test_whoever_gave_a_grant_sees_it_and_takes_it_back_though_they_may_not_approve_any_more(
    harness: ChatServiceHarness,
) -> None:
    _, menu = await finished(harness)
    assert "“grants revoke" in texts(await harness.allow(ALICE, menu, "1"))
    demoted = replace(ALICE, roles=())
    assert "0 of 5 calls used" in texts(await harness.say(ListGrants(), demoted))
    (standing,) = await harness.people.grants.listed()
    assert "Revoked" in texts(await harness.say(ListGrants(revoke=standing.grant.id), demoted))
    assert "There is no standing grant" in texts(await harness.say(ListGrants(revoke=standing.grant.id), demoted))
    run = await harness.ask()
    await harness.work()
    assert isinstance(await harness.people.state(run), s.AwaitingDecision)


async def test_cards_offer_no_grants_where_the_configuration_has_none(tmp_path: Path) -> None:
    harness = ChatServiceHarness(tmp_path)
    run = await harness.ask()
    assert Action.GRANT not in await harness.shown(run)


def test_slack_understands_the_command_as_discord_does() -> None:
    found = parse_admin_command("grants revoke 7q4k")
    assert found is not None
    assert (found.action, found.value) == ("grants", "revoke 7q4k")
