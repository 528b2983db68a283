"""Durations, tokens and money, short enough for a status line."""

from bot.i18n import Words


def duration(seconds: float, words: Words) -> str:
    """`0.4 s`, `48 s`, `3 min 05 s`, `23 h`, `2 days`: as exact as anybody cares."""
    if seconds < 10:
        return words.say("amount.seconds", value=words.number(max(seconds, 0.0), 1))
    if seconds < 60:
        return words.say("amount.seconds", value=f"{seconds:.0f}")
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return words.say("amount.minutes", minutes=minutes, seconds=f"{rest:02d}")
    hours = round(seconds / 3600)
    if hours < 48:
        return words.say("amount.hours", value=hours)
    return words.say("amount.days", value=round(seconds / 86_400))


def tokens(number: int, words: Words) -> str:
    """`840 tokens`, `21k tokens`, `1.2M tokens`."""
    if number < 1_000:
        return words.say("amount.tokens", value=number)
    if number < 10_000:
        return words.say("amount.tokens", value=f"{words.number(number / 1_000, 1)}k")
    if number < 999_500:
        return words.say("amount.tokens", value=f"{number / 1_000:.0f}k")
    return words.say("amount.tokens", value=f"{words.number(number / 1_000_000, 1)}M")


def money(dollars: float, words: Words) -> str:
    """`$0.04`; below a cent only that."""
    if 0 < dollars < 0.01:
        return words.say("amount.below_a_cent")
    return words.say("amount.money", value=words.number(dollars, 2))
