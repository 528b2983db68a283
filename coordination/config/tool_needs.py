"""Whose approval a rule requires, and its other requirements: parsed from the file."""

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, StrictStr, ValidationInfo
from typing_extensions import override

from coordination.config.diagnostics import Diagnostics, Place
from coordination.config.key_types import AsTyped, AsWritten, OneLine, OneLines, items_of, seconds, usable
from coordination.config.section_reader import Section, report_of
from coordination.config.yaml_tree import Listing, Scalar, Table, kind_of
from coordination.domain.canonical_json import canonical, digest
from coordination.domain.conditions import Condition, steps_of
from coordination.domain.policy import Authors, Policy, leaves_nobody, policy_actor
from coordination.domain.quorums import Needs, Quorum, side_by_side
from coordination.text import Text

_CHANNEL = re.compile(r"\d{17,20}|[CG][A-Z0-9]{2,24}")
_MOST = 10
_SHORT = 12


class QuorumKeys(Section):
    """So many people of these must approve a plan with such a call, and others for each further entry."""

    title = "tools[].approvers"
    kind = Text("a mapping with roles or users, or a list of such")
    holds_in_part = False
    is_a_home = False
    roles: OneLines = ()
    users: OneLines = ()
    required: Annotated[StrictInt, Field(ge=1, le=20), AsTyped] = 1
    channel: OneLine = ""

    @override
    def is_coherent(self, report: Diagnostics) -> bool:
        is_one_of_many = isinstance(self.table.place.path[-1], int)
        if is_one_of_many and not self.roles and not self.users:
            report.expect(self.table.place, Text("an entry that names nobody"), Text("roles or users"))
        elif self.channel and not self.roles and not self.users:
            report.expect(
                self.table.place_of("channel"), Text("a channel without roles or users"), Text("roles or users as well")
            )
        check_channel(self.channel, self.table.place_of("channel"), report)
        return True


def check_channel(channel: str, place: Place, report: Diagnostics) -> None:
    """Complain of what can't be the id of a channel; of no channel nothing is said."""
    if channel and not _CHANNEL.fullmatch(channel):
        expected = Text("the id of a channel in Discord (17 to 20 digits) or Slack (C and more)")
        report.expect(place, Text("{channel}", channel=repr(channel)), expected)


def _one_or_many(value: object, info: ValidationInfo) -> object:
    return (value,) if isinstance(value, Table) else items_of(value, info)


RuleApprovers: TypeAlias = Annotated[
    tuple[QuorumKeys, ...],
    BeforeValidator(_one_or_many),
    AfterValidator(usable),
    Field(min_length=1, max_length=_MOST),
]
"""Whose approval calls of a rule need: one mapping, or a list of which every entry must be met."""


def _deny_or_many(value: object, info: ValidationInfo) -> object:
    """Nobody, where calls are forbidden."""
    if isinstance(value, Scalar) and value.text == "deny":
        return ()
    if isinstance(value, Scalar) or (isinstance(value, Listing) and not value.items):
        report_of(info).expect(value.place, kind_of(value), Text("deny, or a mapping such as {{required: 2}}"))
        return ()
    return _one_or_many(value, info)


class FromReadKeys(QuorumKeys):
    """So many people of these must approve a plan with a call that repeats what was read."""

    title = "tools[].if_from_read"


FromRead: TypeAlias = Annotated[
    tuple[FromReadKeys, ...], BeforeValidator(_deny_or_many), AfterValidator(usable), Field(max_length=_MOST)
]
"""Whose approval calls of a rule need that repeat what was read; none: they are forbidden."""


def _argument_path(text: str) -> str:
    if not steps_of(text):
        raise ValueError(Text("the path of an argument, such as $.path"))
    return text


ArgumentPath: TypeAlias = Annotated[StrictStr, AsWritten, AfterValidator(_argument_path)]


def needs_of(
    match: str,
    when: tuple[Condition, ...],
    *,
    approvers: tuple[QuorumKeys, ...] = (),
    expires: str | None = None,
    bars_requester: bool = False,
    bars_author: bool = False,
    per_plan: int | None = None,
    per_day: int | None = None,
    requires_read: str | None = None,
    bars_grants: bool = False,
    bars_break_glass: bool = False,
) -> Needs:
    """What a rule with these keys asks for."""
    quorums = [
        Quorum(
            roles=each.roles,
            users=each.users,
            required=each.required,
            channels=(each.channel,) if each.channel else (),
        )
        for each in approvers
    ]
    return Needs(
        quorums=side_by_side(quorums),
        expires_after=None if expires is None else seconds(expires),
        bars_requester=bars_requester,
        bars_author=bars_author,
        per_day=() if per_day is None else ((_name(match, when), per_day),),
        per_plan=() if per_plan is None else ((_name(match, when), per_plan),),
        read_first=() if requires_read is None else (requires_read,),
        bars_grants=bars_grants,
        bars_break_glass=bars_break_glass,
    )


def _name(match: str, when: tuple[Condition, ...]) -> str:
    """What a rule is called where its calls are counted: the same for one that only moved within its file."""
    if not when:
        return match
    told = canonical([[each.about, each.operator, each.value] for each in when])
    return f"{match} {digest('rule', told)[:_SHORT]}"


def check_met(needs: Needs, place: Place, report: Diagnostics) -> None:
    """Complain of approvers who, by their accounts, are too few for what is wanted of them."""
    nobody = Authors(requester=policy_actor(""))
    if leaves_nobody(Policy(quorums=tuple(each for each in needs.quorums if not each.is_open)), nobody):
        accounts = {user for each in needs.quorums if not each.roles for user in each.users}
        required = sum(each.required for each in needs.quorums if each.users and not each.roles)
        found = Text(
            "{required} approvals of different people, and {count} user who may give one",
            "{required} approvals of different people, and {count} users who may give one",
            required=required,
            count=len(accounts),
        )
        report.expect(place, found, Text("no more than there are users for each"))
