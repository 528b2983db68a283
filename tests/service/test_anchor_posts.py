"""The anchor of each day: its file, its stamp and its post, each made once and tried again by itself."""

import asyncio
import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.anchors import AnchorPosts, AnchorSettings, keep_anchors
from bot.cards.error_messages import plain_text
from bot.chat.platform import ChannelRef, MessageNotFound, MessageRef, MissingPermission, RateLimited
from bot.message import Paragraph
from bot.variables import Environment
from coordination.errors import ConfigError, StorageError
from coordination.storage.anchor import anchor_of_day, file_of_day, head_of
from coordination.storage.daily_posts import CLAIMED, claim, finish, release
from coordination.storage.schema import migrate
from coordination.storage.time_stamps import SUFFIX
from tests.builders import START
from tests.databases import postgres_or_skip, sqlite_url
from tests.servers.time_stamp_server import TimeStampServer, answer, granted
from tests.service.card_sync_harness import FakePlatform

PLACE = ChannelRef(platform="discord", tenant="discord:1", channel="7")
OTHER = ChannelRef(platform="slack", tenant="slack:-:T1", channel="C1")


class Enough(Exception):
    """The test has seen as many rounds as it wants."""


@dataclass
class RoundClock:
    """Moves on when somebody sleeps, and ends the test after so many rounds."""

    at: datetime = START
    rounds: int = 1

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.rounds -= 1
        if not self.rounds:
            raise Enough
        self.at += timedelta(seconds=seconds)


def prepared(url: str) -> str:
    migrate(url)
    return url


@pytest.fixture
def url(tmp_path: Path) -> str:
    return prepared(sqlite_url(tmp_path))


@pytest.fixture(params=["sqlite", "postgres"])
def either_url(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[str]:
    """Which of several processes is first, the database says: both of them."""
    if request.param == "sqlite":
        yield prepared(sqlite_url(tmp_path))
        return
    for server in postgres_or_skip():
        yield prepared(server.new_database())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "anchors"
    folder.mkdir()
    return folder


def endings(folder: Path) -> set[str]:
    return {each.suffix for each in folder.iterdir()}


def set_up(folder: Path, **more: str) -> AnchorSettings:
    return AnchorSettings.of(Environment({"MASSGEN_BOT_ANCHOR_FOLDER": str(folder), **more}))


def posts(url: str, folder: Path, platform: FakePlatform, at: datetime = START) -> AnchorPosts:
    settings = set_up(folder, MASSGEN_BOT_ANCHOR_CHANNEL="discord:1/7, slack:-:T1/C1")
    return AnchorPosts(url=url, settings=settings, platforms={platform.name: platform}, clock=RoundClock(at))


async def test_several_processes_post_the_digest_of_the_days_anchor_once(either_url: str, folder: Path) -> None:
    platform, url = FakePlatform(), either_url
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(posts(url, folder, platform).post(PLACE))
    await posts(url, folder, platform, START + timedelta(hours=1)).post(PLACE)
    ((place, card),) = platform.said
    assert place == PLACE
    (section,) = card.sections
    assert isinstance(section, Paragraph)
    head = head_of(file_of_day(folder, START))
    assert head.digest in plain_text(section.lines[0])
    assert head.file in plain_text(section.lines[1])
    assert plain_text(card.title) == "Anchor of 2026-11-22 (UTC): 0 entries"


async def test_the_next_day_has_its_own_post_and_a_clock_that_is_behind_posts_no_earlier_one(
    url: str, folder: Path
) -> None:
    platform = FakePlatform()
    for days in (0, 1, 0):
        await posts(url, folder, platform, START + timedelta(days=days)).post(PLACE)
    assert [plain_text(card.title)[10:20] for _, card in platform.said] == ["2026-11-22", "2026-11-23"]


async def test_what_a_chat_refuses_is_tried_again_at_once(url: str, folder: Path) -> None:
    platform = FakePlatform(faults={"say": [MissingPermission("not there"), MessageNotFound("7")]})
    for error in (MissingPermission, MessageNotFound):
        with pytest.raises(error):
            await posts(url, folder, platform).post(PLACE)
    await posts(url, folder, platform).post(PLACE)
    assert len(platform.said) == 1


async def test_a_post_whose_answer_never_came_is_looked_for_before_it_is_posted_again(url: str, folder: Path) -> None:
    platform = FakePlatform(finds=True, faults={"say": ["lost"]})
    with pytest.raises(RateLimited):
        await posts(url, folder, platform).post(PLACE)
    await posts(url, folder, platform).post(PLACE)  # The claim still holds.
    later = START + CLAIMED
    await posts(url, folder, platform, later).post(PLACE)
    assert len(platform.said) == 1
    assert platform.sought == [START]
    await posts(url, folder, platform, later + CLAIMED).post(PLACE)
    assert len(platform.said) == 1


class Reading(FakePlatform):
    """A chat that finds nothing by its name, and what was posted by its words."""

    async def find_text(self, place: ChannelRef, words: Sequence[str], *, at: datetime) -> MessageRef | None:
        self.sought.append(at)
        told = [(number, card) for number, (there, card) in enumerate(self.said, 1) if there == place]
        found = [number for number, card in told if all(each in str(card) for each in words)]
        return MessageRef(place=place, message=f"s{found[0]}") if found else None


async def test_where_a_post_has_no_name_it_is_looked_for_by_the_digest_in_it(url: str, folder: Path) -> None:
    platform = Reading(faults={"say": ["lost"]})
    with pytest.raises(RateLimited):
        await posts(url, folder, platform).post(PLACE)
    await posts(url, folder, platform, START + CLAIMED).post(PLACE)
    assert len(platform.said) == 1
    assert platform.sought == [START, START]
    assert claim(url, "anchor discord:1/7", START + 2 * CLAIMED) is None


async def test_a_post_that_can_not_be_looked_for_is_posted_again_rather_than_never(url: str, folder: Path) -> None:
    platform = FakePlatform(faults={"say": ["lost", MissingPermission("no")], "find": [MissingPermission("no")]})
    with pytest.raises(RateLimited):
        await posts(url, folder, platform).post(PLACE)
    with pytest.raises(MissingPermission):
        await posts(url, folder, platform, START + CLAIMED).post(PLACE)
    assert claim(url, "anchor discord:1/7", START + CLAIMED) is None
    await posts(url, folder, platform, START + 2 * CLAIMED).post(PLACE)
    assert len(platform.said) == 2


async def test_only_a_chat_that_is_served_here_gets_a_post_and_a_failure_keeps_nobody_from_theirs(
    url: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [MissingPermission("invite the bot"), RateLimited(9), RuntimeError("odd"), MessageNotFound("7"), None]
    platform = FakePlatform(faults={"say": list(faults)})
    keeper = posts(url, folder, platform)
    assert isinstance(keeper.clock, RoundClock)
    keeper.clock.rounds = len(faults)
    with caplog.at_level(logging.WARNING), pytest.raises(Enough):
        await keeper._keep()
    assert [place for place, _ in platform.said] == [PLACE]
    says = [record.getMessage() for record in caplog.records]
    assert says[0].endswith("tried again in ten minutes: invite the bot")
    assert says[1].endswith("tried again in ten minutes: the chat asks for patience")
    assert says[2].endswith("tried again in ten minutes")
    environment = Environment({"DATABASE_URL": url})
    async with AnchorPosts.of(environment, [platform], RoundClock()).running():
        pass


def test_of_two_that_claim_a_day_one_has_it_until_it_is_given_back(either_url: str) -> None:
    url = either_url
    first = claim(url, "anchor", START)
    assert first is not None
    assert not first.may_stand
    assert claim(url, "anchor", START + CLAIMED / 2) is None
    release(url, first)
    again = claim(url, "anchor", START)
    assert again is not None
    taken_over = claim(url, "anchor", START + CLAIMED)
    assert taken_over is not None
    assert taken_over.may_stand
    finish(url, again, "too late")  # Whoever lost the claim says nothing any more.
    assert claim(url, "anchor", START + 2 * CLAIMED) is not None
    assert claim(url, "anchor of another channel", START) is not None


async def test_an_anchor_is_stamped_as_soon_as_the_server_does_and_written_whether_it_does_or_not(
    url: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with TimeStampServer.running() as server:
        settings = set_up(folder, MASSGEN_BOT_ANCHOR_TSA=server.url)
        server.answers = lambda request: granted(request) if len(server.asked) > 4 else answer(b"junk")
        with caplog.at_level(logging.WARNING), pytest.raises(Enough):
            await keep_anchors(url, settings, RoundClock(rounds=4))
    assert (
        len(server.asked) == 5
    )  # Twice in vain, each time with and without certificates; and not once the token is there.
    (first, second) = [record.getMessage() for record in caplog.records]
    assert first == second
    assert "could not have the anchor time-stamped" in first
    assert endings(folder) == {".jsonl", SUFFIX}


async def test_without_a_folder_nothing_is_kept(url: str) -> None:
    await keep_anchors(url, AnchorSettings.of(Environment({})), RoundClock())


def test_whoever_writes_a_days_anchor_second_leaves_the_first_as_it_is(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was stamped or posted by then stays true."""
    file = file_of_day(folder, START)

    def meanwhile(path: Path, **_: object) -> bool:
        Path.write_text(file, "the first\n", encoding="utf-8")
        return False

    monkeypatch.setattr(Path, "exists", meanwhile)
    assert anchor_of_day(url, folder, START) is None
    assert [each.read_text(encoding="utf-8") for each in folder.iterdir()] == ["the first\n"]


def test_a_share_without_hard_links_gets_the_anchor_too(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(path: Path, target: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    assert anchor_of_day(url, folder, START) == file_of_day(folder, START)
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("TSA", "tsa.example.org", "must be an address that begins with http"),
        ("TSA", "http://tsa.example.org", "MASSGEN_BOT_ANCHOR_TSA has no effect without MASSGEN_BOT_ANCHOR_FOLDER"),
        ("CHANNEL", "slack:-:T1/C1", "MASSGEN_BOT_ANCHOR_CHANNEL has no effect without MASSGEN_BOT_ANCHOR_FOLDER"),
        ("CHANNEL", "discord:1", "must be a tenant and a channel"),
        ("CHANNEL", "telegram:1/2", "must be a tenant and a channel"),
        ("CHANNEL", "discord:/2", "must be a tenant and a channel"),
        ("FOLDER", "/does/not/exist", "must name an existing folder"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told(variable: str, value: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        AnchorSettings.of(Environment({f"MASSGEN_BOT_ANCHOR_{variable}": value}))


def test_channels_are_tenants_and_channels(folder: Path) -> None:
    settings = set_up(folder, MASSGEN_BOT_ANCHOR_CHANNEL="discord:1/7, slack:-:T1/C1")
    assert settings.channels == (PLACE, OTHER)


def test_a_file_that_is_no_anchor_has_no_head(folder: Path) -> None:
    with pytest.raises(StorageError, match="can't be read"):
        head_of(folder / "none.jsonl")
