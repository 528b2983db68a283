"""Characters that pass for others.

They are letters of two alphabets in one word, and accents that are put together in another way.

A Cyrillic letter in the name of a bank makes it another one. A card names such a character, and says that it did.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from coordination.domain.canonical_json import Json, parse
from coordination.errors import InvalidJsonError

_ALIKE = frozenset(
    {
        "LATIN",
        "GREEK",
        "CYRILLIC",
        "COPTIC",
        "ARMENIAN",
        "CHEROKEE",
        "LISU",
        "DESERET",
        "OSAGE",
        "GOTHIC",
    }
)
"""Alphabets of which some letters are drawn as some of another's. Japanese mixes scripts in every sentence."""

_LOOKS_LIKE_ASCII = "COMPATIBLE"
_ORDINALS = "ªº"
_JAMO = range(0x1160, 0x1200)


@lru_cache(maxsize=4096)
def _alphabet(character: str) -> str:
    """The alphabet of a letter; empty where nothing is confused with it."""
    if unicodedata.category(character)[0] != "L" or character in _ORDINALS:
        return ""
    if not character.isascii() and unicodedata.normalize("NFKC", character).isascii():
        return _LOOKS_LIKE_ASCII
    word = unicodedata.name(character, "").partition(" ")[0]
    return word if word in _ALIKE else ""


def lookalikes(text: str) -> frozenset[int]:
    """Where in a text the characters stand that a person can't tell from others."""
    if text.isascii():
        return frozenset()
    return frozenset({*_of_mixed_words(text), *_not_composed(text)})


def _of_mixed_words(text: str) -> Iterator[int]:
    """In each word of more than one alphabet, the letters that are not of the one which most are of."""
    if len({_alphabet(character) for character in set(text)} - {""}) < 2:
        return
    for word in _words(text):
        if len(word) == 1:
            continue
        alphabets = Counter(found for position in word if (found := _alphabet(text[position])))
        if len(alphabets) > 1:
            usual = max(alphabets, key=lambda each: (alphabets[each], each == "LATIN"))
            yield from (position for position in word if _alphabet(text[position]) not in ("", usual))


def _words(text: str) -> Iterator[range]:
    """Runs of letters, the marks on them, and digits."""
    start = None
    for position, character in enumerate(text):
        is_within = unicodedata.category(character)[0] in "LMN"
        if is_within and start is None:
            start = position
        elif not is_within and start is not None:
            yield range(start, position)
            start = None
    if start is not None:
        yield range(start, len(text))


def _not_composed(text: str) -> Iterator[int]:
    """The marks of letters that also have one character of their own, and characters that are another one's double."""
    if unicodedata.is_normalized("NFC", text):
        return
    cluster: list[int] = []
    for position, character in enumerate(text):
        if cluster and (unicodedata.combining(character) or ord(character) in _JAMO):
            cluster.append(position)
            continue
        if len(cluster) != 1 or not text[cluster[0]].isascii():  # An ASCII character alone is no double of another.
            yield from _named(text, cluster)
        cluster = [position]
    yield from _named(text, cluster)


def _named(text: str, cluster: list[int]) -> Iterator[int]:
    if not unicodedata.is_normalized("NFC", "".join(text[position] for position in cluster)):
        yield from cluster[1:]
        if not unicodedata.is_normalized("NFC", text[cluster[0]]):
            yield cluster[0]


def lookalikes_in(arguments: str) -> dict[str, tuple[str, ...]]:
    """The arguments of a call with such characters, by name, and which. Of a name, whatever is not ASCII is one."""
    try:
        value = parse(arguments)
    except InvalidJsonError:
        return {}
    if not isinstance(value, dict):
        return {}
    found = {name: tuple(dict.fromkeys((*_not_ascii(name), *_within(item)))) for name, item in value.items()}
    return {name: characters for name, characters in found.items() if characters}


def _not_ascii(name: str) -> tuple[str, ...]:
    return tuple(character for character in name if not character.isascii())


def _within(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield from (value[position] for position in sorted(lookalikes(value)))
        case dict():
            for name, item in value.items():
                yield from _not_ascii(name)
                yield from _within(item)
        case list():
            for item in value:
                yield from _within(item)
        case _:
            return


def has_odd_names(value: Json) -> bool:
    """Whether a name in a value, however deep, holds anything but ASCII."""
    if isinstance(value, dict):
        return any(not name.isascii() or has_odd_names(item) for name, item in value.items())
    return isinstance(value, list) and any(map(has_odd_names, value))
