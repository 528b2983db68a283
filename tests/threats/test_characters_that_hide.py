"""Threat: a name, a request, a tool or a result hides what it is, by characters that nobody sees or takes for others."""

import asyncio
import json
import logging
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TypeAlias, cast

import pytest

from bot.cards.decisions import decisions_of
from bot.cards.plan_card import attachments
from bot.cards.run_card import card_for
from bot.cards.run_view import RunView, view_of
from bot.cards.table import coordination_table
from bot.cards.timeline import timeline_entry
from bot.chat.service_port import AdminCommand, PressButton, ShowPlan
from bot.message import Action, Mention
from bot.telemetry.log_lines import JsonLines, TextLines
from coordination.domain import events as e
from coordination.domain.canonical_json import Json, canonical
from coordination.domain.transitions import Recorded, evolve
from coordination.errors import IllegalTransition, StorageError
from coordination.storage.audit import export
from coordination.storage.sql_run_log import SqlLog, decode, encode
from tests.builders import ALICE, BOB, REQUESTER, START
from tests.databases import sqlite_url
from tests.sample_logs import approved, asked, plan_in, recorded, started, succeeded, then, unknown, waiting
from tests.service.chat_service_harness import ADMIN, GENERAL, ChatServiceHarness
from tests.unit.test_audit import CONFIG, CONFIG_DIGEST, submit_nothing

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"
NEWEST = {path.stem.split(".v")[0]: path for path in sorted(GOLDEN.glob("*.json"))}
HIDING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
LOOKALIKE = "p\u0430ypal"
POISON = f" \u202e\u200b\x1b[31m {LOOKALIKE}"
OURS = {"kind", "template"}
"""What no stranger writes: which event it is, and our own sentences, into which only values come from outside."""

At: TypeAlias = tuple[str | int, ...]
Fits: TypeAlias = Callable[[e.RunEvent], object]


def places(value: Json, at: At = ()) -> Iterator[At]:
    """Where there are texts from outside in what is stored of an event."""
    if isinstance(value, str):
        yield at
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "values":
                for number, pair in enumerate(cast("Sequence[Sequence[Json]]", inner)):
                    yield from places(pair[1], (*at, name, number, 1))
            elif name not in OURS:
                yield from places(inner, (*at, name))
    elif isinstance(value, Sequence):
        for number, inner in enumerate(value):
            yield from places(inner, (*at, number))


def with_poison(value: Json, at: At, poison: str) -> Json:
    """The same with poison there; a text that is a call's arguments has it in every name and value."""
    if isinstance(value, str):
        return value + poison
    here, rest = at[0], at[1:]
    if isinstance(value, Mapping):
        inner = value[str(here)]
        if here == "arguments" and isinstance(inner, str):
            return {**value, "arguments": canonical({**json.loads(inner), poison: 1, "nested": {poison: [poison]}})}
        return {**value, str(here): with_poison(inner, rest, poison)}
    many = cast("Sequence[Json]", value)
    return [with_poison(each, rest, poison) if number == here else each for number, each in enumerate(many)]


def poisoned(kind: str, version: int, body: str, fits: Fits, poison: str = POISON) -> e.RunEvent | None:
    """An event with poison in each of its texts with which it can still be read, and fits; None: in none."""
    whole, found = cast("Json", json.loads(body)), None
    for at in places(whole):
        changed = with_poison(whole, at, poison)
        with suppress(StorageError, IllegalTransition):
            event = decode(kind, version, json.dumps(changed))
            fits(event)
            whole, found = changed, event
    return found


def seen(part: object) -> Iterator[str]:
    """Every text that people see; of a mention that is the name, and its id only where the product itself made it."""
    if isinstance(part, Mention):
        yield part.name
    elif isinstance(part, str):
        yield part
    elif isinstance(part, tuple | list):
        for item in cast("Sequence[object]", part):
            yield from seen(item)
    elif is_dataclass(part):
        for field in fields(part):
            yield from seen(getattr(part, field.name))


def hidden_in(part: object) -> list[str]:
    """Every text of something to show in which something hides, or passes for another."""
    return [
        text
        for text in seen(part)
        if LOOKALIKE in text or any(each != "\n" and unicodedata.category(each) in HIDING for each in text)
    ]


def views() -> list[RunView]:
    """A run that is planned, that waits, and whose first call runs."""
    running = then(approved(), started(plan_in(approved()), 0))
    found = [view_of(log) for log in (recorded([event.event for event in waiting()][:5]), waiting(), running)]
    return [each for each in found if each is not None]


@pytest.mark.parametrize("kind", sorted(NEWEST))
def test_no_line_of_a_story_hides_anything(kind: str) -> None:
    path = NEWEST[kind]
    version = int(path.stem.split(".v")[1])
    event = poisoned(kind, version, path.read_text(encoding="utf-8"), lambda event: None)
    found = [] if event is None else [hidden_in(timeline_entry(event, view)) for view in views()]
    assert not any(found)


PLAN = plan_in(approved())
SECOND = PLAN.calls[1]
REASON = "it could not be reached"
LOGS = {
    "planning": recorded([each.event for each in waiting()][:-1]),
    "failed": recorded([*(each.event for each in waiting()[:5]), e.RunFailed(reason=REASON)]),
    "waiting": waiting(),
    "rejected": then(waiting(), e.PlanRejected(by=BOB, digest=PLAN.digest, reason=REASON)),
    "changes": then(waiting(), e.ChangesRequested(by=BOB, digest=PLAN.digest, text=REASON)),
    "cancelled": then(waiting(), e.RunCancelled(by=BOB)),
    "in doubt": then(approved(), started(PLAN, 0), unknown(PLAN, 0)),
    "done": then(
        approved(),
        started(PLAN, 0),
        succeeded(PLAN, 0),
        started(PLAN, 1),
        e.CallFailed(index=1, server=SECOND.server, tool=SECOND.tool, arguments=SECOND.arguments, reason=REASON),
        e.RunFinished(report="Posted."),
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_no_card_table_file_or_list_of_decisions_hides_anything(name: str) -> None:
    found, told = list[str](), list[str]()
    for log in poisoned_logs(LOGS[name]):
        view = view_of(log)
        assert view is not None
        told += seen(card_for(view, START))
        found += hidden_in(card_for(view, START))
        found += hidden_in(coordination_table(log))
        found += hidden_in([line for _, line in decisions_of(log, names_accounts=True)])
        found += hidden_in(attachments(view, view.plan) if view.plan is not None else "")
    assert found == []
    assert any("⟨U+202E⟩" in each for each in told)


def poisoned_logs(log: Sequence[Recorded], poison: str = POISON) -> Iterator[list[Recorded]]:
    """The log with one event poisoned, for each of them."""
    for number, each in enumerate(log):

        def made(event: e.RunEvent, number: int = number, each: Recorded = each) -> list[Recorded]:
            changed = [*log[:number], replace(each, event=event), *log[number + 1 :]]
            view_of(changed)
            return changed

        stored = encode(each.event)
        event = poisoned(stored.kind, stored.v, stored.body, made, poison)
        if event is not None:
            yield made(event)


async def test_nothing_that_a_chat_answers_or_tells_hides_anything(tmp_path: Path) -> None:
    """Lists, the Home, pages, windows, refusals and what administrators read, of somebody who is called so and asks so."""
    harness = ChatServiceHarness(tmp_path)
    called = f"rita{POISON}"
    rita = replace(REQUESTER, name=called, shown_as=called, email=called, home_team="")
    ops = replace(ALICE, name=called, shown_as=called)
    run = await harness.ask(f"Post{POISON}", by=rita)
    buttons = await harness.shown(run)
    replies = [
        await harness.runs(rita, GENERAL),
        await harness.runs(rita, GENERAL, mine=True),
        await harness.home(rita),
        await harness.home(ops),
        await harness.show(rita, GENERAL, run),
        await harness.say(ShowPlan(run=run), rita),
        await harness.show(rita, GENERAL, POISON),
        await harness.start_run(rita, GENERAL, "Post.", config=POISON),
        *[await harness.say(PressButton(button=each, message="m-1"), ops) for each in buttons.values()],
        await harness.press(rita, buttons[Action.APPROVE]),
        await harness.press(ops, buttons[Action.REJECT], text=POISON),
        await harness.press(rita, buttons[Action.APPROVE]),
        *[await harness.say(AdminCommand(action=each, name=run, value=POISON), ADMIN) for each in ADMINISTERS],
        await harness.say(AdminCommand(action="audit", name=run), ADMIN),
        await harness.say(AdminCommand(action="audit"), ADMIN),
    ]
    found = {number: hidden for number, each in enumerate(replies) if (hidden := hidden_in(each.reply))}
    assert found == {}
    named = [number for number, each in enumerate(replies) if any("⟨U+202E⟩" in text for text in seen(each.reply))]
    assert len(named) >= 20


ADMINISTERS = ("config-use", "config-allow", "config-check", "config-show", "approvers", "limits", "prompts", "grants")


@pytest.mark.parametrize("lines", [JsonLines(), TextLines("%(message)s")], ids=["JSON", "text"])
def test_no_line_of_the_programs_log_steers_a_terminal(lines: logging.Formatter) -> None:
    record = logging.makeLogRecord({"msg": f"the server said ü{POISON}\x9b31m", "levelname": "INFO", "name": "bot"})
    written = lines.format(record)
    assert [each for each in written if not each.isprintable()] == []
    assert "ü" in written
    assert "202e" in written
    if isinstance(lines, JsonLines):
        assert json.loads(written)["message"] == record.getMessage()


def test_an_export_is_ascii_and_says_what_was_said(tmp_path: Path) -> None:
    """It is read at a terminal, too; whoever parses it has every character."""
    url, at = sqlite_url(tmp_path), START

    async def write() -> None:
        async with SqlLog.open(url, submit=submit_nothing) as log:
            await log.save_config(CONFIG_DIGEST, *CONFIG)
            event = replace(asked(), prompt=f"Post{POISON}\x9b", config_digest=CONFIG_DIGEST)
            await log.append("AAAA", 0, [event], at, evolve(None, event, at))

    asyncio.run(write())
    (line,) = export(url, "AAAA")
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(json.loads(line)["body"])["prompt"] == f"Post{POISON}\x9b"
