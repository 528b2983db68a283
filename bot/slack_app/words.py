"""Slack's own words beside those that every surface shares."""

from bot.words import Words
from bot.words_english.chat_slack import SLACK as SLACK_TEXTS

SLACK = Words("en", SLACK_TEXTS)


def ready(address: str) -> str:
    """That events are taken from now on, and where if they come by HTTP."""
    return SLACK.say("slack.ready_at", address=address) if address else SLACK.say("slack.ready")


def help_text(command: str) -> str:
    """What the command line's help says of a command or option for Slack."""
    return SLACK.say(f"help.{command}")
