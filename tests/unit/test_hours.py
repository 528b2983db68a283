"""The hours of a rule: how they are written, and which moments are within."""

from datetime import datetime

import pytest

from coordination.config import parse
from coordination.domain.canonical_json import Json
from coordination.domain.conditions import CallContext, Condition, zone_of
from coordination.domain.tool_rules import Effect, rule
from coordination.errors import ConfigError

OFFICE = "{from: '09:00', to: 17:00, days: [mon-thu, fri], zone: Europe/Berlin}"


def condition_of(hours: str, environ: dict[str, str] | None = None) -> Condition:
    text = (
        "agents: [{id: scout, backend: {type: ollama, model: m}}]\nmcp_servers: {bank: {command: npx}}\n"
        f"tools:\n  - {{match: bank.pay, when: {{time: {hours}}}, effect: auto}}\n"
    )
    ((condition,),) = [each.when for each in parse(text, origin="ops.yaml", environ=environ or {}).agents[0].rules]
    return condition


def test_hours_are_kept_as_they_are_written_with_each_day_by_its_name() -> None:
    assert condition_of(OFFICE).value == {
        "from": "09:00",
        "to": "17:00",
        "days": ["mon", "tue", "wed", "thu", "fri"],
        "zone": "Europe/Berlin",
    }
    whole = {"from": "00:00", "to": "24:00", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "zone": "UTC"}
    assert condition_of("{zone: UTC}").value == whole
    assert condition_of("{days: sat-mon, zone: '${Z}'}", {"Z": "UTC"}).value == {**whole, "days": ["mon", "sat", "sun"]}
    assert condition_of("{days: sun-sun, zone: UTC}").value == {**whole, "days": ["sun"]}


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        ("2026-11-30T09:00+01:00", True),
        ("2026-11-30T08:59:59+01:00", False),
        ("2026-11-30T16:59:59+01:00", True),
        ("2026-11-30T17:00+01:00", False),
        ("2026-11-29T12:00+01:00", False),
        ("2026-11-30T08:00+00:00", True),
        ("2026-07-01T07:00+00:00", True),
        ("2026-12-01T07:30+00:00", False),
        ("2026-12-03T23:30-09:00", True),
    ],
)
def test_a_moment_is_within_by_the_clocks_of_the_zone(at: str, holds: bool) -> None:
    assert condition_of(OFFICE).holds(CallContext(at=datetime.fromisoformat(at))) is holds


@pytest.mark.parametrize(
    "hours",
    [
        "always",
        {"from": "09:00", "to": "17:00", "days": ["mon"], "zone": "Europe/Nowhere"},
        {"from": "09:00", "to": "17:00", "days": ["mon"], "zone": "../etc/passwd"},
        {"from": "09:00", "to": "17:00", "days": ["mon"]},
        {"from": 9, "to": "17:00", "days": ["mon"], "zone": "UTC"},
        {"from": "09:00", "days": ["mon"], "zone": "UTC"},
        {"from": "09:00", "to": "17:00", "days": "mon", "zone": "UTC"},
    ],
)
def test_hours_that_nobody_can_read_can_not_be_judged(hours: Json) -> None:
    condition = Condition(about="time", operator="within", value=hours)
    assert condition.holds(CallContext(at=datetime.fromisoformat("2026-11-30T12:00+00:00"))) is None
    assert zone_of("") is None


def test_where_nobody_says_when_the_strictest_decides() -> None:
    text = (
        "agents: [{id: scout, backend: {type: ollama, model: m}}]\nmcp_servers: {bank: {command: npx}}\n"
        f"tools:\n  - {{match: bank.pay, when: {{time: {OFFICE}}}, effect: auto}}\n  - {{match: bank.pay, effect: deny}}\n"
    )
    rules = parse(text, origin="ops.yaml", environ={}).agents[0].rules
    assert rule(rules, "bank", "pay", CallContext(arguments={})).effect is Effect.DENY


@pytest.mark.parametrize(
    ("hours", "complaint"),
    [
        ("'09:00'", "when.time: found a text; expected a mapping with from, to, days or zone"),
        ("{}", "when.time.zone: found nothing; expected the name of a time zone, such as Europe/Berlin or UTC"),
        ("{zone: Berlin}", "when.time.zone: found 'Berlin'; expected the name of a time zone"),
        ("{zone: [UTC]}", "when.time.zone: found nothing; expected the name of a time zone"),
        (
            "{form: '09:00', zone: UTC}",
            "when.time.form: found 'form'; expected from, to, days or zone; did you mean from?",
        ),
        ("{from: 9, zone: UTC}", "when.time.from: found '9'; expected a time from 00:00 to 24:00, such as 09:00"),
        ("{to: [17], zone: UTC}", "when.time.to: found a list; expected a time from 00:00 to 24:00"),
        ("{from: '22:00', to: '06:00', zone: UTC}", "when.time.from: found '22:00'; expected a time earlier than to"),
        ("{days: [Mon], zone: UTC}", "when.time.days: found 'Mon'; expected days such as mon or mon-fri"),
        ("{days: mon-fry, zone: UTC}", "when.time.days: found 'mon-fry'; expected days such as mon or mon-fri"),
        ("{days: [[mon]], zone: UTC}", "when.time.days: found a list; expected days such as mon or mon-fri"),
        ("{days: [], zone: UTC}", "when.time.days: found no days; expected days such as mon or mon-fri"),
    ],
)
def test_wrong_hours_are_told_by_their_place(hours: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        condition_of(hours)
    assert complaint in str(caught.value)
