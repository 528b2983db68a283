"""Claude Code keeps the contract of all models, with its real program; and reaches our tools and nothing else."""

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from coordination.domain.ballot import Ballot
from coordination.errors import ConfigError, ModelFault
from coordination.llm.extras import is_installed, require_extra
from coordination.ports import (
    Conversation,
    InputMessage,
    Model,
    Reply,
    ToolResult,
    ToolSpec,
    TurnContext,
    Usage,
    UserMessage,
)
from coordination.prompts import workflow_tools

pytest.importorskip("claude_agent_sdk", reason="the extra `claude-code` is not installed")

from coordination.llm.claude_code.messages import declared
from coordination.llm.claude_code.model import ClaudeCodeModel, ClaudeCodeOptions, ClaudeCodeSession
from coordination.llm.claude_code.process import Launch
from coordination.llm.model_errors import Provider
from tests.contract.claude_code_harness import GO, KEY, LONGEST, results
from tests.contract.claude_code_harness import claude_code_harness as harness
from tests.contract.test_models import (
    TOOLS,
    Act,
    OpensModel,
    test_a_cancelled_call_ends_at_once_and_leaves_nothing_behind,
    test_a_lasting_failure_says_so,
    test_a_reply_has_all_its_text_and_all_its_calls_in_order,
    test_after_a_passing_failure_the_same_words_can_be_sent_again,
    test_results_go_back_and_the_conversation_goes_on,
    test_the_tools_on_offer_may_differ_from_call_to_call,
)
from tests.servers.claude_code_backend import (
    PREFIX,
    Breaks,
    Call,
    Fails,
    Json,
    Says,
    Scripted,
    blocks_of,
    claude_code_backend,
)

__all__ = [
    "test_a_cancelled_call_ends_at_once_and_leaves_nothing_behind",
    "test_a_lasting_failure_says_so",
    "test_a_reply_has_all_its_text_and_all_its_calls_in_order",
    "test_after_a_passing_failure_the_same_words_can_be_sent_again",
    "test_results_go_back_and_the_conversation_goes_on",
    "test_the_tools_on_offer_may_differ_from_call_to_call",
]

POST = f"{PREFIX}notices__post"
VOTE = f"{PREFIX}vote"


@asynccontextmanager
async def claude_code(*acts: Act) -> AsyncGenerator[Model]:
    statuses = {ModelFault.RATE_LIMITED: 429, ModelFault.OVERLOADED: 529, ModelFault.AUTH: 401}
    queue: list[Scripted] = []
    for action in acts:
        calls = [Call(name=PREFIX + name.removeprefix("mcp__"), arguments=text) for name, text in action.calls]
        replies = Fails(status=statuses[action.fails]) if action.fails else Says(text=action.text, calls=calls)
        queue.append(Breaks(ending="hang", events=0) if action.waits else replies)
    async with harness(*queue) as opened:
        card_sync = _Kept(opened.model)
        yield card_sync
        for conversation in card_sync.conversations:
            await conversation.close()


class _Kept:
    """The model, and what was begun with it: a conversation that nobody closes would be a process without an end."""

    def __init__(self, model: ClaudeCodeModel) -> None:
        self._model = model
        self.name = model.name
        self.conversations: list[Conversation] = []

    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        self.conversations.append(self._model.converse(system, turn_context))
        return self.conversations[-1]


@pytest.fixture
def opens_model() -> OpensModel:
    return claude_code


async def test_a_writer_called_in_every_way_reaches_us_and_nothing_else(tmp_path: Path) -> None:
    """In parallel, twice, mixed with a vote, under a wrong name, with no JSON, and Claude Code's own writing tools."""
    victim = tmp_path / "victim"
    calls = [
        Call(name=POST, arguments='{"title": "a", "n": 2.0, "id": 12345678901234567890}'),
        Call(name=POST, arguments='{"title": "a", "n": 2.0, "id": 12345678901234567890}'),
        Call(name="Bash", arguments=json.dumps({"command": f"touch {victim}"})),
        Call(name="Write", arguments=json.dumps({"file_path": str(victim), "content": "x"})),
        Call(name=VOTE, arguments='{"agent_id": "agent1", "reason": "good"}'),
        Call(name=POST, arguments='{"title": "ha'),
        Call(name=f"{PREFIX}notices__delete"),
        Call(name="mcp__notices__post", arguments='{"title": "b"}'),
        Call(name="new_answer", arguments='{"content": "x"}'),
    ]
    only_foreign = Says(
        text="Then so:", calls=[Call(name="Bash", arguments=json.dumps({"command": f"touch {victim}"}))]
    )
    async with harness(Says(text="I write.", calls=calls), only_foreign, Says(text="done")) as opened:
        reply = await opened.send(tools=TOOLS)
        assert [(call.name, call.arguments) for call in reply.calls] == [
            ("mcp__notices__post", '{"title": "a", "n": 2.0, "id": 12345678901234567890}'),
            ("mcp__notices__post", '{"title": "a", "n": 2.0, "id": 12345678901234567890}'),
            ("vote", '{"agent_id": "agent1", "reason": "good"}'),
        ]
        given: list[InputMessage] = [*results(reply)]
        end = await opened.send(given, TOOLS)
        answers = {block["tool_use_id"]: block for block in _all_results(opened.backend.conversation())}
    assert (end.text, end.calls) == ("Then so:\n\ndone", ())
    assert not victim.exists()
    assert [answers[f"toolu_1_{index}"].get("is_error", False) for index in range(9)] == [
        *(False, False, True, True, False, True, True, True, True)
    ]


def _all_results(conversation: list[Json]) -> list[Json]:
    return [block for message in conversation for block in blocks_of(message) if block["type"] == "tool_result"]


async def test_the_hook_denies_what_the_list_of_tools_would_have_let_through(tmp_path: Path) -> None:
    """The second lock holds by itself: here the first one is left open."""
    victim = tmp_path / "victim"
    calls = [Call(name="Write", arguments=json.dumps({"file_path": str(victim), "content": "x"})), Call(name=POST)]
    provider = Provider(model="m", base_url="http://127.0.0.1")
    async with claude_code_backend(Says(calls=calls), Says(text="done"), is_strict=False) as backend:
        launch = Launch(
            model="claude-sonnet-5-5",
            system="be good",
            base_url=backend.base_url,
            api_key=KEY,
            server="massgen",
            allowed=("mcp__massgen", "Write"),
            own_tools=("Write",),
        )
        session = ClaudeCodeSession(launch, TOOLS, provider, limit=1_000_000, searches=False)
        try:
            await session.open(LONGEST)
            await session.say(GO, TOOLS)
            reply = await session.reply(LONGEST)
            await session.say(results(reply), TOOLS)
            assert (await session.reply(LONGEST)).text == "done"
        finally:
            await session.close()
        offered = {tool["name"] for tool in backend.requests[0]["tools"]}
        answers = {block["tool_use_id"]: block for block in _all_results(backend.conversation())}
    assert "Write" in offered
    assert [call.name for call in reply.calls] == ["mcp__notices__post"]
    assert "not on offer" in str(answers["toolu_1_0"]["content"])
    assert not victim.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_the_program_gets_hardly_anything_of_our_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "canary-of-discord")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "canary-of-another")
    monkeypatch.setenv("CLAUDE_CODE_USE_BEDROCK", "1")
    async with harness(Says(text="hi")) as opened:
        await opened.send()
        environment, command = _start_of(opened.process.pid)
    assert opened.backend.keys == [KEY]
    assert KEY in environment
    assert "canary-of" not in environment
    assert "claude-sonnet-5-5" in command
    assert KEY not in command
    assert "be good" not in command


def _start_of(pid: int) -> tuple[str, str]:
    """What a process was started with: its environment, and its command line."""
    folder = Path(f"/proc/{pid}")
    return (folder / "environ").read_text(), (folder / "cmdline").read_text()


async def test_a_request_has_our_tools_the_words_as_they_are_and_the_system_prompt(tmp_path: Path) -> None:
    words = f"/help me with @{tmp_path}/secret and <b> \ud800"
    (tmp_path / "secret").write_text("canary-of-a-file")
    ballot = Ballot(size=2)
    async with harness(Says(text="hi")) as opened:
        reply = await opened.send([UserMessage(text=words)], (*TOOLS, *workflow_tools(ballot, may_answer=True)))
        sent = opened.backend.requests[0]
    assert reply == Reply(
        text="hi", usage=Usage(input_tokens=120, cached_tokens=100, stored_tokens=10, output_tokens=33)
    )
    assert [tool["name"] for tool in sent["tools"]] == [
        f"{PREFIX}{name}" for name in ("new_answer", "notices__post", "notices__read", "vote")
    ]
    assert sent["messages"][0] == {"role": "user", "content": words.replace("\ud800", "\ufffd")}
    assert "canary-of-a-file" not in json.dumps(sent)
    assert "be good" in json.dumps(sent["system"])


async def test_the_options_are_sent_as_they_are_set() -> None:
    options = ClaudeCodeOptions(effort="low", max_output_tokens=2000)
    async with harness(Says(text="hi"), options=options) as opened:
        await opened.send()
        sent = opened.backend.requests[0]
    assert (sent["model"], sent["max_tokens"], sent["output_config"]) == ("claude-sonnet-5-5", 2000, {"effort": "low"})
    older = ClaudeCodeOptions(max_thinking_tokens=2048)
    async with harness(Says(text="hi"), model="claude-sonnet-4-5", options=older) as opened:
        await opened.send()
        assert opened.backend.requests[0]["thinking"]["budget_tokens"] == 2048


async def test_results_and_news_reach_the_model_whole() -> None:
    large = "ä" * 100_000
    many = [Call(name=POST, arguments=json.dumps({"n": number})) for number in range(15)]
    async with harness(Says(calls=many), Says(text="done"), Says(text="ok")) as opened:
        reply = await opened.send(tools=TOOLS)
        assert len(reply.calls) == 15
        texts = ["recorded", large, "no", *["recorded"] * 12]
        given: list[InputMessage] = [
            ToolResult(call_id=call.id, text=text, is_error=text == "no")
            for call, text in zip(reply.calls, texts, strict=True)
        ]
        await opened.send([*given, UserMessage(text="news")], TOOLS)
        answers = {block["tool_use_id"]: block for block in opened.backend.last_results()}
        assert (await opened.send([UserMessage(text="more")], TOOLS)).text == "ok"
        assert opened.backend.conversation()[-1]["content"][0]["text"] == "more"
    assert answers["toolu_1_1"]["content"][0]["text"] == large
    assert answers["toolu_1_2"]["is_error"] is True
    assert answers["toolu_1_14"]["content"][0]["text"] == "recorded\n\nnews"


async def test_names_of_any_length_and_alike_come_back_as_they_were() -> None:
    names = ["mcp__" + "a" * 59, "mcp__" + "a" * 58 + "b", "mcp__x__vote", "x__vote", "mcp__vote"]
    tools = [ToolSpec(name=name, description="Does.", input_schema={"type": "object"}) for name in names]
    known = {tool.name: wire for wire, tool in declared(tools).items()}
    calls = [Call(name=PREFIX + known[name]) for name in names]
    async with harness(Says(calls=calls)) as opened:
        reply = await opened.send(tools=tools)
    assert [call.name for call in reply.calls] == names
    assert all(len(PREFIX + wire) <= 64 for wire in known.values())


async def test_a_two_megabyte_answer_arrives_whole() -> None:
    arguments = json.dumps({"content": "é" * 2_000_000}, ensure_ascii=False)
    async with harness(Says(calls=[Call(name=POST, arguments=arguments)], piece=10_000)) as opened:
        reply = await opened.send(tools=TOOLS)
    assert reply.calls[0].arguments == arguments


async def test_a_tool_that_comes_too_late_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with harness(Says(text="one"), Says(text="two")) as opened:
        await opened.send(tools=TOOLS[:1])
        await opened.send([UserMessage(text="on")], TOOLS)
    assert [record.__dict__["tool"] for record in caplog.records if "too late" in record.message] == [TOOLS[1].name]


async def test_the_web_is_searched_only_if_the_operator_wants_it() -> None:
    asks = Says(calls=[Call(name="WebSearch", arguments='{"query": "weather"}'), Call(name=POST)])
    options = ClaudeCodeOptions(enable_web_search=True)
    async with harness(asks, Says(text="It rains."), Says(text="done"), options=options, is_strict=False) as opened:
        reply = await opened.send(tools=TOOLS)
        assert [call.name for call in reply.calls] == ["mcp__notices__post"]
        await opened.send(results(reply), TOOLS)
        found = {block["tool_use_id"]: block["content"] for block in opened.backend.last_results()}
        assert opened.backend.requests[1]["tools"][0]["type"].startswith("web_search_")
    assert "It rains." in str(found["toolu_1_0"])
    async with harness(asks, Says(text="done")) as opened:
        reply = await opened.send(tools=TOOLS)
        await opened.send(results(reply), TOOLS)
        assert "No such tool available: WebSearch" in str(opened.backend.last_results()[0]["content"])


async def test_a_token_of_a_subscription_is_sent_as_one() -> None:
    token = "sk-ant-oat01-canary"
    async with harness(Says(text="hi"), api_key=token) as opened:
        await opened.send()
        assert opened.backend.keys == [f"Bearer {token}"]


def test_an_extra_that_is_not_installed_is_named() -> None:
    assert is_installed("claude-code")
    with pytest.raises(ConfigError, match="is not installed here"):
        require_extra("claude-code", find=lambda _: None)
