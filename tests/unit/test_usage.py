"""What the parser of the command line says, in German: its headings, and every mistake that can be typed."""

from typing import Annotated, Literal

import pytest
import typer

from bot.i18n import ENGLISH, GERMAN, Catalog, speaking
from bot.terminal.usage import run
from tests.german import english_in

APP = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False)
AUDIT = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
APP.add_typer(AUDIT, name="audit")


@AUDIT.command("verify")
def _verify() -> None:
    raise typer.BadParameter("so geht das nicht")


@AUDIT.command("anchor")
def _anchor() -> None:
    raise typer.Exit(3)


@APP.command("check")
def _check(
    config: Annotated[str, typer.Argument(metavar="CONFIG")],
    *,
    approve: Annotated[bool, typer.Option("--approve")] = False,
    only: Annotated[Literal["deliberate", "execute"], typer.Option("--only")] = "execute",
) -> None:
    del config, approve, only


def said(words: str, capsys: pytest.CaptureFixture[str], catalog: Catalog = GERMAN) -> tuple[int, str, str]:
    with speaking(catalog):
        status = run(APP, words.split(), "massgen-bot")
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("check", "Fehler: Es fehlt das Argument CONFIG."),
        ("audit nonsense", "Fehler: Den Befehl 'nonsense' gibt es nicht."),
        ("check a b", "Fehler: Überzählige Argumente: b"),
        ("check a --nope", "Fehler: Die Option --nope gibt es nicht."),
        ("check --approv a", "Fehler: Die Option --approv gibt es nicht. Ist --approve gemeint?"),
        ("check a --only", "Fehler: Die Option '--only' braucht einen Wert."),
        ("check --approve=x a", "Fehler: Die Option '--approve' nimmt keinen Wert an."),
        ("check a --only x", "Fehler: Falscher Wert für '--only': 'x' ist keines von 'deliberate', 'execute'."),
        ("audit verify", "Fehler: Falscher Wert: so geht das nicht"),
    ],
)
def test_a_mistake_is_told_in_german(words: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = said(words, capsys)
    assert (status, out) == (2, "")
    assert told in err
    assert english_in(err) == []


def test_headings_of_help_are_german(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said("check --help", capsys)
    assert status == 0
    assert "Aufruf: massgen-bot check [OPTIONEN]" in out
    assert "Optionen:" in out
    assert "[Vorgabe: execute]" in out
    assert "Diese Hilfe zeigen." in out
    assert english_in(out) == []


def test_no_words_are_a_mistake_that_help_answers(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = said("audit", capsys)
    assert (status, out) == (2, "")
    assert "Befehle:" in err


def test_a_command_ends_with_its_own_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert said("audit anchor", capsys) == (3, "", "")
    assert said("check a", capsys) == (0, "", "")


def test_english_stays_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = said("check", capsys, ENGLISH)
    assert status == 2
    assert "Usage: massgen-bot check [OPTIONS]" in err
    assert "Try 'massgen-bot check -h' for help." in err.replace("--help", "-h")
    assert err.endswith("\n\nError: Missing argument 'CONFIG'.\n")
