"""What must hold of any text, besides what hypothesis makes up."""

from coordination.domain.canonical_json import canonical, parse
from coordination.errors import InvalidJsonError


def json_is_refused_or_canonical(text: str) -> None:
    """What is taken has one text: read and written again, it stays as it is."""
    try:
        written = canonical(parse(text))
    except InvalidJsonError:
        return
    assert canonical(parse(written)) == written
