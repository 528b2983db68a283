"""Pictures of cards for the README, drawn from the very payloads that Discord and Slack get.

`python -m tests.pictures` writes them below docs/pictures; tests/unit/test_pictures.py says whether they are of today's.
A picture shows what stands where, and in which style; it is no copy of a product's own look.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.discord_app.render import render
from bot.message import Action, Card
from bot.slack_app.render import rendered
from coordination.domain import events as e
from coordination.domain.plan import PlannedCall
from coordination.domain.transitions import Recorded
from tests.builders import BOB, START, a_call, an_election
from tests.sample_logs import approved, plan_in, started, succeeded, then, waiting

FOLDER = Path(__file__).resolve().parents[1] / "docs/pictures"

Style = Literal["text", "bold", "code", "quiet", "italic"]
Kind = Literal["line", "title", "code", "quote", "small", "buttons"]
Span: TypeAlias = tuple[str, Style]


@dataclass(frozen=True)
class Row:
    """One line of a message before it is wrapped."""

    kind: Kind
    spans: tuple[Span, ...]


SEND = replace(
    a_call(
        "send_message",
        channel_id="1417773298837880906",
        content="The power is off on Friday from 14:00 to 16:00.\nPlease save your work before.\n",
    ),
    server="discord",
)
REMOVE = replace(a_call("delete_message", message_id="1417773298837881122"), server="discord", is_destructive=True)
SHORTER = replace(
    a_call("send_message", channel_id="1417773298837880906", content="Power off on Friday, 14:00 to 16:00.\n"),
    server="discord",
)


class Ids:
    """Stands in for the ids of buttons."""

    def id_for(self, action: Action, value: str = "") -> str:
        """As long as a real one."""
        return f"{action.value}{value}".ljust(22, "-")


def _card(log: Sequence[Recorded]) -> Card:
    view = view_of(log)
    assert view is not None
    return card_for(view, log[-1].at)


def _done() -> list[Recorded]:
    log = approved(SEND, REMOVE)
    plan = plan_in(log)
    sent = '{"message_id":"1417773298837882201","link":"https://discord.com/channels/1/2/1417773298837882201"}'
    return then(
        log,
        started(plan, 0),
        succeeded(plan, 0, sent),
        started(plan, 1),
        succeeded(plan, 1, "deleted"),
        e.RunFinished(report="Everyone knows of the power cut now, and the old notice is gone."),
    )


def _revised(*calls: PlannedCall) -> list[Recorded]:
    log = waiting(SEND, REMOVE)
    plan = replace(plan_in(log), revision=2, calls=calls, text="One line, and the old notice stays.")
    return then(
        log,
        e.ChangesRequested(by=BOB, digest=plan_in(log).digest, text="shorter, please, and keep the old notice"),
        e.DeliberationStarted(revision=2),
        e.PlanProposed(plan=plan, digest=plan.digest, election=an_election()),
    )


def pictures() -> Mapping[str, str]:
    """Every picture by its file's name."""
    plan, done, revision = _card(waiting(SEND, REMOVE)), _card(_done()), _card(_revised(SHORTER))
    return {
        "discord-plan.svg": svg(_discord(plan), "A plan in Discord, waiting for approval"),
        "slack-plan.svg": svg(_slack(plan), "A plan in Slack, waiting for approval"),
        "discord-done.svg": svg(_discord(done), "A finished run in Discord"),
        "slack-done.svg": svg(_slack(done), "A finished run in Slack"),
        "discord-revision.svg": svg(_discord(revision), "A revision in Discord, with what changed"),
    }


_DISCORD = re.compile(
    r"\\(?P<plain>.)|\*\*(?P<bold>.+?)(?<!\\)\*\*|`(?P<code>[^`]+)`|<t:(?P<time>\d+):f>|<t:(?P<left>\d+):R>|<@&?(?P<who>\d+)>"
)
_SLACK = re.compile(r"`(?P<code>[^`]+)`|\*(?P<bold>[^*\n]+)\*|(?<!\w)_(?P<italic>[^_\n]+)_(?!\w)")


def _spans(text: str, form: re.Pattern[str]) -> tuple[Span, ...]:
    found: list[Span] = []
    at = 0
    for match in form.finditer(text):
        found.append((text[at : match.start()], "text"))
        parts = {name: value for name, value in match.groupdict().items() if value is not None}
        for name, value in parts.items():
            found.append(_span(name, value))
        at = match.end()
    found.append((text[at:], "text"))
    return tuple(each for each in found if each[0])


def _span(name: str, value: str) -> Span:
    match name:
        case "bold":
            return re.sub(r"\\(.)", r"\1", value), "bold"
        case "code":
            return value, "code"
        case "italic":
            return value, "italic"
        case "time":
            return f"{datetime.fromtimestamp(int(value), UTC):%Y-%m-%d %H:%M}", "text"
        case "left":
            hours = (datetime.fromtimestamp(int(value), UTC) - START).total_seconds() / 3600
            return f"in {hours:.0f} hours", "text"
        case "who":
            return f"@{value}", "bold"
        case _:
            return value, "text"


def _marked(text: str, form: re.Pattern[str]) -> Iterator[Row]:
    """Lines of markdown; what stands between fences is code."""
    is_code = False
    for line in text.split("\n"):
        if line == "```":
            is_code = not is_code
        elif is_code:
            yield Row("code", ((line, "text"),))
        elif line.startswith("> "):
            yield Row("quote", _spans(line[2:], form))
        else:
            yield Row("line", _spans(line, form))


def _discord(card: Card) -> list[Row]:
    message = render(card, Ids())
    rows: list[Row] = []
    for embed in message.embeds:
        if embed.title:
            rows.append(Row("title", _spans(embed.title, _DISCORD)))
        rows += _marked(embed.description or "", _DISCORD)
        if embed.footer.text:
            rows.append(Row("small", ((embed.footer.text, "quiet"),)))
    labels = [getattr(item, "label", None) for item in message.view.children] if message.view else []
    return [*rows, Row("buttons", tuple((label, "bold") for label in labels if label))]


def _slack(card: Card) -> list[Row]:
    return [row for block in rendered(card, Ids()).blocks for row in _slack_rows(block)]


def _slack_rows(block: Mapping[str, Any]) -> Iterator[Row]:
    match block["type"]:
        case "header":
            yield Row("title", ((block["text"]["text"], "bold"),))
        case "section":
            yield from _marked(html.unescape(block["text"]["text"]), _SLACK)
        case "context":
            yield Row("small", tuple((each["text"], "quiet") for each in block["elements"]))
        case "actions":
            labels = [each["text"]["text"] for each in block["elements"] if each["type"] == "button"]
            yield Row("buttons", tuple((label, "bold") for label in labels))
        case "rich_text":
            for part in block["elements"]:
                kind: Kind = "quote" if part["type"] == "rich_text_quote" else "line"
                yield from _rich_lines(kind, part["elements"])
        case _:
            yield Row("small", ((str(block["type"]), "quiet"),))


def _rich_lines(kind: Kind, elements: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    line: list[Span] = []
    for each in elements:
        text = each.get("text") or each.get("fallback") or f"@{each.get('user_id', '')}"
        if text == "\n":
            yield Row(kind, tuple(line))
            line = []
            continue
        style = each.get("style") or {}
        line.append((text, "code" if style.get("code") else "bold" if style.get("bold") else "text"))
    yield Row(kind, tuple(line))


_WIDTH = 720
_SIZES: Mapping[Kind, int] = {"title": 17, "line": 15, "code": 13, "quote": 15, "small": 11, "buttons": 13}
_NARROW = frozenset("iljtfrI.,:;'|!()[]· ")
_FONTS: Mapping[Style, str] = {
    "text": "",
    "bold": ' font-weight="bold"',
    "code": ' font-family="monospace" fill="#24548f"',
    "quiet": ' fill="#5c6066"',
    "italic": ' font-style="italic"',
}


def _wide(text: str, size: int, *, is_code: bool) -> float:
    """About how wide a text is drawn, in pixels."""
    if is_code:
        return size * 0.61 * len(text)
    return sum(size * (0.34 if each in _NARROW else 0.95 if ord(each) > 0x2000 else 0.57) for each in text)


def _wrapped(row: Row) -> Iterator[list[Span]]:
    """The row in lines that fit, broken at spaces where there are any."""
    size, room = _SIZES[row.kind], _WIDTH - 70
    line: list[Span] = []
    used = 0.0
    for text, style in row.spans:
        for word in re.findall(r"\s+|\S{1,60}", text):
            wide = _wide(word, size, is_code=style == "code" or row.kind == "code")
            if used + wide > room and line:
                yield line
                line, used = [], 0.0
            line.append((word, style))
            used += wide
    yield line


def svg(rows: Sequence[Row], title: str) -> str:
    """The rows as a picture, with its title for those who can't see it."""
    parts: list[str] = []
    at = 14.0
    for row in rows:
        if row.kind == "buttons":
            at = _buttons(parts, row, at)
            continue
        for line in _wrapped(row):
            at += _SIZES[row.kind] * 1.5
            parts += _line(row.kind, line, at)
    height = round(at + 20)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
            'font-family="Helvetica, Arial, sans-serif" fill="#1d1f23">',
            f"<title>{html.escape(title)}</title>",
            f'<rect width="{_WIDTH}" height="{height}" rx="8" fill="#ffffff" stroke="#c9ccd1"/>',
            f'<rect width="5" height="{height}" rx="2" fill="#3e70dd"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _line(kind: Kind, line: Sequence[Span], at: float) -> Iterator[str]:
    size = _SIZES[kind]
    if kind == "code":
        yield f'<rect x="24" y="{at - size - 2:.0f}" width="{_WIDTH - 48}" height="{size * 1.5 + 1:.0f}" fill="#f1f2f4"/>'
    if kind == "quote":
        yield f'<rect x="24" y="{at - size:.0f}" width="3" height="{size * 1.4:.0f}" fill="#c9ccd1"/>'
    font = ' font-family="monospace"' if kind == "code" else ' font-weight="bold"' if kind == "title" else ""
    spans = "".join(f"<tspan{_FONTS[style]}>{html.escape(text)}</tspan>" for text, style in _joined(line))
    left = {"code": 32, "quote": 36}.get(kind, 24)
    yield f'<text x="{left}" y="{at:.0f}" font-size="{size}"{font} xml:space="preserve">{spans}</text>'


def _joined(line: Sequence[Span]) -> Iterator[Span]:
    """Neighbours of one style as one."""
    text = ""
    style: Style = "text"
    for more, of in line:
        if of != style and text:
            yield text, style
            text = ""
        text, style = text + more, of
    if text:
        yield text, style


def _buttons(parts: list[str], row: Row, at: float) -> float:
    left, top = 24.0, at + 12
    for number, (label, _) in enumerate(row.spans):
        wide = _wide(label, 13, is_code=False) + 32
        fill, ink = ("#248046", "#ffffff") if number == 0 and len(row.spans) > 1 else ("#e3e5e8", "#1d1f23")
        parts.append(f'<rect x="{left:.0f}" y="{top:.0f}" width="{wide:.0f}" height="30" rx="5" fill="{fill}"/>')
        parts.append(
            f'<text x="{left + wide / 2:.0f}" y="{top + 20:.0f}" font-size="13" text-anchor="middle" fill="{ink}">'
            f"{html.escape(label)}</text>"
        )
        left += wide + 8
    return top + 30 if row.spans else at


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pictures().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
