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
