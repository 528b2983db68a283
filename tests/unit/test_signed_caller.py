"""On whose behalf a tool is called is a fact that only the holder of the server's key can state."""

import pytest

from coordination.domain.caller import Caller, signed, verified
from coordination.domain.canonical_json import Json

KEY = "key-of-one-start"
CALLER = Caller(tenant="discord:1", requester="7", approvers=("8", "7"), channel="42")


def test_a_signed_fact_tells_who_is_behind_the_call() -> None:
    assert verified(signed(CALLER, KEY, tool="read"), KEY, tool="read") == CALLER
    assert CALLER.people == ("7", "8")


@pytest.mark.parametrize("key", ["", "key-of-another-start"])
def test_another_key_vouches_for_nobody(key: str) -> None:
    assert verified(signed(CALLER, KEY, tool="read"), key, tool="read") is None


def test_the_fact_of_one_tool_is_none_of_another() -> None:
    assert verified(signed(CALLER, KEY, tool="read"), KEY, tool="send") is None


@pytest.mark.parametrize("change", [{"fact": "{}"}, {"mac": "0" * 64}, {"fact": 7}, {"mac": None}])
def test_a_changed_fact_is_none(change: dict[str, Json]) -> None:
    assert verified({**signed(CALLER, KEY, tool="read"), **change}, KEY, tool="read") is None


@pytest.mark.parametrize("given", [None, "", [], 7])
def test_what_is_no_fact_vouches_for_nobody(given: object) -> None:
    assert verified(given, KEY, tool="read") is None


@pytest.mark.parametrize("fact", ["no JSON", "[]", '{"approvers":7,"tool":"read"}'])
def test_a_fact_under_the_right_key_is_still_read_strictly(fact: str) -> None:
    from coordination.domain import caller  # noqa: PLC0415 - what only the holder of the key can make

    found = verified({"fact": fact, "mac": caller._mac(KEY, fact)}, KEY, tool="read")
    assert found in (None, Caller(tenant="", requester=""))
