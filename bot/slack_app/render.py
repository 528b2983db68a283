"""Cards as Slack messages: within every limit, pinging nobody, and approvable only where the whole plan can be read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from bot.cards.text import head_of, tail_of
from bot.chat.platform import ButtonIds, CardTooLarge
from bot.i18n import catalog
from bot.message import (
    Action,
    Alert,
    Argument,
    CallItem,
    CallList,
    Card,
    Paragraph,
    RichText,
    Section,
    Severity,
    Status,
    StatusList,
    StatusRow,
    StyledText,
)
from bot.slack_app.components import actions_of
from bot.slack_app.markup import (
    ALL_BLOCKS,
    BLOCKS_IN_MESSAGE,
    HEADER_TEXT,
    MESSAGE_TEXT,
    PLAN_TASKS,
    TASK_TITLE,
    Block,
    code,
    context,
    escaped,
    fences,
    mrkdwn_of,
    packed,
    plain,
    prose,
    rich,
    section_block,
    units,
    weight,
    within,
)

STATUS_ICONS = {
    Status.WAITING: "○",
    Status.WORKING: "▸",
    Status.DONE: "✓",
    Status.FAILED: "✗",
    Status.UNKNOWN: "?",
    Status.SKIPPED: "-",
}
_CAPS = (4_000, 2_000, 1_000, 500, 200, 100)
_RECEIPT_CAPS = (300, 120, 40, 0)
_NAME = 200
_ONE_LINE = 80
_OUTCOME = 600
_MANY = 15


@dataclass(frozen=True, kw_only=True)
class BlockBudget:
    """What a message has left for its calls."""

    blocks: int
    weight: int

    def holds(self, blocks: Sequence[Block]) -> bool:
        """Whether blocks fit."""
        return len(blocks) <= self.blocks and weight(blocks) <= self.weight


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Blocks that fit, and how many characters of the plan are not in them."""

    blocks: tuple[Block, ...]
    hidden: int = 0


Pieces: TypeAlias = tuple[list[str], int]


def fitted_calls(calls: CallList, budget: BlockBudget) -> Fitted:
    """The calls as far as there is room."""
    if calls.is_compact:
        return _receipts(calls.calls, budget)
    total = sum(_length(call) for call in calls.calls)
    for cap in (None, *_CAPS) if total < budget.weight else _CAPS:
        made = [_call(call, cap) for call in calls.calls]
        fitted = Fitted(blocks=tuple(_blocks(parts for parts, _ in made)), hidden=sum(count for _, count in made))
        if budget.holds(fitted.blocks):
            return fitted
    return _first_calls(calls.calls, budget)


def _blocks(calls: Iterable[list[str]]) -> list[Block]:
    """Few calls stand apart; many share sections."""
    each = list(calls)
    if len(each) <= _MANY:
        return [block for parts in each for block in packed(parts)]
    return packed(part for parts in each for part in parts)


def _first_calls(calls: Sequence[CallItem], budget: BlockBudget) -> Fitted:
    """As many calls as there is room for, each much shortened; the rest is only counted."""
    made = [_call(call, _CAPS[-1]) for call in calls]
    for shown in range(len(calls) - 1, -1, -1):
        rest = catalog.text("slack.cut.calls", count=len(calls) - shown)
        blocks = [*packed(part for parts, _ in made[:shown] for part in parts), section_block(rest)]
        if budget.holds(blocks) or not shown:
            hidden = sum(count for _, count in made[:shown]) + sum(_length(call) for call in calls[shown:])
            return Fitted(blocks=tuple(blocks), hidden=hidden)
    return Fitted(blocks=())


def _length(call: CallItem) -> int:
    return len(call.server) + len(call.tool) + sum(len(each.name) + len(each.text) for each in call.arguments)


def _call(call: CallItem, cap: int | None) -> Pieces:
    notes = escaped(", ".join(call.notes))
    done = f"\n{STATUS_ICONS[call.status]} {escaped(within(mrkdwn_of(call.outcome), _OUTCOME))}" if call.outcome else ""
    done += f" · <{escaped(call.link.url)}|{escaped(call.link.text)}>" if call.link else ""
    server, tool = within(call.server, _NAME), within(call.tool, _NAME)
    hidden = len(call.server) - len(server) + len(call.tool) - len(tool)
    sign = "⚠️ " if call.is_destructive else ""
    parts = [f"*{call.number}*  {code(server)} · {code(tool)}" + (f"  {sign}_{notes}_" if notes else "") + done]
    for argument in call.arguments:
        pieces, count = _argument(argument, cap)
        parts += pieces
        hidden += count
    return parts, hidden


def _argument(argument: Argument, cap: int | None) -> Pieces:
    name = within(argument.name, _NAME)
    lost = len(argument.name) - len(name)
    label = f"{code(name)}\n" if name else ""
    text = argument.text
    if name and len(text) <= _ONE_LINE and "\n" not in text and "`" not in text:
        return [f"{code(name)}  {code(text)}"], lost
    if cap is None or len(text) <= cap:
        first, *rest = fences(text)
        return [label + first, *rest], lost
    head, tail = head_of(text, cap * 2 // 3), tail_of(text, cap // 3)
    hidden = len(text) - len(head) - len(tail)
    first, *rest = fences(head)
    middle = f"_{catalog.text('slack.cut.argument', number=catalog.number(hidden))}_"
    return [label + first, *rest, middle, *fences(tail)], lost + hidden


def _receipts(calls: Sequence[CallItem], budget: BlockBudget) -> Fitted:
    """What became of each call, shortened as much as need be."""
    for cap in _RECEIPT_CAPS:
        block = prose([_receipt(call, cap) for call in calls])
        if block is not None and budget.holds([block]):
            return Fitted(blocks=(block,))
    for shown in range(len(calls) - 1, -1, -1):
        rest = (StyledText(catalog.text("slack.cut.receipts", count=len(calls) - shown)),)
        block = prose([*(_receipt(call, 0) for call in calls[:shown]), rest])
        if block is not None and budget.holds([block]):
            return Fitted(blocks=(block,))
    return Fitted(blocks=())


def _receipt(call: CallItem, cap: int) -> RichText:
    name = f"{call.number} {STATUS_ICONS[call.status]} {within(call.server, 60)} · {within(call.tool, 60)}"
    link = (StyledText(" · "), call.link) if call.link else ()
    if not call.outcome or not cap:
        return (StyledText(name), *link)
    if len(mrkdwn_of(call.outcome)) <= cap:
        return (StyledText(f"{name}  "), *call.outcome, *link)
    return (StyledText(f"{name}  {within(mrkdwn_of(call.outcome), cap)}"), *link)


SEVERITY_ICONS = {
    Severity.WORKING: "🟡",
    Severity.DECIDE: "🔵",
    Severity.DONE: "🟢",
    Severity.ATTENTION: "🟠",
    Severity.STOPPED: "⚪",
    Severity.FAILED: "🔴",
}
_TASK_STATES = {
    Status.WAITING: "pending",
    Status.WORKING: "in_progress",
    Status.DONE: "complete",
    Status.SKIPPED: "complete",
    Status.FAILED: "error",
    Status.UNKNOWN: "error",
}
_MARGIN = 700
"""Kept free for the notice about files and for what counting differently may cost."""

_PROSE_BESIDE_CALLS = 1_500
_PROSE_BELOW_CALLS = 5_500
_PROSE = 7_000
_MOST_LINES = 6
_SPOKEN = 200
_ROW = 400


@dataclass(frozen=True)
class FileLink:
    """A file that is in the thread."""

    name: str
    address: str


@dataclass(frozen=True)
class Attached:
    """The files are there: the plan can be read whole."""

    links: tuple[FileLink, ...]


@dataclass(frozen=True)
class NotAttached:
    """There are no files, yet or at all; the reason is for people."""

    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A message.

    One that `needs_files` shows less than its plan, and nobody may approve it before they are attached.
    """

    text: str
    blocks: list[Block]
    needs_files: bool = False


def rendered(card: Card, ids: ButtonIds | None = None, files: Attached | NotAttached = NotAttached()) -> Rendered:
    """A card as a message; without ids it has no buttons.

    Raises:
        CardTooLarge: the plan does not fit, and there is nothing to attach.
    """
    before, after = _sections(card)
    head = _head(card)
    foot = [block for block in [context(card.footer)] if block is not None]
    measured = actions_of(card.buttons, card.menus, None if ids is None else _Measuring())
    fitted = _fitted(card, [*head, *before, *after, *measured, *foot])
    notice: list[Block] = []
    buttons = card.buttons
    needs_files = fitted.hidden > 0 and isinstance(files, NotAttached)
    if fitted.hidden:
        if not card.attachments:
            raise CardTooLarge
        notice = [_notice(fitted.hidden, files) if ids is not None else _elsewhere(fitted.hidden)]
    if needs_files:
        buttons = tuple(each for each in card.buttons if not each.needs_whole_plan)
    actions = actions_of(buttons, card.menus, ids)
    blocks = [*head, *before, *fitted.blocks, *notice, *after, *actions, *foot]
    return Rendered(text=message_text(card), blocks=blocks, needs_files=needs_files)


def _fitted(card: Card, used: Sequence[Block]) -> Fitted:
    """The card's calls in what the rest of the message leaves free."""
    fitted = Fitted(blocks=())
    lists = [section for section in card.sections if isinstance(section, CallList)]
    for number, section in enumerate(lists):
        free = BlockBudget(
            blocks=(BLOCKS_IN_MESSAGE - 1 - len(used) - len(fitted.blocks)) // (len(lists) - number),
            weight=(ALL_BLOCKS - _MARGIN - weight(used) - weight(fitted.blocks)) // (len(lists) - number),
        )
        more = fitted_calls(section, free)
        hidden = 0 if section.is_settled else more.hidden
        fitted = Fitted(blocks=(*fitted.blocks, *more.blocks), hidden=fitted.hidden + hidden)
    return fitted


class _Measuring:
    """Stands in for the real ids while nothing is decided: an id that was issued is one that can be pressed."""

    def id_for(self, action: Action, value: str = "") -> str:
        """Something as long as an id."""
        del action, value
        return "-" * 22


def message_text(card: Card) -> str:
    """What notifications and screen readers say: how the run stands, what was asked, and the first lines."""
    start = f"{SEVERITY_ICONS[card.severity]} {card.status}"
    title = within(mrkdwn_of(card.title), 500)
    lines = [line for section in card.sections for line in _first_lines(section)]
    told = [f"{start}: {title}" if title else start, mrkdwn_of(card.reference), *lines[:_MOST_LINES]]
    return within(escaped("\n".join(filter(None, told))), MESSAGE_TEXT)


def _first_lines(section: Section) -> list[str]:
    match section:
        case Paragraph(lines=lines):
            return [within(mrkdwn_of(line), _SPOKEN) for line in lines if mrkdwn_of(line).strip()]
        case Alert(line=line):
            return [within(f"⚠️ {mrkdwn_of(line)}", _SPOKEN)]
        case CallList(calls=calls):
            return [
                within(f"{call.number} {call.server} · {call.tool} ({', '.join(call.notes)})", _SPOKEN)
                for call in calls
            ]
        case StatusList(rows=rows):
            return [within(f"{row.label} {mrkdwn_of(row.line)}", _SPOKEN) for row in rows]
        case _:
            assert_never(section)


def _head(card: Card) -> list[Block]:
    sign = f"{SEVERITY_ICONS[card.severity]} {card.status}"
    title = mrkdwn_of(card.title)
    blocks: list[Block] = [{"type": "header", "text": plain(f"{sign} · {title}" if title else sign, HEADER_TEXT)}]
    if (reference := prose([card.reference])) is not None:
        blocks.append(reference)
    return blocks


def _sections(card: Card) -> tuple[list[Block], list[Block]]:
    """What stands before the calls, and what after them."""
    has_calls = any(isinstance(each, CallList) and not each.is_settled for each in card.sections)
    left = _PROSE_BESIDE_CALLS if has_calls else _PROSE
    before: list[Block] = []
    after: list[Block] = []
    is_after = False
    for section in card.sections:
        if isinstance(section, CallList):
            left = _PROSE_BELOW_CALLS if has_calls and not is_after else left
            is_after = True
            continue
        is_words = has_calls and isinstance(section, Paragraph) and section.is_quoted
        block, taken = _section(section, min(left, _PROSE_BESIDE_CALLS) if is_words else left)
        left = max(200, left - taken)
        if block is not None:
            (after if is_after else before).append(block)
    return before, after


def _section(section: Paragraph | StatusList | Alert, room: int) -> tuple[Block | None, int]:
    match section:
        case Paragraph(lines=lines, is_quoted=is_quoted):
            kept = shortened(lines, room)
            block = prose(kept, is_quoted=is_quoted)
            return block, sum(len(mrkdwn_of(line)) + 60 * len(line) for line in kept)
        case Alert(line=line):
            return prose([(StyledText("⚠️ ", "bold"), *shortened([line], 1_000)[0])]), 0
        case StatusList(rows=rows):
            return _tasks(rows), 0
        case _:
            assert_never(section)


def shortened(lines: Sequence[RichText], room: int) -> list[RichText]:
    """Lines of at most about so many characters, markup included; a cut says how much it took."""
    kept: list[RichText] = []
    left = room
    total = sum(len(mrkdwn_of(line)) for line in lines)
    shown = 0
    for line in lines:
        text = mrkdwn_of(line)
        cost = units(text) + 60 * (len(line) + 1)
        if cost > left:
            begin = text[: max(0, left - 120) // 2]
            number = catalog.number(total - shown - len(begin))
            return [*kept, (StyledText(begin), StyledText(catalog.text("slack.cut.prose", number=number), "quiet"))]
        kept.append(line)
        left -= cost
        shown += len(text)
    return kept


def _tasks(rows: Sequence[StatusRow]) -> Block | None:
    """Slack's own list of tasks: one per agent."""
    tasks: list[Block] = []
    for number, row in enumerate(rows[:PLAN_TASKS], 1):
        (line,) = shortened([row.line], _ROW + 60 * len(row.line) + 60)
        task: Block = {
            "type": "task_card",
            "task_id": f"agent{number}",
            "title": within(row.label, TASK_TITLE) or "-",
            "status": _TASK_STATES[row.status],
        }
        if elements := rich(line):
            task["details"] = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}
        tasks.append(task)
    return {"type": "plan", "title": catalog.text("slack.agents"), "tasks": tasks} if tasks else None


def _elsewhere(hidden: int) -> Block:
    """Where the rest stands, on a message that nobody decides on."""
    text = catalog.text("slack.files.elsewhere", number=catalog.number(hidden))
    said: Block = {"type": "text", "text": text, "style": {"bold": True}}
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [said]}]}


def _notice(hidden: int, files: Attached | NotAttached) -> Block:
    match files:
        case Attached(links=links):
            said: list[Block] = [
                {"type": "text", "text": catalog.text("slack.files.attached", number=catalog.number(hidden))}
            ]
            for number, link in enumerate(links):
                if number:
                    said.append({"type": "text", "text": ", "})
                said.append(
                    {"type": "link", "url": link.address, "text": link.name}
                    if link.address
                    else {"type": "text", "text": link.name}
                )
        case NotAttached(reason=reason):
            key = "slack.files.failed" if reason else "slack.files.pending"
            said = [{"type": "text", "text": catalog.text(key, reason=reason), "style": {"bold": True}}]
        case _:
            assert_never(files)
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": said}]}
