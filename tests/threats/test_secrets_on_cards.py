"""Threat: a token, password or private key in a plan, a request or a result is read by everybody who sees a card or a log."""

import json
import logging
import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from bot.application import Overrides
from bot.cards.decisions import decisions_of
from bot.cards.plan_card import attachments, decision_card, plan_json
from bot.cards.plan_edits import editable, selection_form
from bot.cards.preview_diff import preview_sections
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.cards.table import coordination_table
from bot.cards.timeline import timeline_entry
from bot.chat.service_port import AdminCommand, PressButton, ShowPlan
from bot.log_access import open_reading
from bot.message import Action, Alert
from bot.telemetry.log_lines import JsonLines, TextLines
from coordination.domain import states as s
from coordination.domain.canonical_json import canonical
from coordination.domain.plan import Plan
from coordination.secret_marks import MARK_BEGINS, MARKS
from tests.builders import ALICE, REQUESTER, START
from tests.databases import sqlite_url
from tests.sample_logs import plan_in, waiting
from tests.service.chat_service_harness import ADMIN, GENERAL, ChatServiceHarness
from tests.threats.test_characters_that_hide import (
    ADMINISTERS,
    LOGS,
    NEWEST,
    poisoned,
    poisoned_logs,
    seen,
    views,
)
from tests.unit.test_secret_marks import PASSWORD, PRIVATE_KEY, TOKEN

SECRETS = {"token": (f" {TOKEN}", TOKEN[:14]), "key": (f"\n{PRIVATE_KEY}\n", PRIVATE_KEY[80:100])}
"""What is put into a text, and what of it nobody may read."""


def readable(part: object, secret: str) -> list[str]:
    """Every text of something to show in which some of a secret can be read, or a mark is shown as if it was none of ours."""
    return [text for text in seen(part) if secret in text or "⟨U+27E8⟩" in text]


@pytest.mark.parametrize("kind", sorted(NEWEST))
@pytest.mark.parametrize("sort", SECRETS)
def test_no_line_of_a_story_shows_a_secret(kind: str, sort: str) -> None:
    path, (poison, secret) = NEWEST[kind], SECRETS[sort]
    version = int(path.stem.split(".v")[1])
    event = poisoned(kind, version, path.read_text(encoding="utf-8"), lambda event: None, poison)
    found = [] if event is None else [readable(timeline_entry(event, view), secret) for view in views()]
    assert not any(found)


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("sort", SECRETS)
def test_no_card_table_file_or_list_of_decisions_shows_a_secret(name: str, sort: str) -> None:
    poison, secret = SECRETS[sort]
    found, told = list[str](), list[str]()
    for log in poisoned_logs(LOGS[name], poison):
        view = view_of(log)
        assert view is not None
        told += seen(card_for(view, START))
        found += readable(card_for(view, START), secret)
        found += readable(coordination_table(log), secret)
        found += readable([line for _, line in decisions_of(log, names_accounts=True)], secret)
        if view.plan is not None:
            shown = attachments(view, view.plan), selection_form(view.plan), preview_sections(view.plan)
            found += readable((*shown, [each.text for each in editable(view.plan)]), secret)
    assert found == []
    assert any(MARK_BEGINS in each for each in told)


async def test_nothing_that_a_chat_answers_or_tells_shows_a_secret(tmp_path: Path) -> None:
    """Lists, the Home, pages, windows, refusals and what administrators read."""
    poison, secret = SECRETS["token"]
    harness = ChatServiceHarness(tmp_path)
    rita = replace(REQUESTER, name=f"rita{poison}", shown_as=f"rita{poison}")
    ops = replace(ALICE, name=f"alice{poison}", shown_as=f"alice{poison}")
    run = await harness.ask(f"Post{poison}", by=rita)
    buttons = await harness.shown(run)
    replies = [
        await harness.runs(rita, GENERAL),
        await harness.home(ops),
        await harness.show(rita, GENERAL, run),
        await harness.say(ShowPlan(run=run), rita),
        await harness.show(rita, GENERAL, poison),
        await harness.start_run(rita, GENERAL, "Post.", config=poison),
        *[await harness.say(PressButton(button=each, message="m-1"), ops) for each in buttons.values()],
        await harness.press(ops, buttons[Action.REJECT], text=poison),
        await harness.press(rita, buttons[Action.APPROVE]),
        *[await harness.say(AdminCommand(action=each, name=run, value=poison), ADMIN) for each in ADMINISTERS],
        await harness.say(AdminCommand(action="audit", name=run), ADMIN),
        await harness.say(AdminCommand(action="audit"), ADMIN),
    ]
    assert {number: shown for number, each in enumerate(replies) if (shown := readable(each.reply, secret))} == {}
    assert sum(any(MARKS.of(TOKEN) in text for text in seen(each.reply)) for each in replies) >= 10


@pytest.mark.parametrize("lines", [JsonLines(), TextLines("%(message)s")], ids=["JSON", "text"])
def test_no_line_of_the_programs_log_shows_a_token(lines: logging.Formatter) -> None:
    record = logging.makeLogRecord(
        {"msg": f"the server said {TOKEN}", "levelname": "INFO", "name": "bot", "run": TOKEN}
    )
    written = lines.format(record)
    assert TOKEN[:14] not in written
    assert MARKS.of(TOKEN) in written


def a_plan(arguments: str) -> Plan:
    plan = plan_in(waiting())
    return replace(plan, calls=(replace(plan.calls[0], arguments=arguments), *plan.calls[1:]))


def told_of(plan: Plan) -> list[str]:
    """The warnings on the card of a plan that waits."""
    log = waiting()
    view = view_of(log)
    assert view is not None
    assert isinstance(view.state, s.AwaitingDecision)
    card = decision_card(view, replace(view.state, plan=plan))
    return [text for each in card.sections if isinstance(each, Alert) for text in seen(each.line)]


def test_the_card_says_once_that_secrets_are_hidden_and_only_where_they_are() -> None:
    with_secrets = told_of(a_plan(canonical({"text": f"use {TOKEN}", "login": f"https://ci:{PASSWORD}@example.org/"})))
    assert len([each for each in with_secrets if each.startswith("Secrets are hidden.")]) == 1
    assert not any("Secrets" in each for each in told_of(a_plan(canonical({"text": MARKS.of(TOKEN)}))))


def test_what_is_approved_and_sent_is_the_secret_itself() -> None:
    """The digest, the exact JSON and the log know no marks: two tokens make two plans, and two cards."""
    one, other = (a_plan(canonical({"text": f"use {each}"})) for each in (TOKEN, TOKEN[::-1]))
    assert one.digest != other.digest
    assert TOKEN in canonical(plan_json(one))
    assert MARK_BEGINS not in canonical(plan_json(one))


def test_the_plans_file_says_that_it_is_not_exact() -> None:
    view = view_of(waiting())
    assert view is not None
    plan = a_plan(canonical({"text": f"use {TOKEN}"}))
    file = json.loads(attachments(view, plan)[1].text)
    assert file["is_exact"] is False
    assert file["calls"][0]["arguments"] == {"text": f"use {MARKS.of(TOKEN)}"}
    assert file["digest"] == plan.digest
    exact = a_plan(canonical({"text": "use none"}))
    assert json.loads(attachments(view, exact)[1].text) == json.loads(json.dumps(plan_json(exact)))


def test_an_argument_with_a_secret_is_not_put_into_a_window() -> None:
    """Neither the secret, which others may read there, nor its mark, which would be sent as the value."""
    plan = a_plan(canonical({"channel": "#ops", "login": f"https://ci:{PASSWORD}@example.org/"}))
    assert [each.name for each in editable(plan) if each.index == 0] == ["channel"]


async def test_every_process_of_an_installation_makes_the_same_marks(tmp_path: Path) -> None:
    """Whoever opens its database has its key; another installation has another."""
    made: list[str] = []
    for folder in ("here", "here", "elsewhere"):
        (tmp_path / folder).mkdir(exist_ok=True)
        MARKS.use(secrets.token_bytes(32))
        async with open_reading(sqlite_url(tmp_path / folder), Overrides()):
            made.append(MARKS.of(TOKEN))
    assert made[0] == made[1] != made[2]
