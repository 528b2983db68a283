"""What operators write into variables, read: numbers, yes and no, names by tenant, and files that have a secret."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from coordination.errors import ConfigError
from coordination.text import Text

IN_FILE = "_FILE"
"""How the name of a variable ends that names a file with the value of another one."""

_LIKE_SECRETS = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
"""How names of secrets end that belong to nobody here, such as a provider's key. Other programs have files of such
names, too, which need not be there."""


def number(variable: str, text: str, most: int, *, least: int = 1) -> int | None:
    """A number that an operator wrote; None where there is nothing.

    Raises:
        ConfigError: it is none, or lies outside of these bounds.
    """
    text = text.strip()
    if text and not (text.isascii() and text.isdecimal() and len(text) < 7 and least <= int(text) <= most):
        raise ConfigError(
            [Text("{variable} must be a number from {least} to {most}.", variable=variable, least=least, most=most)]
        )
    return int(text) if text else None


def in_files(variables: Mapping[str, str], secrets: Sequence[str | None]) -> Mapping[str, str]:
    """What stands in the files that `NAME_FILE` names, by `NAME`: ours, and whatever is called like a secret.

    Raises:
        ConfigError: such a file can't be read.
    """
    found: dict[str, str] = {}
    for variable, path in variables.items():
        name = variable.removesuffix(IN_FILE)
        is_meant = name != variable and (name in secrets or name.endswith(_LIKE_SECRETS))
        if not is_meant or not path.strip() or variables.get(name, "").strip():
            continue
        try:
            found[name] = Path(path.strip()).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError, ValueError):
            if name in secrets or name.endswith("_API_KEY"):
                raise ConfigError([Text("The file that {variable} names can't be read.", variable=variable)]) from None
    return found


def yes_or_no(text: str, variable: str, *, default: bool) -> bool:
    """What an operator said.

    Raises:
        ConfigError: it is neither.
    """
    written = text.strip().lower() or ("yes" if default else "no")
    if written not in ("yes", "no"):
        raise ConfigError([Text("{variable} must be yes or no.", variable=variable)])
    return written == "yes"


def by_tenant(text: str, variable: str) -> Mapping[str, frozenset[str]]:
    """Names by tenant, each tenant once.

    Raises:
        ConfigError: it is written in another way.
    """
    allowed: dict[str, frozenset[str]] = {}
    for part in text.split(";"):
        tenant, sign, names = (each.strip() for each in part.partition("="))
        if not part.strip():
            continue
        if not sign or not tenant or tenant in allowed:
            raise ConfigError(
                [
                    Text(
                        "{variable} must look like this, with each tenant once: discord:123=ops,demo; slack:-:T1=ops; "
                        "*=demo",
                        variable=variable,
                    )
                ]
            )
        allowed[tenant] = frozenset(name for name in names.replace(",", " ").split())
    return allowed
