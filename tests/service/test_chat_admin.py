"""Administrators' orders: whose count, what they may change, and what becomes of it in the runs that follow."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat.approvers import approvers_in
from bot.chat.platform import Kind, MissingPermission, RateLimited
from bot.message import Action, Mention, Paragraph
from coordination.domain import states as s
from coordination.domain.canonical_json import digest
from coordination.domain.policy import Person, Policy
from coordination.domain.transitions import Recorded, replay
from coordination.storage.audit import verify
from coordination.storage.sql_run_log import SqlLog
from tests.builders import ALICE, BOB, MALLORY, REQUESTER
from tests.contract.chat_stores import submit_nothing
from tests.databases import sqlite_url
from tests.service.chat_service_harness import (
    ADMIN,
    ELSEWHERE,
    GENERAL,
    NAMED_ADMIN,
    RANDOM,
    TEAM,
    ChatServiceHarness,
    texts,
)

ORDERS = [
    ("config-list", "", ""),
    ("config-show", "", ""),
    ("config-use", "team", ""),
    ("config-reset", "", ""),
    ("config-check", "team", ""),
    ("config-allow", "team", ""),
    ("approvers", "", "@mallory requester=yes"),
    ("approvers", "", "reset"),
    ("limits", "", "hourly=1"),
    ("prompts", "", "Grant me everything"),
    ("freeze", "", ""),
    ("thaw", "", ""),
    ("audit", "", ""),
    ("made-up", "", ""),
]


@pytest.fixture
def harness(tmp_path: Path) -> ChatServiceHarness:
    return ChatServiceHarness(tmp_path)


# --- whose orders count -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "name", "value"), ORDERS)
async def test_an_order_of_somebody_else_changes_nothing_and_is_on_record(
    harness: ChatServiceHarness, action: str, name: str, value: str
) -> None:
    """Whatever the product's own rights let through; an administrator of another tenant is somebody else too."""
    await harness.admin("config-use", name="team")
    before, entries = harness.snapshot(), len(harness.store.audit)
    elsewhere = replace(ADMIN, tenant="elsewhere")
    named_elsewhere = replace(NAMED_ADMIN, tenant="elsewhere")
    for by, place in ((MALLORY, GENERAL), (elsewhere, GENERAL), (ADMIN, ELSEWHERE), (named_elsewhere, ELSEWHERE)):
        said = texts(await harness.admin(action, by=by, place=place, name=name, value=value, scope="server"))
        assert said.strip() == "Only administrators here, and people named by the operator, can do that."
    assert harness.snapshot() == before
    assert [(each.tenant, each.by, each.what) for each in harness.store.audit[entries:]] == [
        ("here", MALLORY.id, f"refused {action}"),
        ("elsewhere", ADMIN.id, f"refused {action}"),
        ("here", ADMIN.id, f"refused {action}"),
        ("elsewhere", NAMED_ADMIN.id, f"refused {action}"),
    ]
    assert harness.checked == []


async def test_whom_the_operator_named_administers_their_own_tenant(harness: ChatServiceHarness) -> None:
    await harness.admin("config-use", name="team", by=NAMED_ADMIN)
    assert harness.audit == [("u-named", "set config")]
    assert harness.store.scopes["here", "general", "config"].by_name == "nan"


async def test_an_order_that_does_not_exist_says_so(harness: ChatServiceHarness) -> None:
    assert "There is no command config-destroy." in texts(await harness.admin("config-destroy"))


async def test_a_check_says_what_was_found_and_who_approves(harness: ChatServiceHarness) -> None:
    said = texts(await harness.admin("config-check", name="team"))
    assert "team is valid" in said
    assert "ops" in said
    assert harness.checked == [(harness.folder / "team.yaml", "here")]


# --- approvers --------------------------------------------------------------------------------------------------------


async def test_whom_an_administrator_names_decides_instead_of_whom_the_configuration_names(
    harness: ChatServiceHarness,
) -> None:
    said = texts(await harness.admin("approvers", value='<@&77> <@42> "night shift" required=2'))
    assert "approval by 77, night shift, 42" in said
    assert "at least 2 approvals" in said
    run = await harness.ask()
    assert await harness.policy(run) == Policy(
        roles=("77", "night shift"), users=("42",), required=2, binds_automatic=True
    )
    ids = await harness.shown(run)
    assert "Only 77, night shift, 42 can decide" in texts(await harness.press(ALICE, ids[Action.APPROVE]))
    night = Person(tenant="here", id="u-n", name="n", roles=("night shift",))
    await harness.press(night, ids[Action.APPROVE])
    assert isinstance(await harness.people.state(run), s.AwaitingDecision)
    await harness.press(replace(night, id="42", roles=()), ids[Action.APPROVE])
    assert isinstance(await harness.people.state(run), s.Executing)


async def test_a_channels_rule_replaces_the_servers_and_both_leave_other_channels_alone(
    harness: ChatServiceHarness,
) -> None:
    await harness.admin("approvers", value="@leads", scope="server")
    await harness.admin("approvers", value="required=3")
    assert await harness.policy(await harness.ask()) == Policy(roles=("ops",), required=3, binds_automatic=True)
    assert await harness.policy(await harness.ask(place=RANDOM)) == Policy(roles=("leads",), binds_automatic=True)
    assert "leads" in texts(await harness.admin("approvers", place=RANDOM))
    assert "3 of" in texts(await harness.admin("approvers"))
    assert "3 of" in texts(await harness.admin("config-show"))
    assert "3 of" in texts(await harness.help(MALLORY, GENERAL))
    await harness.admin("approvers", value="reset")
    assert await harness.policy(await harness.ask()) == Policy(roles=("leads",), binds_automatic=True)
    await harness.admin("approvers", value="reset", scope="server")
    assert await harness.policy(await harness.ask()) == Policy(roles=("ops",))
    assert "nothing to reset" in texts(await harness.admin("approvers", value="reset"))


async def test_what_the_configuration_demands_is_never_loosened(harness: ChatServiceHarness) -> None:
    harness.write(
        "team",
        TEAM.replace("{roles: [ops]}}", "{roles: [ops]}, required: 2, expires_after: 2h, allow_requester: false}"),
    )
    await harness.admin("approvers", value="required=1 requester=yes @leads")
    run = await harness.ask()
    assert await harness.policy(run) == Policy(roles=("leads",), required=2, expires_after=7200, binds_automatic=True)
    before = harness.snapshot()
    ids = await harness.shown(run)
    reply = await harness.press(replace(REQUESTER, roles=("leads",)), ids[Action.APPROVE])
    assert "You made this request" in texts(reply)
    assert harness.snapshot() == before


async def test_an_administrator_may_take_the_requesters_own_approval_away(harness: ChatServiceHarness) -> None:
    harness.write("team", TEAM.replace("{roles: [ops]}}", "{roles: [ops]}, allow_requester: true}"))
    assert (await harness.policy(await harness.ask(by=ALICE))).allow_requester
    await harness.admin("approvers", value="requester=no")
    run = await harness.ask(by=ALICE)
    assert "You made this request" in texts(await harness.press(ALICE, (await harness.shown(run))[Action.APPROVE]))


async def test_a_rule_that_nobody_could_fulfil_is_refused(harness: ChatServiceHarness) -> None:
    """When it is set, and when a configuration makes it so later."""
    before = harness.snapshot()
    said = texts(await harness.admin("approvers", value="<@1> <@2> <@1> required=3"))
    assert "3 approvals are required, but only 2 people may" in said
    assert harness.snapshot() == before
    await harness.admin("approvers", value="<@1> <@2>")
    harness.write("team", TEAM.replace("{roles: [ops]}}", "{roles: [ops]}, required: 3}"))
    said = texts(await harness.start_run(REQUESTER, GENERAL, "Go."))
    assert "3 approvals are required, but only 2 people may" in said
    assert harness.store.cards == {}


async def test_a_rule_holds_for_plans_to_come_and_leaves_those_that_wait(harness: ChatServiceHarness) -> None:
    run = await harness.ask()
    await harness.admin("approvers", value="@leads")
    assert await harness.policy(run) == Policy(roles=("ops",))
    ids = await harness.shown(run)
    await harness.press(ALICE, ids[Action.CHANGE], text="Shorter.")
    await harness.work()
    assert await harness.policy(run) == Policy(roles=("ops",))
    again = (await harness.retry(REQUESTER, GENERAL, run)).run
    await harness.work()
    assert await harness.policy(again) == Policy(roles=("leads",), binds_automatic=True)


async def test_the_rule_is_in_the_runs_own_copy_of_its_configuration_and_the_audit_proves_it(
    harness: ChatServiceHarness, tmp_path: Path
) -> None:
    """Whoever takes the run up anywhere reads the same rule; a changed copy is found."""
    await harness.admin("approvers", value="@leads required=2")
    run = await harness.ask()
    state = await harness.people.state(run)
    text, origin = await harness.log.load_config(state.request.config_digest)
    approvers = approvers_in(text)
    assert approvers is not None
    assert (approvers.roles, approvers.required) == (("leads",), 2)
    assert text.startswith(TEAM)
    assert state.request.config_digest == digest("config", f"{origin}\n{text}")
    problems: list[list[str]] = []
    for name, kept in (("true", text), ("forged", text.replace("leads", "everyone"))):
        url = sqlite_url(tmp_path, name)
        async with SqlLog.open(url, submit=submit_nothing) as log:
            await log.save_config(state.request.config_digest, kept, origin)
            await copied(log, harness.log.events[run])
        problems.append([each.problem for each in verify(url)])
    assert problems[0] == []
    assert [each.endswith("was changed or removed") for each in problems[1]] == [True]


async def copied(log: SqlLog, story: Sequence[Recorded]) -> None:
    """The same run in a real log."""
    for each in story:
        await log.append(each.run, each.seq - 1, [each.event], each.at, replay(story[: each.seq]))


# --- the audit --------------------------------------------------------------------------------------------------------


async def test_the_audit_names_approvers_as_people_see_them_and_not_as_they_are_stored(
    harness: ChatServiceHarness,
) -> None:
    await harness.admin("approvers", value="<@&88> <@77> required=2")
    reply = await harness.admin("audit")
    assert reply.private is not None
    (section,) = reply.private.sections
    assert isinstance(section, Paragraph)
    assert {Mention("88", "88", "role"), Mention("77", "77")} <= set(section.lines[0])
    assert "at least 2 approvals" in texts(reply)


async def test_the_audit_shows_what_was_set_and_who_was_refused_newest_first(harness: ChatServiceHarness) -> None:
    await harness.admin("config-use", name="team", scope="server")
    await harness.admin("limits", value="hourly=3")
    await harness.press(MALLORY, "forged")
    await harness.admin("limits", by=MALLORY, value="hourly=300")
    lines = [line for line in texts(await harness.admin("audit")).splitlines() if "·" in line]
    assert [line.split(" · ")[1:] for line in lines] == [
        ["mallory", "refused limits", "channel hourly=300"],
        ["mallory", "refused no_button", "forged on m-1"],
        ["ada", "set limits", '{"hourly": 3}'],
        ["ada", "set config", "team"],
    ]
    assert "Nothing was set" in texts(
        await harness.admin("audit", by=replace(ADMIN, tenant="elsewhere"), place=ELSEWHERE)
    )


async def test_a_hundred_refused_clicks_of_one_person_are_one_line_of_each_audit(harness: ChatServiceHarness) -> None:
    run = await harness.ask()
    ids = await harness.shown(run)
    for number in range(100):
        await harness.press(MALLORY, ids[Action.APPROVE])
        await harness.press(MALLORY, f"forged-{number}")
    await harness.press(ALICE, "forged")
    for value in ("hourly=300", "hourly=400", "hourly=400"):
        await harness.admin("limits", by=MALLORY, value=value)
    lines = [line.split(" · ")[1:] for line in texts(await harness.admin("audit")).splitlines() if "·" in line]
    assert lines == [
        ["mallory", "refused limits", "channel hourly=400", "tried 1 more time"],
        ["mallory", "refused limits", "channel hourly=300"],
        ["alice", "refused no_button", "forged on m-1"],
        ["mallory", "refused no_button", "forged-99 on m-1", "tried 99 more times"],
    ]
    said = [line for line in texts(await harness.admin("audit", name=run)).splitlines() if "mallory" in line]
    assert [line.rpartition(" · ")[2] for line in said] == ["tried 99 more times"]


async def test_the_audit_of_a_run_says_who_decided_and_who_was_refused(harness: ChatServiceHarness) -> None:
    run = await harness.ask()
    ids = await harness.shown(run)
    await harness.press(MALLORY, ids[Action.APPROVE])
    await harness.press(BOB, ids[Action.REJECT], text="Not today.")
    said = texts(await harness.admin("audit", name=run[:4], place=RANDOM))
    assert f"Who decided what in run {run}" in said
    for word in ("rita", "mallory", "bob", "Not today."):
        assert word in said
    assert "There is no run" in texts(await harness.admin("audit", value="RUN99"))


class Channels:
    """A chat of which one channel is shut to us, and one doesn't answer now; it knows everybody by their ids."""

    def is_id(self, kind: Kind, text: str) -> bool:
        return True

    async def ids_of(self, tenant: str, kind: Kind, name: str) -> Sequence[str]:
        return [name]

    async def name_of(self, tenant: str, kind: Kind, number: str) -> str | None:
        return number

    async def check_channel(self, tenant: str, channel: str) -> None:
        if channel == "C404":
            raise MissingPermission("Invite me there.")
        if channel == "C429":
            raise RateLimited(1)

    async def is_public(self, tenant: str, channel: str) -> bool:
        return True


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("C123", "unless they were requested in private"),
        ("C404", "Invite me there."),
        ("C429", "can't be asked right now"),
    ],
)
async def test_who_chooses_a_configuration_hears_in_which_channel_its_plans_are_shown_or_why_not(
    tmp_path: Path, channel: str, words: str
) -> None:
    harness = ChatServiceHarness(tmp_path, directories={"discord": Channels()})
    (harness.folder / "team.yaml").write_text(
        TEAM.replace("approval: {", f"approval: {{channel: {channel}, "), encoding="utf-8"
    )
    for order in ("config-use", "config-show", "config-check"):
        said = await harness.admin(order, name="" if order == "config-show" else "team")
        assert words in texts(said), order


async def test_prompts_of_a_channel_come_before_those_of_the_server_and_are_on_help(
    harness: ChatServiceHarness,
) -> None:
    assert "For example: /massgen" in texts(await harness.help(BOB, GENERAL))
    await harness.admin("prompts", scope="server", value="Say  hello | Say goodbye |")
    said = await harness.admin("prompts", scope="channel", value="Plan the week")
    assert "Plan the week" in texts(said)
    assert "Plan the week" in texts(await harness.help(BOB, GENERAL))
    elsewhere = texts(await harness.help(BOB, RANDOM))
    assert "Say hello" in elsewhere
    assert "Say goodbye" in elsewhere
    assert "Plan the week" not in elsewhere
    assert await harness.chat_service.suggested_prompts(RANDOM) == ("Say hello", "Say goodbye")
    assert "Say hello" in texts(await harness.admin("prompts", scope="channel", value="reset"))
    await harness.admin("prompts", scope="server", value="reset")
    assert await harness.chat_service.suggested_prompts(GENERAL) == ()
    assert "nothing" in texts(await harness.admin("prompts", scope="server", value="reset")).lower()


@pytest.mark.parametrize("value", ["|", "a|b|c|d|e", "x" * 201])
async def test_prompts_that_no_chat_could_show_are_refused(harness: ChatServiceHarness, value: str) -> None:
    assert "1 to 4 prompts" in texts(await harness.admin("prompts", value=value))
    assert await harness.chat_service.suggested_prompts(GENERAL) == ()


async def test_a_channel_with_a_configuration_of_its_own_says_what_would_hold_without_it(
    harness: ChatServiceHarness,
) -> None:
    harness.write("other", TEAM)
    await harness.admin("config-use", name="team", scope="server")
    assert "Without that setting" not in texts(await harness.admin("config-show"))
    await harness.admin("config-use", name="other", scope="channel")
    said = texts(await harness.admin("config-show"))
    assert "Without that setting" in said
    assert said.index("other") < said.index("Without that setting") < said.rindex("team")
