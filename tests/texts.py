"""The sentences of a language as its catalogue has them. What is counted stands as `key.one` and `key.other`."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from babel.messages import pofile

LOCALES = Path(__file__).parents[1] / "bot/locales"
FORMS = ("one", "other")


@cache
def texts_of(language: str) -> Mapping[str, str]:
    """Every sentence by its key."""
    with (LOCALES / f"{language}.po").open("rb") as file:
        messages = [message for message in pofile.read_po(file, locale=language) if message.id]
    texts: dict[str, str] = {}
    for message in messages:
        if isinstance(message.id, str):
            texts[message.id] = str(message.string)
        else:
            forms = zip(FORMS, message.string or (), strict=True)
            texts |= {f"{message.id[0]}.{form}": text for form, text in forms}
    return texts
