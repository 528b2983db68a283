"""What this program finds on its machine: its folders, and the accounts of people."""

import grp
import os
import platform
import pwd
from dataclasses import replace
from pathlib import Path

from coordination.domain.policy import Person
from coordination.errors import StorageError
from coordination.text import Text

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
"""The folder of the configurations that come with the program."""

PAGES = CONFIGS.with_name("docs")
"""The folder of the documentation."""

STATE_VARIABLE = "MASSGEN_BOT_STATE"
"""Names the folder in the environment; configurations may use it as `${MASSGEN_BOT_STATE}`."""


def config_file(named: str) -> Path:
    """The file of a configuration: what was named or, by its name, one that comes with the program."""
    path = Path(named)
    shipped = CONFIGS / f"{named}.yaml"
    return shipped if path.name == named and not path.suffix and not path.exists() and shipped.is_file() else path


def configs_folder(named: str) -> Path:
    """The folder of configurations: the one that was named, else `configs` here, else what comes with the program."""
    folder = Path(named or "configs")
    return folder if named or folder.is_dir() else CONFIGS


def expanded(path: str) -> Path:
    """The path, from the home folder where it begins with ~.

    Raises:
        StorageError: there is no home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise StorageError(
            Text(
                "There is no home folder; set {variable} to a folder, without ~.",
                variable=STATE_VARIABLE,
            )
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
            Text(
                "The folder {folder} can't be created; create it yourself, or set {variable} to another one.",
                folder=folder,
                variable=STATE_VARIABLE,
            )
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageError(
            Text(
                "The folder {folder} can't be written to; change its owner, or set {variable} to another one.",
                folder=folder,
                variable=STATE_VARIABLE,
            )
        )
    return folder


CONSOLE = "console"
"""The tenant of every run that is asked for at a terminal."""


def console_person() -> Person:
    """The user of this process, whose groups are their roles. Whoever can write the database administers it."""
    return replace(console_account(os.getuid()), host=platform.node())


def console_account(number: int) -> Person:
    """The account of a number."""
    try:
        account = pwd.getpwuid(number)
        name, group = account.pw_name, account.pw_gid
    except KeyError:
        name, group = str(number), os.getgid()
    return Person(tenant=CONSOLE, id=f"uid:{number}", name=name, roles=_groups(name, group), is_admin=True)


def account_named(user: str) -> str:
    """The id of the account of that name on this machine; what is no name of one stays as it is."""
    try:
        return f"uid:{pwd.getpwnam(user).pw_uid}"
    except (KeyError, ValueError):
        return user


def account_name(user: str) -> str:
    """An account's name for people to read; what is no account of this machine stays as it is."""
    kind, _, number = user.partition(":")
    try:
        return pwd.getpwuid(int(number)).pw_name if kind == "uid" else user
    except (KeyError, ValueError, OverflowError):
        return user


def _groups(name: str, group: int) -> tuple[str, ...]:
    try:
        numbers = os.getgrouplist(name, group)
    except OSError:
        numbers = os.getgroups()
    names: list[str] = []
    for number in numbers:
        try:
            names.append(grp.getgrgid(number).gr_name)
        except KeyError:
            names.append(str(number))
    return tuple(names)
