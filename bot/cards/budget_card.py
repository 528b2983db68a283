"""What administrators are told of a budget of the day that is nearly used."""

from bot.cards.text import money, one_line, tokens
from bot.i18n import catalog
from bot.message import Card, Mention, Paragraph, RichText, Severity, StyledText, Timestamp
from coordination.ports import BudgetWarning

_NAME = 60

MARK = "▲"
"""What stands beside a budget that is nearly used."""


def amount(number: float, *, is_money: bool) -> str:
    """So much of a budget: `$4.20`, `21k tokens`."""
    return money(number) if is_money else tokens(int(number))


def percent(spent: float, most: float) -> str:
    """How much of a budget is used; nothing is rounded up to all of it."""
    return catalog.number(int(spent * 100 / most))


def share(spent: float, most: float, *, is_marked: bool) -> str:
    """The same for a table: `84 % ▲`, with the mark where it is time to look."""
    used = f"{percent(spent, most)} %"
    return f"{used} {MARK}" if is_marked else used


def budget_lines(warning: BudgetWarning) -> tuple[RichText, RichText]:
    """Whose budget it is and what was spent of it.

    What is left, until when, and which key of a configuration sets it.
    """
    left = catalog.rich(
        "budget.left",
        left=amount(warning.left, is_money=warning.is_money),
        at=Timestamp(warning.begins_anew),
        limit=StyledText(f"limits.{warning.limit}", "code"),
    )
    return _used(warning), left


def _used(warning: BudgetWarning) -> RichText:
    spent = amount(warning.spent, is_money=warning.is_money)
    most = amount(warning.most, is_money=warning.is_money)
    if warning.name:
        who = Mention(warning.whose, one_line(warning.name, _NAME))
        return catalog.rich("budget.user", who=who, spent=spent, most=most)
    if warning.whose:
        channel = Mention(warning.whose, warning.whose, "channel")
        return catalog.rich("budget.place", channel=channel, spent=spent, most=most)
    return catalog.rich("budget.tenant", spent=spent, most=most)


def budget_card(warning: BudgetWarning) -> Card:
    """The notice to an administrator."""
    used = percent(warning.spent, warning.most)
    return Card(
        severity=Severity.ATTENTION,
        status=catalog.text("budget.status", percent=used),
        title=(),
        reference=(),
        sections=(Paragraph(lines=budget_lines(warning)),),
    )
