"""What this program finds around it: its folders, the account at this terminal, and what the operator set for chats."""

import grp
import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from coordination.domain.policy import Person
from coordination.errors import ConfigError, StorageError

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


CONSOLE = "console"
"""The tenant of every run that is asked for at a terminal."""


def console_person() -> Person:
    """The user of this process, whose groups are their roles. Whoever can write the database administers it."""
    return console_account(os.getuid())


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


ALLOWED_VARIABLE = "MASSGEN_BOT_ALLOWED_CONFIGS"
ADMINS_VARIABLE = "MASSGEN_BOT_ADMINS"
THREADS_VARIABLE = "MASSGEN_BOT_THREADS"


def allowed_configs(environ: Mapping[str, str], variable: str = ALLOWED_VARIABLE) -> Mapping[str, frozenset[str]]:
    """Which tenants may use which configurations: `discord:123=ops,demo; slack:-:T1=ops; *=demo`.

    Raises:
        ConfigError: it is written in another way.
    """
    allowed: dict[str, frozenset[str]] = {}
    for part in environ.get(variable, "").split(";"):
        tenant, sign, names = (each.strip() for each in part.partition("="))
        if not part.strip():
            continue
        if not sign or not tenant or tenant in allowed:
            raise ConfigError(
                [f"{variable} must look like: discord:123=ops,demo; slack:-:T1=ops; *=demo (each tenant once)"]
            )
        allowed[tenant] = frozenset(name for name in names.replace(",", " ").split())
    return allowed


def named_admins(environ: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """The people whom the operator named by tenant and account: `discord:123/42`, `slack:-:T1/U1`.

    Names of other forms are for a platform to understand.
    """
    pairs = (each.rpartition("/") for each in environ.get(ADMINS_VARIABLE, "").replace(",", " ").split())
    return frozenset((tenant, account) for tenant, _, account in pairs if ":" in tenant and account)


def posts_timelines(environ: Mapping[str, str]) -> bool:
    """Whether each run gets a thread with its story: `yes`, which is the default, or `no`.

    Raises:
        ConfigError: it is neither.
    """
    text = environ.get(THREADS_VARIABLE, "").strip().lower() or "yes"
    if text not in ("yes", "no"):
        raise ConfigError([f"{THREADS_VARIABLE} must be yes or no."])
    return text == "yes"
