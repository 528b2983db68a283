"""`policy explain` and `policy test`: what the rules of a configuration say of a call, before any agent makes it."""

import json
from collections.abc import Sequence
from pathlib import Path

from bot.cards.text import visible
from bot.i18n import catalog
from bot.machine import config_file
from bot.policy_cases import Call, Explanation, Outcome, Step, explain, run_cases
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from coordination.config import load
from coordination.domain.canonical_json import parse
from coordination.domain.conditions import Condition
from coordination.errors import InvalidJsonError


def policy_explain(
    context: CliContext, config: str, *, tool: str, arguments: str, user: str, roles: Sequence[str], place: str
) -> Exit:
    """Say what becomes of a call, and why: each rule that was looked at, and whether its conditions hold."""
    try:
        values = parse(arguments or "{}")
    except InvalidJsonError as error:
        context.print_error(catalog.text("policy.bad_arguments", reason=visible(str(error))))
        return Exit.USAGE
    if not isinstance(values, dict):
        context.print_error(catalog.text("policy.no_object"))
        return Exit.USAGE
    settings = load(config_file(config).absolute(), context.environment.for_configs(tenant=""))
    call = Call(tool=tool, arguments=values, user=user, roles=tuple(roles), place=place)
    found = explain(settings, call)
    if not found:
        known = ", ".join(sorted({each.name for each in settings.servers})) or "-"
        context.print_error(catalog.text("policy.no_server", tool=visible(tool), servers=visible(known)))
        return Exit.USAGE
    for each in found:
        for line in _explained(tool, each):
            context.print_line(line)
    return Exit.DONE


def policy_test(context: CliContext, file: str) -> Exit:
    """Hold a configuration against a file of cases, and say which of them it does not meet."""
    outcomes = run_cases(context.environment, Path(file))
    missed = [each for each in outcomes if not each.is_met]
    for outcome in missed:
        for line in _missed(outcome):
            context.print_line(line)
    context.print_line(catalog.text("policy.tested", count=len(outcomes), missed=len(missed)))
    return Exit.FAILED if missed else Exit.DONE


def _explained(tool: str, found: Explanation) -> list[str]:
    agents = visible(", ".join(found.agents))
    head = catalog.text("policy.effect", tool=visible(tool), agents=agents, effect=found.effect.value)
    lines = [head, f"  {catalog.text(f'policy.means_{found.effect.value}')}"]
    for step in found.steps:
        lines += _looked_at(step)
    return lines if found.steps else [*lines, f"  {catalog.text('policy.no_rule')}"]


def _looked_at(step: Step) -> list[str]:
    rule = f"  {visible(step.rule.source)}: {visible(step.rule.match)} → {step.rule.effect.value}"
    return [rule, *(f"    {_condition(each)} {_holds(holds)}" for each, holds in step.conditions)]


def _condition(each: Condition) -> str:
    return visible(f"{each.about} {each.operator} {json.dumps(each.value, ensure_ascii=False)}:")


def _holds(holds: bool | None) -> str:
    return catalog.text("policy.unsure" if holds is None else "policy.holds" if holds else "policy.fails")


def _missed(outcome: Outcome) -> list[str]:
    case = outcome.case
    got = ", ".join(sorted({each.effect.value for each in outcome.found})) or catalog.text("policy.nothing")
    head = catalog.text(
        "policy.missed", number=outcome.number, tool=visible(case.tool), expected=case.effect.value, found=got
    )
    reasons = [f"  {visible(each.reason)}" for each in outcome.found if each.effect is not case.effect]
    return [head, *reasons]
