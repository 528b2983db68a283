"""Keeps one message for each run equal to its log: the newest snapshot wins, and a restart changes nothing."""
