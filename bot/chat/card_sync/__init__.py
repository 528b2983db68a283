"""Keeps one message per run in step with the log: newest frame wins, never too often, and a restart changes nothing."""
