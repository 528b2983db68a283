"""How every test runs: on asyncio, and with the hypothesis profile that HYPOTHESIS_PROFILE names."""

import os
from collections.abc import Generator

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, Phase, is_hypothesis_test, settings

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("deep", max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "hunt", max_examples=600, deadline=None, derandomize=True, phases=[Phase.generate], database=None
)
os.environ["LC_ALL"] = "C.UTF-8"  # tests read English, whatever the terminal speaks that they are started from

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Do not measure searches: they run the same lines a thousand times, five times slower when each is counted."""
    is_search = is_hypothesis_test(getattr(item, "obj", None)) or item.get_closest_marker("unmeasured") is not None
    measuring = Coverage.current() if is_search else None
    if measuring is None:
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
