"""What a doctor says of rules of approval: also where a rule names nobody."""

from collections.abc import Sequence
from pathlib import Path

from bot.chat.approvers import Approvers
from bot.chat.config_catalog import ConfigCatalog
from bot.chat.name_report import NameReport
from bot.chat.platform import ChannelRef, ChannelUnseen, Kind, MissingPermission, RateLimited, SharedChannel
from bot.chat.store import ChatSetting
from tests.contract.chat_stores import a_setting
from tests.service.chat_service_harness import TEAM

NAMING = "approval: {approvers: {roles: [ops]}}"


class Staff:
    """A chat in which `ops` is the role 77."""

    def is_id(self, kind: Kind, text: str) -> bool:
        return text.isdecimal()

    async def ids_of(self, tenant: str, kind: Kind, name: str) -> Sequence[str]:
        return ["77"] if name == "ops" else []

    async def name_of(self, tenant: str, kind: Kind, number: str) -> str | None:
        return "ops" if number == "77" else None


class Building(Staff):
    """The same with channels, of which the one is locked and the other does not answer now."""

    async def check_channel(self, tenant: str, channel: str) -> None:
        if channel == "C404":
            raise MissingPermission("Invite me there.")
        if channel == "C429":
            raise RateLimited(1)
        if channel == "C407":
            raise ChannelUnseen("I may not look.")
        if channel == "CSHARED":
            raise SharedChannel("People from outside read it.")

    async def is_public(self, tenant: str, channel: str) -> bool:
        return True


async def lines(folder: Path, *settings: ChatSetting, staff: Staff | None = None) -> list[tuple[bool, str]]:
    async def set_here(tenant: str) -> Sequence[ChatSetting]:
        return settings

    report = NameReport(config_catalog=ConfigCatalog(folder=folder, allowed={}), settings_of=set_here)
    return [(each.is_well, each.text) for each in await report.of(staff or Staff(), "here")]


async def test_a_configuration_that_names_no_approvers_is_pointed_out_unless_an_administrator_named_some(
    tmp_path: Path,
) -> None:
    (tmp_path / "wide.yaml").write_text(TEAM.replace(NAMING, ""), encoding="utf-8")
    (tmp_path / "team.yaml").write_text(TEAM, encoding="utf-8")
    said = await lines(tmp_path)
    open_to_all = [text for is_well, text in said if "any full member may approve" in text and is_well]
    assert open_to_all == [
        "1 configuration names no approvers, so any full member may approve what is planned with it: wide."
    ]
    everywhere = a_setting("approvers", Approvers(roles=("77",)).as_text())
    assert not any("any full member" in text for _, text in await lines(tmp_path, everywhere))
    stricter = a_setting("approvers", Approvers(required=2).as_text())
    assert any("any full member" in text for _, text in await lines(tmp_path, stricter))


async def test_people_whom_a_rule_for_a_tool_names_are_looked_up_too(tmp_path: Path) -> None:
    rule = "tools: [{match: board.post, effect: ask, approvers: [{roles: [captains]}, {users: ['77']}]}]"
    (tmp_path / "team.yaml").write_text(TEAM.replace(NAMING, f"{NAMING}\n{rule}"), encoding="utf-8")
    said = await lines(tmp_path)
    assert [is_well for is_well, text in said if "captains" in text] == [False]


async def test_a_channel_of_approvals_is_tried_and_what_is_missing_there_is_said(tmp_path: Path) -> None:
    for name, channel in (("open", "C123"), ("shut", "C404"), ("dumb", "C429")):
        routed = TEAM.replace("approval: {", f"approval: {{channel: {channel}, ")
        (tmp_path / f"{name}.yaml").write_text(routed, encoding="utf-8")
    said = {
        text.split(":")[0]: (is_well, text)
        for is_well, text in await lines(tmp_path, staff=Building())
        if "channel" in text
    }
    assert said == {
        "configuration open": (True, "configuration open: plans are also shown in the channel C123."),
        "configuration shut": (False, "configuration shut: plans can't be shown in the channel C404. Invite me there."),
        "configuration dumb": (
            False,
            "configuration dumb: plans can't be shown in the channel C429. The chat can't be asked right now. "
            "Try again in a moment.",
        ),
    }


async def test_the_channels_of_anchors_are_tried_wherever_they_are_in_the_chat(tmp_path: Path) -> None:
    places = [("slack", "C123"), ("slack", "C404"), ("slack", "C429"), ("slack", "C407"), ("slack", "CSHARED")]
    anchors = [
        ChannelRef(platform=platform, tenant=f"{platform}:-:T1", channel=channel)
        for platform, channel in [*places, ("discord", "7")]
    ]

    async def nothing_set(tenant: str) -> Sequence[ChatSetting]:
        return ()

    catalog = ConfigCatalog(folder=tmp_path, allowed={})
    report = NameReport(config_catalog=catalog, settings_of=nothing_set, anchors=anchors)
    said = [(each.is_well, each.text) for each in await report.of_anchors(Building(), "slack")]
    post = "I can post the digest in slack:-:T1"
    check = "I can't check whether I can post the digest in slack:-:T1"
    assert said == [
        (is_well, f"MASSGEN_BOT_ANCHOR_CHANNEL: {text}")
        for is_well, text in (
            (True, f"{post}/C123."),
            (False, "I can't post the digest in slack:-:T1/C404. Invite me there."),
            (True, f"{check}/C429. The chat can't be asked right now. Try again in a moment."),
            (True, f"{check}/C407. I may not look."),
            (True, f"{post}/CSHARED."),
        )
    ]
