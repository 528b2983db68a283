"""The pictures in docs/ are of what today's program sends."""

from xml.etree import ElementTree

import pytest

from tests.pictures import FOLDER, pictures

PICTURES = pictures()


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_of_todays_payload(name: str) -> None:
    drawn = PICTURES[name]
    assert (FOLDER / name).read_text(encoding="utf-8") == drawn, "run `python -m tests.pictures`"
    ElementTree.fromstring(drawn)  # noqa: S314 - we have just written it


def test_there_is_no_picture_of_anything_else() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PICTURES)
