"""`policy explain` and `policy test`: what the rules of a configuration do with a call, before any agent makes it."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bot.cards.break_glass import may_break_glass
from bot.cards.error_messages import plain_text
from bot.cards.parts import places
from bot.cards.text import visible
from bot.i18n import catalog
from bot.machine import config_file
from bot.policy_cases import Call, Case, Explanation, Outcome, Step, explain, moment_of, run_cases
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from coordination.clock import SystemClock
from coordination.config import load, read_operator_policy
from coordination.domain.canonical_json import parse
from coordination.domain.conditions import Condition
from coordination.domain.policy import Authors, Policy, Refusal, RunAction, judge
from coordination.domain.quorums import Needs, Quorum
from coordination.domain.tool_rules import Effect, IfFromRead
from coordination.errors import InvalidJsonError


def policy_explain(
    context: CliContext,
    config: str,
    *,
    tool: str,
    arguments: str,
    user: str,
    roles: Sequence[str],
    place: str,
    at: str = "",
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
    moment = moment_of(at) if at else SystemClock().now()
    if moment is None:
        context.print_error(catalog.text("policy.bad_moment"))
        return Exit.USAGE
    environment = context.environment
    operator = read_operator_policy(environment.operator_policy)
    settings = load(config_file(config).absolute(), environment.for_configs(tenant=""), operator=operator)
    call = Call(tool=tool, arguments=values, user=user, roles=tuple(roles), place=place, at=moment)
    found = explain(settings, call)
    if not found:
        known = ", ".join(sorted({each.name for each in settings.servers})) or "-"
        context.print_error(catalog.text("policy.no_server", tool=visible(tool), servers=visible(known)))
        return Exit.USAGE
    policy = settings.profile().policy
    for each in found:
        for line in _explained(tool, each, _alone(each, policy, call)):
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


def _explained(tool: str, found: Explanation, alone: Sequence[str]) -> list[str]:
    agents = visible(", ".join(found.agents))
    head = catalog.text("policy.effect", tool=visible(tool), agents=agents, effect=found.effect.value)
    lines = [head, f"  {catalog.text(f'policy.means_{found.effect.value}')}"]
    lines += [f"  {line}" for line in (*_needed(found.needs), *_if_from_read(found.if_from_read), *alone)]
    for step in found.steps:
        lines += _looked_at(step)
    return lines if found.steps else [*lines, f"  {catalog.text('policy.no_rule')}"]


def _alone(found: Explanation, policy: Policy, call: Call) -> list[str]:
    """Who could approve a plan with such a call alone in an emergency, and whether its requester could.

    If a rule bars it, that rule.
    """
    if found.effect is not Effect.ASK:
        return []
    if policy.break_glass is None:
        return [catalog.text("policy.no_break_glass")]
    if found.needs.bars_break_glass:
        rules = ", ".join(dict.fromkeys(step.rule.source for step in found.steps if step.rule.needs.bars_break_glass))
        return [catalog.text("policy.bars_break_glass", rules=visible(rules))]
    with_needs = policy.with_needs(found.needs)
    lines = [f"{plain_text(line)}." for line in may_break_glass(with_needs)]
    by = call.context.requester
    if by is not None and by.id:
        refusal = judge(
            with_needs,
            RunAction.BREAK_GLASS,
            by=by,
            authors=Authors(requester=by),
            approvals=(),
            at=datetime.min.replace(tzinfo=UTC),
            expires_at=datetime.max.replace(tzinfo=UTC),
        )
        lines.append(catalog.text(_OF_ONESELF.get(refusal, "policy.alone_not"), user=visible(by.id)))
    return lines


_OF_ONESELF: Mapping[Refusal | None, str] = {None: "policy.alone_may", Refusal.OWN_BREAK_GLASS: "policy.alone_own"}


def _needed(needs: Needs) -> list[str]:
    """Whom and what such a call needs, in sentences."""
    lines: list[str] = []
    if needs.quorums:
        lines.append(catalog.text("policy.needs", places=plain_text(places(needs.quorums))))
    if needs.expires_after is not None:
        lines.append(catalog.text("policy.expires", seconds=catalog.number(needs.expires_after)))
    if needs.bars_requester:
        lines.append(catalog.text("policy.bars_requester"))
    if needs.bars_author:
        lines.append(catalog.text("policy.bars_author"))
    if needs.bars_grants:
        lines.append(catalog.text("policy.bars_grants"))
    if needs.per_plan:
        lines.append(catalog.text("policy.per_plan", most=min(most for _, most in needs.per_plan)))
    if needs.per_day:
        lines.append(catalog.text("policy.per_day", most=min(most for _, most in needs.per_day)))
    return lines + [catalog.text("policy.read_first", path=visible(path)) for path in needs.read_first]


def _if_from_read(more: IfFromRead) -> list[str]:
    """What more holds of such a call if it repeats what was read."""
    if more.is_denied:
        return [catalog.text("policy.from_read_denied")]
    if not more.needs.quorums:
        return []
    return [catalog.text("policy.from_read_needs", places=plain_text(places(more.needs.quorums)))]


def _looked_at(step: Step) -> list[str]:
    rule = f"  {visible(step.rule.source)}: {visible(step.rule.match)} → {step.rule.effect.value}"
    return [rule, *(f"    {_condition(each)} {_holds(holds)}" for each, holds in step.conditions)]


def _condition(each: Condition) -> str:
    return visible(f"{each.about} {each.operator} {json.dumps(each.value, ensure_ascii=False)}:")


def _holds(holds: bool | None) -> str:
    return catalog.text("policy.unsure" if holds is None else "policy.holds" if holds else "policy.fails")


def _told(effect: Effect, quorums: Sequence[Quorum], case: Case) -> str:
    """An effect, with whose approval it takes if the case speaks of that."""
    if case.quorums is None or not quorums:
        return effect.value
    return f"{effect.value} ({plain_text(places(quorums))})"


def _missed(outcome: Outcome) -> list[str]:
    case = outcome.case
    got = ", ".join(sorted({_told(each.effect, each.needs.quorums, case) for each in outcome.found}))
    head = catalog.text(
        "policy.missed",
        number=outcome.number,
        tool=visible(case.tool),
        expected=_told(case.effect, case.quorums or (), case),
        found=got or catalog.text("policy.nothing"),
    )
    reasons = [f"  {visible(each.reason)}" for each in outcome.found if not outcome.fits(each)]
    return [head, *reasons]
