"""What tests must not depend on: the environment of whoever runs them."""

import re

_CLEARED = re.compile(
    r"MASSGEN_BOT_.*|DISCORD_(?!OPENAPI$).*|SLACK_(?!MANIFEST_SCHEMA$).*|DATABASE_.*|HOST|PORT"  # this program's own
    r"|.*_API_KEY|AZURE_OPENAI_.*|(OPENAI|ANTHROPIC|GEMINI|GOOGLE|CLAUDE|OLLAMA)_.*|OTEL_.*|PG[A-Z]+"  # its libraries'
    r"|LANG|LANGUAGE|LC_.*|TZ"  # what a person is spoken to in
    r"|COLUMNS|LINES|TERM|COLORTERM|NO_COLOR|FORCE_COLOR|CLICOLOR(_FORCE)?|PY_COLORS|TTY_.*|_TYPER_.*"  # a terminal's
    r"|EDITOR|VISUAL|PAGER|XDG_.*|.*_proxy|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|PYTHON(WARNINGS|OPTIMIZE|UTF8|IOENCODING|BREAKPOINT|ASYNCIODEBUG|DEVMODE)",
    re.IGNORECASE,
)

_GIVEN = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
"""Tests read English, in one clock, whatever is spoken and shown where they are started."""


def is_cleared(name: str) -> bool:
    """Whether a variable is taken out of the environment that tests run in, and their programs."""
    return _CLEARED.fullmatch(name) is not None


def clear(environ: dict[str, str]) -> dict[str, str]:
    """What of an environment tests run in."""
    return {**{name: value for name, value in environ.items() if not is_cleared(name)}, **_GIVEN}
