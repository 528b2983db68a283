"""`python -m tests.e2e.slack_program …`: Slack's commands of the command line, as a program."""

import os

import typer

from bot.cli.here import Here
from bot.cli.slack import register

app = typer.Typer()
doctor = typer.Typer()
chat_tools = typer.Typer()
app.add_typer(doctor, name="doctor")
app.add_typer(chat_tools, name="chat-tools")


@doctor.callback()
@chat_tools.callback()
def _group() -> None:
    """A group of commands."""


register(app, doctor, chat_tools, lambda: Here(environ=dict(os.environ)))

if __name__ == "__main__":
    app(prog_name="massgen-bot")
