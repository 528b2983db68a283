"""A run's configuration is read once in a process, and again where anything else goes into it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.application import Overrides
from bot.composition import open_application
from bot.machine import console_person
from bot.variables import Environment
from coordination.config import Settings, loader, parse, yaml_tree
from coordination.domain import states as s
from coordination.errors import ConfigError
from coordination.run_request import RunRequest
from tests import forked

STORY = Path(__file__).parents[1] / "crash/story.yaml"
TEXT = """
agents: [{id: "${NAME:-scout}", backend: {type: grok, model: m}}]
mcp_servers: {board: {command: ./board, env: {TOKEN: "${TOKEN}"}}}
"""
ENVIRON = {"TOKEN": "one", "XAI_API_KEY": "k"}


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were read, not counting those that were known."""
    texts: list[str] = []

    def counted(text: str, report: yaml_tree.Diagnostics) -> yaml_tree.Table | None:
        texts.append(text)
        return yaml_tree.read(text, report)

    monkeypatch.setattr(loader, "read", counted)
    return texts


def read(environ: Mapping[str, str] | None = ENVIRON, *, text: str = TEXT, origin: str = "ops.yaml") -> Settings:
    return parse(text, origin=origin, environ=environ)


async def test_a_whole_run_reads_its_configuration_once(readings: list[str], tmp_path: Path) -> None:
    environ = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/runs.sqlite",
        "XDG_STATE_HOME": str(tmp_path),
        "MASSGEN_BOT_STATE": str(tmp_path),
        "MASSGEN_BOT_PYTHON": forked.python(),
    }
    text = STORY.read_text(encoding="utf-8") + f"# {tmp_path}\n"  # a text that no other test has read
    request = RunRequest(
        prompt="Announce it",
        requester=console_person(),
        config_name="story",
        config_text=text,
        origin=str(tmp_path / "story.yaml"),
    )
    async with (
        asyncio.timeout(60),
        open_application(Environment(environ), Overrides()) as application,
        application.working(),
    ):
        run = await application.coordinator.start(request)
        async for _ in application.log.follow(run):
            state = await application.coordinator.state(run)
            if isinstance(state, s.AwaitingDecision):
                await application.coordinator.approve(run, state.plan.digest, state.request.requester)
            elif isinstance(state, s.Ended | s.NeedsHuman):
                break
        assert (await application.coordinator.state(run)).kind == "finished"
    assert readings == [text]


def test_a_secret_that_has_changed_is_read_anew(readings: list[str]) -> None:
    tokens = [dict(read(ENVIRON | {"TOKEN": token}).servers[0].env)["TOKEN"] for token in ("a", "b", "b", "a")]
    assert tokens == ["a", "b", "b", "a"]
    assert len(readings) == 2


@pytest.mark.parametrize(
    "other",
    [{"NAME": "editor"}, {"NAME": ""}, {"XAI_API_KEY": "other"}],
    ids=["a default is overruled", "a variable is set and empty", "a provider's key is another"],
)
def test_every_variable_that_counts_for_a_text_is_compared(readings: list[str], other: Mapping[str, str]) -> None:
    before = read(origin=f"{other}.yaml")
    after = read({**ENVIRON, **other}, origin=f"{other}.yaml")
    assert len(readings) == 2
    assert (before == after) is ("NAME" in other and not other["NAME"])


def test_variables_that_do_not_count_for_a_text_are_not_compared(readings: list[str]) -> None:
    text = TEXT + "# others\n"
    assert read(ENVIRON | {"MASSGEN_BOT_TENANT": "discord:1"}, text=text) is read(
        ENVIRON | {"MASSGEN_BOT_TENANT": "slack:2"}, text=text
    )
    assert len(readings) == 1


def test_what_was_read_without_an_environment_is_not_what_an_empty_one_comes_to(readings: list[str]) -> None:
    text = TEXT + "# empty\n"
    assert read(None, text=text).servers[0].env == (("TOKEN", "${TOKEN}"),)
    with pytest.raises(ConfigError, match="which is not set"):
        read({}, text=text)
    assert dict(read(text=text).servers[0].env) == {"TOKEN": "one"}
    assert len(readings) == 3


def test_a_text_without_any_variable_set_is_read_again_once_one_is(readings: list[str]) -> None:
    text = 'agent: {id: "${WHO:-scout}", backend: {type: ollama, model: m}}\n# set later\n'
    assert [read(environ, text=text).agents[0].id for environ in ({}, {"WHO": "editor"}, {})] == [
        "scout",
        "editor",
        "scout",
    ]
    assert len(readings) == 2


def test_a_relative_path_is_read_anew_where_the_program_stands_elsewhere(
    readings: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = TEXT + "# elsewhere\n"
    commands: set[str] = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        commands.add(read(text=text).servers[0].command)
    assert commands == {str(tmp_path / "one/board"), str(tmp_path / "two/board")}
    assert len(readings) == 2


def test_a_text_with_problems_is_told_of_them_each_time(readings: list[str]) -> None:
    for _ in range(2):
        with pytest.raises(ConfigError, match="found no agents"):
            read(text="tools: []\n")
    assert len(readings) == 2


def test_only_so_many_texts_are_kept(readings: list[str]) -> None:
    texts = [f"{TEXT}# {number}\n" for number in range(200)]
    for text in texts:
        read(text=text)
    assert read(text=texts[-1])
    assert len(readings) == 200
    assert read(text=texts[0])
    assert len(readings) == 201
