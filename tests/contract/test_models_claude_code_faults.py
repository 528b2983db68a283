"""Every way in which Claude Code can fail, with its real program, and what people are told of it."""

import asyncio
import json
import socket
import stat
import sys
from pathlib import Path

import pytest

from coordination.config.providers import EFFORTS
from coordination.errors import ConfigError, ModelError, ModelFault
from coordination.ports import UserMessage

pytest.importorskip("claude_agent_sdk", reason="the extra `claude-code` is not installed")

from coordination.llm.claude_code import model
from coordination.llm.claude_code import process as claude_code_process
from coordination.llm.claude_code.model import ClaudeCodeModel, ClaudeCodeOptions
from tests.contract.claude_code_harness import GO, KEY, TURN_CONTEXT, results
from tests.contract.claude_code_harness import claude_code_harness as harness
from tests.contract.test_models import TOOLS
from tests.servers.claude_code_backend import PREFIX, Breaks, Call, Fails, Says, Scripted

POST = Call(name=f"{PREFIX}notices__post")


def failing(status: int, kind: str = "api_error", message: str = f"no: {KEY}") -> Fails:
    return Fails(status=status, kind=kind, message=message)


TOO_LONG = "prompt is too long: 210000 tokens > 200000 maximum"
POOR = "Your credit balance is too low to access the Anthropic API."
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
CUT = ModelFault.CUT_OFF

FAILURES: list[tuple[list[Scripted], ModelFault, bool, str]] = [
    (
        [failing(401, "authentication_error")],
        ModelFault.AUTH,
        False,
        "rejected the key ANTHROPIC_API_KEY; the operator must",
    ),
    ([failing(403, "permission_error")], ModelFault.AUTH, False, "rejected the key ANTHROPIC_API_KEY"),
    ([failing(429, "rate_limit_error")], ModelFault.RATE_LIMITED, True, "too many requests"),
    ([failing(400, "invalid_request_error", POOR)], ModelFault.OUT_OF_BUDGET, False, "is out of credit"),
    (
        [failing(400, "invalid_request_error", TOO_LONG)],
        ModelFault.CONTEXT_TOO_LONG,
        False,
        "can't process that much text",
    ),
    ([failing(413, "request_too_large")], ModelFault.CONTEXT_TOO_LONG, False, "can't process that much text"),
    ([failing(404, "not_found_error")] * 2, ModelFault.MISCONFIGURED, False, "must check model and base_url"),
    ([failing(500)], ModelFault.OVERLOADED, True, "overloaded or failing"),
    ([failing(529, "overloaded_error")], ModelFault.OVERLOADED, True, "overloaded or failing"),
    ([Breaks(ending="end", event=OVERLOADED)], ModelFault.OVERLOADED, True, "overloaded or failing"),
    ([Breaks(ending="cut")], CUT, True, "broke off in the middle"),
    ([Breaks(ending="end")], CUT, True, "broke off in the middle"),
    ([Breaks(ending="end", events=0)], CUT, True, "can't be read"),
    ([Says(text="I", stop="refusal")], ModelFault.REFUSED, False, "change the request"),
    ([Says(text="I", stop="max_tokens")] * 4, CUT, False, "must raise max_output_tokens"),
    ([Says(text="I", stop="abort")], CUT, True, "ended its reply in the middle (reason: abort)"),
]


async def test_a_failure_says_who_must_do_what_and_the_same_words_can_be_sent_again() -> None:
    queue: list[Scripted] = [reply for replies, *_ in FAILURES for reply in [*replies, Says(text="whole")]]
    async with harness(*queue) as opened:
        for number, (_, fault, is_retryable, words) in enumerate(FAILURES):
            said = (UserMessage(text=f"go {number}."),)
            error = await opened.failure(said)
            assert (error.fault, error.is_retryable) == (fault, is_retryable), str(error)
            assert words in str(error)
            assert (await opened.send(said)).text == "whole"
        heard = json.dumps(opened.backend.conversation())
    # What was said in vain is not said twice: Claude Code remembers it.
    assert [heard.count(f"go {number}.") for number in range(len(FAILURES))] == [1] * len(FAILURES)


async def test_without_a_key_nobody_is_asked() -> None:
    async with harness(api_key="") as opened:
        error = await opened.failure()
        assert opened.backend.requests == []
    assert (error.fault, error.is_retryable) == (ModelFault.AUTH, False)


async def test_results_that_were_given_in_vain_are_not_given_twice() -> None:
    async with harness(Says(calls=[POST]), failing(529), Says(text="I see.")) as opened:
        reply = await opened.send(tools=TOOLS)
        given = [*results(reply, "recorded as action 1"), UserMessage(text="news")]
        assert (await opened.failure(given)).is_retryable
        assert (await opened.send(given)).text == "I see."
        heard = json.dumps(opened.backend.conversation())
    assert (heard.count("recorded as action 1"), heard.count("news")) == (1, 1)


async def test_silence_is_given_up_after_the_read_timeout_and_the_same_words_can_be_sent_again() -> None:
    options = ClaudeCodeOptions(read_timeout=5)
    silences = (Breaks(ending="hang", events=0), Breaks(ending="hang"))
    async with harness(*silences, Says(text="whole"), options=options) as opened:
        for _ in silences:
            error = await opened.failure()
            await opened.backend.until(open_replies=0)
            assert (error.fault, error.is_retryable) == (ModelFault.TIMED_OUT, True)
        assert (await opened.send()).text == "whole"
        assert opened.process.returncode is None


async def test_a_program_that_dies_takes_an_unanswered_conversation_not_with_it() -> None:
    async with harness(Breaks(ending="hang"), Says(text="whole"), Breaks(ending="hang")) as opened:
        for is_retryable in (True, False):
            async with asyncio.TaskGroup() as group:
                failing = group.create_task(opened.failure())
                await opened.backend.until(open_replies=1)
                opened.process.kill()
            assert (failing.result().fault, failing.result().is_retryable) == (CUT, is_retryable)
            if is_retryable:
                assert (await opened.send()).text == "whole"
        # All that it knew is gone now, and nothing is begun anew in silence.
        assert not (await opened.failure()).is_retryable


async def test_a_cancelled_call_ends_the_program_and_frees_its_connection() -> None:
    async with harness(Breaks(ending="hang")) as opened, asyncio.TaskGroup() as group:
        sending = group.create_task(opened.send())
        await opened.backend.until(open_replies=1)
        process = opened.process
        sending.cancel()
        await opened.backend.until(open_replies=0)
        async with asyncio.timeout(60):
            await process.wait()
    assert sending.cancelled()


async def test_a_model_that_calls_only_what_does_not_exist_is_stopped() -> None:
    circles = [Says(calls=[Call(name="Bash", arguments='{"command": "true"}')])] * 12
    # Claude Code goes on by itself, so the next request may be under way before it is stopped; no further one.
    async with harness(*circles, Breaks(ending="hang", events=0)) as opened:
        error = await opened.failure()
        assert len(opened.backend.requests) in (12, 13)
    assert (error.fault, error.is_retryable) == (CUT, False)
    assert "calls that have no effect" in str(error)


async def test_an_endless_reply_is_stopped_at_the_limit() -> None:
    flood = Breaks(ending="hang", says=Says(text="x" * 300_000, piece=1000), events=290)
    async with harness(flood, options=ClaudeCodeOptions(max_reply_characters=100_000)) as opened:
        error = await opened.failure()
        await opened.backend.until(open_replies=0)
    assert (error.fault, error.is_retryable) == (CUT, False)
    assert "exceeded 100,000 characters" in str(error)


async def test_a_program_that_is_not_there_is_the_operators_to_install() -> None:
    async with harness(options=ClaudeCodeOptions(program="/nowhere/claude")) as opened:
        error = await opened.failure()
    assert error.fault is ModelFault.MISCONFIGURED
    assert "the operator must reinstall claude-agent-sdk==" in str(error)


@pytest.mark.parametrize("script", ["exit 0", "exit 1", "echo junk; echo '{}'; echo '[1]'; exit 0"])
async def test_a_program_that_ends_at_once_says_so(script: str, tmp_path: Path) -> None:
    async with harness(options=ClaudeCodeOptions(program=_program(tmp_path, script))) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (ModelFault.MISCONFIGURED, False)
    assert "exited right after it was started" in str(error)


async def test_a_program_that_does_not_listen_is_not_waited_for(tmp_path: Path) -> None:
    options = ClaudeCodeOptions(program=_program(tmp_path, "exec sleep 60"), start_timeout=0.5)
    async with harness(options=options) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (ModelFault.TIMED_OUT, True)
    assert "was not ready within 0.5 s" in str(error)


DEAF = f"""exec {sys.executable} -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("type") == "control_request" and message["request"]["subtype"] == "initialize":
        body = {{"hook_on_failure_supported": True}}
        response = {{"subtype": "success", "request_id": message["request_id"], "response": body}}
        print(json.dumps({{"type": "control_response", "response": response}}), flush=True)
    elif len(sys.argv) > 1:
        print("x" * 100_000, end="", flush=True)
' """


async def test_a_program_that_does_not_even_stop_when_told_to_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "INTERRUPT_SECONDS", 0.2)
    options = ClaudeCodeOptions(program=_program(tmp_path, DEAF), read_timeout=0.2)
    async with harness(options=options) as opened:
        for _ in range(2):
            error = await opened.failure()
            assert (error.fault, error.is_retryable) == (ModelFault.TIMED_OUT, True)
            async with asyncio.timeout(60):
                assert await opened.process.wait() < 0


async def test_a_program_that_never_ends_a_line_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claude_code_process, "LONGEST_LINE", 50_000)
    async with harness(options=ClaudeCodeOptions(program=_program(tmp_path, f"{DEAF} x"))) as opened:
        assert (await opened.failure()).fault is CUT


def _program(folder: Path, script: str) -> str:
    path = folder / "claude"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


async def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        conversation = ClaudeCodeModel(model="m", base_url=f"http://127.0.0.1:{port}", api_key=KEY).converse(
            "", TURN_CONTEXT
        )
        with pytest.raises(ModelError) as caught:
            await conversation.send(GO, ())
        await conversation.close()
    assert (caught.value.fault, caught.value.is_retryable) == (ModelFault.OVERLOADED, True)
    assert str(caught.value).startswith(f"Can't reach the provider of m (127.0.0.1:{port})")


@pytest.mark.parametrize("base_url", ["", "localhost:8000", f"http://u:{KEY}@host"])
def test_an_address_that_is_none_is_the_operators_to_fix(base_url: str) -> None:
    with pytest.raises(ConfigError, match="base_url of m must") as caught:
        ClaudeCodeModel(model="m", base_url=base_url)
    assert KEY not in str(caught.value)


def test_an_unknown_effort_is_the_operators_to_fix() -> None:
    with pytest.raises(ConfigError, match="effort of m in Claude Code must be one of low"):
        ClaudeCodeModel(model="m", options=ClaudeCodeOptions(effort="enormous"))


@pytest.mark.parametrize("effort", EFFORTS["claude_code"])
def test_every_effort_that_a_configuration_may_ask_for_is_taken(effort: str) -> None:
    assert ClaudeCodeModel(model="m", options=ClaudeCodeOptions(effort=effort)).name == "m"
