"""The language of what is said before there is a command to say it: the help, and an error's last words."""

import os

from bot.i18n import ENGLISH, Words, words_for
from coordination.errors import ConfigError


def words_here() -> Words:
    """The words of this process; English ones where its operator named a language that is not there."""
    try:
        return words_for(os.environ)
    except ConfigError:
        return ENGLISH
