"""What is in a database today can be read by every later program: one golden file for each form that was ever stored."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from coordination.domain.events import RunEvent, TurnStarted
from coordination.errors import StorageError
from coordination.storage.sql_run_log import Fields, decode, encode
from tests.sample_logs import asked

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
KINDS = {get_args(each.__annotations__["kind"])[0]: each for each in get_args(RunEvent)}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_stored_event_of_any_age_is_read(path: Path) -> None:
    kind, version = path.stem.split(".v")
    event = decode(kind, int(version), path.read_text(encoding="utf-8"))
    assert type(event) is KINDS[kind]
    assert decode(event.kind, encode(event).v, encode(event).body) == event


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_written_as_its_newest_golden_file_says(kind: str) -> None:
    paths = [path for path in GOLDEN if path.stem.startswith(f"{kind}.v")]
    assert paths, f"write tests/contract/golden/{kind}.v1.json"
    newest = max(paths, key=lambda path: int(path.stem.split(".v")[1]))
    text = newest.read_text(encoding="utf-8")
    written = encode(decode(kind, int(newest.stem.split(".v")[1]), text))
    assert newest.stem == f"{kind}.v{written.v}"
    assert json.loads(written.body) == json.loads(text)


def test_a_golden_file_shows_every_field_in_use() -> None:
    for path in GOLDEN:
        fields = KINDS[path.stem.split(".v")[0]].__dataclass_fields__
        stored = json.loads(path.read_text(encoding="utf-8"))
        is_newest = not path.with_name(f"{path.stem[:-1]}{int(path.stem[-1]) + 1}.json").exists()
        assert set(stored) == set(fields) or not is_newest, path.stem
        assert [name for name, value in stored.items() if value in (None, "", [], False)] == [], path.stem


def test_an_older_form_is_brought_up_step_by_step() -> None:
    def rename(fields: Fields) -> Fields:
        return {**{name: value for name, value in fields.items() if name != "who"}, "agent": fields["who"]}

    def add_epoch(fields: Fields) -> Fields:
        return {**fields, "epoch": 7}

    upcasts = {"turn_started": (rename, add_epoch)}
    oldest = '{"who": 1, "turn": 2, "kind": "turn_started"}'
    newer = '{"agent": 1, "turn": 2, "kind": "turn_started"}'
    expected = TurnStarted(agent=1, turn=2, epoch=7)
    assert decode("turn_started", 1, oldest, upcasts=upcasts) == expected
    assert decode("turn_started", 2, newer, upcasts=upcasts) == expected
    assert decode("turn_started", 3, encode(expected).body, upcasts=upcasts) == expected


@pytest.mark.parametrize(
    ("kind", "version", "body"),
    [
        ("turn_started", 2, '{"agent":1,"turn":1,"epoch":0,"kind":"turn_started"}'),
        ("moon_landed", 1, '{"kind":"moon_landed"}'),
        ("turn_started", 1, '{"agent":1,"turn":1,"kind":"turn_started"}'),
        ("turn_started", 1, '{"agent":1,'),
    ],
    ids=["newer form", "unknown kind", "field missing", "cut off"],
)
def test_what_can_not_be_read_asks_for_an_upgrade(kind: str, version: int, body: str) -> None:
    with pytest.raises(StorageError, match="upgrade this program"):
        decode(kind, version, body)


def test_half_a_surrogate_pair_is_replaced_because_no_file_can_hold_it() -> None:
    written = encode(replace(asked("a \ud83d b"), agents=("\udc00", "fine")))
    assert written.event == replace(asked("a ? b"), agents=("?", "fine"))
    assert decode(written.kind, written.v, written.body) == written.event


def test_an_integer_keeps_every_digit() -> None:
    event = TurnStarted(agent=1, turn=2**70, epoch=0)
    assert decode("turn_started", 1, encode(event).body) == event
