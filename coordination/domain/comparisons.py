"""Comparisons of a rule's condition: what each says of one value in a call's arguments.

Each says yes, no, or that it can't be judged: None. No is said only of a value that is another one to any program. A value of
another kind, and one that differs only in letter case, spaces or Unicode form, may be the same to the server that gets it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal, TypeAlias, TypeGuard

from coordination.domain.canonical_json import Json

Operator: TypeAlias = Literal[
    "equals",
    "not",
    "in",
    "not_in",
    "matches",
    "at_least",
    "at_most",
    "longest",
    "host",
    "email",
    "folder",
    "present",
    "within",
]

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([A-Za-z0-9.-]+)(?::\d{1,5})?(?:/[!-~]*|[?#][!-?A-\[\]-~]*)?")
_MAILBOX = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")
_NO_PLAIN_PATH = re.compile(r"\\|%|^~|//|[. ](?:/|\Z)")
_DRIVE = re.compile(r"[A-Za-z]:")
_NUMERIC_LABEL = re.compile(r"\d+|0x[0-9a-f]*")
_DOTTED_QUAD = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.|\Z)){4}(?<!\.)")
_QUAD_PATTERN = re.compile(r"[\d.*?]*\d[\d.*?]*")
_HOST_PATTERN = re.compile(r"(?!\.)[A-Za-z0-9.*?-]+")
_EMAIL_PATTERN = re.compile(r"[A-Za-z0-9._+*?-]+@(?!\.)[A-Za-z0-9.*?-]+")

_NO_HOST = frozenset(
    {
        "about",
        "blob",
        "chrome",
        "data",
        "file",
        "filesystem",
        "jar",
        "javascript",
        "resource",
        "vbscript",
        "view-source",
    }
)
"""Schemes under which programs ignore what stands in the place of a host."""

_SHORT = 200


def all_of(told: Iterable[bool | None]) -> bool | None:
    """Whether all of it is so."""
    verdict: bool | None = True
    for each in told:
        if each is False:
            return False
        if each is None:
            verdict = None
    return verdict


def any_of(told: Iterable[bool | None]) -> bool | None:
    """Whether any of it is so."""
    return _not(all_of(_not(each) for each in told))


def is_equal(left: Json, right: Json) -> bool:
    """Whether two values are the same in JSON: 1 is 1.0, and true is no number."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(is_equal(left[key], right[key]) for key in left)
    if is_list(left) and is_list(right):
        return len(left) == len(right) and all(map(is_equal, left, right))
    return left == right


def is_list(value: Json) -> TypeGuard[Sequence[Json]]:
    """Whether a value is a list in JSON."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def reads_as(text: str) -> str:
    """What is left of a text where letter case, spaces, Unicode forms and characters that nobody sees do not count."""
    return _short_reads_as(text) if len(text) <= _SHORT else _reads_as(text)


def _reads_as(text: str) -> str:
    if not text.isascii():
        visible = (each for each in unicodedata.normalize("NFKC", text) if unicodedata.category(each) != "Cf")
        text = unicodedata.normalize("NFKC", "".join(visible).casefold())
    return " ".join(text.casefold().split())


_short_reads_as = lru_cache(maxsize=10_000)(_reads_as)


def can_match(operator: Operator, pattern: str) -> bool:
    """Whether there is a value that a pattern of `host`, `email` or `folder` matches."""
    match operator:
        case "host":
            return _HOST_PATTERN.fullmatch(pattern) is not None and ".." not in pattern
        case "email":
            return _EMAIL_PATTERN.fullmatch(pattern) is not None and ".." not in pattern.partition("@")[2]
        case "folder":
            return _is_plain_path(pattern.rstrip("/") or "/") and not any(each in pattern for each in "*?")
        case _:
            return True


def _not(told: bool | None) -> bool | None:
    return None if told is None else not told


def _equals(value: Json, other: Json) -> bool | None:
    if is_equal(value, other):
        return True
    if _kind(value) != _kind(other):
        return None
    if isinstance(value, str) and isinstance(other, str):
        return None if reads_as(value) == reads_as(other) else False
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        if value.keys() == other.keys():
            return all_of(_equals(value[key], other[key]) for key in value)
        return None if {*map(reads_as, value)} == {*map(reads_as, other)} else False
    if is_list(value) and is_list(other):
        return all_of(map(_equals, value, other)) if len(value) == len(other) else False
    return None if not isinstance(value, bool) and _is_same_double(value, other) else False


def _kind(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "flag"
        case int() | float():
            return "number"
        case str():
            return "text"
        case Mapping():
            return "mapping"
        case _:
            return "list"


def _is_same_double(value: Json, other: Json) -> bool:
    """Whether two numbers are one to a program that has only doubles."""
    try:
        return isinstance(value, int | float) and isinstance(other, int | float) and float(value) == float(other)
    except OverflowError:
        return False


def _in(value: Json, wanted: Json) -> bool | None:
    return any_of(_equals(value, each) for each in (wanted if is_list(wanted) else [wanted]))


def _matches(value: Json, patterns: Json) -> bool | None:
    """By `*` and `?` as in `match`."""
    if not isinstance(value, str):
        return None
    wanted = _texts(patterns)
    if _is_like(value, wanted):
        return True
    return None if _is_like(reads_as(value), [reads_as(each) for each in wanted]) else False


def _is_like(text: str, patterns: Iterable[str]) -> bool:
    """A bracket means itself: only `*` and `?` are wild."""
    return any(fnmatchcase(text, each.replace("[", "[[]")) for each in patterns)


def _texts(value: Json) -> list[str]:
    return [each for each in (value if is_list(value) else [value]) if isinstance(each, str)]


def _like_one_of(operator: Operator, patterns: Json, fits: Callable[[str], bool]) -> bool | None:
    """Whether one of the patterns fits. Of a pattern that nothing could match, nobody knows what it was meant to."""
    return any_of(fits(each) if can_match(operator, each) else None for each in _texts(patterns))


def _compared(test: Callable[[float, float], bool]) -> Callable[[Json, Json], bool | None]:
    def compare(value: Json, limit: Json) -> bool | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(limit, int | float):
            return None
        return test(value, limit)

    return compare


def _longest(value: Json, limit: Json) -> bool | None:
    if not isinstance(limit, int) or not isinstance(value, str | Sequence):
        return None
    return len(value) <= limit


def _host(value: Json, patterns: Json) -> bool | None:
    """Of an address without anything that two programs might read in two ways, such as a name before an `@`."""
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    host = None if found is None or found[1].lower() in _NO_HOST else _plain_host(found[2])
    if host is None:
        return None
    return _like_one_of("host", patterns, lambda each: _is_host(host, each.lower().removesuffix(".")))


def _is_host(host: str, pattern: str) -> bool:
    """Whether a host is one of these. A pattern of numbers means addresses: `10.*` does not mean `10.example.com`."""
    is_of_numbers = _QUAD_PATTERN.fullmatch(pattern) is not None
    return _is_like(host, [pattern]) and (not is_of_numbers or _DOTTED_QUAD.fullmatch(host) is not None)


def _plain_host(host: str) -> str | None:
    """A host in the one way to write it; None: it may be another one to another program, such as 127.1 or 2130706433."""
    plain = host.lower().removesuffix(".")  # With the dot it is the same host.
    labels = plain.split(".")
    if "" in labels or (_NUMERIC_LABEL.fullmatch(labels[-1]) and not _DOTTED_QUAD.fullmatch(plain)):
        return None
    return plain


def _email(value: Json, patterns: Json) -> bool | None:
    """Of one mail address and nothing else: no name, no second address, no route."""
    if not isinstance(value, str) or not _MAILBOX.fullmatch(value):
        return None
    plain = value.lower().removesuffix(".")
    return _like_one_of("email", patterns, lambda each: _is_like(plain, [each.lower().removesuffix(".")]))


def _folder(value: Json, folders: Json) -> bool | None:
    """Of a path as it is written: where links lead, only its server knows.

    From where a path goes that does not begin at the root, only its server knows, too.
    """
    if not isinstance(value, str) or not _is_plain_path(value):
        return None

    def is_in(folder: str) -> bool | None:
        if _root(value) != _root(folder) or not can_match("folder", folder):
            return None
        if _is_below(value, folder):
            return True
        return None if _is_below(_folded(value), _folded(folder)) else False

    return any_of(map(is_in, _texts(folders)))


def _root(path: str) -> str:
    """From where a path goes: the root, that of a drive, or wherever its server is."""
    return "/" if path.startswith("/") else ":" if _DRIVE.match(path) else ""


def _is_below(path: str, folder: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")


def _folded(path: str) -> str:
    """The path as a disk has it that keeps names apart neither by letter case nor by Unicode form."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def _is_plain_path(path: str) -> bool:
    """Whether there is but one way to read a path, also where Unicode forms are folded."""
    forms = {path, unicodedata.normalize("NFKC", path)}
    return bool(path) and path.isprintable() and not any(_NO_PLAIN_PATH.search(each) for each in forms)


COMPARISONS: Mapping[Operator, Callable[[Json, Json], bool | None]] = {
    "equals": _equals,
    "not": lambda value, other: _not(_equals(value, other)),
    "in": _in,
    "not_in": lambda value, others: _not(_in(value, others)),
    "matches": _matches,
    "at_least": _compared(lambda value, limit: value >= limit),
    "at_most": _compared(lambda value, limit: value <= limit),
    "longest": _longest,
    "host": _host,
    "email": _email,
    "folder": _folder,
}
"""What each comparison says of a value, beside what the operator wrote."""
