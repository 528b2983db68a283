"""How every test runs: on asyncio, in an environment that is the same everywhere, with the search that HYPOTHESIS_PROFILE names."""

import gc
import os
import time
from collections.abc import Generator

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, Phase, is_hypothesis_test, settings

from tests.databases import KINDS, chosen
from tests.session_end import session_end
from tests.surroundings import clear

gc.disable()  # While tests are collected hardly anything becomes garbage; see below.

# A machine that does much else at once is no mistake of the code: no search fails for its time.
ANY_PACE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", ANY_PACE, max_examples=50)
settings.register_profile("ci", ANY_PACE, max_examples=200, derandomize=True, print_blob=True)
settings.register_profile("deep", ANY_PACE, max_examples=20_000)
settings.register_profile("hunt", ANY_PACE, max_examples=600, derandomize=True, phases=[Phase.generate], database=None)

surroundings = clear(dict(os.environ))
for cleared in os.environ.keys() - surroundings.keys():
    del os.environ[cleared]
os.environ.update(surroundings)
time.tzset()

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

MEASURED = {"contract", "service", "threats", "unit"}
"""The folders of tests that coverage is counted in: those that say what each part does, and what it must not."""

if "PYTEST_XDIST_WORKER" in os.environ:  # Coverage has begun here; what tests start from outside is not counted.
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        del os.environ[name]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make test-databases` tells the stories of the service and of the chats on another database."""
    parser.addoption("--database", choices=KINDS, default="", help="tell the stories of service and chats on this")


def pytest_configure(config: pytest.Config) -> None:
    """From here on the stories find what was chosen."""
    chosen.kind = config.getoption("--database") or ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Do not measure stories and searches: they run the same lines a thousand times, three times slower when counted."""
    is_search = is_hypothesis_test(getattr(item, "obj", None)) or item.get_closest_marker("unmeasured") is not None
    is_measured = item.path.parent.name in MEASURED and not is_search
    measuring = None if is_measured else Coverage.current()
    if measuring is None:
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Collect garbage of the tests alone: half a million objects of libraries would be visited again and again."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Save and end here, not at exit: once a worker has said that it is done, it is killed if it lives for ten seconds."""
    if (measuring := Coverage.current()) is not None:
        measuring.save()
    session_end.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
