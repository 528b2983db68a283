"""The command-line parser's own texts in the person's language: headings of `--help`, and usage errors.

Typer has these sentences in English and lets nobody name others, so its words are known here by what they look like.
What looks otherwise one day stays as it is.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, cast

import typer
from typer.exceptions import TyperException
from typing_extensions import override

from bot.i18n import ENGLISH, catalog

_HELP = (
    (re.compile(r"(?m)^Usage: "), "usage.usage"),
    (re.compile(r"(?m)^Arguments:$"), "usage.arguments"),
    (re.compile(r"(?m)^Options:$"), "usage.options"),
    (re.compile(r"(?m)^Commands:$"), "usage.commands"),
    (re.compile(r"(?<= )\[OPTIONS\]"), "usage.some_options"),
    (re.compile(r"\bCOMMAND \[ARGS\]\.\.\."), "usage.some_command"),
    (re.compile(r"\bShow this message\s+and exit\."), "usage.help"),
    (re.compile(r"\[default: (?P<value>[^\]]*)\]"), "usage.default"),
    (re.compile(r"\[required\]"), "usage.required"),
)
_MISTAKES = (
    (re.compile(r"Missing argument '?(?P<name>.+?)'?\."), "usage.no_argument"),
    (re.compile(r"Missing option '?(?P<name>.+?)'?\."), "usage.no_option"),
    (re.compile(r"Missing command\."), "usage.no_command"),
    (re.compile(r"No such command (?P<name>.+)\."), "usage.unknown_command"),
    (re.compile(r"No such option: (?P<name>\S+)"), "usage.unknown_option"),
    (re.compile(r"No such option: (?P<name>\S+) \(Possible options: (?P<near>.+)\)"), "usage.unknown_option_near"),
    (re.compile(r"Got unexpected extra argument\(s\) \((?P<words>.*)\)", re.DOTALL), "usage.extra"),
    (re.compile(r"Option (?P<name>.+) does not take a value\."), "usage.takes_no_value"),
    (re.compile(r"Option (?P<name>.+) requires .+"), "usage.needs_value"),
    (
        re.compile(r"Invalid value for (?P<name>.+?): (?:Value error, )?(?P<value>.+) is not one of (?P<known>.+)\."),
        "usage.not_one_of",
    ),
    (re.compile(r"Invalid value for (?P<name>.+?): Value (?P<value>.+) is not a valid .+\."), "usage.no_such_value"),
    (re.compile(r"Invalid value for (?P<name>.+?): (?:Value error, )?(?P<problem>.+)", re.DOTALL), "usage.wrong_value"),
    (re.compile(r"Invalid value: (?P<problem>.+)", re.DOTALL), "usage.wrong"),
)


class _Context(typer.Context):
    @override
    def get_help(self) -> str:
        return _of_help(super().get_help())

    @override
    def get_usage(self) -> str:
        return _of_help(super().get_usage())


def run(app: typer.Typer, words: Sequence[str], name: str) -> int:
    """The exit status of a command line, after its command has run, or what is wrong with it was told."""
    command = cast("Any", typer.main.get_command(app))
    for each in _all_of(command):
        each.context_class = _Context
    try:
        status = command.main(args=list(words), prog_name=name, standalone_mode=False)
    except TyperException as error:
        _tell(error)
        return error.exit_code
    except typer.Abort:
        return 1
    return status if isinstance(status, int) else 0


def _all_of(command: Any) -> Iterator[Any]:  # noqa: ANN401 - typer's own classes are private
    yield command
    for each in getattr(command, "commands", {}).values():
        yield from _all_of(each)


def _of_help(text: str) -> str:
    if catalog.language == ENGLISH.language:
        return text
    for pattern, key in _HELP:
        text = pattern.sub(partial(_put, key), text)
    return text


def _put(key: str, found: re.Match[str]) -> str:
    return catalog.text(key, **found.groupdict())


def _tell(error: TyperException) -> None:
    """As typer does, but for the words. Where nothing was typed, its help is all that there is to say."""
    context, message = getattr(error, "ctx", None), error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        print(message, file=sys.stderr)
        return
    if context is not None:
        print(context.get_usage(), file=sys.stderr)
        hint = catalog.text("usage.hint", command=f"{context.command_path} {context.help_option_names[0]}")
        print(f"{hint}\n", file=sys.stderr)
    print(catalog.text("usage.error", problem=_of_mistake(message)), file=sys.stderr)


def _of_mistake(message: str) -> str:
    if catalog.language == ENGLISH.language:
        return message
    for pattern, key in _MISTAKES:
        found = pattern.fullmatch(message)
        if found is not None:
            return catalog.text(key, **found.groupdict())
    return message
