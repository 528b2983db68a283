"""A configuration's daily budgets: for each person, each place, and everyone together."""

from dataclasses import dataclass
from datetime import datetime

from coordination.domain.day_caps import midnight_before
from coordination.domain.policy import Person
from coordination.ports import BudgetWarning, Spending, Spent
from coordination.run_options import DailyLimits
from coordination.text import Text

WARNED_AT = 80
"""Percent of a budget at which administrators are told."""


@dataclass(frozen=True, kw_only=True)
class DayBudget:
    """What may be used between two midnights (UTC).

    Attributes:
        limit: the key under `limits`.
        user: the account whose own it is; None: not that of one person.
        place: likewise, the channel.
        name: what the person is called; empty where it is nobody's own.
        who: whose it is, in words.
        most: tokens, or US dollars.
    """

    limit: str
    tenant: str
    user: str | None
    place: str | None
    name: str
    who: Text
    most: float

    @property
    def is_money(self) -> bool:
        """Whether it counts dollars, and not tokens."""
        return self.limit.startswith("money")

    def used(self, spent: Spent) -> float:
        """What counts for it, of what was spent."""
        return spent.money if self.is_money else spent.tokens

    def is_nearly_used(self, spent: Spent) -> bool:
        """Whether it is time to tell administrators."""
        used = self.used(spent)
        return used > 0 and used * 100 >= self.most * WARNED_AT

    async def spent(self, spending: Spending, now: datetime) -> Spent:
        """What was spent of it today."""
        return await spending.since(midnight_before(now), tenant=self.tenant, user=self.user, place=self.place)

    def warning(self, spent: Spent, now: datetime) -> BudgetWarning:
        """That most of it is used."""
        return BudgetWarning(
            tenant=self.tenant,
            limit=self.limit,
            whose=self.user or self.place or "",
            name=self.name,
            day=midnight_before(now).date().isoformat(),
            spent=self.used(spent),
            most=self.most,
        )


def day_budgets(limits: DailyLimits, requester: Person, place: str) -> tuple[DayBudget, ...]:
    """The budgets that one person's runs in one place count for.

    A terminal is no place: there is only one, and the tenant's limits are for it.
    """
    here, alone = Text("Everyone in this channel together"), Text.verbatim(requester.name)
    rules = (
        ("user", requester.id, None, limits.user_tokens, limits.user_money, alone),
        *((("place", None, place, limits.place_tokens, limits.place_money, here),) if place else ()),
        ("tenant", None, None, limits.tenant_tokens, limits.tenant_money, Text("Everyone here together")),
    )
    return tuple(
        DayBudget(
            limit=f"{kind}_per_{name}_per_day",
            tenant=requester.tenant,
            user=user,
            place=channel,
            name=requester.name if user else "",
            who=who,
            most=most,
        )
        for name, user, channel, tokens, money, who in rules
        for kind, most in (("tokens", tokens), ("money", money))
        if most is not None
    )
