"""The commands about configurations: `check`, the schema for editors, and the models of this machine."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cards.break_glass import may_break_glass
from bot.cards.parts import approvers
from bot.cards.text import one_line, visible
from bot.chat.approvals_channel import routed
from bot.chat.config_catalog import ConfigCatalog
from bot.check import Checked, Estimate, ToolRow, check_config
from bot.i18n import catalog
from bot.machine import PAGES, config_file
from bot.model_trials import BackendRow, Trial, backend_rows, try_backends
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit, words_of_servers
from bot.terminal.output import Renderer, indented, plain_table
from bot.terminal.protection import refuse_tool_servers
from bot.terminal.screen import console_on
from coordination.config.editor_schema import editor_schema, meanings_in
from coordination.errors import MissingLibraryError

_STYLES = {"read": "green", "ask": "yellow", "auto": "cyan", "deny": "red"}


def check(
    context: CliContext, config: str, *, connects: bool, tries: bool = False, accepts_drift: bool = False
) -> Exit:
    """Validate; with `connects`, also start every server and say what becomes of each tool.

    With `tries`, try the models.
    """
    path = config_file(config)
    if connects:  # it accepts the tools that wildcards match now
        refuse_tool_servers(context.environment)
    try:
        checked = check_config(context.environment, path, connects=connects, accepts="all" if accepts_drift else "new")
    except MissingLibraryError:
        context.print_error(catalog.text("check.lacks_library", file=visible(str(path))))
        raise
    _tell_findings(context, path, checked)
    console = console_on(context.stdout)
    console.print(indented(_summary(console, checked)))
    for agents, rows in _grouped(checked.tools):
        console.print()
        if len(checked.agents) > 1:
            console.print(Text(f"  {agents}", "bold"))
        console.print(indented(_tools(rows)))
    if checked.diagnostics:
        return Exit.USAGE
    return _told_trials(context, try_backends(context.environment, path)) if tries else Exit.DONE


def _tell_findings(context: CliContext, path: Path, checked: Checked) -> None:
    """What is wrong with it, or may be, and what is new."""
    for warning in (*checked.warnings, *_skipped(context, path)):
        context.print_error(catalog.text("check.warning", text=visible(warning)))
    for line in words_of_servers(checked.last_lines):
        context.print_error(line)
    for complaint in checked.diagnostics:
        context.print_error(visible(complaint))
    if checked.diagnostics:
        context.print_error(catalog.text("check.not_usable", file=visible(str(path))))
    else:
        context.print_line(catalog.text("check.usable", file=visible(str(path))))
    for key, tools in (("check.added", checked.changes.added), ("check.removed", checked.changes.removed)):
        if tools:
            context.print_line(catalog.text(key, tools=visible(", ".join(tools))))
    for each in checked.drift:
        key = "check.drift_accepted" if not checked.diagnostics else "check.drift"
        context.print_line(catalog.text(key, tool=visible(f"{each.server}.{each.tool}")))
        for line in each.lines:
            context.print_line(f"    {visible(line)}")


def _skipped(context: CliContext, path: Path) -> list[str]:
    """A warning where files beside a configuration of the chats are not offered there for their names."""
    folder = context.environment.configs_folder()
    if path.absolute().parent.resolve() != folder.resolve():
        return []
    skipped = ConfigCatalog(folder=folder, allowed={}).skipped()
    return [catalog.text("config.skipped", files=", ".join(skipped))] if skipped else []


def schema(context: CliContext) -> Exit:
    """Print the JSON Schema of a configuration. What each key means is taken from the page that documents it."""
    page = (PAGES / "configuration.md").read_text(encoding="utf-8")
    context.print_line(json.dumps(editor_schema(meanings_in(page)), ensure_ascii=False, indent=2))
    return Exit.DONE


def _summary(console: Console, checked: Checked) -> Table:
    """Who takes part, with what, and who decides."""
    servers: list[str] = [
        catalog.text(_state_of(server, checked), server=visible(server)) for server in checked.servers
    ]
    routes = routed(replace(checked.policy, quorums=checked.quorums))
    lines = (approvers(checked.policy), *may_break_glass(checked.policy, checked.barred_alone), *routes)
    rows = {
        "agents": [f"{visible(agent.name)} ({one_line(agent.model, 60)})" for agent in checked.agents],
        "servers": servers or [catalog.text("check.no_servers")],
        "cost": _costs(checked),
        "approval": [Renderer(console, checked.at).line(line).plain for line in lines if line],
    }
    table = Table.grid(padding=(0, 2))
    for name, items in rows.items():
        if items:
            between = "\n" if name == "cost" else ", "
            table.add_row(Text(catalog.text(f"check.{name}"), "bright_black"), Text(between.join(items)))
    return table


def _state_of(server: str, checked: Checked) -> str:
    if server in checked.absent:
        return "check.absent"
    return "check.answers" if checked.is_connected else "check.not_asked"


def _costs(checked: Checked) -> list[str]:
    """What agents and the run may cost at the very most; nothing where every agent plays a script."""
    shares = [
        catalog.text(
            "check.cost_of_agent",
            agent=visible(each.agent),
            calls=catalog.number(each.calls),
            dollars=_dollars(each.dollars),
        )
        for each in checked.costs
    ]
    whole = [catalog.text("check.cost_of_run", dollars=_dollars(checked.whole_cost))] if shares else []
    return [*_usual(checked.usual), *shares, *whole]


def _usual(usual: Estimate | None) -> list[str]:
    """What a run will most likely cost, and which limit ends one that gets out of hand."""
    if usual is None:
        return []
    calls = catalog.number(usual.calls)
    lines: list[str]
    if usual.dollars is None:
        lines = [catalog.text("check.usual_calls", calls=calls)]
    else:
        dollars = catalog.number(max(usual.dollars, 0.01), 2)
        lines = [catalog.text("check.usual_cost", calls=calls, dollars=dollars)]
    return [*lines, catalog.text("check.limit", limit=usual.limit)] if usual.limit else lines


def _dollars(dollars: float | None) -> str:
    if dollars is None:
        return catalog.text("check.unknown_cost")
    return catalog.text("check.dollars", dollars=catalog.number(dollars, 2))


def _tools(rows: Sequence[ToolRow]) -> Table:
    table = plain_table(*(catalog.text(f"check.{column}") for column in ("tool", "effect", "reason")))
    for row in rows:
        effect = Text(catalog.text(f"effect.{row.effect}"), _STYLES[row.effect])
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


def models(context: CliContext, *, config: str, tries: bool) -> Exit:
    """List every backend type; with `tries`, ask the models of a configuration, or of every key, for one word."""
    if not tries:
        console_on(context.stdout).print(indented(_table(backend_rows(context.environment))))
        return Exit.DONE
    trials = try_backends(context.environment, config_file(config) if config else None)
    if not trials:
        context.print_error(catalog.text("models.nothing_to_try"))
        return Exit.USAGE
    return _told_trials(context, trials)


def _told_trials(context: CliContext, trials: tuple[Trial, ...]) -> Exit:
    console = console_on(context.stdout)
    console.print()
    console.print(indented(_trials(trials)))
    return Exit.FAILED if any(trial.problem for trial in trials) else Exit.DONE


def _table(rows: tuple[BackendRow, ...]) -> Table:
    table = plain_table(*(catalog.text(f"models.{column}") for column in ("type", "here", "address")))
    table.columns[0].no_wrap = True
    for row in rows:
        is_ready = row.is_running is not False and not row.install and (row.key or not row.needs_key)
        style = "green" if is_ready else "bright_black"
        table.add_row(Text(row.type), Text(_here(row), style), Text(visible(_address(row))))
    return table


def _address(row: BackendRow) -> str:
    """Where it is, behind the model that is tried there."""
    if row.model and row.base_url:
        return catalog.text("models.model_at", model=row.model, address=row.base_url)
    return row.model or row.base_url


def _here(row: BackendRow) -> str:
    """What is here, or what is missing. A key is known by its variable; of itself nothing is ever shown."""
    if row.install:
        return catalog.text("models.not_installed", command=row.install)
    if row.is_running is False:
        return catalog.text("models.not_running", address=urlsplit(row.base_url).netloc, title=row.title)
    if row.key:
        return catalog.text("models.has_key", variable=row.key)
    if not row.needs_key:
        return catalog.text("models.needs_no_key")
    return catalog.text("models.needs_key", variables=", ".join(row.variables))


def _trials(trials: tuple[Trial, ...]) -> Table:
    table = plain_table(*(catalog.text(f"models.{column}") for column in ("type", "model", "result")))
    for trial in trials:
        table.add_row(Text(visible(trial.name)), Text(visible(trial.model)), _result(trial))
    return table


def _result(trial: Trial) -> Text:
    if trial.problem:
        return Text(visible(trial.problem), "red")
    if trial.remark:
        return Text(catalog.text("models.works_but", remark=visible(trial.remark)), "yellow")
    return Text(catalog.text("models.works"), "green")
