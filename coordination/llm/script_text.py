"""Texts of a script that depend on what was asked and what was read."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

_PARTS = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_REQUEST = re.compile(r"^<request>\n(.*?)\n</request>$", re.MULTILINE | re.DOTALL)
_TAMED_TAG = re.compile(r"<\\(/?)(?=\s*request\b)", re.IGNORECASE)
_RESULT = "result:"
_LONGEST_SLUG = 40
_LONGEST_TITLE = 60


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a conversation has been told so far. `prompt` is None until it was told a request."""

    prompt: str | None
    results: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Blank:
    name: str


@dataclass(frozen=True, kw_only=True)
class Template:
    """A text with blanks: {prompt}, {slug}, {title}, {result:server.tool}."""

    parts: tuple[str | _Blank, ...]

    @classmethod
    def read(cls, text: str) -> "Template":
        """The template in this text.

        Raises:
            ValueError: a blank that does not exist, or a brace without its partner; the message is for people.
        """
        return cls(parts=tuple(_part(match) for match in _PARTS.finditer(text)))

    def fill(self, heard: Heard) -> str:
        """The text, its blanks filled.

        Raises:
            LookupError: the conversation has not heard what a blank needs; the message is for people.
        """
        return "".join(part if isinstance(part, str) else _fill(part.name, heard) for part in self.parts)


def request_in(text: str) -> str | None:
    """The request as the prompts delimit it, as it was before they made its own tags harmless."""
    found = _REQUEST.search(text)
    return _TAMED_TAG.sub(r"<\1", found.group(1)) if found else None


def _part(match: re.Match[str]) -> str | _Blank:
    text = match.group()
    if text in {"{{", "}}"}:
        return text[0]
    if text in {"{", "}"}:
        raise ValueError(f"a lone `{text}`; write it twice where a brace is meant")
    name = match.group(1)
    if name is None:
        return text
    if name in {"prompt", "slug", "title"} or (name.startswith(_RESULT) and len(name) > len(_RESULT)):
        return _Blank(name=name)
    raise ValueError(
        f"unknown blank `{{{name}}}`; known are {{prompt}}, {{slug}}, {{title}} and {{result:server.tool}}"
    )


def _fill(name: str, heard: Heard) -> str:
    if name.startswith(_RESULT):
        tool = name.removeprefix(_RESULT)
        if tool not in heard.results:
            raise LookupError(f"uses the result of {tool}, which has none yet")
        return heard.results[tool]
    if heard.prompt is None:
        raise LookupError(f"uses {{{name}}}, but was told no request")
    match name:
        case "slug":
            return _slug(heard.prompt)
        case "title":
            return _title(heard.prompt)
        case _:
            return heard.prompt


def _slug(prompt: str) -> str:
    plain = unicodedata.normalize("NFKD", prompt.casefold()).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return slug[:_LONGEST_SLUG].strip("-") or "request"


def _title(prompt: str) -> str:
    line = " ".join(prompt.split())[:_LONGEST_TITLE].strip()
    return line[:1].upper() + line[1:]
