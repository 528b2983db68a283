"""A model is tried by a real tool call, and its server is looked at: what a newcomer's first model fails for."""

import asyncio
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.model_trials import Trial, backend_rows, try_backends
from bot.terminal import check_commands
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from bot.variables import Environment
from coordination.config import PROVIDERS
from coordination.llm.local_servers import listens
from tests.servers.chat_server import Call, Says, Scripted, chat_server
from tests.servers.ollama_server import ollama_server

CALLS = Says(calls=[Call(name="say", arguments='{"word": "yes"}')])
WORDS = Says(text="Sure! I would call say(yes).")


async def closed_port() -> str:
    """An address at which nothing listens."""
    async with chat_server() as server:
        return server.base_url


def written(folder: Path, **backend: str) -> Path:
    file = folder / "x.yaml"
    file.write_text(json.dumps({"agents": [{"id": "one", "backend": {"model": "qwen3:8b", **backend}}]}))
    return file


async def tried(folder: Path, **backend: str) -> Trial:
    (trial,) = await asyncio.to_thread(try_backends, Environment({}), written(folder, **backend))
    return trial


@pytest.mark.parametrize(
    ("type_", "advice"),
    [
        ("chatcompletion", "use a model that supports tool calls"),
        ("vllm", "start vLLM with --enable-auto-tool-choice"),
    ],
)
async def test_a_model_that_answers_in_words_does_not_work_and_is_told_what_to_do(
    tmp_path: Path, type_: str, advice: str
) -> None:
    async with chat_server(WORDS) as server:
        trial = await tried(tmp_path, type=type_, base_url=server.base_url)
    assert trial.problem.startswith("answers with text when asked to call a tool, which agents need: ")
    assert advice in trial.problem


async def test_a_model_that_calls_the_tool_works(tmp_path: Path) -> None:
    async with chat_server(CALLS) as server:
        assert await tried(tmp_path, type="chatcompletion", base_url=server.base_url) == Trial(
            name="one", model="qwen3:8b"
        )
        (asked,) = server.requests
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["say"]


async def test_a_model_that_thinks_longer_than_a_trial_is_not_said_to_fail(tmp_path: Path) -> None:
    async with chat_server(Says(text="Hm", finish="length")) as server:
        trial = await tried(tmp_path, type="chatcompletion", base_url=server.base_url)
    assert (trial.problem, trial.remark) == ("", "4,096 tokens were not enough for it to call a tool")


async def test_a_server_that_does_not_run_is_named_with_what_to_start(tmp_path: Path) -> None:
    address = await closed_port()
    trial = await tried(tmp_path, type="ollama", base_url=address)
    assert trial.problem == f"nothing is listening at {address[7:-3]}: start Ollama"
    assert not await listens(address)


@pytest.mark.parametrize(
    ("window", "parameters", "remark"),
    [
        (4_096, "", "Ollama shows the model 4,096 tokens, and drops the oldest ones"),
        (None, 'stop "x"\nnum_ctx                        8192', "Ollama shows the model 8,192 tokens"),
        (None, "", "Ollama doesn't say how many tokens the model sees (by default 4,096)"),
        (32_768, "", ""),
        (None, "num_ctx 32768", ""),
    ],
)
async def test_a_window_of_ollama_that_is_too_small_is_told_with_the_way_to_widen_it(
    tmp_path: Path, window: int | None, parameters: str, remark: str
) -> None:
    async with ollama_server(CALLS, window=window, parameters=parameters) as server:
        trial = await tried(tmp_path, type="ollama", base_url=server.base_url)
    assert trial.problem == ""
    assert trial.remark.startswith(remark)
    assert ("OLLAMA_CONTEXT_LENGTH=32768" in trial.remark) is bool(remark)
    assert bool(trial.remark) is bool(remark)


@pytest.fixture
async def nowhere(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No server of models runs on this machine."""
    address = await closed_port()
    for type_ in ("ollama", "lmstudio", "vllm", "sglang"):
        monkeypatch.setitem(PROVIDERS, type_, replace(PROVIDERS[type_], base_url=address))
    return monkeypatch


@pytest.mark.parametrize(
    ("models", "queue", "found"),
    [
        (("first-of-these", "second"), (WORDS,), ("ollama", "first-of-these", "answers with text")),
        ((), (), ("ollama", "-", "has no model yet: `ollama pull qwen3:8b` gets one")),
    ],
)
async def test_without_a_configuration_the_servers_on_this_machine_are_tried_too(
    nowhere: pytest.MonkeyPatch, models: tuple[str, ...], queue: tuple[Scripted, ...], found: tuple[str, str, str]
) -> None:
    async with ollama_server(*queue, models=models) as server:
        nowhere.setitem(PROVIDERS, "ollama", replace(PROVIDERS["ollama"], base_url=server.base_url))
        (trial,) = await asyncio.to_thread(try_backends, Environment({}), None)
        rows = {row.type: row.is_running for row in await asyncio.to_thread(backend_rows, Environment({}))}
    assert (trial.name, trial.model) == found[:2]
    assert trial.problem.startswith(found[2])
    assert (rows["ollama"], rows["vllm"], rows["openai"]) == (True, False, None)


async def test_a_check_tries_the_models_if_it_is_told_to_and_warns_of_servers_that_do_not_run(tmp_path: Path) -> None:
    async with chat_server(WORDS) as server:
        file = written(tmp_path, type="chatcompletion", base_url=server.base_url)
        context = CliContext(environ={}, stdout=io.StringIO(), stderr=io.StringIO())
        status = await asyncio.to_thread(check_commands.check, context, str(file), connects=True, tries=True)
    assert status is Exit.FAILED
    assert isinstance(context.stdout, io.StringIO)
    assert "answers with text" in context.stdout.getvalue()
    context = CliContext(environ={}, stdout=io.StringIO(), stderr=io.StringIO())
    assert await asyncio.to_thread(check_commands.check, context, str(file), connects=True) is Exit.DONE
    assert isinstance(context.stderr, io.StringIO)
    assert "The model of one can't be reached: nothing is listening at 127.0.0.1:" in context.stderr.getvalue()
