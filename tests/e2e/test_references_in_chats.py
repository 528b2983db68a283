"""Create a thread, then post in it: one plan of our own chat tools, approved as a whole, in a real chat and against its API."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from coordination.domain import events as e
from tests.e2e import slack_harness
from tests.e2e.discord_harness import Harness, a_harness
from tests.e2e.program import ROOT

_OPENS_AND_POSTS = f"""
agents:
  - id: first
    backend:
      type: scripted
      script:
        turns:
          - - calls:
                - {{tool: chat.create_thread, arguments: {{channel: "CHANNEL", name: News}}}}
                - {{tool: chat.send_message, arguments: {{channel: {{$from_call: 1, path: /thread}}, content: Hello}}}}
              answer: A thread, and a word in it.
        report: [{{say: It is written.}}]
mcp_servers:
  chat:
    command: ${{MASSGEN_BOT_PYTHON}}
    args: [-m, bot.tool_servers.discord_server]
    cwd: {ROOT}
    env: {{DISCORD_BOT_TOKEN: "${{DISCORD_BOT_TOKEN}}", DISCORD_API_URL: "${{DISCORD_API_URL}}", MASSGEN_BOT_TENANT: "${{MASSGEN_BOT_TENANT}}"}}
approval: {{approvers: {{roles: [ops]}}, expires_after: 1h}}
"""


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with a_harness(tmp_path) as harness:
        yield harness


async def test_a_thread_is_opened_and_written_to_by_one_plan_that_names_where_its_id_comes_from(
    harness: Harness,
) -> None:
    text = _OPENS_AND_POSTS.replace("CHANNEL", harness.server.channel)
    (harness.folder / "configs" / "news.yaml").write_text(text, encoding="utf-8")
    async with harness.bot():
        card = await harness.planned("Open a thread", "news")
        assert "⇠ the thread that call 1 returns" in card.text.replace("*", "").replace("`", "")
        before = set(harness.server.threads)
        await harness.alice.clicks(card, "Approve 2 calls")
        await harness.ends(card, "Done")
        (opened,) = [
            each for each in set(harness.server.threads) - before if harness.server.thread_names.get(each) == "News"
        ]
        assert [each.payload["content"] for each in harness.server.in_channel(opened)] == ["Hello"]
        started = [event for event in await harness.events(card) if isinstance(event, e.CallStarted)]
    assert json.loads(started[1].arguments) == {"channel": opened, "content": "Hello"}


_POSTS_AND_REPLIES = f"""
agents:
  - id: first
    backend:
      type: scripted
      script:
        turns:
          - - calls:
                - {{tool: chat.post_message, arguments: {{channel: C1, text: News}}}}
                - {{tool: chat.reply_in_thread, arguments: {{channel: C1, thread: {{$from_call: 1, path: /message}}, text: Hello}}}}
              answer: A message, and a word below it.
        report: [{{say: It is written.}}]
mcp_servers:
  chat:
    command: ${{MASSGEN_BOT_PYTHON}}
    args: [-m, bot.tool_servers.slack_server]
    cwd: {ROOT}
    env: {{SLACK_BOT_TOKEN: "${{SLACK_BOT_TOKEN}}", SLACK_API_URL: "${{SLACK_API_URL}}", MASSGEN_BOT_TENANT: "${{MASSGEN_BOT_TENANT}}"}}
approval: {{approvers: {{roles: [ops]}}, expires_after: 1h}}
"""


async def test_on_slack_a_message_is_posted_and_answered_by_one_plan(tmp_path: Path) -> None:
    async with slack_harness.a_harness(tmp_path) as slack, slack.bot():
        (tmp_path / "configs" / "news.yaml").write_text(_POSTS_AND_REPLIES, encoding="utf-8")
        card = await slack.planned("Post the news", "news")
        assert "the message that call 1 returns" in slack.plain(card)
        await slack.clicks("alice", card, "approve")
        await slack.ends(card, "Done")
        (posted,) = [each for each in slack.server.messages.values() if each.now["text"] == "News"]
        (answer,) = [each for each in slack.server.messages.values() if each.now["text"] == "Hello"]
        assert (posted.thread, answer.thread) == ("", posted.ts)
        started = [event for event in await slack.events(card) if isinstance(event, e.CallStarted)]
    assert json.loads(started[1].arguments) == {"channel": "C1", "text": "Hello", "thread": posted.ts}
