"""Slack's catalogue and Slack's code agree, word for word."""

import re
from pathlib import Path

from bot.slack_app.words import SLACK

FOLDER = Path(__file__).parents[2] / "bot" / "slack_app"
SAID = re.compile(r"""SLACK\.say\(\s*(f?)["']([^"']+)["']""")
CHOSEN = re.compile(r'"((?:files|refused)\.[a-z_]+)"')


def asked() -> set[str]:
    """Every key in the code; one that is put together is a pattern."""
    keys: set[str] = set()
    for path in FOLDER.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        keys |= {re.sub(r"\{[^}]*\}", "*", key) if is_made else key for is_made, key in SAID.findall(text)}
        keys |= set(CHOSEN.findall(text))
    return keys


def known() -> set[str]:
    return {key.removesuffix(".one").removesuffix(".other") for key in SLACK.texts}


def test_every_word_that_slack_asks_for_exists() -> None:
    assert len(asked()) > 40
    for key in asked():
        assert any(re.fullmatch(re.escape(key).replace(r"\*", "[a-z_]+"), each) for each in known()), key


def test_slack_keeps_no_word_that_it_never_says() -> None:
    patterns = [re.escape(key).replace(r"\*", "[a-z_]+") for key in asked()]
    assert {key for key in known() if not any(re.fullmatch(pattern, key) for pattern in patterns)} == set()
