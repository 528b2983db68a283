"""Secrets that we gave away, blotted out of what comes back: from tool servers, from providers, and in our own log.

Only values that we know are looked for, in every form in which a program is likely to repeat them. What is no secret,
such as a folder or the name of an account, is left alone: results that people decide on must stay readable.
"""

import base64
import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from coordination.ports import ServerSpec

Json: TypeAlias = "str | int | float | bool | None | Sequence[Json] | Mapping[str, Json]"

SECRET = "[secret]"  # noqa: S105 - what stands in the place of one

SHORTEST = 4
"""Characters of a value whose name says that it is a secret."""

_SHORTEST_UNNAMED = 8
_SHORTEST_BASE64 = 8
_NAMES = re.compile(
    r"key|token|secret|passw|pwd|pass\Z|auth|credential|cookie|session|private|signature|dsn|bearer|pat\Z",
    re.IGNORECASE,
)
_SCHEMES = frozenset({"basic", "bearer", "token", "bot", "apikey"})
_TRIVIAL = frozenset(
    {"true", "false", "none", "null", "yes", "test", "development", "production", "staging", "default"}
)
_URL = re.compile(r"\b([a-z][a-z0-9+.-]*://)([^\s/?#\"'<>@]+@)?([^\s?#\"'<>]*)(\?[^\s#\"'<>]*)?", re.IGNORECASE)


def names_secret(name: str) -> bool:
    """Whether a variable or header of this name most likely holds a secret."""
    return _NAMES.search(name) is not None


class Redactor:
    """Blots out the values that it was told of."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        """Of a value of several lines, each line counts for itself: logs are read line by line."""
        self._forms: tuple[str, ...] = ()
        self._tokens: tuple[str, ...] = ()
        self.learn(*values)

    def learn(self, *values: str) -> None:
        """Look for these values too, such as a token that was just given out."""
        forms = {form for value in values for form in _forms(value)} - set(self._forms)
        if forms:
            # The longest first, so that a part of a value never hides the whole of it.
            self._forms = tuple(sorted({*self._forms, *forms}, key=len, reverse=True))

    def forget(self, *values: str) -> None:
        """Look for these no more."""
        forms = {form for value in values for form in _forms(value)}
        self._forms = tuple(form for form in self._forms if form not in forms)

    def renew(self, token: str) -> tuple[str, ...]:
        """Look for a token that was just given out in the place of older ones. Returns those, which are forgotten.

        The one before it is kept, as its last answers may still come. Whoever runs for months is given thousands.
        """
        *outdated, before = [each for each in self._tokens if each != token] or [""]
        self._tokens = tuple(each for each in (before, token) if each)
        self.forget(*outdated)
        self.learn(token)
        return tuple(outdated)

    def text(self, text: str) -> str:
        """The text without the values."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, SECRET)
        return text

    def json(self, value: Json) -> Json:
        """The value with every text in it redacted; names of fields stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {name: self.json(each) for name, each in value.items()}
        if isinstance(value, Sequence):
            return [self.json(each) for each in value]
        return value


EVERYTHING = Redactor()
"""Knows every value that any redactor of the process was made for: for the program's own log."""

CERTAIN: list[str] = []
"""Values of the process that are secrets by their names, not by their looks alone, and too long to be anything else:
people who approve a call must see whatever else there is."""


def learn_secrets(*values: str) -> None:
    """Keep these out of the program's log and, where nothing else would be taken for them, off the cards."""
    EVERYTHING.learn(*values)
    for value in map(str.strip, values):
        has_both = any(map(str.isalpha, value)) and any(map(str.isdigit, value))
        if has_both and _CERTAIN.fullmatch(value) and value not in CERTAIN:
            CERTAIN.append(value)


def learn_headers(headers: Sequence[tuple[str, str]], *, from_variables: Container[str] = ()) -> None:
    """Keep the secrets in headers out of the program's log and, if they are secrets by their names, off the cards."""
    EVERYTHING.learn(*secrets_in_headers(headers, from_variables=from_variables))
    learn_secrets(*named_secrets(headers))


def secrets_in_headers(headers: Sequence[tuple[str, str]], *, from_variables: Container[str] = ()) -> tuple[str, ...]:
    """What must not be repeated of headers: secrets by their names or their looks, and what a variable brought in.

    Such a value may be anything, but a folder, an address or a number is none of our secrets.
    """
    brought_in = (word for name, value in headers if name in from_variables for word in value.split())
    unnamed = (word for word in brought_in if len(word) >= SHORTEST and not _is_secretless(word))
    return tuple(dict.fromkeys((*_of_headers(headers), *unnamed)))


def renew_token(redactor: Redactor, token: str) -> None:
    """Keep a new token out of a server's words, the log and the cards, and forget those before the last."""
    outdated = redactor.renew(token)
    EVERYTHING.forget(*outdated)
    CERTAIN[:] = [each for each in CERTAIN if each not in outdated]
    learn_secrets(token)


_CERTAIN = re.compile(r"[!-?A-~]{12,}")
"""Neither an address of email nor several words."""


def redactor_of(spec: ServerSpec) -> Redactor:
    """What a server was given and must not repeat: env, headers, arguments, parts of its address, OAuth's secrets."""
    found = [*_of_environment(spec), *_of_headers(spec.headers), *_of_address(spec.url)]
    if spec.auth is not None:
        found += [spec.auth.secret]
    EVERYTHING.learn(*found)
    learn_secrets(*_certain(spec))
    return Redactor(found)


def _certain(spec: ServerSpec) -> Iterator[str]:
    """Of what a server was given, what is a secret by its name."""
    yield from named_secrets((*spec.env, *spec.headers))
    if spec.auth is not None:
        yield spec.auth.secret


def named_secrets(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What is a secret by its name among variables or headers."""
    for name, value in pairs:
        if names_secret(name):
            yield from (word for word in value.split() if not _is_secretless(word))


def _is_secretless(word: str) -> bool:
    return word.lower() in _SCHEMES or _is_plain(word)


def without_addresses_secrets(text: str) -> str:
    """The text, whose addresses have lost who logs in and what is asked: both may be secrets that nobody told us of."""

    def shortened(match: re.Match[str]) -> str:
        scheme, user, rest, query = match.groups()
        return f"{scheme}{SECRET + '@' if user else ''}{rest}{'?' + SECRET if query and len(query) > 1 else ''}"

    return _URL.sub(shortened, text)


def _of_environment(spec: ServerSpec) -> Iterator[str]:
    for name, value in spec.env:
        yield from _secret_parts(name, value)
    for before, argument in zip(("", *spec.args), spec.args, strict=False):
        if argument not in spec.identity:
            name, is_pair, value = argument.partition("=")
            # The operator put a variable here, so it may be anything; a folder is none of our secrets.
            yield from _secret_parts(f"{before} {name}", value if is_pair else argument)
            if len(argument) >= SHORTEST and not _is_plain(argument):
                yield value if is_pair and len(value) >= SHORTEST else argument


def _of_headers(headers: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in headers:
        words = [word for word in value.split() if word.lower() not in _SCHEMES]
        for word in words:
            yield from _secret_parts(name, word.strip(";,"))
        if value.lower().startswith("basic ") and words:
            yield from _secret_parts(name, _decoded(words[-1]).partition(":")[2])
        if len(words) > 1 and _NAMES.search(name):
            yield value


def _of_address(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        return
    yield from (each for each in (password, user) if len(each) >= SHORTEST and each.lower() not in _TRIVIAL)
    for name, value in parse_qsl(parts.query):
        yield from _secret_parts(name, value)
    yield from (piece for piece in unquote(parts.path).split("/") if len(piece) >= 16 and _looks_random(piece))


def _secret_parts(name: str, value: str) -> Iterator[str]:
    """The value, if it is a secret by its name or by its looks; of an address, who logs in there."""
    value = value.strip()
    if "://" in value:
        yield from _of_address(value)
    if len(value) < SHORTEST or value.lower() in _TRIVIAL:
        return
    if _NAMES.search(name) or (len(value) >= _SHORTEST_UNNAMED and _looks_random(value)):
        yield value


def _looks_random(value: str) -> bool:
    """Letters and digits without a space, and no folder, number, date or address."""
    has_both = any(sign.isalpha() for sign in value) and any(sign.isdigit() for sign in value)
    return has_both and not _is_plain(value) and not any(sign.isspace() for sign in value)


def _is_plain(value: str) -> bool:
    """Whether it is a folder, an address or a number, as far as one can see."""
    return (
        value.startswith(("/", "./", "../", "~", "-"))
        or "://" in value
        or value.lower() in _TRIVIAL
        or re.fullmatch(r"[\d.:,+\-TZ]+|[a-z\d-]+(\.[a-z][a-z\d-]*)+(:\d+)?|[a-z]{2}_[A-Z]{2}\.[\w-]+", value)
        is not None
    )


def _forms(value: str) -> Iterator[str]:
    """A value as it is, as a URL, JSON, hexadecimal numbers and base64 have it; of several lines, line by line too."""
    for each in {value.strip(), *(line.strip() for line in value.splitlines())}:
        if len(each) < SHORTEST:
            continue
        data = each.encode("utf-8", "replace")
        quoted = {quote(each, safe=""), quote(each), quote_plus(each)}
        yield from (each, *quoted, *(re.sub("%..", lambda match: match[0].lower(), form) for form in quoted))
        escaped = json.dumps(each)[1:-1]
        yield from (escaped, json.dumps(each, ensure_ascii=False)[1:-1], json.dumps(escaped)[1:-1])
        if len(each) >= _SHORTEST_BASE64:
            yield from (data.hex(), data.hex().upper())
        yield from _in_base64(data)


def _in_base64(data: bytes) -> Iterator[str]:
    """What base64 makes of the value anywhere in a longer text, without the characters that its neighbours affect."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data).decode()
        first = (0, 2, 3)[offset]
        last = len(encoded) if (len(data) + offset) % 3 == 0 else (len(data) + offset) * 8 // 6
        middle = encoded[first:last]
        if len(middle) >= _SHORTEST_BASE64:
            yield from (middle, middle.replace("+", "-").replace("/", "_"))


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return ""
