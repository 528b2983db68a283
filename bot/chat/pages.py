"""A run's plan in pages for one reader: what was decided on, then every call with every argument, then its files."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from bot.cards.card import card_for
from bot.cards.document import attachments
from bot.cards.parts import call_items, plain, quoted
from bot.cards.people import approvers
from bot.cards.run_view import RunView
from bot.i18n import Words
from bot.message import CallItem, CallList, Card, Paragraph
from coordination.domain import states as s

_PAGE = 2_500
"""Characters of arguments on a page, unless one call alone has more."""

_CALLS = 10


def pages_of(view: RunView, now: datetime, words: Words) -> tuple[Card, ...]:
    """The pages. A run without a plan has one, which is its card."""
    front = replace(card_for(view, now, words), buttons=(), menu=None)
    state = view.state
    if not isinstance(
        state, s.AwaitingDecision | s.Executing | s.Reporting | s.NeedsHuman | s.Finished | s.Rejected | s.Expired
    ):
        return (front,)
    plan = state.plan
    files = attachments(view, plan, words)
    first = replace(
        front,
        sections=(
            plain(words.line("pages.author", author=plan.author, count=len(plan.calls))),
            quoted(plan.text),
            Paragraph(lines=(approvers(plan.policy, words), words.line("decide.digest", digest=plan.digest))),
        ),
        footer=(),
        attachments=files,
    )
    rest = [replace(first, sections=(CallList(calls=tuple(calls)),)) for calls in _grouped(call_items(plan, words))]
    return (first, *rest)


def _grouped(calls: tuple[CallItem, ...]) -> Iterator[list[CallItem]]:
    """Calls that one page can hold."""
    page: list[CallItem] = []
    size = 0
    for call in calls:
        weight = sum(len(argument.name) + len(argument.text) for argument in call.arguments)
        if page and (size + weight > _PAGE or len(page) >= _CALLS):
            yield page
            page, size = [], 0
        page.append(call)
        size += weight
    if page:
        yield page
