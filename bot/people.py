"""Who sits at this terminal: the account that the operating system vouches for."""

import grp
import os
import pwd

from coordination.domain.person import Person

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
