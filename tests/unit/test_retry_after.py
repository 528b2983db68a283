"""What a provider's wish to be left alone is worth, however it is written."""

import pytest

from coordination.llm.model_errors import retry_after


@pytest.mark.parametrize(
    "wish",
    ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2027 00:00:00 +99999999999999999999"],
)
def test_a_date_that_no_calendar_has_is_no_wish_at_all(wish: str) -> None:
    """The answer's own failure must reach people, not one of its header."""
    assert retry_after({"retry-after": wish, "date": "Mon, 23 Nov 2026 08:00:00 GMT"}) is None
