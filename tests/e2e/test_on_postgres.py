"""Stories of both chats, once more on PostgreSQL: the rest of the program is the same, whatever keeps the log."""

from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

import pytest

from bot.database_admin import migrate_all, verify_log
from tests.databases import Postgres, postgres_or_skip
from tests.e2e import discord_harness, slack_harness
from tests.e2e import test_apart as apart
from tests.e2e import test_discord_runs as in_discord
from tests.e2e import test_slack_runs as in_slack


@pytest.fixture(scope="module")
def server() -> Generator[Postgres]:
    yield from postgres_or_skip()


@pytest.fixture
def database(server: Postgres) -> str:
    url = server.new_database()
    migrate_all(url)
    return url


@pytest.mark.parametrize(
    "story",
    [
        apart.test_a_front_end_without_keys_and_a_worker_without_tokens_carry_a_run_to_its_end,
        in_discord.test_a_rejection_has_its_reason_although_the_bot_was_restarted_while_it_was_written,
        in_discord.test_a_doubtful_call_waits_for_a_person_over_a_restart,
        in_discord.test_fifty_clicks_at_once_are_one_decision,
    ],
)
async def test_in_discord(
    tmp_path: Path, database: str, story: Callable[[discord_harness.Harness], Awaitable[None]]
) -> None:
    async with discord_harness.a_harness(tmp_path, database=database) as harness:
        await story(harness)
    assert verify_log(database, None) == []
    assert not (tmp_path / "massgen-bot.sqlite").exists()


@pytest.mark.parametrize(
    "story",
    [
        in_slack.test_wanted_changes_bring_another_plan_and_the_old_yes_counts_no_more,
        in_slack.test_fifty_clicks_at_once_are_one_decision_and_forty_nine_private_answers,
    ],
)
async def test_in_slack(
    tmp_path: Path, database: str, story: Callable[[slack_harness.Harness], Awaitable[None]]
) -> None:
    async with slack_harness.a_harness(tmp_path, database=database) as harness, harness.bot():
        await story(harness)
    assert verify_log(database, None) == []
    assert not (tmp_path / "massgen-bot.sqlite").exists()
