"""What a tool answered, for people: in words, and the address of what came of the call."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from bot.i18n import catalog
from bot.message import Link, RichText, StyledText
from coordination.domain.canonical_json import Json, canonical, parse
from coordination.domain.plan import Receipt, Succeeded
from coordination.errors import InvalidJsonError
from coordination.ports.tools import REMARKS
from coordination.secret_marks import secrets_in

_MOST_WORDS = 8
_REMARKS = {f"[{each}]": each for each in REMARKS}


def told_result(result: str) -> str:
    """What a tool answered, with this program's own remarks on it in the language of here and now."""
    lines = catalog.told(result).split("\n")
    return "\n".join(f"[{catalog.told(_REMARKS[line])}]" if line in _REMARKS else line for line in lines)


def in_words(result: str) -> str:
    """What a tool answered, for a receipt: JSON as names and values, the first few; anything else as it is.

    An address that `link_in` finds stands beside the receipt and is not repeated, nor is an id that the text has.
    """
    text, value = _parts(result)
    if value is None:
        return told_result(text)
    leaves = [leaf for leaf in _leaves("", _without_said(text, _without_address(value))) if leaf]
    told = ", ".join([*leaves[:_MOST_WORDS], *(["…"] if len(leaves) > _MOST_WORDS else [])])
    return " ".join(part for part in (told_result(text), told) if part) or result


_ADDRESS_NAMES = ("html_url", "permalink", "web_url", "webViewLink", "url")
"""The names under which servers answer with the address of what a call made, the page for people before the others."""

_ADDRESS = re.compile(r"https://[A-Za-z0-9.\-]+(?::[0-9]{1,5})?(?:[/?#][A-Za-z0-9._~:/?#@!$&'*+,;=%\-]*)?")
_LONGEST_ADDRESS = 500


def link_in(result: str) -> Link | None:
    """Where people find what came of a call: an address in a tool's structured answer, with its host as words.

    None where there is none, or none that is safe: only https, no account in it, nothing that ends a link elsewhere.
    """
    value = _parts(result)[1]
    found = _address_in(value) or _address_in(_only_part(value))
    if not _is_safe(found):
        return None
    return Link(catalog.text("receipt.link", host=urlsplit(found).netloc.lower()), found)


def link_of(receipt: Receipt) -> Link | None:
    """Where people find what came of a call; what a person vouches for has no answer of a tool."""
    return link_in(receipt.result) if isinstance(receipt, Succeeded) and receipt.vouched_by is None else None


def first_link(receipts: Iterable[Receipt]) -> RichText:
    """For one row: where people find what came of the first call that has an address, and how many others do."""
    links = {link.url: link for each in receipts if (link := link_of(each)) is not None}
    if not links:
        return ()
    first, *others = links.values()
    return (first, StyledText(f" +{len(others)}")) if others else (first,)


def _is_safe(address: str) -> bool:
    if len(address) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(address) or secrets_in(address):
        return False
    host = urlsplit(address).hostname or ""
    return "." in host.strip(".")


def _address_in(value: Json) -> str:
    if not isinstance(value, dict):
        return ""
    found = (value.get(name) for name in _ADDRESS_NAMES)
    return next((each for each in found if isinstance(each, str) and each), "")


def _only_part(value: Json) -> Json:
    """What is in an answer that has one part and nothing beside it, such as `{"issue": {…}}`."""
    return next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else None


def _without_address(value: Json) -> Json:
    found = _address_in(value)
    if not isinstance(value, dict) or not _is_safe(found):
        return value
    return {name: each for name, each in value.items() if each != found}


def _without_said(text: str, value: Json) -> Json:
    """Without what the words before it say already, such as the id of a message that was sent."""
    if not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if not isinstance(each, str) or not each or each not in text}


def _parts(result: str) -> tuple[str, Json]:
    """The text of an answer, and the structured content behind it; None: there is none."""
    text, _, last = ("", "", result) if "\n" not in result else result.rpartition("\n")
    for before, candidate in (("", result), (text, last)):
        try:
            value = parse(candidate)
        except InvalidJsonError:
            continue
        if isinstance(value, dict | list):
            return before, value
    return result, None


def _leaves(name: str, value: Json) -> Iterator[str]:
    match value:
        case dict():
            for inner, item in value.items():
                yield from _leaves(inner, item)
        case list():
            for item in value:
                yield from _leaves(name, item)
        case None:
            return
        case _:
            text = value if isinstance(value, str) else canonical(value)
            yield f"{name} {text}".strip()
