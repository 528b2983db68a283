"""Asking through the chat service: which configuration holds, who may use which, what a run remembers, and what is too much."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.cards.run_view import view_of
from bot.chat.service_port import FollowUp, Nothing, StartRun
from bot.chat.store import Limits
from bot.message import Action
from coordination.domain.canonical_json import digest
from coordination.domain.events import RunRequested
from coordination.domain.transitions import evolve
from coordination.errors import StorageError
from coordination.text import Text
from tests.builders import ALICE, BOB, MALLORY, REQUESTER
from tests.service.chat_service_harness import ADMIN, ELSEWHERE, GENERAL, RANDOM, TEAM, ChatServiceHarness, texts


@pytest.fixture
def harness(tmp_path: Path) -> ChatServiceHarness:
    harness = ChatServiceHarness(tmp_path)
    for name in ("ops", "demo"):
        harness.write(name)
    return harness


async def config_of(harness: ChatServiceHarness, run: str) -> str:
    return (await harness.people.state(run)).request.config


async def test_a_channels_configuration_goes_before_the_servers_and_that_before_the_default(
    harness: ChatServiceHarness,
) -> None:
    """And `config show` says which it is, who said so, and when."""
    assert await config_of(harness, await harness.ask()) == "team"
    assert "team applies here: nothing else was set." in texts(await harness.admin("config-show"))
    await harness.admin("config-use", name="ops", scope="server")
    assert await config_of(harness, await harness.ask()) == "ops"
    shown = texts(await harness.admin("config-show"))
    assert "ops applies here: it was set for all channels." in shown
    assert f"set by ada, {harness.clock.now().isoformat()}" in shown
    await harness.admin("config-use", name="demo")
    assert await config_of(harness, await harness.ask()) == "demo"
    assert await config_of(harness, await harness.ask(place=RANDOM)) == "ops"
    assert "demo applies here: it was set for this channel." in texts(await harness.admin("config-show"))
    asked = await harness.start_run(REQUESTER, GENERAL, "Go.", config="team")
    assert await config_of(harness, asked.run) == "team"


async def test_forgetting_a_channels_configuration_brings_the_servers_back(harness: ChatServiceHarness) -> None:
    await harness.admin("config-use", name="ops", scope="server")
    await harness.admin("config-use", name="demo")
    said = texts(await harness.admin("config-reset"))
    assert "ops applies here: it was set for all channels." in said
    assert "nothing to reset" in texts(await harness.admin("config-reset"))
    assert "team applies here" in texts(await harness.admin("config-reset", scope="server"))


async def test_a_tenant_sees_and_uses_only_what_the_operator_allows_it(tmp_path: Path) -> None:
    harness = ChatServiceHarness(tmp_path, allowed={"here": frozenset({"ops", "team"}), "*": frozenset({"demo"})})
    for name in ("ops", "demo"):
        harness.write(name)
    stranger = replace(REQUESTER, tenant="elsewhere")
    assert await harness.chat_service.config_names(GENERAL, " O") == ["ops"]
    assert await harness.chat_service.config_names(GENERAL, "") == ["ops", "team"]
    assert await harness.chat_service.config_names(ELSEWHERE, "") == ["demo"]
    refused = await harness.start_run(REQUESTER, GENERAL, "Go.", config="demo")
    assert texts(refused).strip() == "There is no configuration demo that you can use here."
    assert "no configuration demo" in texts(await harness.admin("config-use", name="demo"))
    assert "no configuration demo" in texts(await harness.admin("config-check", name="demo"))
    assert "No configuration is set here" in texts(await harness.start_run(stranger, ELSEWHERE, "Go."))
    assert (await harness.start_run(stranger, ELSEWHERE, "Go.", config="demo")).run
    assert "ops\nteam" in texts(await harness.admin("config-list"))
    assert "Not offered" not in texts(await harness.admin("config-list"))
    for name in ("Other.yaml", "team.yml"):
        (harness.folder / name).touch()
    assert "Not offered because of their names: team.yml." in texts(await harness.admin("config-list"))
    assert harness.checked == []


async def test_a_configuration_that_was_set_and_is_gone_is_named_to_people(harness: ChatServiceHarness) -> None:
    await harness.admin("config-use", name="ops")
    (harness.folder / "ops.yaml").unlink()
    assert "no configuration ops" in texts(await harness.start_run(REQUESTER, GENERAL, "Go."))


@pytest.mark.parametrize(
    "name",
    [
        "../team",
        "..%2fteam",
        "./team",
        "team.yaml",
        "sub/team",
        "team\0",
        "TEAM",
        "\uff54eam",
        "linked-out",
        "loop",
        "folder",
        ".hidden",
        "-dash",
        "CON",
        " team",
        "team\n",
        "t" * 65,
        "{name}",
    ],
)
async def test_no_trick_with_a_name_reaches_a_file(tmp_path: Path, name: str) -> None:
    home = tmp_path / "configs"
    (home / "sub").mkdir(parents=True)
    for path in (tmp_path / "team.yaml", home / "sub/team.yaml", home / ".hidden.yaml", home / "-dash.yaml"):
        path.write_text(TEAM, encoding="utf-8")
    (home / f"{'t' * 65}.yaml").write_text(TEAM, encoding="utf-8")
    (home / "CON.yaml").write_text(TEAM, encoding="utf-8")
    (home / "linked-out.yaml").symlink_to(tmp_path / "team.yaml")
    (home / "loop.yaml").symlink_to(home / "loop.yaml")
    (home / "folder.yaml").mkdir()
    (home / "linked-in.yaml").symlink_to(home / "sub/team.yaml")
    harness = ChatServiceHarness(home)
    before = harness.snapshot()
    reply = await harness.start_run(REQUESTER, GENERAL, "Go.", config=name)
    assert texts(reply).startswith("\nThere is no configuration ")
    assert str(tmp_path) not in texts(reply)
    assert reply.run == ""
    assert harness.snapshot() == before
    assert await harness.chat_service.config_names(GENERAL, "") == ["linked-in", "team"]


async def test_a_folder_that_is_not_there_holds_no_configurations(tmp_path: Path) -> None:
    harness = ChatServiceHarness(tmp_path)
    (harness.folder / "team.yaml").unlink()
    harness.folder.rmdir()
    assert "There are none" in texts(await harness.admin("config-list"))
    assert "No configuration is set here" in texts(await harness.start_run(REQUESTER, GENERAL, "Go."))


async def test_the_only_configuration_there_is_needs_no_default(tmp_path: Path) -> None:
    harness = ChatServiceHarness(tmp_path, default="")
    assert await config_of(harness, await harness.ask()) == "team"
    harness.write("ops")
    assert "/massgen-admin config use NAME" in texts(await harness.start_run(REQUESTER, GENERAL, "Go."))


async def test_the_same_event_again_begins_nothing_and_names_the_run(harness: ChatServiceHarness) -> None:
    first = await harness.start_run(REQUESTER, GENERAL, "Go.", event_id="i-1")
    again = await harness.start_run(REQUESTER, GENERAL, "Go.", event_id="i-1")
    assert (again.run, again.private) == (first.run, None)
    assert list(harness.log.events) == [first.run]
    assert harness.wakes == 1


async def test_what_does_not_begin_leaves_no_card(harness: ChatServiceHarness) -> None:
    harness.write("broken", TEAM.replace("type: scripted", "type: unheard-of"))
    for prompt, config, sentence in (
        ("  ", "team", "the request is empty"),
        ("x" * 20_001, "team", "Shorten it"),
        ("Go.", "broken", "ask the operator of this bot"),
    ):
        reply = await harness.start_run(REQUESTER, GENERAL, prompt, config=config)
        assert sentence in texts(reply)
    assert (harness.store.cards, harness.log.events, harness.wakes) == ({}, {}, 0)


async def test_a_broken_configuration_is_told_in_detail_to_administrators_alone(harness: ChatServiceHarness) -> None:
    """Also to those whom the operator named; and where the operator keeps the file is told to nobody."""
    harness.write("broken", TEAM.replace("type: scripted", "type: unheard-of"))
    (harness.folder / "binary.yaml").write_bytes(b"\xff\xfe\0")
    named = replace(ADMIN, id="u-named", is_admin=False)
    for config, detail in (("broken", "unheard-of"), ("binary", "binary.yaml")):
        reply = await harness.start_run(REQUESTER, GENERAL, "Go.", config=config)
        assert detail not in texts(reply)
        assert "ask the operator of this bot" in texts(reply)
        assert "ref " in texts(reply)
        for admin in (ADMIN, named):
            for told in (
                await harness.start_run(admin, GENERAL, "Go.", config=config),
                await harness.admin("config-check", name=config, by=admin),
            ):
                assert detail in texts(told)
                assert "ref " in texts(told)
                assert str(harness.folder) not in texts(told)


async def test_nobody_asks_in_a_place_of_another_tenant(harness: ChatServiceHarness) -> None:
    reply = await harness.start_run(replace(REQUESTER, tenant="elsewhere"), GENERAL, "Go.")
    assert "that you belong to" in texts(reply)
    assert (reply.run, harness.store.cards, harness.log.events) == ("", {}, {})


# --- conversations ----------------------------------------------------------------------------------------------------


async def test_a_follow_up_knows_what_was_asked_and_what_came_of_it(harness: ChatServiceHarness) -> None:
    await harness.admin("config-use", name="ops")
    first = await harness.ask("Post hello.")
    ids = await harness.shown(first)
    await harness.press(ALICE, ids[Action.REJECT], text="Too short.")
    await harness.admin("config-use", name="demo")
    reply = await harness.start_run(BOB, GENERAL, "Longer, then.", thread_of=first)
    request = (await harness.people.state(reply.run)).request
    assert [each.prompt for each in request.history] == ["Post hello."]
    assert "Too short." in request.history[0].outcome
    assert (request.config, request.requester.id) == ("ops", "u-bob")
    other = await harness.start_run(BOB, GENERAL, "Go.", thread_of=first, config="team")
    assert await config_of(harness, other.run) == "team"


async def test_a_conversation_remembers_its_last_six_exchanges(harness: ChatServiceHarness) -> None:
    run = await harness.ask("Request 0")
    for number in range(1, 9):
        run = (await harness.start_run(REQUESTER, GENERAL, f"Request {number}", thread_of=run)).run
    history = (await harness.people.state(run)).request.history
    assert [each.prompt for each in history] == [f"Request {number}" for number in range(2, 8)]


async def test_a_run_is_followed_up_in_its_own_channel_and_tenant_only(harness: ChatServiceHarness) -> None:
    run = await harness.ask()
    await harness.shown(run, message="m-1")
    for by, place in ((REQUESTER, RANDOM), (replace(ALICE, tenant="elsewhere"), ELSEWHERE), (REQUESTER, GENERAL)):
        thread = "m-1" if place is not GENERAL else "m-99"
        answer = await harness.say(FollowUp(prompt="And now?"), by, replace(place, thread=thread))
        assert answer.reply == Nothing()
    assert list(harness.log.events) == [run]


async def test_a_request_in_a_thread_without_a_run_begins_a_conversation(harness: ChatServiceHarness) -> None:
    start = StartRun(prompt="Go.", follows_thread=True)
    run = (await harness.say(start, REQUESTER, replace(GENERAL, thread="m-99"))).run
    assert (await harness.people.state(run)).request.history == ()


async def test_a_follow_up_of_a_run_whose_configuration_is_gone_takes_the_one_that_holds(
    harness: ChatServiceHarness,
) -> None:
    await harness.admin("config-use", name="ops")
    run = await harness.ask()
    await harness.admin("config-use", name="demo")
    (harness.folder / "ops.yaml").unlink()
    reply = await harness.start_run(REQUESTER, GENERAL, "And now?", thread_of=run)
    assert await config_of(harness, reply.run) == "demo"


async def test_a_retry_asks_the_same_in_the_same_conversation_as_a_new_run(harness: ChatServiceHarness) -> None:
    first = await harness.ask("Post hello.")
    followed = (await harness.start_run(REQUESTER, GENERAL, "Longer.", thread_of=first)).run
    reply = await harness.retry(BOB, GENERAL, followed.lower(), event_id="i-9")
    old, new = [(await harness.people.state(run)).request for run in (followed, reply.run)]
    assert (new.prompt, new.history, new.config) == (old.prompt, old.history, old.config)
    assert new.requester == BOB
    assert (await harness.retry(BOB, GENERAL, followed, event_id="i-9")).run == reply.run
    view = view_of(await harness.log.read(reply.run))
    assert view is not None
    assert view.state.kind == "queued"


async def test_a_run_is_taken_to_another_channel_by_its_own_requester_alone(harness: ChatServiceHarness) -> None:
    """An administrator may ask it again from anywhere, but it stays where those sit who may see it."""
    run = await harness.ask()
    mine = await harness.retry(REQUESTER, RANDOM, run)
    assert (await harness.card(mine.run)).channel == "random"
    theirs = await harness.retry(ADMIN, RANDOM, run)
    assert (await harness.card(theirs.run)).channel == "general"
    before = harness.snapshot()
    assert "There is no run" in texts(await harness.retry(MALLORY, RANDOM, run))
    assert harness.snapshot() == before


# --- limits -----------------------------------------------------------------------------------------------------------


async def test_limits_hold_and_an_administrator_can_only_lower_them(tmp_path: Path) -> None:
    harness = ChatServiceHarness(tmp_path, limits=Limits(at_once=2, waiting=3, hourly=5))
    raised = texts(await harness.admin("limits", value="at_once=50, waiting=1 hourly = 999999"))
    assert [line for line in raised.splitlines() if line] == [
        "Limits for runs here",
        "2 runs at once (at_once)",
        "1 plan waiting for approval (waiting)",
        "5 runs an hour by one person (hourly)",
        "1 run at once by one person (each)",
    ]
    run = await harness.ask()
    said = texts(await harness.start_run(REQUESTER, RANDOM, "Go."))
    assert said.strip() == "1 plan is waiting for approval here, which is the limit. Decide on it first."
    await harness.admin("limits", value="at_once=1 waiting=3 hourly=3")
    await harness.cancel(REQUESTER, GENERAL, run)
    assert (await harness.start_run(REQUESTER, GENERAL, "Go.")).run
    assert "the limit. Try again when it has ended" in texts(await harness.start_run(BOB, GENERAL, "Go."))
    await harness.work()
    assert (await harness.start_run(REQUESTER, GENERAL, "Go.")).run
    await harness.work()
    assert "3 runs within an hour" in texts(await harness.start_run(REQUESTER, GENERAL, "Go."))
    assert (await harness.start_run(BOB, GENERAL, "Go.")).run
    await harness.admin("limits", value="reset")
    assert "5 runs an hour" in texts(await harness.admin("limits"))
    assert "nothing to reset" in texts(await harness.admin("limits", value="reset"))


@pytest.mark.parametrize(
    "value", ["at_once=0", "at_once=-1", "many", "at_once=3 please", "at_once=1000000000", "=", "3"]
)
async def test_limits_that_make_no_sense_change_nothing(harness: ChatServiceHarness, value: str) -> None:
    before = harness.snapshot()
    assert "is not valid here" in texts(await harness.admin("limits", value=value))
    assert harness.snapshot() == before


# --- when something is wrong ------------------------------------------------------------------------------------------


async def test_a_database_that_fails_is_for_the_platform_to_tell(harness: ChatServiceHarness) -> None:
    async def broken(*_: object, **__: object) -> object:
        raise StorageError(Text("The database file /srv/secret is locked."))

    harness.store.settings = broken  # type: ignore[method-assign, assignment]  # a database that fails
    with pytest.raises(StorageError):
        await harness.start_run(REQUESTER, GENERAL, "Go.")


async def test_whatever_goes_wrong_is_one_sentence_with_a_reference_into_the_log(
    harness: ChatServiceHarness, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> object:
        raise RuntimeError("sk-secret in /srv/place")

    harness.store.settings = broken  # type: ignore[method-assign, assignment]  # a bug
    harness.store.list_runs = broken  # type: ignore[method-assign, assignment]  # a bug
    harness.store.card = broken  # type: ignore[method-assign, assignment]  # a bug
    run = "RUN1"
    await harness.log.append(run, 0, [a_run()], harness.clock.now(), evolve(None, a_run(), harness.clock.now()))
    cards = [
        (await harness.start_run(REQUESTER, GENERAL, "Go.")).private,
        (await harness.show(REQUESTER, GENERAL, run)).private,
        (await harness.details(REQUESTER, GENERAL, run))[0],
        (await harness.cancel(REQUESTER, GENERAL, run)).private,
        (await harness.retry(REQUESTER, GENERAL, run)).private,
        (await harness.runs(REQUESTER, GENERAL)).private,
        (await harness.admin("config-show")).private,
        (await harness.help(REQUESTER, GENERAL)).private,
        await harness.home(REQUESTER),
    ]
    for card in cards:
        assert card is not None
        said = texts(card)
        reference = said.rpartition("ref ")[2].strip(" ().")
        assert reference
        assert reference in caplog.text
        for word in ("secret", "srv", "RuntimeError", "Traceback"):
            assert word not in said


def a_run() -> RunRequested:
    return RunRequested(
        tenant="here",
        prompt="Go.",
        requester=REQUESTER,
        config="team",
        config_digest=digest("config", "x"),
        agents=("one",),
    )
