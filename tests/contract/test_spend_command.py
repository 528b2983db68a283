"""`spend` and the line on standard error: what is used of today's budgets, beside them, and marked where that is most of it."""

import asyncio
import io
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bot.application import Overrides
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from bot.terminal.spend_command import spend, tell_budgets
from coordination.domain import events as e
from coordination.domain.canonical_json import config_digest
from coordination.domain.transitions import evolve
from coordination.ports import BudgetWarning
from coordination.storage.budget_warnings import SqlBudgetWarnings
from coordination.storage.prune import forget
from coordination.storage.usage import SqlUsage
from tests.builders import START, a_request
from tests.contract.logs import sql_bench
from tests.databases import sqlite_url

CONFIG = """\
agents: [{id: one, backend: {type: scripted, script: {}}}]
limits: {tokens_per_user_per_day: 1000, tokens_per_tenant_per_day: 5000}
"""


class Noon:
    """A clock that stands still."""

    def now(self) -> datetime:
        return START

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


def context_of(folder: Path) -> CliContext:
    environ = {"DATABASE_URL": sqlite_url(folder), "COLUMNS": "200"}
    return CliContext(
        environ=environ, overrides=lambda: Overrides(clock=Noon()), stdout=io.StringIO(), stderr=io.StringIO()
    )


async def used(folder: Path, tokens: int, config: str = CONFIG) -> None:
    """One run of today has used so many tokens."""
    origin = str(folder / "team.yaml")
    async with sql_bench(sqlite_url(folder)) as bench:
        digest = config_digest(config, origin)
        await bench.log.save_config(digest, config, origin)
        request = replace(a_request(prompt="Post."), config_digest=digest)
        event = e.ModelUsed(agent=1, model="m", input_tokens=tokens, cached_tokens=0, output_tokens=0)
        state = evolve(None, request, START)
        await bench.log.append("R1", 0, [request, e.DeliberationStarted(revision=1), event], START, state)


def test_budgets_stand_beside_what_was_used_of_them_and_most_of_one_is_marked(tmp_path: Path) -> None:
    asyncio.run(used(tmp_path, 840))
    context = context_of(tmp_path)
    assert spend(context, days=1) is Exit.DONE
    lines = context.stdout.getvalue().splitlines()  # type: ignore[attr-defined]  # it is the text that it was made with
    (own,) = [line.split() for line in lines if "tokens_per_user_per_day" in line]
    (everyones,) = [line.split() for line in lines if "tokens_per_tenant_per_day" in line]
    assert own == ["here", "rita", "tokens_per_user_per_day", "840", "tokens", "1.0k", "tokens", "84", "%", "▲"]
    assert everyones == ["here", "everyone", "tokens_per_tenant_per_day", "840", "tokens", "5.0k", "tokens", "16", "%"]
    assert lines[-1] == "Budgets reset at midnight (UTC). ▲ At least 80 % is used."


def test_without_budgets_or_with_a_file_that_can_not_be_read_only_the_sums_are_shown(tmp_path: Path) -> None:
    asyncio.run(used(tmp_path, 840, "agents: nonsense"))
    context = context_of(tmp_path)
    assert spend(context, days=1) is Exit.DONE
    text = context.stdout.getvalue()  # type: ignore[attr-defined]  # likewise
    assert "840 tokens" in text
    assert "midnight" not in text


def test_a_terminal_says_once_that_most_of_a_budget_is_used_and_forgets_whose_it_was(tmp_path: Path) -> None:
    warning = BudgetWarning(
        tenant="console", limit="money_per_user_per_day", whose="uid:1", name="rita", day="2026-11-22", spent=4, most=5
    )
    context = context_of(tmp_path)

    async def story() -> None:
        async with sql_bench(sqlite_url(tmp_path)), SqlUsage.open(sqlite_url(tmp_path)) as usage:
            await usage.warn(warning)
            await usage.warn(replace(warning, tenant="discord:1"))
            await tell_budgets(context, START)
            await tell_budgets(context, START)
            for number in ("uid:1", "uid:2"):
                await usage.warn(replace(warning, whose=number, day="2026-11-23"))
            forget(sqlite_url(tmp_path), "uid:1", "", at=START, removes=False)
            forget(sqlite_url(tmp_path), "uid:1", "discord:1", at=START)
            forget(sqlite_url(tmp_path), "uid:1", "", at=START)
            async with SqlBudgetWarnings.open(sqlite_url(tmp_path)) as left:
                assert [each.whose for each in await left.take("console", START)] == ["uid:2"]

    asyncio.run(story())
    (line,) = context.stderr.getvalue().splitlines()  # type: ignore[attr-defined]  # likewise
    assert line.startswith("rita has used $4.00 of today's budget of $5.00. Remaining: $1.00. The budget resets ")
    assert line.endswith("limits.money_per_user_per_day.")
