"""Discord and Slack through two front ends that die and freeze: short and seeded. `make chaos ARGS="--only chats"` has more."""

from pathlib import Path

import pytest

from tests.chaos.chat_fronts import QUICK, chat_fronts
from tests.chaos.deployment import Deployment
from tests.chaos.storm import LIMIT
from tests.databases import own_server, postgres_programs


async def test_what_people_do_twice_and_both_front_ends_hear_happens_once_and_every_card_is_what_the_log_says(
    tmp_path: Path,
) -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here")
    with own_server(programs) as server:
        told = await chat_fronts(Deployment.on(tmp_path, server, limit=LIMIT), 1, runs=2, faults=QUICK)
    assert told.struck.keys() == {*QUICK}
