"""Slack's own words beside those that every surface shares."""

from bot.words import Words
from bot.words_english.chat_slack import SLACK as SLACK_TEXTS

SLACK = Words("en", SLACK_TEXTS)
