"""Finds secrets in a text, and has a mark for each, which people see in its place.

A secret is a value that this process was given as one, or a text of a format in which vendors give out theirs. Whoever
approves a call sees a mark in the place of a secret, so nothing else may be taken for one, and nothing that a program
would obey may stand in one: each format says which characters it has and how many. Whatever is longer, or has others,
is shown.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TypeAlias

from coordination.redaction import CERTAIN

Span: TypeAlias = tuple[int, int]

_JWT = r"eyJ[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{20,1000}"
"""RFC 7519; what both first parts begin with is `{"` in base64."""

_BEGINS = r"(?<![A-Za-z0-9_])"
_FORMATS = (
    # GitHub: https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
    # and https://github.blog/changelog/2026-05-15-github-app-installation-tokens-per-request-override-header/
    r"gh[pousr]_(?:[A-Za-z0-9]{36,251}|[A-Za-z0-9]{1,40}_" + _JWT + ")",
    r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    # GitLab: https://docs.gitlab.com/security/tokens/#token-prefixes
    r"glpat-(?:[A-Za-z0-9_-]{27,300}\.[0-9a-z]{2}(?:\.[0-9a-z]{2})?[0-9a-z]{7}|[A-Za-z0-9_-]{20})",
    # Slack: https://docs.slack.dev/authentication/tokens
    r"xox[abeoprs](?:\.xox[bp])?-[0-9][A-Za-z0-9-]{9,250}",
    r"xapp-[0-9]-[A-Z0-9]{9,20}-[0-9]{9,20}-[a-z0-9]{32,128}",
    # AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    r"(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Za-z0-9])",
    r"(?i:aws_?secret_?(?:access_?)?key|secretaccesskey)[\"'\\:= ]{1,8}(?P<aws>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
    # Google: https://cloud.google.com/docs/authentication/api-keys
    r"AIza[A-Za-z0-9_-]{35}",
    # Anthropic and OpenAI
    r"sk-ant-[a-z]{3,5}[0-9]{2}-[A-Za-z0-9_-]{80,120}",
    r"sk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,80}|[A-Za-z0-9]{20})T3BlbkFJ[A-Za-z0-9_-]{20,80}",
    # Package registries and Stripe
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-Ag[A-Za-z0-9_-]{80,1000}",
    r"[sr]k_(?:live|test)_[A-Za-z0-9]{24,247}",
    r"(?<!-)" + _JWT,
)
_TOKEN = re.compile(_BEGINS + "(?:" + "|".join(_FORMATS) + ")")
_TOKEN_HINT = re.compile(
    r"gh[pousr]_|github_pat_|glpat-|xox|xapp-|A[KS]IA|AIza|sk-|[sr]k_|npm_|pypi-|eyJ|(?i:aws_?secret)|(?i:secretaccess)"
)
_LOGIN = re.compile(
    r"://[A-Za-z0-9._~%+!-]{0,100}:(?P<password>[A-Za-z0-9._~%+=,!-]{3,200})@(?=[A-Za-z0-9\[])",
)
"""Who logs in at an address. A password with a character that a shell would obey stays visible."""

_LINE_END = r"(?:\r?\n[ \t]{0,20}|(?:\\{1,7}r)?\\{1,7}n| )"
"""As it is, with what is indented, or as JSON and JSON within JSON have it; a field of one line has made it a space."""

_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?P<sort>(?:[A-Z]{2,10} )?PRIVATE KEY)-----"
    r"(?P<body>(?:" + _LINE_END + r"[A-Za-z0-9+/=]{1,76}){1,200})" + _LINE_END + r"-----END (?P=sort)-----"
)
_SHORTEST = 12


class Marks:
    """Marks under one key: of the same secret always the same, and of another one another.

    May be used by several threads.
    """

    def __init__(self) -> None:
        """With a key of its own until it is given the installation's."""
        self._key = secrets.token_bytes(32)

    def use(self, key: bytes) -> None:
        """Take the installation's key, with which every process makes the same marks."""
        self._key = key

    def of(self, secret: str) -> str:
        """`⟨secret:a1b2-c3d4-e5f6-0718⟩`: 64 bits, with which nobody can check a guess without the key."""
        text = f"massgen-bot/secret\n{secret}".encode("utf-8", "surrogatepass")
        digits = hmac.new(self._key, text, hashlib.sha256).hexdigest()[:16]
        return f"{MARK_BEGINS}{'-'.join(digits[at : at + 4] for at in range(0, 16, 4))}⟩"


MARK_BEGINS = "⟨secret:"
MARK = r"⟨secret:[0-9a-f]{4}(?:-[0-9a-f]{4}){3}⟩"
"""A regular expression for a mark."""

MARKS = Marks()
"""Those of this process."""


def marked(text: str, beside: Callable[[str], str] = str) -> str:
    """The text with marks in the place of secrets.

    `beside` is what becomes of the rest, of which there may be nothing.
    """
    shown: list[str] = []
    done = 0
    for start, end in secrets_in(text):
        shown += [beside(text[done:start]), MARKS.of(text[start:end])]
        done = end
    return "".join([*shown, beside(text[done:])])


def beginning(text: str, length: int) -> str:
    """At most so many characters of a text, and no part of a secret: one that the cut would go through is left out."""
    cut = next((start for start, end in secrets_in(text) if start < length < end), length)
    return text[:cut]


def secrets_in(text: str) -> tuple[Span, ...]:
    """Where secrets stand in a text, from which position to which, in order; none overlaps another."""
    if len(text) < _SHORTEST:
        return ()
    found: list[Span] = []
    for start, end in sorted(chain(_known(text), _of_formats(text))):
        if found and start < found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return tuple(found)


def _known(text: str) -> Iterator[Span]:
    for value in CERTAIN:
        start = text.find(value)
        while start >= 0:
            yield start, start + len(value)
            start = text.find(value, start + len(value))


def _of_formats(text: str) -> Iterator[Span]:
    if _TOKEN_HINT.search(text):
        yield from (match.span("aws" if match["aws"] else 0) for match in _TOKEN.finditer(text))
    if "://" in text and "@" in text:
        yield from (match.span("password") for match in _LOGIN.finditer(text))
    if "PRIVATE KEY-----" in text:
        yield from (match.span() for match in _PRIVATE_KEY.finditer(text) if _is_key(match["body"]))


def _is_key(body: str) -> bool:
    """Whether there is a key between the lines that say so (PKCS #1 and #8, SEC 1, OpenSSH), and not a script."""
    try:
        data = base64.b64decode("".join(re.split(_LINE_END, body)), validate=True)
    except ValueError:
        return False
    if data.startswith(b"openssh-key-v1\0"):
        return True
    if len(data) < 32 or data[0] != 0x30:
        return False
    # DER: a sequence that is as long as it says.
    octets = data[1] & 0x7F if data[1] & 0x80 else 0
    length = int.from_bytes(data[2 : 2 + octets]) if octets else data[1]
    return len(data) == 2 + octets + length
