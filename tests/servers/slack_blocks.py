"""What Slack would refuse in blocks: its SDK's models for each part, and the documented totals for all of them."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

MOST_BLOCKS = 50
MOST_VIEW_BLOCKS = 100
MOST_CHARACTERS = 13_200
MOST_MARKDOWN = 12_000
LIMITS = {
    "header": 150,
    "section": 3_000,
    "button": 75,
    "title": 100,
    "value": 2_000,
}
PINGS = re.compile(r"<(?:!(?!date\^)|@|#)")
# An address of the workspace's own messages is what Slack has told the program; no text from outside has one.
LINKS = re.compile(r"<(?!date|!date\^|https://\w+\.slack\.test/archives/\w+/p\d+\|)[^>\s]*:")


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def diagnostics(blocks: object, *, most: int = MOST_BLOCKS, counts_all: bool = True) -> list[str]:
    """Everything that Slack would refuse, or that would ping or link somebody."""
    if not isinstance(blocks, list):
        return ["blocks are no list"]
    found = [] if len(blocks) <= most else [f"{len(blocks)} blocks"]
    total = units(json.dumps(blocks, ensure_ascii=False, separators=(",", ":")))
    if counts_all and total > MOST_CHARACTERS:
        found.append(f"msg_blocks_too_long: {total}")
    for block in blocks:
        found += _block(block)
    if (
        sum(units(str(part.get("text", ""))) for part in parts(blocks) if part.get("type") == "markdown")
        > MOST_MARKDOWN
    ):
        found.append("markdown_too_long")
    ids = [str(part["action_id"]) for part in parts(blocks) if "action_id" in part]
    if len(ids) != len(set(ids)):
        found.append(f"action_id twice: {ids}")
    return found


def parts(value: object) -> Iterator[dict[str, Any]]:
    """Every object within, however deep."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from parts(each)
    elif isinstance(value, list):
        for each in value:
            yield from parts(each)


ID_FORMS = {
    "user": re.compile("[UW][A-Z0-9]{8,}"),
    "usergroup": re.compile("S[A-Z0-9]{8,}"),
    "channel": re.compile("[CG][A-Z0-9]{8,}"),
}


def _block(block: dict[str, Any]) -> list[str]:
    found: list[str] = []
    try:
        made = Block.parse(block)
        if made is None:
            found.append(f"no such block: {block.get('type')}")
        else:
            made.validate_json()
            made.to_dict()
    except (SlackObjectFormationError, TypeError, KeyError) as error:
        found.append(f"{block.get('type')}: {error}")
    for part in parts(block):
        found += _part(part)
    return found + _shape(block)


def _shape(block: dict[str, Any]) -> list[str]:
    match block.get("type"):
        case "header" if units(block["text"]["text"]) > 150 or block["text"]["type"] != "plain_text":
            return ["header"]
        case "context" if not 1 <= len(block["elements"]) <= 10:
            return ["context elements"]
        case "actions" if not 1 <= len(block["elements"]) <= 25:
            return ["actions"]
        case "plan" if not 1 <= len(block["tasks"]) <= 50 or not block["title"]:
            return ["plan"]
        case "rich_text" if not block["elements"] or not all(each["elements"] for each in block["elements"]):
            return ["an empty rich text"]
        case _:
            return []


def _part(part: dict[str, Any]) -> list[str]:
    found: list[str] = []
    kind = part.get("type")
    text = part.get("text")
    if kind in {"mrkdwn", "plain_text", "text"} and (not isinstance(text, str) or not text):
        found.append(f"an empty {kind}")
    if kind in {"mrkdwn", "plain_text"} and units(str(text)) > 3_000:
        found.append(f"a {kind} of {units(str(text))}")
    if kind == "mrkdwn" and (PINGS.search(str(text)) or LINKS.search(str(text)) or "```" in _unfenced(str(text))):
        found.append(f"markup from outside: {text}")
    if kind in {"broadcast", "team"}:
        found.append(f"pings a {kind}")
    if kind in {"user", "usergroup", "channel"} and not ID_FORMS[kind].fullmatch(str(part.get(f"{kind}_id"))):
        found.append(f"no {kind}: {part}")
    if kind == "date" and not (isinstance(part.get("timestamp"), int) and part.get("format")):
        found.append("date")
    if kind == "button":
        found += _button(part)
    if kind in {"static_select", "multi_static_select", "checkboxes"}:
        found += _select(part)
    return found


def _unfenced(text: str) -> str:
    """A text without its fences, which come in pairs on lines of their own."""
    return re.sub(r"(?:^|(?<=\n))```\n.*?\n```(?=\n|$)", "", text, flags=re.DOTALL)


def _button(part: dict[str, Any]) -> list[str]:
    found = [] if units(part["text"]["text"]) <= 75 else ["button text"]
    found += [] if units(part.get("value", "")) <= 2_000 else ["button value"]
    confirm = part.get("confirm")
    if confirm is not None:
        sizes = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
        found += [f"confirm {name}" for name, most in sizes.items() if units(confirm[name]["text"]) > most]
    return found


def _select(part: dict[str, Any]) -> list[str]:
    options: Sequence[dict[str, Any]] = part["options"]
    found = [] if 1 <= len(options) <= (10 if part["type"] == "checkboxes" else 100) else ["options"]
    found += [] if all(each in options for each in part.get("initial_options", ())) else ["initial options"]
    for option in options:
        found += [] if units(option["text"]["text"]) <= 75 else ["option text"]
        found += [] if units(option["value"]) <= 150 else ["option value"]
        found += [] if units(option.get("description", {}).get("text", "")) <= 75 else ["option description"]
    return found
