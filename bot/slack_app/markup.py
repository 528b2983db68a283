"""Block Kit's small parts, and Slack's limits. Outside text is escaped, or stands where Slack parses nothing.

Prose goes into rich text and plain text, which have no markup. Arguments go into code fences, whose escapes Slack
documents: what people read is exactly what is sent.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias, assert_never

from bot.cards.text import ATOM, uncut
from bot.message import Inline, Link, Mention, RichText, StyledText, Timestamp

BLOCKS_IN_MESSAGE = 50
"""https://docs.slack.dev/reference/block-kit/blocks"""

BLOCKS_IN_VIEW = 100
"""https://docs.slack.dev/reference/views"""

ALL_BLOCKS = 13_200
"""Everything in the blocks of one message: https://github.com/slackapi/bolt-js/issues/2509

Nobody outside knows how it is counted, and texts of 11,341 characters were refused (bolt-js#2867), so the whole JSON of
the blocks has to stay below it.
"""

SECTION_TEXT = 3_000
"""https://docs.slack.dev/reference/block-kit/blocks/section-block"""

HEADER_TEXT = 150
"""https://docs.slack.dev/reference/block-kit/blocks/header-block"""

CONTEXT_ELEMENTS = 10
"""https://docs.slack.dev/reference/block-kit/blocks/context-block"""

ACTIONS = 25
"""https://docs.slack.dev/reference/block-kit/blocks/actions-block"""

BUTTON_TEXT = 75
"""https://docs.slack.dev/reference/block-kit/block-elements/button-element"""

OPTION_TEXT = 75
OPTION_VALUE = 150
"""https://docs.slack.dev/reference/block-kit/composition-objects/option-object"""

SELECT_OPTIONS = 100
CHECKBOXES = 10
PLACEHOLDER = 150
"""https://docs.slack.dev/reference/block-kit/block-elements/select-menu-element"""

CONFIRM_TITLE = 100
CONFIRM_TEXT = 300
CONFIRM_BUTTON = 30
"""https://docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object"""

PLAN_TASKS = 50
"""https://docs.slack.dev/reference/block-kit/blocks/plan-block"""

TASK_TITLE = 256
"""https://docs.slack.dev/reference/block-kit/blocks/task-card-block"""

MESSAGE_TEXT = 3_000
"""Of a message's own text, which `chat.update` cuts at 4,000: https://docs.slack.dev/reference/methods/chat.update"""

MODAL_TITLE = 24
PRIVATE_METADATA = 3_000
"""https://docs.slack.dev/reference/views/modal-views"""

INPUT_TEXT = 3_000
"""https://docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element"""


def units(text: str) -> int:
    """The length of a text in UTF-16 units."""
    return len(text) + sum(character > "\uffff" for character in text)


def within(text: str, limit: int) -> str:
    """A text of at most so many units; a cut is marked."""
    if units(text) <= limit:
        return text
    kept = uncut(text, limit - 1)
    while units(kept) > limit - 1:
        kept = uncut(text, len(kept) - 1)
    return f"{kept}…"


CHANNEL_ID = re.compile(r"[CG][A-Z0-9]{8,24}")
GROUP_ID = re.compile(r"S(?=[A-Z0-9]*\d)[A-Z0-9]{8,24}")
USER_ID = re.compile(r"[UW](?=[A-Z0-9]*\d)[A-Z0-9]{8,24}")

Block: TypeAlias = dict[str, object]

DATE_FORMAT = "{date_short_pretty} {time}"
_BACKTICKS = re.compile(r"`{3,}")
_CONTEXT_TEXT = 2_000
_ATOM = re.compile(rf"&(?:amp|lt|gt);|{ATOM}|.", re.DOTALL)


def weight(blocks: Sequence[Block]) -> int:
    """What blocks count against the total, at worst."""
    return units(json.dumps(blocks, ensure_ascii=False, separators=(",", ":")))


def escaped(text: str) -> str:
    """Text for a place where Slack parses `<…>` and entities.

    https://docs.slack.dev/messaging/formatting-message-text
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """One line of code in mrkdwn; nothing inside can end it."""
    return f"`{escaped(text.replace('`', '⟨U+0060⟩'))}`"


def fences(text: str, room: int = SECTION_TEXT - 200) -> list[str]:
    """A text in code fences of at most so many units each; no cut goes through an escape."""
    safe = escaped(_BACKTICKS.sub(lambda run: "⟨U+0060⟩" * len(run[0]), text))
    pieces = [safe] if units(safe) <= room else _pieces(safe, room)
    return [f"```\n{piece}\n```" for piece in pieces]


def _pieces(text: str, room: int) -> Iterable[str]:
    piece: list[str] = []
    size = 0
    for match in _ATOM.finditer(text):
        atom = units(match[0])
        if size + atom > room:
            yield "".join(piece)
            piece, size = [], 0
        piece.append(match[0])
        size += atom
    yield "".join(piece)


def plain(text: str, limit: int) -> Block:
    """A plain text object."""
    return {"type": "plain_text", "text": within(text, limit) or " ", "emoji": False}


def timestamp_text(timestamp: Timestamp) -> str:
    """A moment for readers whose product does not know dates."""
    return f"{timestamp.at:%Y-%m-%d %H:%M %Z}".strip()


def timestamp_markup(timestamp: Timestamp) -> str:
    """A moment that Slack shows in its reader's own clock."""
    return f"<!date^{int(timestamp.at.timestamp())}^{DATE_FORMAT}|{escaped(timestamp_text(timestamp))}>"


def mrkdwn_of(line: RichText) -> str:
    """A line without any style."""
    return "".join(_mrkdwn(inline) for inline in line)


def _mrkdwn(inline: Inline) -> str:
    match inline:
        case StyledText(text=text):
            return text
        case Mention(name=name):
            return name
        case Link(text=text):
            return text
        case Timestamp():
            return timestamp_text(inline)
        case _:
            assert_never(inline)


def rich(line: RichText) -> list[Block]:
    """A line as elements of rich text."""
    return [element for inline in line if (element := _element(inline)) is not None]


def _element(inline: Inline) -> Block | None:
    match inline:
        case StyledText(text="") | Mention(name=""):
            return None
        case StyledText(text=text, style="code" | "bold" as style):
            return {"type": "text", "text": text, "style": {style: True}}
        case StyledText(text=text, style="removed"):
            return {"type": "text", "text": text, "style": {"code": True, "strike": True}}
        case StyledText(text=text, style="added"):
            return {"type": "text", "text": text, "style": {"code": True, "bold": True}}
        case StyledText(text=text):
            return {"type": "text", "text": text}
        case Mention(name=name):
            return _link(inline) or {"type": "text", "text": name, "style": {"bold": True}}
        case Link(text=text, url=url):
            return {"type": "link", "url": url, "text": text}
        case Timestamp(at=at):
            return {
                "type": "date",
                "timestamp": int(at.timestamp()),
                "format": DATE_FORMAT,
                "fallback": timestamp_text(inline),
            }
        case _:
            assert_never(inline)


def _link(mention: Mention) -> Block | None:
    """Whom we know by id only, or who is to be linked: Slack knows the name.

    A new message notifies them, an edited or private one does not.
    """
    if not mention.is_linked and mention.name != mention.id:
        return None
    if mention.sort == "role":
        return {"type": "usergroup", "usergroup_id": mention.id} if GROUP_ID.fullmatch(mention.id) else None
    if mention.sort == "channel":
        return {"type": "channel", "channel_id": mention.id} if CHANNEL_ID.fullmatch(mention.id) else None
    return {"type": "user", "user_id": mention.id} if USER_ID.fullmatch(mention.id) else None


def unlinked(block: Block) -> Block:
    """The same block with ids in the place of links to people, groups and channels."""
    if block.get("type") in ("user", "usergroup", "channel"):
        return {"type": "text", "text": str(block[f"{block['type']}_id"]), "style": {"bold": True}}
    elements = block.get("elements")
    return {**block, "elements": [unlinked(each) for each in elements]} if isinstance(elements, list) else block


def prose(lines: Sequence[RichText], *, is_quoted: bool = False) -> Block | None:
    """Lines as rich text; None if nothing is in them."""
    elements: list[Block] = []
    for line in lines:
        if elements:
            elements.append({"type": "text", "text": "\n"})
        elements += rich(line)
    if not elements:
        return None
    kind = "rich_text_quote" if is_quoted else "rich_text_section"
    return {"type": "rich_text", "elements": [{"type": kind, "elements": elements}]}


def context(line: RichText) -> Block | None:
    """A small grey line; None if nothing is in it."""
    elements: list[Block] = []
    text = ""
    for inline in line:
        if isinstance(inline, Timestamp) and len(elements) < CONTEXT_ELEMENTS - 3:
            elements += _context_text(text)
            elements.append({"type": "mrkdwn", "text": timestamp_markup(inline)})
            text = ""
        else:
            text += _mrkdwn(inline)
    elements += _context_text(text)
    return {"type": "context", "elements": elements} if elements else None


def _context_text(text: str) -> list[Block]:
    return [plain(text.strip(), _CONTEXT_TEXT)] if text.strip() else []


def section_block(text: str) -> Block:
    """A section of our own mrkdwn: whatever came from outside is escaped in it already.

    It never folds behind "See more": people must not decide on what they have to unfold.
    https://docs.slack.dev/reference/block-kit/blocks/section-block
    """
    return {"type": "section", "expand": True, "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def packed(parts: Iterable[str], separator: str = "\n") -> list[Block]:
    """Texts in as few sections as hold them."""
    sections: list[str] = []
    for part in parts:
        if sections and units(sections[-1]) + units(separator) + units(part) <= SECTION_TEXT:
            sections[-1] += separator + part
        else:
            sections.append(part)
    return [section_block(text) for text in sections]
