"""What is joined, and what is said when it can't be."""

import importlib
import logging
import pwd
import sys
import threading
import warnings
from pathlib import Path

import pytest
import typer

from bot.composition import Configurations
from bot.machine import made
from bot.run_lookup import named_run
from bot.telemetry.log_lines import keep_logs
from bot.terminal.error_handler import reported
from bot.variables import Environment
from coordination.clock import PacedClock, SystemClock, new_id
from coordination.config import PROVIDERS, parse
from coordination.errors import ConfigError, RefusedError, RunNotFoundError, StorageError
from coordination.llm.extras import Extra, is_installed
from coordination.llm.provider import Build, Shared
from coordination.llm.registry import Models
from coordination.llm.scripted import build as build_scripted
from coordination.text import Text
from tests.fakes import FakeClock, MemoryLog, PlayedModel
from tests.service.service_harness import ServiceHarness

AGENT = """
agents:
  - id: one
    backend: {backend}
"""


def configured(backend: str, **environ: str) -> Configurations:
    models = Models(SystemClock())
    return Configurations(environ=environ, build=models, adapt=lambda given: given)


EXTRAS: dict[str, Extra] = {"claude_code": "claude-code"}


@pytest.mark.parametrize("type_", sorted(PROVIDERS))
async def test_every_backend_type_has_a_model(type_: str) -> None:
    """One whose library is not installed is refused before anything starts, and the text names what to install."""
    written = {
        "scripted": "{type: scripted, script: {}}",
        "azure_openai": "{type: azure_openai, model: m, api_key: k, base_url: 'https://a.openai.azure.com/openai/v1'}",
    }
    text = AGENT.format(backend=written.get(type_, f"{{type: {type_}, model: some-model, api_key: k}}"))
    if type_ in EXTRAS and not is_installed(EXTRAS[type_]):
        with pytest.raises(ConfigError, match="is not installed here"):
            configured(text)(text, "x.yaml", "console")
        return
    read = configured(text)(text, "x.yaml", "console")
    (model,) = read.models()
    assert model.name in ("some-model", "m", "scripted")
    await read.build.aclose()


async def test_a_vendors_library_is_loaded_once_and_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_vendor.py").write_text(
        "import threading\nTHREAD = threading.current_thread()\nfrom coordination.llm.scripted import build\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def load(family: str) -> Build:
        assert family == "chat"
        build: Build = importlib.import_module("slow_vendor").build
        return build

    text = AGENT.format(backend="{type: chatcompletion, model: m, api_key: k}")
    configure = Configurations(environ={}, build=Models(SystemClock(), load=load), adapt=lambda given: given)
    prepared = configure(text, "x.yaml", "console")
    assert "slow_vendor" not in sys.modules, "a configuration is read without it"
    await prepared.load()
    thread: threading.Thread = sys.modules["slow_vendor"].THREAD
    assert thread is not threading.current_thread()
    del sys.modules["slow_vendor"]
    await prepared.load()
    assert "slow_vendor" not in sys.modules, "it was there already"


async def test_options_that_a_vendor_can_not_take_are_refused_before_a_run_begins() -> None:
    text = AGENT.format(backend="{type: claude, model: claude-x, api_key: k, reasoning_effort: minimal}")
    with pytest.raises(ConfigError, match=r"backend.reasoning_effort: found 'minimal'; expected low, medium"):
        configured(text)(text, "x.yaml", "console")


async def test_a_model_that_can_not_be_built_is_named_by_its_agent() -> None:
    text = AGENT.format(backend="{type: scripted, script_file: nowhere.yaml}")
    with pytest.raises(ConfigError, match=r"^agent one: the script of agent one: .*nowhere.yaml can't be read"):
        configured(text)(text, "x.yaml", "console").models()


async def test_who_sits_at_a_terminal_alone_may_approve_their_own_request_unless_the_config_says_no() -> None:
    text = AGENT.format(backend="{type: scripted, script: {}}")
    read = configured(text)
    assert read(text, "x.yaml", "console").profile.policy.allow_requester
    assert not read(text, "x.yaml", "discord:1").profile.policy.allow_requester
    strict = text + "approval: {allow_requester: false}\n"
    assert not read(strict, "x.yaml", "console").profile.policy.allow_requester


async def test_the_options_of_a_configuration_reach_the_server() -> None:
    backend = (
        "{type: chatcompletion, model: m, base_url: 'http://127.0.0.1:1/v1', api_key: k, temperature: 0.5, top_p: 0.9, "
        "max_tokens: 100, seed: 7, reasoning: {effort: low}, text: {verbosity: low}, extra_body: {special: true}}"
    )
    settings = parse(AGENT.format(backend=backend), origin="x.yaml", environ={})
    from coordination.llm.openai_chat import build as build_chat  # noqa: PLC0415 - a second for each process that loads it

    shared = Shared(SystemClock())
    model = build_chat("one", settings.agents[0].backend, shared)
    assert model.name == "m"
    assert model._options.body() == {  # type: ignore[attr-defined]  # what is sent is the point here
        "temperature": 0.5,
        "max_completion_tokens": 100,
        "reasoning_effort": "low",
        "top_p": 0.9,
        "seed": 7,
        "verbosity": "low",
        "special": True,
    }
    await shared.aclose()


def test_an_address_that_is_none_is_told_with_the_agents_name() -> None:
    settings = parse(AGENT.format(backend="{type: azure_openai, model: m, api_key: k}"), origin="x.yaml", environ=None)
    with pytest.raises(ConfigError, match="agent one: "):
        Models(SystemClock()).model(settings.agents[0])


@pytest.mark.parametrize("pace", ["fast", "-1", "nan", "1e9"])
def test_a_pace_that_is_no_number_is_refused(pace: str) -> None:
    with pytest.raises(ConfigError, match="MASSGEN_BOT_DEMO_PACE"):
        Environment({"MASSGEN_BOT_DEMO_PACE": pace}).pace()


async def test_a_pace_scales_every_wait_and_leaves_the_time_alone() -> None:
    clock = FakeClock()
    await PacedClock(clock, 0.5).sleep(4)
    assert clock.slept == [2.0]
    assert PacedClock(clock, 0).now() == clock.now()


def test_a_script_in_a_file_is_read_and_its_faults_are_told(tmp_path: Path) -> None:
    file = tmp_path / "script.yaml"
    text = AGENT.format(backend="{type: scripted, script_file: script.yaml}")
    backend = parse(text, origin=str(tmp_path / "x.yaml"), environ={}).agents[0].backend
    with pytest.raises(ConfigError, match="can't be read"):
        build_scripted("one", backend, Shared(SystemClock()))
    file.write_text("a: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="not YAML"):
        build_scripted("one", backend, Shared(SystemClock()))
    file.write_text("turns: 5", encoding="utf-8")
    with pytest.raises(ConfigError, match="script of agent one"):
        build_scripted("one", backend, Shared(SystemClock()))


def test_the_database_is_the_named_one_or_a_file_in_the_state_folder(tmp_path: Path) -> None:
    assert Environment({"DATABASE_URL": "postgresql://x/y"}).database_url() == "postgresql://x/y"
    url = Environment({"XDG_STATE_HOME": str(tmp_path)}).database_url()
    assert url == f"sqlite:///{tmp_path}/massgen-bot/massgen-bot.sqlite"
    assert (
        Environment({"MASSGEN_BOT_STATE": str(tmp_path / "here")})
        .database_url()
        .startswith(f"sqlite:///{tmp_path}/here/")
    )


def test_the_state_folder_is_private_and_follows_the_environment(tmp_path: Path) -> None:
    assert Environment({"HOME": "/home/ada"}).state_folder() == Path("/home/ada/.local/state/massgen-bot")
    assert Environment({"XDG_STATE_HOME": "relative", "HOME": "/home/ada"}).state_folder() == Path(
        "/home/ada/.local/state/massgen-bot"
    )
    folder = made(tmp_path / "new" / "one")
    assert folder.stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="can't be created"):
        made(tmp_path / "file" / "one")


@pytest.mark.parametrize("environ", [{}, {"MASSGEN_BOT_STATE": "~nobody-of-that-name/state"}])
def test_without_a_home_a_sentence_says_what_to_set(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    with pytest.raises(StorageError, match="MASSGEN_BOT_STATE"):
        Environment(environ).state_folder()


def test_names_of_runs_are_easy_to_type() -> None:
    names = {new_id() for _ in range(100)}
    assert len(names) > 95
    assert all(len(name) == 5 and name.isalnum() and not set(name) & set("01IOAEU") for name in names)


async def test_a_run_is_named_by_the_beginning_of_its_name() -> None:
    harness = ServiceHarness(PlayedModel())
    first = await harness.ask()
    second = await harness.ask()
    assert (first, second) == ("N0", "N1")
    assert await named_run(harness.log, "n0") == "N0"
    with pytest.raises(RefusedError, match="N0, N1"):
        await named_run(harness.log, "N")
    for missing in ("", " ", "X"):
        with pytest.raises(RunNotFoundError):
            await named_run(MemoryLog(), missing)


def failing(error: BaseException) -> int:
    @reported
    def command() -> int:
        raise error

    with pytest.raises(typer.Exit) as ended:
        command()
    return ended.value.exit_code


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError([Text("one"), Text("two")]), 2),
        (StorageError(Text("no")), 2),
        (RunNotFoundError("X"), 2),
        (RefusedError("own_request", Text("no")), 1),
        (RefusedError("ambiguous_run", Text("no")), 2),
        (RefusedError("long_prompt", Text("no")), 2),
        (KeyboardInterrupt(), 130),
        (ExceptionGroup("many", [ExceptionGroup("deeper", [StorageError(Text("no"))])]), 2),
    ],
)
def test_what_goes_wrong_becomes_an_exit_status(
    error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(error) == status
    assert "Traceback" not in capsys.readouterr().err


def test_what_nobody_expected_is_told_by_a_reference_and_kept_in_the_log(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert failing(ValueError("the secret inside")) == 1
    told = capsys.readouterr().err
    assert "secret" not in told
    reference = told.rsplit("(ref ", 1)[1].removesuffix(")\n")
    assert f"ref {reference}" in caplog.text
    assert "the secret inside" in caplog.text


def test_libraries_write_to_the_log_file_and_not_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    root, servers = logging.getLogger(), logging.getLogger("coordination.mcp_tools.stdio_transport")
    before = list(root.handlers), root.level, servers.level
    try:
        with warnings.catch_warnings():
            keep_logs(Environment({"MASSGEN_BOT_STATE": str(tmp_path)}), is_verbose=False)
            logging.getLogger("some.library").warning("look out")
            warnings.warn("mind the gap", stacklevel=1)
    finally:
        for handler in [each for each in root.handlers if each not in before[0]]:
            root.removeHandler(handler)
            handler.close()
        root.setLevel(before[1])
        servers.setLevel(before[2])
        logging.captureWarnings(capture=False)
    kept = (tmp_path / "massgen-bot.log").read_text(encoding="utf-8")
    assert "look out" in kept
    assert "mind the gap" in kept
    assert capsys.readouterr() == ("", "")
