"""Both catalogues say the same things: each key has its sentence, with the same values in it, in every language."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from string import Formatter

import pytest
from babel.messages import pofile

from bot.cards.text import duration, money, tokens
from bot.discord_app import markup as discord
from bot.i18n import ENGLISH, GERMAN, LANGUAGES, Catalog, catalog, catalog_for, catalog_in, speaking
from bot.slack_app import markup as slack
from bot.terminal.cli_context import process_catalog
from bot.terminal.prompts import stop_question
from coordination.errors import ConfigError
from tests.texts import texts_of

ROOT = Path(__file__).parents[2]

SAME_IN_GERMAN = {
    "amount.seconds": "a unit",
    "amount.minutes": "units",
    "button.details": "the same word",
    "key.details": "the same word",
    "slack.prompt.help_message": "a command",
    "slack.prompt.runs_message": "a command",
    "slack.modal.details.title": "the same word",
    "demo.prompt": "the agents of the toy world answer in English",
    "effect.read": "as a configuration writes it",
    "effect.ask": "as a configuration writes it",
    "effect.auto": "as a configuration writes it",
    "effect.deny": "as a configuration writes it",
    "slack.manifest.name": "a name",
    "slack.manifest.bot": "a name",
    "slack.manifest.admin_hint": "what people type",
}
"""Keys whose German is their English, each with the reason."""

BOTH = pytest.mark.parametrize("catalog", [ENGLISH, GERMAN], ids=["en", "de"])


def blanks(template: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(template) if name)


def letters(template: str) -> str:
    """What is left of a sentence without its values and signs."""
    return re.sub(r"\W", "", "".join(literal for literal, *_ in Formatter().parse(template)))


def test_german_has_every_key_and_no_other_one_so_the_plural_forms_too() -> None:
    assert sorted(set(texts_of("en")) ^ set(texts_of("de"))) == []


def test_every_sentence_has_the_same_values_in_both_languages() -> None:
    assert {
        key for key, text in texts_of("en").items() if set(blanks(text)) != set(blanks(texts_of("de")[key]))
    } == set()


def test_nothing_was_left_in_english() -> None:
    same = {key for key, text in texts_of("en").items() if texts_of("de")[key] == text and letters(text)}
    assert same == set(SAME_IN_GERMAN)


def test_what_people_type_is_the_same_in_both_languages() -> None:
    """A translated option or variable would be one that does not exist."""
    typed = re.compile(r"`[^`{]+`|--[a-z]+|\b[A-Z]+(?:_[A-Z]+)+\b|/massgen\S*|[a-z_]+=\w+|/(?:invite|live|ready)\b")
    quoted = re.compile(r"^  +massgen-bot .*$", re.MULTILINE)
    for key, text in texts_of("en").items():
        german = texts_of("de")[key]
        assert sorted(set(typed.findall(text))) == sorted(set(typed.findall(german))), key
        assert quoted.findall(text) == quoted.findall(german), key


def test_german_addresses_nobody_and_has_one_word_for_a_thing() -> None:
    """Neither form of address, as chats differ in it; what is quoted from a person may say du."""
    address = re.compile(r"\b(?:[Dd]u|[Dd]ein\w*|[Dd]ir|[Dd]ich|Ihnen)\b|(?<=[a-zäöüß,] )(?:S[i]e|I[h]r\w*)\b")
    retired = re.compile(r"\b(?:Werkzeug-\w+|Tool-Server\w*|Id|Digest|Administrator\w*|Verwaltung|Knopf)\b")
    quoted = {"slack.prompt.help_title"}
    with (ROOT / "bot/locales/errors/de.po").open("rb") as file:
        errors = {str(each.id): str(each.string) for each in pofile.read_po(file, locale="de") if each.id}
    told = {key: text for key, text in {**texts_of("de"), **errors}.items() if key not in quoted}
    assert {key: text for key, text in told.items() if address.search(text) or retired.search(text)} == {}


@BOTH
def test_labels_fit_where_each_product_puts_them(catalog: Catalog) -> None:
    longest = {
        "button.": min(discord.BUTTON_LABEL, slack.BUTTON_TEXT),
        "discord.confirm_yes": discord.BUTTON_LABEL,
        "choose.label": min(discord.PLACEHOLDER, slack.PLACEHOLDER),
        "confirm.": slack.CONFIRM_TITLE,
        "slack.confirm.no": slack.CONFIRM_BUTTON,
        "button.approve": slack.CONFIRM_BUTTON,
        "slack.page.": slack.BUTTON_TEXT,
        "slack.modal.close": slack.MODAL_TITLE,
        "slack.manifest.shortcut": 150,
    }
    titles = ("discord.window_", "discord.ask_")
    for key, text in texts_of(catalog.language).items():
        for start, limit in longest.items():
            if key.startswith(start):
                assert len(text.format_map(dict.fromkeys(blanks(text), "9999"))) <= limit, key
        if key.startswith(titles):
            assert len(text) <= min(discord.MODAL_TITLE, discord.MODAL_LABEL), key
        if re.fullmatch(r"slack\.modal\.\w+\.(title|submit)", key):
            assert len(text) <= slack.MODAL_TITLE, key
        if key.startswith("discord.cmd."):
            assert 1 <= len(text) <= discord.CHOICE_TEXT, key
    assert len(catalog.text("discord.cmd.from_message")) <= 32
    assert len(catalog.text("slack.manifest.shortcut")) <= 24
    assert len(catalog.text("slack.manifest.description")) <= 140


@BOTH
def test_the_keys_of_one_question_differ_and_can_be_typed(catalog: Catalog) -> None:
    for names in (
        ("approve", "reject", "change", "other_plan", "details"),
        ("happened", "run_it", "abandon"),
        ("yes", "no"),
        ("stop_yes", "stop_leave", "stop_no"),
    ):
        keys = [catalog.text(f"key.{name}")[0] for name in names]
        assert len(set(keys)) == len(names)
        assert all(key.isascii() and key.islower() for key in keys)


def test_a_german_question_is_answered_with_a_german_letter() -> None:
    with speaking(GERMAN):
        question = stop_question(may_leave=True)
    assert [choice.key for choice in question.choices] == ["j", "w", "n"]
    assert question.answer("y") is None


def test_numbers_are_written_as_the_language_does() -> None:
    assert (ENGLISH.number(1_234_567), GERMAN.number(1_234_567)) == ("1,234,567", "1.234.567")
    assert (ENGLISH.number(1_234.5, 2), GERMAN.number(1_234.5, 2)) == ("1,234.50", "1.234,50")
    with speaking(GERMAN):
        assert (duration(0.42), tokens(1_234), money(0.04)) == ("0,4 s", "1,2k Tokens", "0,04 $")
    assert (duration(0.42), tokens(1_234), money(0.04)) == ("0.4 s", "1.2k tokens", "$0.04")


@pytest.mark.parametrize(("named", "language"), [("", "en"), ("en", "en"), ("de", "de"), (" DE ", "de")])
def test_the_operator_chooses_the_language(named: str, language: str) -> None:
    assert catalog_for(named).language == language


def test_without_a_choice_it_is_english() -> None:
    assert catalog_for("") is ENGLISH
    assert LANGUAGES == {"en": ENGLISH, "de": GERMAN}


def test_an_unknown_language_is_one_sentence_that_names_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        catalog_for("tlh")
    assert caught.value.diagnostics == [
        "MASSGEN_BOT_LANGUAGE names an unknown language; set it to one of these: de, en."
    ]


async def test_each_task_speaks_what_was_spoken_where_it_began() -> None:
    async def says() -> str:
        await asyncio.sleep(0)
        return await asyncio.to_thread(catalog.text, "status.done")

    async with asyncio.TaskGroup() as group:
        with speaking(GERMAN):
            german = group.create_task(says())
            with speaking(ENGLISH):
                english = group.create_task(says())
    assert [german.result(), english.result(), await says()] == ["Erledigt", "Done", "Done"]


def test_what_was_spoken_before_is_spoken_again_after_an_error() -> None:
    with pytest.raises(ConfigError), speaking(GERMAN):
        catalog_for("tlh")
    assert (catalog.language, catalog.text("status.done")) == ("en", ENGLISH.text("status.done"))


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("de", "de"),
        ("de-DE", "de"),
        ("de_AT.UTF-8", "de"),
        ("DE@euro", "de"),
        ("en-GB", "en"),
        ("", ""),
        ("C", ""),
        ("fr", ""),
    ],
)
def test_a_locale_names_a_language_and_one_that_we_lack_leaves_it_as_it_is(locale: str, language: str) -> None:
    for spoken in (ENGLISH, GERMAN):
        with speaking(spoken):
            assert catalog_in(locale).language == (language or spoken.language)


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LC_MESSAGES": "de_DE.UTF-8", "LANG": "en_US.UTF-8"}, "de"),
        ({"LC_ALL": "C.UTF-8", "LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"MASSGEN_BOT_LANGUAGE": "en", "LANG": "de_DE.UTF-8"}, "en"),
        ({"MASSGEN_BOT_LANGUAGE": "de", "LC_ALL": "en_US.UTF-8"}, "de"),
        ({"MASSGEN_BOT_LANGUAGE": "tlh", "LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_the_command_line_speaks_as_its_terminal_does_unless_the_operator_named_a_language(
    environ: dict[str, str], language: str
) -> None:
    assert process_catalog(environ).language == language


def test_what_the_program_reads_is_what_the_catalogues_come_to() -> None:
    ended = subprocess.run(
        [sys.executable, "scripts/texts", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_terminal_prints_as_it_is_laid_out_fits_in_74_columns(language: str) -> None:
    """Nothing breaks these lines but their own newlines. A command has to stay on one line, however long it is."""
    values = {"run": "7Q4K", "number": "12", "until": "2026-11-29 14:00 UTC", "folder": ".venv/bin"}
    laid_out = {
        key: text for key, text in texts_of(language).items() if key.startswith(("demo.", "next.")) and "\n" in text
    }
    assert {"demo.next", "demo.activate", "next.resolve"} <= laid_out.keys()
    for key, text in laid_out.items():
        lines = text.format_map({"plan": "", **values}).splitlines()
        assert [line for line in lines if len(line) > 74 and not line.startswith("  massgen-bot ")] == [], key
