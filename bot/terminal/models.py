"""The command that lists the backends: what is installed, whose key is here, and, on request, who answers."""

from rich.table import Table
from rich.text import Text

from bot.backends import BackendRow, Trial, backend_rows, try_backends
from bot.cards.text import visible
from bot.environment import config_file
from bot.i18n import Words
from bot.terminal.cli_context import Here
from bot.terminal.exits import Exit
from bot.terminal.tables import indented, plain_table
from bot.terminal.terminal import console_on


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
