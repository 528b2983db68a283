"""Where `--database` says so, the stories of the service have their log in a real database."""

from collections.abc import Generator
from contextlib import ExitStack

import pytest
from hypothesis import is_hypothesis_test

from coordination.storage.audit import verify
from tests.databases import chosen
from tests.service.service_harness import log_source
from tests.service.sql_service_log import SqlServiceLog


@pytest.fixture(autouse=True)
def on_the_chosen_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """A database for each log that the story asks for, which must verify when the story has ended."""
    if chosen.kind in ("", "memory") or _is_in_memory(request.node):
        yield
        return
    folder, urls = tmp_path_factory.mktemp("databases"), list[str]()
    with ExitStack() as stack:

        def opened() -> SqlServiceLog:
            urls.append(chosen.new_address(folder))
            return SqlServiceLog.at_once(urls[-1], stack)

        with log_source.taking(opened):
            yield
    assert [finding for url in urls for finding in verify(url)] == []


def _is_in_memory(item: pytest.Item) -> bool:
    """Searches tell more stories than a server has connections for, all within one test."""
    is_search = is_hypothesis_test(getattr(item, "obj", None))
    return is_search or item.get_closest_marker("in_memory") is not None
