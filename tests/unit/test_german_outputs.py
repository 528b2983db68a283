"""Nothing English is left on a card or in a check that speaks German, but for what people and servers wrote themselves."""

import io
from pathlib import Path

import pytest

from bot.cards.error_messages import plain_text
from bot.i18n import GERMAN, speaking
from bot.terminal import check_commands
from bot.terminal.cli_context import CliContext
from coordination.config import parse
from coordination.config.section_reader import SECTIONS
from coordination.domain import events as e
from coordination.errors import ConfigError
from coordination.text import Text
from tests.german import english_in
from tests.sample_logs import approved, plan_in, started, then
from tests.unit.test_cards import calls_of, card_of

AGENT = "agents: [{id: scout, backend: {type: ollama, model: m}}]\n"

USABLE = {
    "no servers": AGENT,
    "a key in the file": AGENT.replace("model: m", "model: m, api_key: 0123456789abcdef0123"),
    "an unpinned package": AGENT + "mcp_servers: {board: {command: npx, args: [some-board]}}\n",
    "planning mode off": AGENT + "orchestrator: {coordination: {enable_planning_mode: false, broadcast: agents}}\n",
    "no such option": AGENT.replace("model: m", "model: m, top_k: 3, cwd: x, enable_web_search: true"),
    "Claude's own tools": AGENT.replace("model: m", "model: m, allowed_tools: [Bash]"),
    "other values": (
        "agents: [{id: a, backend: {type: ollama, model: m, mcp_servers: {b: {command: x, env: {A: k}}}}}, "
        "{id: c, backend: {type: ollama, model: m, mcp_servers: {b: {command: x, env: {A: l}}}}}]\n"
    ),
    "an unlisted model": AGENT.replace("ollama", "openai").replace("model: m", "model: gpt-5-mni, api_key: '${KEY}'"),
}
UNUSABLE = {
    "no YAML": "agents: [\n",
    "no file": "",
    "no agents": "tools: []\n",
    "a variable": AGENT + "mcp_servers: {b: {command: '${NOPE}'}}\n",
    "a rule": AGENT
    + "mcp_servers: {b: {command: x}}\ntools: [{match: c.*, effect: reads, when: {amount: {above: x}}}]\n",
    "a condition": AGENT
    + "mcp_servers: {b: {command: x}}\ntools: [{match: b.*, effect: ask, when: {$.a: {at_most: x}}}]\n",
    "a script": "agents: [{id: a, backend: {script: {turns: [[{sey: x}]], report: x}}}]\n",
    "auth": AGENT + "mcp_servers: {b: {url: 'http://x', auth: {type: client_credentials, client_id: i}}}\n",
}


def in_german(folder: Path, text: str) -> str:
    """All that a check says which starts nothing."""
    file = folder / "x.yaml"
    file.write_text(text, encoding="utf-8")
    told = io.StringIO()
    context = CliContext(environ={"COLUMNS": "400", "KEY": "k", "MASSGEN_BOT_LANGUAGE": "de"}, stdout=told, stderr=told)
    with speaking(GERMAN):
        try:
            check_commands.check(context, str(file), connects=False)
        except ConfigError as error:
            told.write("\n".join(GERMAN.told(each) for each in error.diagnostics))
    return told.getvalue()


@pytest.mark.parametrize("name", [*USABLE, *UNUSABLE])
def test_a_check_says_nothing_in_english(name: str, tmp_path: Path) -> None:
    text = {**USABLE, **UNUSABLE}[name]
    told = in_german(tmp_path, text)
    assert ("Warnung" in told) is (name in USABLE)
    assert english_in(told) == []


def test_every_key_without_effect_says_why_in_german() -> None:
    reasons = {why for section in SECTIONS for why in section.without_effect().values()}
    assert len(reasons) > 30
    assert {why: english for why in reasons if (english := english_in(why))} == {}
    settings = parse(AGENT + "ui: {display_type: x, of_tomorrow: y}\n", origin="x.yaml", environ={})
    assert len(settings.warnings) == 2
    assert {each: english for each in settings.warnings if (english := english_in(each))} == {}


def test_a_card_with_a_refused_call_is_german() -> None:
    log = approved()
    plan = plan_in(log)
    why = Text("not sent: {why}", why=Text("The MCP server {server} {text}.", server="board", text=Text("has no name")))
    failed = e.CallFailed(index=0, server="board", tool="post_notice", arguments=plan.calls[0].arguments, reason=why)
    rest = e.CallsSkipped(indexes=(1,), reason=Text("an earlier call failed"))
    with speaking(GERMAN):
        card = card_of(then(log, started(plan, 0), failed, rest, e.RunFinished(report=None)))
    refused, skipped = (plain_text(each.outcome) for each in calls_of(card).calls)
    assert "nicht gesendet: Der MCP-Server board hat keinen Namen" in refused
    assert "ein früherer Aufruf ist fehlgeschlagen" in skipped
    assert english_in(f"{refused} {skipped}") == []


def test_a_refused_call_of_an_earlier_version_keeps_its_words() -> None:
    log = approved()
    plan = plan_in(log)
    arguments = plan.calls[0].arguments
    failed = e.CallFailed(index=0, server="board", tool="post_notice", arguments=arguments, reason="hangs already")
    rest = e.CallsSkipped(indexes=(1,), reason="an earlier call failed")
    with speaking(GERMAN):
        card = card_of(then(log, started(plan, 0), failed, rest, e.RunFinished(report=None)))
    assert "hangs already" in plain_text(calls_of(card).calls[0].outcome)
