"""Libraries that are not always here: which family needs which, and what installs it.

The project's own name is not used for that: as long as nobody has published it, `pip install 'massgen-bot[…]'` installs
what a stranger puts there.
"""

import importlib.util
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from coordination.config import Family
from coordination.errors import MissingLibraryError
from coordination.text import Text

Extra: TypeAlias = Literal["claude-code"]
Find: TypeAlias = Callable[[str], object | None]

_EXTRAS: Mapping[Family, Extra] = {"claude_code": "claude-code"}
_MODULES: dict[Extra, str] = {"claude-code": "claude_agent_sdk"}
LOCKED: dict[Extra, str] = {"claude-code": "claude-agent-sdk==0.2.187"}
"""What the lock has: a test compares."""

HOME = Path(__file__).resolve().parents[2]
"""The checkout, or the package that a wheel was unpacked to."""


def is_installed(extra: Extra, *, find: Find = importlib.util.find_spec) -> bool:
    """Whether the library of this extra can be imported; it is not imported by asking."""
    try:
        return find(_MODULES[extra]) is not None
    except ModuleNotFoundError:
        # The package around it is missing too.
        return False


def require_extra(extra: Extra, *, find: Find = importlib.util.find_spec) -> None:
    """Go on only if the library is installed: to be called before an adapter that needs it is imported.

    Raises:
        MissingLibraryError: it is not installed; the text says who must act, `commands` what to type.
    """
    if not is_installed(extra, find=find):
        raise MissingLibraryError([missing(extra)], commands=[install_command(extra)])


def missing(extra: Extra) -> Text:
    """The sentence for a library that is not here. It names no path, for it is also shown in chats."""
    return Text(
        "the library for {extra} is not installed here; the operator must install it (`massgen-bot models` says how).",
        extra=extra,
    )


def install_command(
    extra: Extra,
    *,
    home: Path = HOME,
    here: Path | None = None,
    prefix: str = sys.prefix,
    find: Find = importlib.util.find_spec,
) -> str:
    """What installs the library into the environment that this program runs in, typed in the folder `here`."""
    if (home / "Makefile").is_file() and Path(prefix) == home / ".venv":
        return f"make {extra}" if (here or Path.cwd()) == home else shlex.join(["make", "-C", str(home), extra])
    return shlex.join([*_installer(Path(prefix), find), LOCKED[extra]])


def _installer(prefix: Path, find: Find) -> list[str]:
    """pip, where the environment has one; tools that uv installed have none."""
    python = str(prefix / "bin/python")
    if find("pip") is not None:
        return [python, "-m", "pip", "install"]
    return ["uv", "pip", "install", "--python", python]


def extra_of(family: Family) -> Extra | None:
    """The extra that has the library of a family; None: it is always here."""
    return _EXTRAS.get(family)
