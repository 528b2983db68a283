"""The commands that try what is configured: `check`, and the models of this machine."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cards.parts import approvers
from bot.cards.text import one_line, visible
from bot.check import BackendRow, Checked, ToolRow, Trial, backend_rows, check_config, try_backends
from bot.environment import config_file
from bot.i18n import Words
from bot.terminal.cli_context import Here
from bot.terminal.error_handler import Exit
from bot.terminal.output import Renderer, indented, plain_table
from bot.terminal.screen import console_on
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


def models(here: Here, *, config: str, tries: bool) -> Exit:
    """List every backend type; with `tries`, ask the models of a configuration, or of every key, for one word."""
    if not tries:
        console_on(here.stdout).print(indented(_table(backend_rows(here.environ), here.words)))
        return Exit.DONE
    trials = try_backends(here.environ, config_file(config) if config else None)
    if not trials:
        here.complain(here.words.say("models.nothing_to_try"))
        return Exit.USAGE
    console_on(here.stdout).print(indented(_trials(trials, here.words)))
    return Exit.FAILED if any(trial.problem for trial in trials) else Exit.DONE


def _table(rows: tuple[BackendRow, ...], words: Words) -> Table:
    table = plain_table(*(words.say(f"models.{column}") for column in ("type", "here", "address")))
    table.columns[0].no_wrap = True
    for row in rows:
        style = "green" if not row.install and (row.key or not row.needs_key) else "bright_black"
        table.add_row(Text(row.type), Text(_here(row, words), style), Text(visible(_address(row, words))))
    return table


def _address(row: BackendRow, words: Words) -> str:
    """Where it is, behind the model that is tried there."""
    if row.model and row.base_url:
        return words.say("models.model_at", model=row.model, address=row.base_url)
    return row.model or row.base_url


def _here(row: BackendRow, words: Words) -> str:
    """What is here, or what is missing. A key is known by its variable; of itself nothing is ever shown."""
    if row.install:
        return words.say("models.not_installed", command=row.install)
    if row.key:
        return words.say("models.has_key", variable=row.key)
    if not row.needs_key:
        return words.say("models.needs_no_key")
    return words.say("models.needs_key", variables=", ".join(row.variables))


def _trials(trials: tuple[Trial, ...], words: Words) -> Table:
    table = plain_table(*(words.say(f"models.{column}") for column in ("type", "model", "result")))
    for trial in trials:
        result = Text(visible(trial.problem), "red") if trial.problem else Text(words.say("models.works"), "green")
        table.add_row(Text(visible(trial.name)), Text(visible(trial.model)), result)
    return table
