"""Comparisons of a rule's condition: what each says of one value in a call's arguments.

Each says yes, no, or that it can't be judged: None. No is said only of a value that is another one to any program. A
value of another kind, and one that differs only in letter case, spaces, accents or Unicode form, or in how a number is
written, may be the same to the server that gets it. Yes is said only of a value that no program reads as another one.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from math import inf
from typing import Literal, TypeAlias, TypeGuard

from coordination.domain.canonical_json import Json, canonical

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
_MAILBOX = re.compile(r"(?!-)[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")
_NO_PLAIN_PATH = re.compile(
    r"\\|%|^~|//|[. ](?:/|\Z)|(?:^|/)\.[*?\[]"
    r"|~\d|::|:\$"  # short names and streams on Windows' disks
    r"|^/proc/(?:[^/]+/)+(?:root|cwd|fd|map_files)(?:/|\Z)"
)
_WILD = frozenset("*?[{")
_DRIVE = re.compile(r"[A-Za-z]:")
_NUMERIC_LABEL = re.compile(r"\d+|0x[0-9a-f]*")
_DOTTED_QUAD = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.|\Z)){4}(?<!\.)")
_QUAD_PATTERN = re.compile(r"[\d.*?]*\d[\d.*?]*")
_HOST_PATTERN = re.compile(r"(?!\.)[A-Za-z0-9.*?-]+")
_LABEL = re.compile(r"(?!-)[a-z0-9-]+(?<!-)")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:e[+-]?\d{1,4})?")
_BASED = re.compile(r"[+-]?0(?:x[\da-f_]+|o[0-7_]+|b[01_]+)")
_EMAIL_PATTERN = re.compile(r"[A-Za-z0-9._+*?-]+@(?!\.)[A-Za-z0-9.*?-]+")

_HOST_SCHEMES = frozenset(
    [
        "http",
        "https",
        "ws",
        "wss",
        "ftp",
        "ftps",
        "sftp",
        "ssh",
        "git",
        "git+http",
        "git+https",
        "git+ssh",
        "ldap",
        "ldaps",
    ]
)
"""Schemes under which what stands in the place of a host is where every program goes.

Under others programs ignore it (`file:`), look up another one (`mongodb+srv:`), or take one from the query
(`postgresql:`).
"""

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
    return _short_reads_as(text) if len(text) <= _SHORT else _long_reads_as(text)


def _reads_as(text: str) -> str:
    if not text.isascii():
        # Databases take an accented letter for a plain one, and i without a dot is I in upper case.
        text = unicodedata.normalize("NFKC", text).upper().casefold()
        text = "".join(
            each for each in unicodedata.normalize("NFKD", text) if unicodedata.category(each) not in _UNSEEN
        )
    return " ".join(_CONTROL.sub("", text).casefold().split())


_UNSEEN = frozenset({"Cf", "Mn", "Me"})
_short_reads_as = lru_cache(maxsize=10_000)(_reads_as)
_long_reads_as = lru_cache(maxsize=8)(_reads_as)


def name_reads_as(name: str) -> str:
    """What is left of an argument's name for programs that take `channelId` and `channel_id` for one."""
    return reads_as(name).replace("_", "").replace("-", "").replace(" ", "")


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
        return None if _is_alike(value, other) else False
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return _is_same_mapping(value, other)
    if is_list(value) and is_list(other):
        return _is_same_list(value, other)
    return None if not isinstance(value, bool) and _is_same_double(value, other) else False


def _is_alike(text: str, other: str) -> bool:
    """Whether two texts are one to some program; to one in C, a text ends at its first null character."""
    number = _number_in(text)
    return (
        reads_as(text) == reads_as(other)
        or (number is not None and number == _number_in(other))
        or any("\0" in each for each in (text, other))
    )


def _number_in(text: str) -> Decimal | None:
    """The number that programs may read in a text; None: it is none."""
    plain = reads_as(text) if len(text) <= _SHORT else ""
    if _NUMBER.fullmatch(plain):
        return Decimal(plain.replace("_", ""))
    return Decimal(int(plain.replace("_", ""), 0)) if _BASED.fullmatch(plain) and plain[-1] != "_" else None


def _is_same_mapping(value: Mapping[str, Json], other: Mapping[str, Json]) -> bool | None:
    """What one of them has more, a program may ignore or have as its default."""
    common = value.keys() & other.keys()
    told = all_of(_equals(value[key], other[key]) for key in common)
    if told is False or value.keys() == other.keys():
        return told
    alike = {*map(name_reads_as, value)} & {*map(name_reads_as, other)}
    return False if value and other and not alike else None


def _is_same_list(value: Sequence[Json], other: Sequence[Json]) -> bool | None:
    """The order of its elements, and how often they are there, may not matter."""
    told = all_of(map(_equals, value, other)) if len(value) == len(other) else False
    return None if told is False and {*map(canonical, value)} == {*map(canonical, other)} else told


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
    if not isinstance(value, str) or "\0" in value:
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


def _like_one_of(operator: Operator, patterns: Json, fits: Callable[[str], bool | None]) -> bool | None:
    """Whether one of the patterns fits. Of a pattern that nothing could match, nobody knows what it was meant to."""
    return any_of(fits(each) if can_match(operator, each) else None for each in _texts(patterns))


def _compared(test: Callable[[float, float], bool]) -> Callable[[Json, Json], bool | None]:
    def compare(value: Json, limit: Json) -> bool | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(limit, int | float):
            return None
        told = test(value, limit)
        return told if test(_as_double(value), limit) is told else None

    return compare


def _as_double(value: float) -> float:
    """What programs make of a number that have only doubles."""
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def _longest(value: Json, limit: Json) -> bool | None:
    if not isinstance(limit, int) or not isinstance(value, str | Sequence):
        return None
    return len(value) <= limit


def _host(value: Json, patterns: Json) -> bool | None:
    """Of an address without anything that two programs might read in two ways, such as a name before an `@`."""
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    host = _plain_host(found[2]) if found is not None and found[1].lower() in _HOST_SCHEMES else None
    if host is None:
        return None
    return _like_one_of("host", patterns, lambda each: _is_host(host, each.lower().removesuffix(".")))


def _is_host(host: str, pattern: str) -> bool | None:
    """Whether a host is one of these. A pattern of numbers means addresses: `10.*` does not mean `10.example.com`."""
    if _is_like(host, [pattern]):
        return _QUAD_PATTERN.fullmatch(pattern) is None or _DOTTED_QUAD.fullmatch(host) is not None
    is_this_machine = host == "localhost" or host.endswith(".localhost")
    return None if is_this_machine and _QUAD_PATTERN.fullmatch(pattern) else False


def _plain_host(host: str) -> str | None:
    """A host in the one way to write it.

    None: it may be another one to another program, such as 127.1 or 2130706433.
    """
    plain = host.lower().removesuffix(".")  # With the dot it is the same host.
    labels = plain.split(".")
    if not all(map(_LABEL.fullmatch, labels)) or (
        _NUMERIC_LABEL.fullmatch(labels[-1]) and not _DOTTED_QUAD.fullmatch(plain)
    ):
        return None
    return plain


def _email(value: Json, patterns: Json) -> bool | None:
    """Of one mail address and nothing else: no name, no second address, no route."""
    if not isinstance(value, str) or not _MAILBOX.fullmatch(value):
        return None
    plain = value.lower().removesuffix(".")

    def fits(pattern: str) -> bool | None:
        pattern = pattern.lower().removesuffix(".")
        return True if _is_like(plain, [pattern]) else None if _is_like(_mailbox(plain), [_mailbox(pattern)]) else False

    return _like_one_of("email", patterns, fits)


def _mailbox(address: str) -> str:
    """Where providers deliver that ignore dots, and what follows a plus."""
    name, _, domain = address.partition("@")
    return f"{name.partition('+')[0].replace('.', '')}@{domain}"


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
        return None if _is_below(_folded(value), _folded(folder)) or not _WILD.isdisjoint(value) else False

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
