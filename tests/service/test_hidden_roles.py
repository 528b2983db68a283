"""A chat that does not let the bot see who has a role: everybody whom that concerns hears why, and who must act."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat.config_catalog import ConfigCatalog
from bot.chat.name_report import NameReport
from bot.chat.platform import Kind, MissingPermission
from bot.chat.store import ChatSetting
from bot.message import Action
from tests.builders import ALICE, MALLORY, REQUESTER
from tests.service.chat_service_harness import GENERAL, TEAM, ChatServiceHarness, texts

WHY = "I lack a permission: an admin must give it to me."


class Closed:
    """A chat in which names that are numbers are ids, and nobody is seen to have a role, for a reason."""

    def __init__(self, why: str = WHY) -> None:
        self.why = why

    def is_id(self, kind: Kind, text: str) -> bool:
        return text.isdecimal() or text.startswith("u-")

    async def ids_of(self, tenant: str, kind: Kind, name: str) -> Sequence[str]:
        if self.why:
            raise MissingPermission(self.why)
        return ["77"]

    async def name_of(self, tenant: str, kind: Kind, number: str) -> str | None:
        if self.why and kind == "role":
            raise MissingPermission(self.why)
        return number

    async def why_roles_hidden(self, tenant: str, roles: Sequence[str]) -> str:
        assert roles
        return self.why


async def asked(harness: ChatServiceHarness) -> str:
    """A run whose plan waits, whatever its requester was told."""
    run = (await harness.start_run(REQUESTER, GENERAL, "Post hello.")).run
    await harness.work()
    return run


def a_harness(folder: Path, closed: Closed, team: str = TEAM.replace("[ops]", "['77']")) -> ChatServiceHarness:
    harness = ChatServiceHarness(folder, directories={"discord": closed, "slack": closed, "here": closed})
    harness.write("team", team)
    return harness


@pytest.mark.parametrize("why", [WHY, ""])
@pytest.mark.parametrize("action", [Action.APPROVE, Action.REJECT, Action.CANCEL])
async def test_who_is_refused_for_want_of_a_role_hears_that_no_roles_are_seen(
    tmp_path: Path, action: Action, why: str
) -> None:
    harness = a_harness(tmp_path, Closed(why))
    run = await asked(harness)
    if action is Action.CANCEL:
        said = texts(await harness.cancel(MALLORY, GENERAL, run))
    else:
        said = texts(await harness.press(MALLORY, (await harness.shown(run))[action]))
    assert (WHY in said) == bool(why), said


async def test_who_is_refused_for_another_reason_hears_nothing_of_roles(tmp_path: Path) -> None:
    harness = a_harness(tmp_path, Closed(), TEAM.replace("roles: [ops]", "users: [u-bob]"))
    run = await asked(harness)
    assert WHY not in texts(await harness.press(MALLORY, (await harness.shown(run))[Action.APPROVE]))
    harness = a_harness(tmp_path, Closed())
    run = await asked(harness)
    asker = replace(REQUESTER, roles=("77",))
    assert WHY not in texts(await harness.press(asker, (await harness.shown(run))[Action.APPROVE]))


async def test_who_may_not_use_break_glass_hears_it_too(tmp_path: Path) -> None:
    alone = TEAM.replace("roles: [ops]}}", "users: [u-bob]}, break_glass: {roles: ['78']}}")
    harness = a_harness(tmp_path, Closed(), alone)
    run = await asked(harness)
    assert WHY in texts(await harness.press(ALICE, (await harness.shown(run))[Action.BREAK_GLASS]))


async def test_who_asks_hears_at_once_that_the_approvers_can_not_be_seen(tmp_path: Path) -> None:
    harness = a_harness(tmp_path, Closed())
    answer = await harness.start_run(REQUESTER, GENERAL, "Post hello.")
    assert WHY in texts(answer)
    assert answer.run, "it began all the same: somebody may be given the permission while the agents plan"
    harness = a_harness(tmp_path, Closed(), TEAM.replace("roles: [ops]", "users: [u-bob]"))
    assert (await harness.start_run(REQUESTER, GENERAL, "Post hello.")).private is None


async def test_a_name_that_can_not_be_looked_up_is_refused_with_the_reason(tmp_path: Path) -> None:
    harness = a_harness(tmp_path, Closed(), TEAM)
    said = texts(await harness.start_run(REQUESTER, GENERAL, "Post hello."))
    assert f"I can't look up ops: {WHY}" in said


async def test_administrators_hear_it_where_they_look_at_who_approves_and_where_they_set_it(tmp_path: Path) -> None:
    harness = a_harness(tmp_path, Closed())
    for order, name, value in (
        ("config-use", "team", ""),
        ("config-show", "", ""),
        ("config-check", "team", ""),
        ("approvers", "", ""),
        ("approvers", "", "required=2"),
    ):
        assert WHY in texts(await harness.admin(order, name=name, value=value)), order
    assert f"I can't look up 78: {WHY}" in texts(await harness.admin("approvers", value="<@&78>"))
    harness = a_harness(tmp_path, Closed(""))
    assert WHY not in texts(await harness.admin("config-show"))


async def test_the_doctor_tells_the_reason_beside_the_role(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(TEAM, encoding="utf-8")

    async def nothing_set(tenant: str) -> Sequence[ChatSetting]:
        return ()

    report = NameReport(config_catalog=ConfigCatalog(folder=tmp_path, allowed={}), settings_of=nothing_set)
    said = [(each.is_well, each.text) for each in await report.of(Closed(), "here")]
    assert (False, f"configuration team: I can't look up the role or group ops: {WHY}") in said
