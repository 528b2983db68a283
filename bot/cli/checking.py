"""The command that checks a configuration: what is wrong with it, and what each agent may do with which tool."""

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from bot.cli.here import Here
from bot.console_app.exits import Exit
from bot.console_app.tables import plain_table
from bot.console_app.terminal import console_on
from bot.presenter.visible import one_line, visible
from bot.wiring.checking import Checked, ToolRow, check_config
from bot.words import ENGLISH

_STYLES = {"read": "green", "ask": "yellow", "auto": "cyan", "deny": "red"}


def check(here: Here, config: str, *, connects: bool) -> Exit:
    """Validate; with `connects`, also start every server and say what becomes of each tool."""
    checked = check_config(here.environ, Path(config), connects=connects)
    console = console_on(here.stdout)
    for warning in checked.warnings:
        here.complain(ENGLISH.say("check.warning", text=visible(warning)))
    console.print(_summary(checked), soft_wrap=True)
    for agents, rows in _grouped(checked.tools):
        console.print()
        if len(checked.agents) > 1:
            console.print(Text(agents, "bold"))
        table = plain_table(*(ENGLISH.say(f"check.{column}") for column in ("tool", "effect", "reason")))
        for row in rows:
            effect = Text(ENGLISH.say(f"effect.{row.effect}"), _STYLES[row.effect])
            table.add_row(Text(visible(f"{row.server}.{row.tool}")), effect, Text(visible(row.reason), "bright_black"))
        console.print(table)
    for complaint in checked.complaints:
        here.complain(visible(complaint))
    return Exit.USAGE if checked.complaints else Exit.DONE


def _summary(checked: Checked) -> Text:
    agents = ", ".join(f"{visible(agent.name)} ({one_line(agent.model, 60)})" for agent in checked.agents)
    servers = ", ".join(visible(server) for server in checked.servers) or ENGLISH.say("check.no_servers")
    key = "check.connected" if checked.is_connected else "check.valid"
    return Text(ENGLISH.say(key, agents=agents, servers=servers))


def _grouped(tools: Sequence[ToolRow]) -> list[tuple[str, list[ToolRow]]]:
    """One table per set of agents that may do the same."""
    by_agent: dict[str, list[ToolRow]] = {}
    for row in tools:
        by_agent.setdefault(row.agent, []).append(row)
    groups: dict[tuple[tuple[str, str, str, str], ...], list[str]] = {}
    for agent, rows in by_agent.items():
        groups.setdefault(tuple((row.server, row.tool, row.effect, row.reason) for row in rows), []).append(agent)
    return [(", ".join(visible(agent) for agent in agents), by_agent[agents[0]]) for agents in groups.values()]
