"""What `make fuzz` names is there, and takes bytes: without the fuzzer, which is not in the environment of the tests."""

import pytest

from tests.fuzz.targets import TARGETS

SUBJECTS = {"yaml", "canonical", "policy", "diff", "cards", "terminal", "discord", "slack"}


def test_every_surface_and_everything_under_it_is_fuzzed() -> None:
    assert TARGETS.keys() == SUBJECTS
    assert all(each.exists() for target in TARGETS.values() for each in target.seeds)


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_every_property_takes_bytes(name: str) -> None:
    target = TARGETS[name]
    for number in range(len(target.checks())):
        target.check()(bytes([number, *range(64)]))
