"""What the index of tomorrow offers, and whom it leaves as they are."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from packaging.version import Version

from tests.installation.__main__ import missing_of
from tests.installation.index import NewerIndex, made_up_wheel, newer_than, pins_in, releases_in, version_of

FILES = [{"filename": f"left-{version}-py3-none-any.whl", "url": f"../f/{version}", "hashes": {}} for version in "123"]


def answer(request: httpx2.Request) -> httpx2.Response:
    if request.url.path == "/simple/left/":
        return httpx2.Response(200, json={"files": FILES}, headers={"Content-Type": "application/json"})
    return httpx2.Response(404)


@pytest.fixture
def index() -> Iterator[NewerIndex]:
    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        yield NewerIndex("http://127.0.0.1:9/simple", client, {"left": {Version("2")}}, url="http://127.0.0.1:8")


def test_a_locked_project_has_its_locked_release_and_newer_ones(index: NewerIndex) -> None:
    page = index.page("left")
    assert page is not None
    files = json.loads(page)["files"]
    found = [str(version_of(each["filename"])) for each in files]
    assert found == ["2", "2.1", "3.1", "4.0"]
    assert files[0]["url"] == "http://127.0.0.1:9/simple/f/2"
    assert all(each["url"].startswith("http://127.0.0.1:8/made-up/left/") for each in files[1:])


def test_of_a_project_in_no_lock_all_is_there_and_only_its_newest_release_is_outdone(index: NewerIndex) -> None:
    index.locked = {}
    page = index.page("left")
    assert page is not None
    assert [each["filename"].split("-")[1] for each in json.loads(page)["files"]] == ["1", "2", "3", "3.1", "4.0"]


def test_a_release_that_is_there_is_never_made_up(index: NewerIndex) -> None:
    index.locked = {"left": {Version("1")}}
    page = index.page("left")
    assert page is not None
    made_up = [each["filename"] for each in json.loads(page)["files"] if "made-up" in each["url"]]
    assert [name.split("-")[1] for name in made_up] == ["1.1", "3.1", "4.0"]


def test_what_the_index_behind_does_not_have_is_not_made_up(index: NewerIndex) -> None:
    assert index.page("right") is None


def test_a_newer_release_fits_every_range_that_takes_the_locked_one() -> None:
    newer = newer_than({Version("3.4.0"), Version("2.62.2")})
    assert {"3.4.0.1", "2.62.2.1", "4.0", "3.0"} == set(map(str, newer))


def test_a_made_up_wheel_does_not_depend_on_when_it_is_made() -> None:
    with zipfile.ZipFile(io.BytesIO(made_up_wheel("left", "4.0"))) as archive:
        assert {each.date_time for each in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_pins_are_read_with_extras_and_markers(tmp_path: Path) -> None:
    lock = tmp_path / "some.txt"
    lock.write_text(
        "Some_Name[a,b]==1.0 \\\n    --hash=sha256:0\nother==2 ; sys_platform == 'x' \\\n", encoding="utf-8"
    )
    assert pins_in(lock) == {"some-name": "1.0", "other": "2"}


def test_a_lock_may_have_another_release_for_each_python(tmp_path: Path) -> None:
    lock = tmp_path / "some.txt"
    lock.write_text("left==1.0 ; python_version < '3.12'\nleft==2.0 ; python_version >= '3.12'\n", encoding="utf-8")
    assert list(releases_in(lock)) == [("left", Version("1.0")), ("left", Version("2.0"))]


def test_a_lock_that_lost_an_extra_or_a_package_is_noticed() -> None:
    left = {"name": "Left", "version": "1", "requires_dist": ["right[fast]>=2", "up; extra == 'high'"]}
    right = {"name": "right", "version": "2", "requires_dist": []}
    assert list(missing_of([left, right], {"right": {"fast"}})) == []
    assert list(missing_of([left, right], {})) == ["Left -> right[fast]>=2"]
    assert list(missing_of([left], {"right": {"fast"}})) == ["Left -> right[fast]>=2"]
    assert list(missing_of([left, right], {"right": {"fast"}, "left": {"high"}})) == ['Left -> up; extra == "high"']
