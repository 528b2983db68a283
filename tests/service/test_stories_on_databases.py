"""Stories of a whole service once more, where their log is the real one in SQLite and in PostgreSQL.

Those are told here whose end depends on the log's transactions: who wins a race, what is counted, what a mark forbids.
"""

import shutil
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

import pytest
import sqlalchemy as sa

from coordination.storage.audit import verify
from coordination.storage.schema import migrate
from tests.databases import Postgres, postgres_or_skip, sqlite_url
from tests.service import test_linked_runs as linked_runs
from tests.service import test_standing_grants as grants
from tests.service import test_whole_run as whole_run
from tests.service.service_harness import log_source
from tests.service.sql_service_log import SqlServiceLog

STORIES = (
    whole_run.test_what_people_approve_is_what_runs_once_and_in_order,
    whole_run.test_every_call_is_on_record_before_it_is_made,
    whole_run.test_an_expiry_is_logged_by_whoever_looks_first,
    whole_run.test_a_plan_of_two_approvals_waits_for_the_second_person,
    whole_run.test_refused_attempts_change_nothing_and_are_kept_for_the_audit,
    whole_run.test_fifty_clicks_at_once_make_one_decision,
    whole_run.test_a_job_performed_twice_at_once_runs_the_plan_once,
    whole_run.test_changes_lead_to_another_plan_with_another_digest,
    whole_run.test_another_agents_plan_can_be_chosen_and_needs_its_own_approval,
    whole_run.test_a_word_about_one_doubt_settles_no_later_one_of_the_same_call,
    whole_run.test_a_result_that_comes_after_the_call_was_given_up_is_kept,
    whole_run.test_a_program_that_is_told_to_stop_lets_the_call_under_way_end,
    whole_run.test_cancelling_during_execution_lets_the_call_under_way_end_and_skips_the_rest,
    whole_run.test_an_approval_that_expires_before_a_call_could_start_does_not_run_it,
    whole_run.test_cancelling_stops_agents_at_work_at_once,
    whole_run.test_a_name_that_is_taken_is_not_taken_again,
    grants.test_when_the_number_is_used_up_people_decide_again,
    grants.test_a_grant_that_is_revoked_before_the_first_call_has_people_asked,
    grants.test_a_grant_that_is_revoked_between_two_calls_stops_the_second,
    grants.test_two_runs_do_not_use_the_last_call_of_a_grant_twice,
    grants.test_no_log_takes_a_start_on_a_grant_that_does_not_hold_though_the_guard_looked_before,
    linked_runs.test_what_did_not_run_is_planned_to_the_byte_and_runs_once_it_is_approved,
    linked_runs.test_two_presses_make_one_run,
    linked_runs.test_a_worker_begins_the_run_where_whoever_wrote_the_mark_is_gone,
    linked_runs.test_a_name_that_another_run_has_is_not_taken,
)


@pytest.fixture(scope="module")
def postgres() -> Generator[Postgres]:
    yield from postgres_or_skip()


@pytest.fixture(scope="module")
def with_tables(postgres: Postgres) -> str:
    url = postgres.new_database()
    migrate(url)
    return url


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite")
    migrate(sqlite_url(folder))
    return folder / "log.sqlite"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database with tables, which is a copy: that costs less than to make them."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("file"), tmp_path)
        return sqlite_url(tmp_path)
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database(like=sa.make_url(request.getfixturevalue("with_tables")).database or "")


@pytest.mark.parametrize("story", STORIES)
async def test_it_ends_as_with_the_log_in_memory(story: Callable[[], Awaitable[None]], url: str) -> None:
    async with SqlServiceLog.open(url, submit=lambda connection, job: None) as log:
        assert isinstance(log, SqlServiceLog)
        with log_source.taking(lambda: log):
            await story()
        assert log.events
        for run, told in log.events.items():
            assert await log.read(run) == told
    assert verify(url) == []
