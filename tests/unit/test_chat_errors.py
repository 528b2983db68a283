"""Whatever a request ends in becomes one card in one place, in every chat."""

import logging

import pytest

from bot.cards.error_messages import ErrorKeys
from bot.chat.platform import ChannelNotFound, MissingPermission, RateLimited
from bot.chat.private_cards import CHAT_ERRORS, ShownConfigError, error_card, refused
from bot.i18n import GERMAN, speaking
from bot.message import Card, Paragraph, Severity
from coordination.errors import (
    ConfigError,
    ConflictError,
    DatabaseAwayError,
    DatabaseBlockedError,
    RefusedError,
    RunNotFoundError,
    StorageError,
)
from coordination.text import Text


def said(card: Card) -> str:
    (section,) = card.sections
    assert isinstance(section, Paragraph)
    return "".join(getattr(piece, "text", "") for line in section.lines for piece in line)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (refused("no_button"), "There is no such button here. Nothing was done."),
        (RefusedError("unheard-of", Text("Somebody else must decide.")), "Somebody else must decide."),
        (ConflictError("7Q4K", 3), "Too many people acted on this run at once. Nothing was done; try again."),
        (RunNotFoundError("7Q4K"), "There is no run 7Q4K here."),
        (MissingPermission("I may not post there."), "I may not post there."),
        (RateLimited(30), "The chat isn't answering me right now. Try again in a minute."),
        (ChannelNotFound("10003"), "That message or channel isn't there any more, or I can't see it."),
    ],
)
@pytest.mark.parametrize("keys", [CHAT_ERRORS])
def test_what_was_refused_is_one_sentence(error: Exception, sentence: str, keys: ErrorKeys) -> None:
    card = error_card(error, keys)
    assert (card.severity, said(card), card.footer) == (Severity.ATTENTION, sentence, ())


@pytest.mark.parametrize("keys", [CHAT_ERRORS])
def test_what_was_not_meant_for_people_is_in_the_log_alone(keys: ErrorKeys, caplog: pytest.LogCaptureFixture) -> None:
    card = error_card(RuntimeError("sk-secret"), keys)
    assert said(card) == "Something unexpected went wrong."
    reference = "".join(getattr(piece, "text", "") for piece in card.footer)
    assert reference.strip("()").removeprefix("ref ") in caplog.text
    assert "sk-secret" in caplog.text


def test_a_configuration_is_complained_about_to_administrators_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert said(error_card(ShownConfigError([Text("one"), Text("two")]))) == "one · two"
    assert "ask the operator of this bot" in said(error_card(ConfigError([Text("one"), Text("two")])))
    assert caplog.text.count("one\ntwo") == 2


def test_whoever_chats_is_never_told_where_the_database_is_nor_how_it_is_set() -> None:
    words = Text("The database bot at db.internal does not answer, or refuses the login; check DATABASE_URL.")
    assert said(error_card(DatabaseAwayError(words))).startswith("I can't reach my database right now")
    broken = said(error_card(StorageError(Text("The disk with the database file /data/bot.sqlite is full."))))
    assert broken.startswith("My database isn't working")
    assert said(error_card(DatabaseBlockedError(words))) == broken
    assert "/data" not in broken
    with speaking(GERMAN):
        assert said(error_card(DatabaseAwayError(words))).startswith("Meine Datenbank ist gerade nicht erreichbar")
        assert said(error_card(StorageError(words))).startswith("Meine Datenbank funktioniert nicht")
