"""Optional libraries: whether one is installed, and what to install if it is asked for and is not."""

import importlib.util
from collections.abc import Callable
from typing import Literal, TypeAlias

from coordination.errors import ConfigError

Extra: TypeAlias = Literal["gemini", "claude-code"]

_LIBRARIES: dict[Extra, str] = {"gemini": "google.genai", "claude-code": "claude_agent_sdk"}


def is_installed(extra: Extra, *, find: Callable[[str], object | None] = importlib.util.find_spec) -> bool:
    """Whether the library of this extra can be imported; it is not imported by asking."""
    try:
        return find(_LIBRARIES[extra]) is not None
    except ModuleNotFoundError:
        # The package around it is missing too.
        return False


def require_extra(extra: Extra, *, find: Callable[[str], object | None] = importlib.util.find_spec) -> None:
    """Go on only if the library is installed: to be called before an adapter that needs it is imported.

    Raises:
        ConfigError: it is not installed; the text names what to install.
    """
    if not is_installed(extra, find=find):
        raise ConfigError(
            [f"A {extra} agent needs a library: the operator must run `pip install 'massgen-bot[{extra}]'`."]
        )
