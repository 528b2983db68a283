"""As whom somebody decided: what the log keeps of that, what people read of it, and that it can be forgotten."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import discord
import pytest

from bot.cards.decisions import decisions_of, identity_of
from bot.cards.error_messages import plain_text
from bot.discord_app.identity import member_of
from bot.machine import console_account, console_person
from bot.slack_app.installations import SCOPES, Workspace
from bot.slack_app.settings import slack_settings
from bot.slack_app.setup import _scopes, manifest
from bot.variables import Environment
from coordination.domain import events as e
from coordination.domain.plan import short
from coordination.domain.policy import Person
from coordination.domain.transitions import evolve
from coordination.errors import ConfigError
from coordination.storage.audit import verify
from coordination.storage.prune import forget
from coordination.storage.sql_run_log import SqlLog, decode, encode
from tests.builders import ALICE, MALLORY, START
from tests.databases import sqlite_url
from tests.sample_logs import approved, asked, plan_in, then, waiting
from tests.unit.test_audit import CONFIG, CONFIG_DIGEST, submit_nothing

MARA = replace(ALICE, shown_as="Mara \u202e", email="mara@example.org", host="laptop", global_id="W7")
SETTINGS = {"SLACK_CLIENT_ID": "1.2", "SLACK_CLIENT_SECRET": "c", "SLACK_SIGNING_SECRET": "s"}


def told(person: Person, *, names_account: bool = False) -> list[str]:
    return [plain_text(each) for each in identity_of(person, names_account=names_account)]


def test_the_log_keeps_as_whom_somebody_decided_and_nothing_where_nothing_is_known() -> None:
    approval = encode(e.ApprovalGiven(by=MARA, digest="d"))
    read = decode(approval.kind, approval.v, approval.body)
    assert isinstance(read, e.ApprovalGiven)
    assert read.by.global_id == "W7"
    assert (read.by.shown_as, read.by.email, read.by.host) == (MARA.shown_as, MARA.email, MARA.host)
    plain = encode(e.ApprovalGiven(by=ALICE, digest="d")).body
    assert not any(name in plain for name in ("shown_as", "email", "host", "global_id"))
    assert decode("approval_given", 1, plain) == e.ApprovalGiven(by=ALICE, digest="d")


def test_whoever_changes_their_name_stays_who_they_are() -> None:
    assert MARA == ALICE
    assert len({MARA, ALICE}) == 1


@pytest.mark.parametrize(
    ("person", "lines"),
    [
        (ALICE, []),
        (MARA, ["shown as “Mara ⟨U+202E⟩”", "account W7 in the organization", "mara@example.org", "on laptop"]),
        (replace(ALICE, shown_as="alice"), []),
        (replace(ALICE, name="Mara (u-alice)", shown_as="Mara"), []),
    ],
)
def test_what_a_name_does_not_say_is_told_of_a_person(person: Person, lines: list[str]) -> None:
    assert told(person) == lines
    assert told(person, names_account=True) == ["account u-alice of here", *lines]


def test_each_decision_on_a_run_says_as_whom_it_was_made() -> None:
    log = waiting()
    plan = plan_in(log)
    refused = e.ActionRefused(by=replace(MALLORY, shown_as="Alice"), act="approve", refusal="not_an_approver")
    log = then(log, refused, e.ApprovalGiven(by=MARA, digest=plan.digest))
    lines = [plain_text(line) for _, line in decisions_of(log)]
    assert len(lines) == 4
    assert lines[-1] == f"alice approved plan {short(plan.digest)} · " + " · ".join(told(MARA))
    assert "shown as “Alice”" in lines[-2]
    assert "account u-mallory of here" in [plain_text(line) for _, line in decisions_of(log, names_accounts=True)][-2]


def test_at_a_terminal_the_machine_is_known_and_no_address() -> None:
    person = console_person()
    assert person.host
    assert (person.shown_as, person.email) == ("", "")
    assert console_account(0).host == ""


def test_in_discord_the_name_that_others_see_stands_beside_the_account() -> None:
    state = discord.Client(intents=discord.Intents.none())._connection
    guild = discord.Guild(data=cast("Any", {"id": "9", "roles": []}), state=state)
    user = {"id": "5", "username": "mara.k", "discriminator": "0", "avatar": None, "global_name": "Mara"}
    data = {"user": user, "roles": [], "joined_at": None, "flags": 0}
    for nick, shown in ((None, "Mara"), ("The boss", "The boss")):
        member = discord.Member(data=cast("Any", {**data, "nick": nick}), guild=guild, state=state)
        person = member_of(member, 9)
        assert (person.name, person.shown_as, person.email) == ("mara.k", shown, "")


@pytest.mark.parametrize(("written", "is_recorded"), [("", False), ("no", False), ("yes", True)])
def test_slack_is_asked_for_addresses_only_where_the_operator_has_them_recorded(
    written: str, *, is_recorded: bool
) -> None:
    settings = slack_settings(Environment({**SETTINGS, "SLACK_RECORD_EMAIL": written}))
    assert settings.records_email is is_recorded
    assert ("users:read.email" in getattr(settings.mode, "scopes", ())) is is_recorded
    assert ("users:read.email" in manifest(has_email=is_recorded)) is is_recorded


def test_another_word_than_yes_or_no_is_named() -> None:
    with pytest.raises(ConfigError, match="SLACK_RECORD_EMAIL must be yes or no"):
        slack_settings(Environment({**SETTINGS, "SLACK_RECORD_EMAIL": "perhaps"}))


def test_a_scope_that_the_app_lacks_for_that_is_told_of() -> None:
    workspace = Workspace(enterprise="", team="T1", token="xoxb-T1", scopes=SCOPES)
    lacks = _scopes(workspace, (*SCOPES, "users:read.email"))
    assert not lacks.is_well
    assert "users:read.email" in str(lacks.text)


async def write(url: str) -> None:
    async with SqlLog.open(url, submit=submit_nothing) as log:
        await log.save_config(CONFIG_DIGEST, *CONFIG)
        for run, by in (("AAAA", MARA), ("BBBB", ALICE)):
            story, state = approved(run=run)[:-1], None
            for each in then(story, e.PlanRejected(by=by, digest=plan_in(story).digest)):
                event: e.RunEvent = replace(asked(), config_digest=CONFIG_DIGEST) if each.seq == 1 else each.event
                state = evolve(state, event, each.at)
                await log.append(run, each.seq - 1, [event], each.at, state)


def test_an_address_is_forgotten_like_an_account_and_the_rest_stays_provable(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    asyncio.run(write(url))
    assert verify(url) == []
    done = forget(url, "mara@example.org", "", at=START)
    assert (done.runs, done.unfinished, done.findings) == (1, [], [])
    assert verify(url) == []
