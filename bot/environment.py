"""Where this program finds its configurations, and where it keeps things for a person: one folder, their state folder."""

import os
from collections.abc import Mapping
from pathlib import Path

from coordination.errors import StorageError

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
"""The folder of the configurations that come with the program."""

PAGES = CONFIGS.with_name("docs")
"""The folder of the documentation."""

STATE_VARIABLE = "MASSGEN_BOT_STATE"
"""Names the folder in the environment; configurations may use it as `${MASSGEN_BOT_STATE}`."""

PYTHON_VARIABLE = "MASSGEN_BOT_PYTHON"
"""Names the interpreter that this program runs on, for configurations whose tool servers are part of it."""

TENANT_VARIABLE = "MASSGEN_BOT_TENANT"
"""Names the server or workspace that a run was asked for in, for configurations whose tool servers must stay in it."""


def config_file(named: str) -> Path:
    """The file of a configuration: what was named, or, if that is the name of one that comes with the program, that one."""
    path = Path(named)
    shipped = CONFIGS / f"{named}.yaml"
    return shipped if path.name == named and not path.suffix and not path.exists() and shipped.is_file() else path


def configs_folder(named: str) -> Path:
    """The folder of configurations: the one that was named, else `configs` here, else what comes with the program."""
    folder = Path(named or "configs")
    return folder if named or folder.is_dir() else CONFIGS


def state_folder(environ: Mapping[str, str]) -> Path:
    """The folder, whether it exists or not.

    Raises:
        StorageError: it is sought at a home that there is none of.
    """
    named = environ.get(STATE_VARIABLE, "")
    if named:
        return _expanded(named).absolute()
    home = environ.get("XDG_STATE_HOME", "")
    state = Path(home) if Path(home).is_absolute() else _expanded(environ.get("HOME") or "~") / ".local/state"
    return state / "massgen-bot"


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise StorageError(
            f"There is no home folder to keep anything in; name a folder with {STATE_VARIABLE}, without ~."
        ) from None


def made(folder: Path) -> Path:
    """The folder, made if need be; only its owner may look inside.

    Raises:
        StorageError: it can't be made, or not be written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        raise StorageError(
            f"The folder {folder} can't be made; make it yourself, or name another one with {STATE_VARIABLE}."
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageError(
            f"The folder {folder} can't be written to; change its owner, or name another one with {STATE_VARIABLE}."
        )
    return folder
