"""Which arguments of a call repeat what agents have read, and where they read it: by what is specific in it.

An address, an account, an amount, a name or a whole passage that a tool gave and nobody asked for is somebody else's
word. A value that stands in a field by itself, as ids in a list do, is told apart from one in running text: nearly
every plan has the first, and orders that were slipped in are the second.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from coordination.domain.canonical_json import Json, canonical, parse
from coordination.domain.comparisons import is_list
from coordination.errors import InvalidJsonError

OriginKind: TypeAlias = Literal["address", "url", "account", "amount", "name", "code", "passage"]

_TELLING = frozenset[OriginKind]({"address", "url", "account"})


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A value of a call's arguments that was read and not asked for.

    Attributes:
        argument: the name of the argument that has it, perhaps deep inside.
        tool: `server.tool` of what gave it to read, the first that did.
        value: what is repeated, or the beginning of it.
        is_in_text: it stood among other words, as an order would, and not in a field by itself.
    """

    argument: str
    tool: str
    value: str
    kind: OriginKind
    is_in_text: bool

    @property
    def is_foreign(self) -> bool:
        """Whether rules for what was read apply: to all but ids in a field by themselves, which most plans have."""
        return self.is_in_text or self.kind in _TELLING

    def as_json(self) -> Json:
        """As it enters a plan's digest."""
        return {
            "argument": self.argument,
            "tool": self.tool,
            "value": self.value,
            "kind": self.kind,
            "is_in_text": self.is_in_text,
        }


_Key: TypeAlias = tuple[OriginKind, str]

MOST_ORIGINS = 20
"""Values of one call that are kept, those from running text first."""

MOST_OF_VALUE = 80
"""Characters of a value that are kept."""

_ROW = 40
"""Letters in a row, with a space between two words, that nobody writes twice by chance."""


_TOKEN = re.compile(r"[^\W_](?:[\w.@:/+%&=?#~$-]*[\w/])?")
_HAS_SIGN = re.compile(r"[@._/0-9]")
_ADDRESS = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://.+|(?:[\w-]+\.)+[^\W\d_]{2,}(?:[:/?#].*)?")
_ACCOUNT = re.compile(r"[a-z]{2}\d{2}[a-z0-9]{8,30}")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th|am|pm|h|m|s|k|kg|km|px|gb|mb|%)")
_DATE = re.compile(r"[\d:./tz+-]+")
_LONG_NUMBER = re.compile(r"(?:\d-?){8,}")
_SHORTEST_CODE = 6
_NUMBER = r"(?<![\d,.])\d[\d,]{0,20}(?:\.\d{1,8})?"
_AMOUNT = re.compile(
    rf"(?:[$€£¥]|\b(?:usd|eur|gbp|chf)\s)\s?({_NUMBER})|({_NUMBER})\s?(?:[€£¥]|(?:usd|eur|gbp|chf|dollars?|euros?|pounds?)\b)",
    re.IGNORECASE,
)
_PLAIN_NUMBER = re.compile(_NUMBER)
_NAME_WORD = re.compile(r"\w(?:[\w'\u2019-]*\w)?")
_QUOTED = re.compile(r"""(?<=[^\W\d_]\s)(?:'([^'\n]{1,100})'|"([^"\n]{1,100})"|“([^”\n]{1,100})”|`([^`\n]{1,100})`)""")
_QUOTED_ALONE = re.compile(r"""(?<![\w\s])\s?['"]([A-Z][^'"\n]{1,100})['"]""")
_ID = re.compile(r"""\bid\s+['"“`]{0,2}([\w-]{0,60}\d[\w-]{0,60})""", re.IGNORECASE)
_FEWEST_NAME_WORDS = 3
_MOST_NAME_WORDS = 6
_ITEM = re.compile(r"\n[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]")
_NO_LETTERS = re.compile(r"[\W\d_]+")
_BEGINS = re.compile("^|(?<= )|(?=[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff])")
"""Where a passage may begin: at each word, and at each character of writing that has no spaces."""

_RECORD = re.compile(r"\s*(?:-\s+)*(?:[\w.$-]+:(?:\s+|\Z)|-\s+)")
_CONTINUED = re.compile(r"\s")


def origins_left(origins: tuple[Origin, ...], arguments: str) -> tuple[Origin, ...]:
    """Those whose values a person who changed the arguments left in them."""
    values = parse(arguments)
    if not isinstance(values, Mapping):
        return ()
    return tuple(each for each in origins if _has(values.get(each.argument), _plain(each.value)))


def _has(value: Json, part: str) -> bool:
    return any(part in _plain(leaf if isinstance(leaf, str) else canonical(leaf)) for leaf in _leaves(value))


@dataclass(frozen=True)
class ReadText:
    """One text by what is specific in it.

    Attributes:
        found: each specific value, and whether it stood among other words.
        passages: a hash for each row of letters that is long enough.
    """

    found: Mapping[_Key, bool]
    passages: frozenset[int]


def read_through(text: str) -> ReadText:
    """What is specific in a text that was given to an agent. It is gone through once."""
    found: dict[_Key, bool] = {}
    passages: set[int] = set()
    for each in _fields(text):
        for key, is_in_text in _specifics(each):
            found[key] = _joined(key, found.get(key), is_in_text)
        passages.update(_windows(each))
    return ReadText(found, frozenset(passages))


def _joined(key: _Key, before: bool | None, now: bool) -> bool:
    """Whether a value that stood in several places counts as one of running text.

    Whatever is called by a name has it in a field somewhere: a name is one of running text if it stands in no field.
    """
    if before is None:
        return now
    return before and now if key[0] == "name" else before or now


@dataclass
class ReadIndex:
    """What all agents of a run were given to read, by what is specific in it.

    `asked` gives what people have asked for so far.
    """

    asked: Callable[[], str] = str
    _found: dict[_Key, tuple[str, bool]] = field(default_factory=dict[_Key, tuple[str, bool]])
    _passages: dict[int, str] = field(default_factory=dict[int, str])

    def add(self, tool: str, text: ReadText) -> None:
        """Take in what `tool`, as `server.tool`, gave to read."""
        for key, now in text.found.items():
            first, before = self._found.get(key, (tool, None))
            is_in_text = _joined(key, before, now)
            self._found[key] = (tool if is_in_text and not before else first, is_in_text)
        for window in text.passages:
            self._passages.setdefault(window, tool)

    def restore(self, origin: Origin) -> None:
        """Take in what an earlier attempt of the same run had found in a call that it recorded."""
        if origin.kind == "passage":
            self._passages |= dict.fromkeys(_windows(origin.value), origin.tool)
        else:
            value = _as_number(origin.value) if origin.kind == "amount" else _plain(origin.value)
            self._found.setdefault((origin.kind, value), (origin.tool, origin.is_in_text))

    def origins(self, arguments: str) -> tuple[Origin, ...]:
        """What of a call's arguments, which are canonical JSON, was read and is not in what people asked for."""
        values = parse(arguments)
        if not isinstance(values, Mapping) or not (self._found or self._passages):
            return ()
        request = _Request(self.asked())
        found: dict[Origin, None] = {}
        for name, value in values.items():
            for leaf in _leaves(value):
                found.update(dict.fromkeys(self._of_leaf(name, leaf, request)))
        return tuple(sorted(found, key=lambda each: not each.is_in_text))[:MOST_ORIGINS]

    def _of_leaf(self, name: str, leaf: str | float, request: "_Request") -> Iterator[Origin]:
        for (kind, key), shown in _sought(leaf):
            known = self._found.get((kind, key))
            if known is not None and not request.has(kind, key):
                tool, is_in_text = known
                yield Origin(argument=name, tool=tool, value=shown[:MOST_OF_VALUE], kind=kind, is_in_text=is_in_text)
        if isinstance(leaf, str):
            for window in _windows(leaf):
                if window in self._passages and window not in request.passages:
                    value = " ".join(leaf.split())[:MOST_OF_VALUE]
                    yield Origin(
                        argument=name, tool=self._passages[window], value=value, kind="passage", is_in_text=True
                    )
                    return


class _Request:
    """What people asked for: what stands in it is nobody else's word."""

    def __init__(self, text: str) -> None:
        self._text = _plain(text)
        self._numbers = {_as_number(each) for each in _PLAIN_NUMBER.findall(text)}
        self.passages = set(_windows(text))

    def has(self, kind: OriginKind, key: str) -> bool:
        """Whether a value stands in it."""
        return key in self._numbers if kind == "amount" else key in self._text


def _fields(text: str) -> Iterator[str]:
    """The texts in something that was read: values of JSON, values of lines that are records, or all of it."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            value = parse(text)
        except InvalidJsonError:
            yield text
            return
        yield from (each for each in _leaves(value, with_names=True) if isinstance(each, str))
        return
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and _RECORD.match(lines[0]) and all(_RECORD.match(line) or _CONTINUED.match(line) for line in lines):
        yield from _record_values(lines)
    else:
        yield text


def _record_values(lines: list[str]) -> Iterator[str]:
    """The value of each record; one that goes on in further lines is one text."""
    value: list[str] = []
    for line in lines:
        head = _RECORD.match(line)
        if head is not None:
            yield " ".join(value)
            value = [line[head.end() :]]
        else:
            value.append(line.strip())
    yield " ".join(value)


def _specifics(field: str) -> Iterator[tuple[_Key, bool]]:
    """What is specific in a text, and whether it stands there among other words."""
    whole = _bare(field)
    for key, shown in _tokens(field):
        yield key, shown != whole
    for line in field.splitlines():
        alone = {_bare(line), *_QUOTED_ALONE.findall(line)}
        for key, shown in _names(line):
            yield key, shown not in alone
    for match in _AMOUNT.finditer(field):
        yield ("amount", _as_number(match[1] or match[2])), match[0] != whole
    for match in _QUOTED.finditer(field):
        quoted = next(each for each in match.groups() if each is not None)
        if _HAS_SIGN.search(quoted):
            yield ("code", _plain(quoted)), True
    for match in _ID.finditer(field):
        yield ("code", match[1].casefold()), True


def _sought(leaf: str | float) -> Iterator[tuple[_Key, str]]:
    """What to look for of a value of an argument, and the value itself as it is shown."""
    if not isinstance(leaf, str):
        shown = canonical(leaf)
        yield ("amount", _as_number(shown)), shown
        return
    sought = dict(_tokens(leaf))
    for line in leaf.splitlines():
        sought |= dict(_names(line))
    sought |= {("amount", _as_number(each[1] or each[2])): each[0] for each in _AMOUNT.finditer(leaf)}
    sought.setdefault(("code", _plain(leaf)), leaf)
    yield from sought.items()


def _tokens(text: str) -> Iterator[tuple[_Key, str]]:
    for match in _TOKEN.finditer(text):
        token = match[0]
        if _HAS_SIGN.search(token) and (kind := _kind(token.casefold())) is not None:
            yield (kind, token.casefold()), token


def _kind(token: str) -> OriginKind | None:
    """What a token is that looks like nothing else; None: it is a plain word, a date or a short number."""
    if "@" in token and _ADDRESS.fullmatch(token):
        return "address"
    if _URL.fullmatch(token):
        return "url"
    if _ACCOUNT.fullmatch(token):
        return "account"
    if len(token) < _SHORTEST_CODE or token.isdecimal() or _ORDINAL.fullmatch(token):
        return None
    if _DATE.fullmatch(token):
        return "code" if _LONG_NUMBER.fullmatch(token) and token.count("-") != _DASHES_OF_DATE else None
    has_both = any(each.isdecimal() for each in token) and any(each.isalpha() for each in token)
    return "code" if has_both or "_" in token else None


_DASHES_OF_DATE = 2


def _names(line: str) -> Iterator[tuple[_Key, str]]:
    """Words in a row that begin with capital letters, and rows within the row, as a word may stand before a name."""
    row: list[str] = []
    end = 0
    for match in _NAME_WORD.finditer(line):
        if row and line[end : match.start()].strip(" \t"):
            row.clear()
        end = match.end()
        if not match[0][0].isupper():
            row.clear()
            continue
        row.append(match[0])
        for length in range(_FEWEST_NAME_WORDS, min(len(row), _MOST_NAME_WORDS) + 1):
            shown = " ".join(row[-length:])
            yield ("name", shown.casefold()), shown


def _windows(text: str) -> Iterator[int]:
    """A hash for each row of letters that is long enough, from wherever a passage may begin.

    Items of a list are no passage.
    """
    for item in _ITEM.split(text.casefold()):
        letters = _NO_LETTERS.sub(" ", item).strip()
        last = len(letters) - _ROW
        for match in _BEGINS.finditer(letters) if last >= 0 else ():
            if match.start() > last:
                break
            yield hash(letters[match.start() : match.start() + _ROW])


def _leaves(value: Json, *, with_names: bool = False) -> Iterator[str | float]:
    if isinstance(value, Mapping):
        if with_names:
            yield from value
        for each in value.values():
            yield from _leaves(each, with_names=with_names)
    elif is_list(value):
        for each in value:
            yield from _leaves(each, with_names=with_names)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield value


def _bare(field: str) -> str:
    return field.strip().strip("'\"“”`")


def _plain(text: str) -> str:
    """Spaces and line breaks look different in JSON and in prose."""
    return " ".join(text.casefold().split())


def _as_number(text: str) -> str:
    """A number without what is written differently in different places."""
    digits = text.replace(",", "").lstrip("-")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
