"""The budgets of a run, its requester and their tenant, and the messages for when one is used up."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from coordination.day_budgets import DayBudget, day_budgets
from coordination.domain.day_caps import midnight_before
from coordination.domain.events import ModelUsed, RunEvent
from coordination.domain.policy import Person
from coordination.ports import BudgetWarning, Clock, Spending, Spent
from coordination.run_options import DailyLimits, RunOptions
from coordination.text import Text

BudgetCheck: TypeAlias = Callable[[], Awaitable[Text | None]]
"""Why no model may be called now; None: it may."""


async def never() -> Text | None:
    """The refusal of who has no limits."""
    return None


class NothingSpent:
    """Fits `coordination.ports.Spending` where nobody keeps accounts."""

    async def since(self, moment: datetime, *, tenant: str, user: str | None = None, place: str | None = None) -> Spent:
        """Nothing."""
        del moment, tenant, user, place
        return Spent()

    async def calls_since(self, moment: datetime, *, tenant: str) -> Mapping[str, int]:
        """None of any rule."""
        del moment, tenant
        return {}

    async def warn(self, warning: BudgetWarning) -> None:
        """Nobody is told."""
        del warning


async def started_today(spending: Spending, clock: Clock, tenant: str) -> Mapping[str, int]:
    """How many calls a tenant's runs have started since midnight (UTC), by the text of each rule with a daily cap."""
    return await spending.calls_since(midnight_before(clock.now()), tenant=tenant)


class Budget:
    """What one run may still use. It is asked before every model call, and told of every one that was made."""

    def __init__(self, options: RunOptions, *, spent: Spent | None = None, daily: BudgetCheck = never) -> None:
        """`spent` was used before, such as by an earlier revision; `daily` knows the limits that outlive the run."""
        self._tokens = options.budget_tokens
        self._money = options.budget_money
        self._spent = spent or Spent()
        self._daily = daily

    def count(self, used: ModelUsed) -> None:
        """Add one model call."""
        self._spent = _sum(self._spent, used)

    def used_up(self) -> Text | None:
        """Why the run itself has come to its end; None: it has not."""
        if self._tokens is not None and self._spent.tokens >= self._tokens:
            return Text(
                "The run has used all of its {tokens:,} tokens; request less, or ask the operator to raise "
                "limits.tokens_per_run.",
                tokens=self._tokens,
            )
        if self._money is not None and self._spent.money >= self._money:
            return Text(
                "The run has reached its limit of ${money:g}; request less, or ask the operator to raise "
                "limits.money_per_run.",
                money=self._money,
            )
        return None

    async def refusal(self) -> Text | None:
        """Why no model may be called now; None: it may."""
        return self.used_up() or await self._daily()


def total(events: Iterable[RunEvent]) -> Spent:
    """What the model calls among these events used."""
    spent = Spent()
    for event in events:
        if isinstance(event, ModelUsed):
            spent = _sum(spent, event)
    return spent


def daily(limits: DailyLimits, spending: Spending, *, clock: Clock, requester: Person, place: str = "") -> BudgetCheck:
    """The limits of the day for one person's runs in one place. Without limits nothing is ever looked up.

    Whoever looks first when most of a budget is used has administrators told of it.
    """
    budgets = day_budgets(limits, requester, place)
    if not budgets:
        return never
    warned: set[BudgetWarning] = set()

    async def refusal() -> Text | None:
        now = clock.now()
        for budget in budgets:
            spent = await budget.spent(spending, now)
            warning = replace(budget.warning(spent, now), spent=0.0)
            if budget.is_nearly_used(spent) and warning not in warned:
                await spending.warn(budget.warning(spent, now))
                warned.add(warning)
            if budget.used(spent) >= budget.most:
                return _used_up(budget)
        return None

    return refusal


def _used_up(budget: DayBudget) -> Text:
    if budget.is_money:
        return Text(
            "{who} has used up today's ${money:g}; try again after midnight (UTC), or ask the operator to raise "
            "limits.{limit}.",
            who=budget.who,
            money=budget.most,
            limit=budget.limit,
        )
    return Text(
        "{who} has used up today's {tokens:,} tokens; try again after midnight (UTC), or ask the operator to raise "
        "limits.{limit}.",
        who=budget.who,
        tokens=budget.most,
        limit=budget.limit,
    )


def _sum(spent: Spent, used: ModelUsed) -> Spent:
    return Spent(tokens=spent.tokens + used.input_tokens + used.output_tokens, money=spent.money + (used.cost or 0.0))
