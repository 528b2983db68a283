"""`policy explain` and `policy test`, and every policy of the documentation held against its own cases."""

import io
import re
from pathlib import Path

import pytest
import yaml

from bot.policy_cases import run_cases
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from bot.terminal.policy_commands import policy_explain, policy_test
from bot.variables import Environment
from coordination.errors import ConfigError
from tests.german import english_in

PAGE = Path(__file__).parents[2] / "docs" / "policy.md"
RECIPE = re.compile(r"^### (.+?)\n.*?```yaml\n(.*?)```\n\n```yaml\n(cases:\n.*?)```", re.MULTILINE | re.DOTALL)
RECIPES = RECIPE.findall(PAGE.read_text(encoding="utf-8").partition("\n## Example policies\n")[2])
OPS = """\
agents:
  - {id: scout, backend: {type: ollama, model: m}}
  - {id: clerk, backend: {type: ollama, model: m, exclude_tools: [bank.pay]}}
mcp_servers: {bank: {command: npx}}
tools:
  - {match: bank.pay, when: {$.amount: {at_most: 50}, requester.role: [ops]}, effect: auto}
"""
PAYS = OPS.replace("exclude_tools: [bank.pay]", "exclude_tools: [bank.close]") + (
    "  - {match: bank.pay, effect: ask, approvers: [{roles: [finance]}, {users: [U1, U2]}], expires: 4h, requester: false, "
    "author: false, per_plan: 3, per_day: 9, requires_read: $.account, if_from_read: {required: 2}}\n"
)


def here() -> CliContext:
    return CliContext(environ={}, stdout=io.StringIO(), stderr=io.StringIO())


def said(context: CliContext) -> list[str]:
    assert isinstance(context.stdout, io.StringIO)
    assert isinstance(context.stderr, io.StringIO)
    return (context.stdout.getvalue() + context.stderr.getvalue()).splitlines()


def test_there_are_seventeen_policies_to_begin_with() -> None:
    assert len(RECIPES) == 17


@pytest.mark.parametrize(("policy", "cases"), [pytest.param(*rest, id=name) for name, *rest in RECIPES])
def test_each_policy_of_the_page_does_what_its_cases_say(policy: str, cases: str, tmp_path: Path) -> None:
    servers = {case["tool"].partition(".")[0] for case in yaml.safe_load(cases)["cases"]}
    written = "".join(f"  {server}: {{command: npx}}\n" for server in sorted(servers))
    agents = "agents: [{id: scout, backend: {type: ollama, model: m}}]\n"
    (tmp_path / "policy.yaml").write_text(f"{agents}mcp_servers:\n{written}{policy}")
    (tmp_path / "cases.yaml").write_text(f"config: policy.yaml\n{cases}")
    outcomes = run_cases(Environment({}), tmp_path / "cases.yaml")
    assert [(each.case.tool, each.found) for each in outcomes if not each.is_met] == []


def test_a_call_is_explained_for_each_agent_rule_and_condition(tmp_path: Path) -> None:
    (tmp_path / "ops.yaml").write_text(OPS)
    context = here()
    status = policy_explain(
        context,
        str(tmp_path / "ops.yaml"),
        tool="bank.pay",
        arguments='{"amount": "5"}',
        user="U1",
        roles=["ops"],
        place="",
    )
    assert status is Exit.DONE
    assert said(context) == [
        "bank.pay for scout: ask",
        "  It is recorded, and runs only after people approve the plan.",
        "  Nobody can approve it alone (break-glass): approval.break_glass is not set.",
        "  tools[0]: bank.pay → auto",
        "    $.amount at_most 50: can't be evaluated, so the stricter outcome applies",
        '    requester.role in ["ops"]: is met',
        "bank.pay for clerk: deny",
        "  It is refused.",
        "  exclude_tools of agent clerk: bank.pay → deny",
    ]


def test_whom_and_what_a_call_needs_is_explained(tmp_path: Path) -> None:
    (tmp_path / "ops.yaml").write_text(PAYS)
    context = here()
    config = str(tmp_path / "ops.yaml")
    assert policy_explain(context, config, tool="bank.pay", arguments="{}", user="", roles=(), place="") is Exit.DONE
    assert said(context)[:10] == [
        "bank.pay for scout, clerk: ask",
        "  It is recorded, and runs only after people approve the plan.",
        "  A plan with it needs 1 of U1, U2 and 1 of finance, on top of what every plan needs.",
        "  A plan with it expires after 14,400 seconds at most.",
        "  The requester may not approve it.",
        "  People whose words shaped the plan may not approve it.",
        "  A plan may have at most 3 such calls.",
        "  There may be at most 9 such calls a day (UTC), counted over all runs here.",
        "  The agent must first have read the same $.account from the same server.",
        "  If it repeats what agents read and nobody asked for, it needs 2 of anyone here as well.",
    ]


GLASS = PAYS + (
    "  - {match: bank.close, effect: ask, break_glass: false}\n"
    "  - {match: bank.open, effect: ask, requester: false}\n"
    "approval: {break_glass: {roles: [on-call], users: [U9], requester: true}}\n"
)
MAY = "  In an emergency, on-call, U9 can approve alone (break-glass), even their own requests."
MAY_NOT = "  In an emergency, on-call, U9 can approve alone (break-glass), unless they requested or shaped the plan."


@pytest.mark.parametrize(
    ("tool", "user", "roles", "expected"),
    [
        ("bank.wait", "", (), [MAY]),
        ("bank.wait", "U1", ("on-call",), [MAY, "  U1 could, even for this request of their own."]),
        ("bank.wait", "U9", (), [MAY, "  U9 could, even for this request of their own."]),
        ("bank.wait", "U1", ("ops",), [MAY, "  U1 is not one of them."]),
        ("bank.close", "U9", (), ["  Nobody can approve it alone (break-glass): tools[2] bars it."]),
        ("bank.open", "U9", (), [MAY_NOT, "  U9 could not, because the request is their own: that takes"]),
    ],
)
def test_who_may_approve_alone_and_who_may_not_is_explained(
    tool: str, user: str, roles: tuple[str, ...], expected: list[str], tmp_path: Path
) -> None:
    (tmp_path / "ops.yaml").write_text(GLASS)
    context, config = here(), str(tmp_path / "ops.yaml")
    assert policy_explain(context, config, tool=tool, arguments="{}", user=user, roles=roles, place="") is Exit.DONE
    lines = [line for line in said(context) if "alone" in line or line.startswith("  U")]
    assert len(lines) == len(expected)
    assert all(line.startswith(words) for line, words in zip(lines, expected, strict=True))


@pytest.mark.parametrize("text", [GLASS, PAYS])
def test_nothing_is_said_of_approving_alone_where_nobody_is_asked(text: str, tmp_path: Path) -> None:
    (tmp_path / "ops.yaml").write_text(text)
    context, config = here(), str(tmp_path / "ops.yaml")
    policy_explain(context, config, tool="bank.pay", arguments='{"amount": 5}', user="U1", roles=["ops"], place="")
    assert "break-glass" not in " ".join(said(context))


def test_where_nobody_is_named_for_break_glass_that_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "ops.yaml").write_text(PAYS)
    context, config = here(), str(tmp_path / "ops.yaml")
    policy_explain(context, config, tool="bank.pay", arguments="{}", user="U1", roles=["on-call"], place="")
    lines = [line for line in said(context) if "break-glass" in line]
    assert lines == ["  Nobody can approve it alone (break-glass): approval.break_glass is not set."]


def test_a_case_may_say_whose_approval_a_call_needs(tmp_path: Path) -> None:
    (tmp_path / "ops.yaml").write_text(PAYS)
    file = tmp_path / "cases.yaml"
    file.write_text(
        "config: ops.yaml\ncases:\n"
        "  - {tool: bank.pay, effect: ask, approvers: [{users: [U2, U1]}, {roles: [finance]}]}\n"
        "  - {tool: bank.pay, effect: ask, approvers: [{roles: [finance]}]}\n"
        "  - {tool: bank.list, effect: ask, approvers: []}\n"
        "  - {tool: bank.pay, effect: ask, approvers: []}\n"
    )
    context = here()
    assert policy_test(context, str(file)) is Exit.FAILED
    assert said(context) == [
        "Case 2, bank.pay: expected ask (1 of finance), got ask (1 of U1, U2 and 1 of finance)",
        "  tools[1]: bank.pay",
        "Case 4, bank.pay: expected ask, got ask (1 of U1, U2 and 1 of finance)",
        "  tools[1]: bank.pay",
        "4 cases, 2 failed.",
    ]


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("bank.pay", "{", "The arguments can't be used: not JSON"),
        ("bank.pay", "[1]", "The arguments must be one JSON object"),
        ("post.send", "{}", "No agent has the server of post.send. Servers: bank."),
    ],
)
def test_a_call_that_makes_no_sense_is_told_in_one_sentence(
    tmp_path: Path, tool: str, arguments: str, words: str
) -> None:
    (tmp_path / "ops.yaml").write_text(OPS)
    context = here()
    status = policy_explain(
        context, str(tmp_path / "ops.yaml"), tool=tool, arguments=arguments, user="", roles=(), place=""
    )
    assert status is Exit.USAGE
    (line,) = said(context)
    assert line.startswith(words)


def test_a_case_that_is_not_met_is_named_with_what_the_rules_say(tmp_path: Path) -> None:
    (tmp_path / "ops.yaml").write_text(OPS)
    file = tmp_path / "cases.yaml"
    file.write_text(
        "config: ops.yaml\ncases:\n"
        "  - {tool: bank.pay, arguments: {amount: 5}, roles: [ops], agent: scout, effect: auto}\n"
        "  - {tool: bank.pay, arguments: {amount: 5}, roles: [ops], effect: auto}\n"
        "  - {tool: post.send, effect: ask}\n"
    )
    context = here()
    assert policy_test(context, str(file)) is Exit.FAILED
    assert said(context) == [
        "Case 2, bank.pay: expected auto, got auto, deny",
        "  exclude_tools of agent clerk: bank.pay",
        "Case 3, post.send: expected ask, got no such server",
        "3 cases, 2 failed.",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("cases: []", r"config: found nothing; expected a value for config"),
        (
            "config: ops.yaml\ncases: [{tool: bank.pay, effect: maybe}]",
            r"cases\[0\].effect: found 'maybe'; expected read, ask, auto or deny",
        ),
        ("config: ops.yaml\ncases: [{tool: pay, effect: ask}]", r"cases\[0\].tool: found 'pay'; expected server.tool"),
        ("config: nowhere.yaml\ncases: [{tool: a.b, effect: ask}]", "no such file"),
        (
            "config: ops.yaml\ncases: [{tool: bank.pay, at: 2026-11-30T09:00:00, effect: ask}]",
            r"cases\[0\].at: found .*; expected a date and time with a time zone, such as 2026-11-30T09:00\+01:00",
        ),
        (
            "config: ops.yaml\ncases: [{tool: bank.pay, at: noon, effect: ask}]",
            r"cases\[0\].at: found 'noon'; expected a date and time with a time zone",
        ),
        ("a: [", "found text that is not YAML; expected config and cases"),
    ],
)
def test_a_file_of_cases_that_cannot_be_used_is_told_by_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "cases.yaml").write_text(text)
    with pytest.raises(ConfigError, match=complaint) as caught:
        run_cases(Environment({}), tmp_path / "cases.yaml")
    assert english_in(caught.value.diagnostics[0]) == []


@pytest.mark.parametrize(("at", "effect"), [("2026-11-30T09:00+01:00", "auto"), ("2026-11-30T18:00Z", "ask")])
def test_a_call_is_explained_as_of_a_moment(tmp_path: Path, at: str, effect: str) -> None:
    hours = "{from: '09:00', to: '17:00', days: [mon-fri], zone: Europe/Berlin}"
    (tmp_path / "ops.yaml").write_text(OPS.replace("requester.role: [ops]", f"time: {hours}"))
    context, config = here(), str(tmp_path / "ops.yaml")
    ask = {"tool": "bank.pay", "arguments": '{"amount": 5}', "user": "", "roles": (), "place": ""}
    assert policy_explain(context, config, **ask, at=at) is Exit.DONE  # type: ignore[arg-type]  # by their names
    assert f"bank.pay for scout: {effect}" in said(context)
    assert policy_explain(here(), config, **ask) is Exit.DONE  # type: ignore[arg-type]  # likewise
    again = here()
    assert policy_explain(again, config, **ask, at="2026-11-30T09:00") is Exit.USAGE  # type: ignore[arg-type]  # likewise
    assert "a date and time with a time zone" in said(again)[0]
