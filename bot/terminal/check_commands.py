"""The command that checks a configuration: what is wrong with it, and what each agent may do with which tool."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cards.people import approvers
from bot.cards.text import one_line, visible
from bot.check import Checked, ToolRow, check_config
from bot.environment import config_file
from bot.i18n import Words
from bot.terminal.cli_context import Here
from bot.terminal.exits import Exit
from bot.terminal.output import Renderer
from bot.terminal.tables import indented, plain_table
from bot.terminal.terminal import console_on
from coordination.errors import MissingLibraryError

_STYLES = {"read": "green", "ask": "yellow", "auto": "cyan", "deny": "red"}


def check(here: Here, config: str, *, connects: bool) -> Exit:
    """Validate; with `connects`, also start every server and say what becomes of each tool."""
    path = config_file(config)
    try:
        checked = check_config(here.environ, path, connects=connects)
    except MissingLibraryError:
        here.complain(here.words.say("check.lacks_library", file=visible(str(path))))
        raise
    console = console_on(here.stdout)
    for warning in checked.warnings:
        here.complain(here.words.say("check.warning", text=visible(warning)))
    for complaint in checked.complaints:
        here.complain(visible(complaint))
    if checked.complaints:
        here.complain(here.words.say("check.not_usable", file=visible(str(path))))
    else:
        here.tell(here.words.say("check.usable", file=visible(str(path))))
    for key, tools in (("check.added", checked.changes.added), ("check.removed", checked.changes.removed)):
        if tools:
            here.tell(here.words.say(key, tools=visible(", ".join(tools))))
    console.print(indented(_summary(console, checked, here.words)))
    for agents, rows in _grouped(checked.tools):
        console.print()
        if len(checked.agents) > 1:
            console.print(Text(f"  {agents}", "bold"))
        console.print(indented(_tools(rows, here.words)))
    return Exit.USAGE if checked.complaints else Exit.DONE


def _summary(console: Console, checked: Checked, words: Words) -> Table:
    """Who takes part, with what, and who decides."""
    key = "check.answers" if checked.is_connected else "check.not_asked"
    servers = [words.say(key, server=visible(server)) for server in checked.servers]
    rows = {
        "agents": [f"{visible(agent.name)} ({one_line(agent.model, 60)})" for agent in checked.agents],
        "servers": servers or [words.say("check.no_servers")],
        "cost": _costs(checked, words),
        "approval": [Renderer(console, checked.at, words).line(approvers(checked.policy, words)).plain],
    }
    table = Table.grid(padding=(0, 2))
    for name, items in rows.items():
        if items:
            between = "\n" if name == "cost" else ", "
            table.add_row(Text(words.say(f"check.{name}"), "bright_black"), Text(between.join(items)))
    return table


def _costs(checked: Checked, words: Words) -> list[str]:
    """What agents and the run may cost at the very most; nothing where every agent plays a script."""
    shares = [
        words.say(
            "check.cost_of_agent",
            agent=visible(each.agent),
            calls=words.number(each.calls),
            dollars=_dollars(each.dollars, words),
        )
        for each in checked.costs
    ]
    return [*shares, words.say("check.cost_of_run", dollars=_dollars(checked.whole_cost, words))] if shares else []


def _dollars(dollars: float | None, words: Words) -> str:
    if dollars is None:
        return words.say("check.unknown_cost")
    return words.say("check.dollars", dollars=words.number(dollars, 2))


def _tools(rows: Sequence[ToolRow], words: Words) -> Table:
    table = plain_table(*(words.say(f"check.{column}") for column in ("tool", "effect", "reason")))
    for row in rows:
        effect = Text(words.say(f"effect.{row.effect}"), _STYLES[row.effect])
        table.add_row(Text(visible(f"{row.server}.{row.tool}")), effect, Text(visible(row.reason), "bright_black"))
    return table


def _grouped(tools: Sequence[ToolRow]) -> list[tuple[str, list[ToolRow]]]:
    """One table per set of agents that may do the same."""
    by_agent: dict[str, list[ToolRow]] = {}
    for row in tools:
        by_agent.setdefault(row.agent, []).append(row)
    groups: dict[tuple[tuple[str, str, str, str], ...], list[str]] = {}
    for agent, rows in by_agent.items():
        groups.setdefault(tuple((row.server, row.tool, row.effect, row.reason) for row in rows), []).append(agent)
    return [(", ".join(visible(agent) for agent in agents), by_agent[agents[0]]) for agents in groups.values()]
