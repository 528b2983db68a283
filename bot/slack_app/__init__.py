"""Slack: events in, verbs of the desk out; cards in, Block Kit out. The only place that knows Slack's libraries."""
