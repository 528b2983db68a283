"""Administrators are told of a budget that is nearly used: who they are, in which words, and once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from bot.cards.budget_card import budget_lines
from bot.chat.card_sync.budget_notices import BudgetNotices
from bot.chat.platform import ChannelRef, MissingPermission, RateLimited
from bot.i18n import ENGLISH
from bot.message import Mention, RichText, StyledText, Timestamp
from bot.variables import Environment
from coordination.domain.policy import Person
from coordination.errors import StorageError
from coordination.ports import BudgetWarning
from coordination.text import Text
from tests.sample_logs import waiting
from tests.service.card_sync_harness import FakePlatform, Harness, MovedClock

TENANT = "discord:1"


def plain(line: RichText) -> str:
    """A line as readers see it, with times in full."""
    return "".join(
        part.text if isinstance(part, StyledText) else part.name if isinstance(part, Mention) else f"{part.at:%Y-%m-%d}"
        for part in line
        if isinstance(part, StyledText | Mention | Timestamp)
    )


WARNING = BudgetWarning(
    tenant=TENANT, limit="money_per_place_per_day", whose="77", name="", day="2026-11-22", spent=4.1, most=5.0
)


@dataclass
class Reaching(FakePlatform):
    """A product that knows who administers."""

    admins: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    is_silent: bool = False

    async def direct_channel(self, person: Person) -> ChannelRef:
        raise AssertionError(person)

    async def person_now(self, person: Person) -> Person | None:
        if self.is_silent:
            raise MissingPermission("no")
        return None if person.id in self.gone else replace(person, is_admin=person.id in self.admins)

    async def members_of(self, tenant: str, role: str, most: int) -> Sequence[str]:
        raise AssertionError(role)


def notices(
    platform: FakePlatform, *changes: str, admins: str = "", times: int = 1, warning: BudgetWarning | None = None
) -> BudgetNotices:
    environment = Environment({"MASSGEN_BOT_ADMINS": admins})
    untold = [[warning or WARNING] for _ in range(times)]

    async def take(scope: str) -> Sequence[BudgetWarning]:
        assert scope == platform.name
        return untold.pop() if untold else []

    async def changed_by(tenant: str, most: int) -> Sequence[str]:
        return list(changes)[:most] if tenant == TENANT else []

    return BudgetNotices(
        platform=platform,
        clock=MovedClock(),
        take=take,
        changed_by=changed_by,
        named=environment.named_admins(),
        candidates=environment.admins_of,
        language=ENGLISH,
    )


async def test_those_who_are_named_and_those_who_administer_are_told_and_nobody_else() -> None:
    platform = Reaching(admins=frozenset({"3"}), gone=frozenset({"9"}))
    await notices(platform, "3", "4", admins="discord:1/8 discord:1/9 discord:2/6").tell()
    assert [person.id for person, _ in platform.private_messages] == ["8", "3"]


async def test_where_the_chat_is_silent_those_are_told_whom_the_operator_named() -> None:
    for platform in (Reaching(is_silent=True), FakePlatform()):
        await notices(platform, "3", admins="discord:1/8").tell()
        assert [person.id for person, _ in platform.private_messages] == ["8"]


@dataclass
class Owned(Reaching):
    """A product that knows whose a tenant is."""

    owners: tuple[str, ...] = ("1", "2")
    refuses: Exception | None = None

    async def owners_of(self, tenant: str) -> Sequence[str]:
        assert tenant == TENANT
        if self.refuses is not None:
            raise self.refuses
        return self.owners


@pytest.mark.parametrize(
    "admins", ["", "discord:1/8", "discord:1/9"], ids=["nobody is known", "takes no messages", "left"]
)
async def test_where_no_administrator_can_be_told_the_owners_are(admins: str) -> None:
    platform = Owned(gone=frozenset({"9"}), unreachable=frozenset({"8"}))
    await notices(platform, "4", admins=admins).tell()
    assert [person.id for person, _ in platform.private_messages] == ["1", "2"]
    assert platform.said == []


@pytest.mark.parametrize(
    "platform",
    [
        FakePlatform(),
        Owned(owners=()),
        Owned(refuses=MissingPermission("users:read")),
        Owned(refuses=RateLimited(1)),
        Owned(unreachable=frozenset({"1", "2"})),
    ],
    ids=["it tells nothing", "nobody owns it", "it refuses", "it asks for patience", "owners take no messages"],
)
async def test_where_no_owner_can_be_told_whoever_the_budget_is_for_is(
    platform: FakePlatform, caplog: pytest.LogCaptureFixture
) -> None:
    await notices(platform).tell()
    assert [place.channel for place, _ in platform.said] == ["77"]
    platform.said.clear()
    await notices(platform, warning=replace(WARNING, whose="5", name="rita")).tell()
    assert [person.id for person, _ in platform.private_messages] == ["5"]
    platform.private_messages.clear()
    caplog.clear()
    await notices(platform, warning=replace(WARNING, whose="")).tell()
    assert (platform.private_messages, platform.said) == ([], [])
    assert "nobody could be: set MASSGEN_BOT_ADMINS" in caplog.text


async def test_a_channel_that_takes_no_message_leaves_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    await notices(FakePlatform(faults={"say": [MissingPermission("no")]})).tell()
    assert "told: 0 (nobody could be" in caplog.text


async def test_a_chat_that_asks_for_patience_gets_it_and_one_that_refuses_is_left_alone() -> None:
    platform = FakePlatform(faults={"notify_user": [RateLimited(0.0), None, MissingPermission("no")]})
    await notices(platform, admins="discord:1/8 discord:1/9").tell()
    assert [person.id for person, _ in platform.private_messages] == ["8"]
    assert platform.calls == ["notify_user"] * 3


async def test_the_leader_tells_once() -> None:
    harness = Harness()
    harness.tell_administrators = notices(harness.platform, admins="discord:1/8").tell
    async with harness.running():
        await harness.platform.until(lambda: bool(harness.platform.private_messages))
    assert len(harness.platform.private_messages) == 1


@pytest.mark.parametrize("error", [StorageError(Text("away")), RuntimeError("nobody foresaw this")])
async def test_a_notice_that_fails_takes_no_card_with_it(error: Exception) -> None:
    harness, tried = Harness(), list[Exception]()

    async def fail() -> None:
        tried.append(error)
        raise error

    harness.tell_administrators = fail
    await harness.ask(waiting())
    async with harness.running():
        await harness.platform.until(lambda: bool(harness.platform.messages and tried))


@pytest.mark.parametrize(
    ("tenant", "found"),
    [
        ("discord:1", ("42",)),
        ("slack:-:T1", ("U1", "U2", "U3")),
        ("slack:E1:T2", ("U3",)),
    ],
)
def test_named_administrators_are_found_however_they_are_written(tenant: str, found: tuple[str, ...]) -> None:
    environment = Environment({"MASSGEN_BOT_ADMINS": "discord:1/42, slack:-:T1/U1 T1/U2 U3"})
    assert environment.admins_of(tenant) == found


def test_a_budget_says_whose_it_is_what_is_left_and_when_it_begins_anew() -> None:
    used, left = budget_lines(WARNING)
    assert plain(used) == "Everyone in 77 together has used $4.10 of today's budget of $5.00."
    assert "Remaining: $0.90." in plain(left)
    assert "limits.money_per_place_per_day" in plain(left)
    assert "2026-11-23" in plain(left)
    own = replace(WARNING, limit="tokens_per_user_per_day", name="rita", spent=21_000, most=20_000)
    assert plain(budget_lines(own)[0]) == "rita has used 21k tokens of today's budget of 20k tokens."
    assert plain(budget_lines(own)[1]).startswith("Remaining: 0 tokens.")
    everyone = replace(WARNING, whose="")
    assert plain(budget_lines(everyone)[0]).startswith("Everyone here together has used $4.10")
