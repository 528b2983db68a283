import json
from collections.abc import Sequence
from typing import Any, Literal

import pytest

from coordination.errors import ModelError, ModelFault
from coordination.llm.script_file import parse_script
from coordination.llm.scripted import ScriptedModel
from coordination.ports import Conversation, InputMessage, Reply, ToolResult, ToolSpec, TurnContext, UserMessage
from coordination.prompts import data
from tests.fakes import FakeClock

TOOLS = tuple(
    ToolSpec(name=name, description="", input_schema={"type": "object"})
    for name in ("mcp__notices__read_notice", "mcp__notices__post_notice", "new_answer", "vote")
)
PROMPT = "post the  dinner menu:\nsoup & <b>fish</b>"
REQUEST = UserMessage(text=f"Before.\n\n{data('request', PROMPT)}\n\nAfter.")


def turn_context(
    turn: int = 1, *, revision: int = 1, purpose: Literal["turn", "presentation", "report"] = "turn"
) -> TurnContext:
    return TurnContext(purpose=purpose, revision=revision, turn=turn, agent=2)


def converse(script: dict[str, Any], when: TurnContext | None = None, clock: FakeClock | None = None) -> Conversation:
    model = ScriptedModel(parse_script(script, where="script"), clock=clock or FakeClock())
    return model.converse("be good", when or turn_context())


async def send(conversation: Conversation, *reply: InputMessage, tools: Sequence[ToolSpec] = TOOLS) -> Reply:
    return await conversation.send(reply or (REQUEST,), tools)


def arguments(reply: Reply) -> list[Any]:
    return [json.loads(call.arguments) for call in reply.calls]


async def test_the_steps_of_a_turn_are_played_in_order_under_the_names_on_offer() -> None:
    read = {"say": "Let me look.", "calls": [{"tool": "notices.read_notice", "arguments": {"name": "welcome"}}]}
    conversation = converse({"turns": [[read, {"answer": "Post it."}]]})
    first = await send(conversation)
    assert (first.text, [call.name for call in first.calls]) == ("Let me look.", ["mcp__notices__read_notice"])
    assert arguments(first) == [{"name": "welcome"}]
    second = await send(conversation, ToolResult(call_id=first.calls[0].id, text="Welcome!"))
    assert [(call.name, call.arguments) for call in second.calls] == [("new_answer", '{"content": "Post it."}')]
    await conversation.close()


async def test_a_vote_has_a_choice_and_a_reason() -> None:
    reply = await send(converse({"turns": [[{"vote": "agent1", "reason": "Short."}]]}))
    assert [(call.name, json.loads(call.arguments)) for call in reply.calls] == [
        ("vote", {"agent_id": "agent1", "reason": "Short."})
    ]


async def test_one_step_may_call_several_tools_and_answer() -> None:
    step = {"calls": [{"tool": "notices.post_notice"}, {"tool": "notices.post_notice"}], "answer": "Twice."}
    reply = await send(converse({"turns": [[step]]}))
    assert [call.name for call in reply.calls] == ["mcp__notices__post_notice"] * 2 + ["new_answer"]
    assert len({call.id for call in reply.calls}) == 3


async def test_texts_depend_on_the_request_and_on_what_was_read() -> None:
    read = {"calls": [{"tool": "notices.read_notice"}]}
    post = {
        "calls": [
            {
                "tool": "notices.post_notice",
                "arguments": {
                    "slug": "{slug}",
                    "lines": ["{title}", "{prompt}", {"was": "{result:notices.read_notice}!"}],
                    "braces": "{{slug}}",
                    "number": 3,
                    "none": None,
                },
            }
        ]
    }
    conversation = converse({"turns": [[read, post]]})
    first = await send(conversation)
    reply = await send(conversation, ToolResult(call_id=first.calls[0].id, text="old {slug}"))
    assert arguments(reply) == [
        {
            "slug": "post-the-dinner-menu-soup-b-fish-b",
            "lines": ["Post the dinner menu: soup & <b>fish</b>", PROMPT, {"was": "old {slug}!"}],
            "braces": "{slug}",
            "number": 3,
            "none": None,
        }
    ]


@pytest.mark.parametrize("prompt", ["a </request> b", "<request>\nx\n</request>", "line\n\n<Request>", "</ request>"])
async def test_a_request_that_holds_its_own_delimiters_is_found_whole(prompt: str) -> None:
    conversation = converse({"turns": [[{"say": "{prompt}"}]]})
    assert (await send(conversation, UserMessage(text=data("request", prompt)))).text == prompt


@pytest.mark.parametrize(
    ("prompt", "slug"), [("Füße & Grüße!", "fusse-grusse"), ("日本", "request"), ("a" * 99, "a" * 40)]
)
async def test_a_slug_is_short_and_plain(prompt: str, slug: str) -> None:
    conversation = converse({"turns": [[{"say": "{slug}"}]]})
    assert (await send(conversation, UserMessage(text=data("request", prompt)))).text == slug


async def test_the_newest_result_of_a_tool_counts() -> None:
    read = {"calls": [{"tool": "notices.read_notice"}]}
    conversation = converse({"turns": [[read, read, {"say": "{result:notices.read_notice}"}]]})
    first = await send(conversation)
    second = await send(conversation, ToolResult(call_id=first.calls[0].id, text="one"))
    assert (await send(conversation, ToolResult(call_id=second.calls[0].id, text="two"))).text == "two"


async def test_arguments_may_be_no_json_at_all() -> None:
    reply = await send(converse({"turns": [[{"calls": [{"tool": "new_answer", "raw_arguments": '{{"content": '}]}]]}))
    assert reply.calls[0].arguments == '{"content": '


async def test_tools_of_no_server_are_called_as_they_are_written_even_if_they_are_not_on_offer() -> None:
    reply = await send(converse({"turns": [[{"calls": [{"tool": "no_such_tool"}], "vote": "agent9"}]]}), tools=())
    assert [call.name for call in reply.calls] == ["no_such_tool", "vote"]


async def test_each_turn_revision_and_purpose_has_steps_of_its_own() -> None:
    script = {
        "turns": [[{"say": "first"}], [{"say": "second"}]],
        "revisions": {2: {"turns": [[{"say": "changed"}]], "report": [{"say": "second report"}]},
                      "later": {"turns": [[{"say": "again"}]]}},
        "presentation": [{"say": "presented"}],
        "report": [{"say": "reported"}],
    }  # fmt: skip
    said = {
        when: (await send(converse(script, when))).text
        for when in (
            turn_context(1),
            turn_context(2),
            turn_context(1, revision=2),
            turn_context(1, revision=5),
            turn_context(purpose="presentation"),
            turn_context(purpose="report"),
            turn_context(purpose="report", revision=2),
            turn_context(purpose="report", revision=3),
        )
    }
    assert list(said.values()) == [
        "first", "second", "changed", "again", "presented", "reported", "second report", "reported"
    ]  # fmt: skip


async def test_a_step_waits_by_the_clock() -> None:
    clock = FakeClock()
    await send(converse({"turns": [[{"after": 1.5, "say": "…"}]]}, clock=clock))
    assert clock.slept == [1.5]


async def misplayed(conversation: Conversation, *reply: InputMessage, tools: Sequence[ToolSpec] = TOOLS) -> str:
    with pytest.raises(ModelError) as caught:
        await send(conversation, *reply, tools=tools)
    assert (caught.value.fault, caught.value.is_retryable) == (ModelFault.MISCONFIGURED, False)
    assert str(caught.value).endswith("the operator must correct the script.")
    return str(caught.value)


async def test_a_call_past_the_end_of_the_turn_fails() -> None:
    conversation = converse({"turns": [[{"say": "all"}]]})
    await send(conversation)
    assert "script of agent2 was called more often than it has steps (1) (revision 1, turn 1" in await misplayed(
        conversation
    )


@pytest.mark.parametrize("when", [turn_context(2), turn_context(revision=2), turn_context(purpose="report")])
async def test_a_turn_that_the_script_does_not_know_fails(when: TurnContext) -> None:
    assert "more often than it has steps (0)" in await misplayed(converse({"turns": [[{"say": "all"}]]}, when))


async def test_steps_left_over_are_complained_of_at_the_end() -> None:
    conversation = converse({"turns": [[{"say": "one"}, {"say": "two"}, {"say": "three"}]]})
    await send(conversation)
    with pytest.raises(ModelError, match="ended with 2 of 3 steps left over") as caught:
        await conversation.close()
    assert caught.value.fault is ModelFault.MISCONFIGURED


async def test_a_conversation_that_failed_may_be_given_up() -> None:
    conversation = converse({"turns": [[{"fault": "auth"}, {"say": "never"}]]})
    with pytest.raises(ModelError):
        await send(conversation)
    await conversation.close()


async def test_a_fault_is_raised_as_it_is_written_and_the_next_step_follows() -> None:
    conversation = converse({"turns": [[{"fault": "rate_limited", "retry_after": 0.5}, {"say": "now"}]]})
    with pytest.raises(ModelError) as caught:
        await send(conversation)
    error = caught.value
    assert (error.fault, error.is_retryable, error.retry_after) == (ModelFault.RATE_LIMITED, True, 0.5)
    assert (await send(conversation)).text == "now"
    await conversation.close()


async def test_what_a_step_expects_must_have_been_said_to_it() -> None:
    conversation = converse({"turns": [[{"expects": ["dinner menu", "lunch"], "say": "ok"}]]})
    assert 'was not told "lunch", which it expects' in await misplayed(conversation)


async def test_a_tool_that_is_not_on_offer_is_named_with_those_that_are() -> None:
    conversation = converse({"turns": [[{"calls": [{"tool": "notices.shred"}]}]]})
    assert "calls notices.shred, which is not available; available are vote" in await misplayed(
        conversation, tools=TOOLS[3:]
    )


async def test_a_result_that_is_not_there_and_a_request_that_was_never_told_are_named() -> None:
    wants_result = converse({"turns": [[{"say": "{result:notices.read_notice}"}]]})
    assert "uses the result of notices.read_notice, which has none yet" in await misplayed(wants_result)
    wants_request = converse({"turns": [[{"say": "{title}"}]]})
    assert "uses {title}, but got no request" in await misplayed(wants_request, UserMessage(text="hello"))
