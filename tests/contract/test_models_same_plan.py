"""The same deliberation comes of every kind of model, whatever its own API makes of calls: the same events, one plan."""

from typing import cast

import pytest

from coordination.domain.ballot import Ending
from coordination.domain.events import ModelUsed, RunEvent
from tests.builders import a_definition
from tests.contract.test_models import Act, Stage, chat_completions
from tests.fakes import PlayedModel
from tests.service.table import Table

pytest.importorskip("google.genai", reason="the extra `gemini` is not installed")
pytest.importorskip("claude_agent_sdk", reason="the extra `claude-code` is not installed")

from tests.contract.test_models_claude_code import claude_code
from tests.contract.test_models_gemini import gemini

LOOK, POST = "mcp__board__look", "mcp__board__post"
SCRIPT = (
    Act(
        text="I look, and write twice at once.",
        calls=(
            (POST, '{"text": "Grüße ☃ \\u00e9", "channel": "a"}'),
            (LOOK, "{}"),
            (POST, '{"channel": "a", "text": "Grüße ☃ é"}'),
            ("vote", '{"agent_id": "agent1", "reason": "too early"}'),
        ),
    ),
    Act(calls=((POST, '{"text": 7, "channel": "a"}'), ("mcp__board__look", '{"what": "all"}'))),
    Act(calls=((POST, '{"text": "last", "channel": "b"}'), ("new_answer", '{"content": "Posted all."}'))),
)


async def deliberated(stage: Stage) -> tuple[Table, list[RunEvent]]:
    async with stage(*SCRIPT) as model:
        table = Table(
            [cast("PlayedModel", model)],
            definitions=[a_definition("look"), a_definition("post", text="string", channel="string")],
        )
        election = await table.run()
    assert election.ending is Ending.ALONE
    assert election.winner.text == "Posted all."
    assert len(election.winner.calls) == 3
    return table, [event for event in table.events if not isinstance(event, ModelUsed)]


@pytest.mark.parametrize("stage", [gemini, claude_code])
async def test_the_same_events_and_the_same_plan_come_of_every_kind_of_model(stage: Stage) -> None:
    _, expected = await deliberated(chat_completions)
    table, events = await deliberated(stage)
    assert events == expected
    assert table.world.done == []
    assert len(table.of("model_used")) == len(SCRIPT)
