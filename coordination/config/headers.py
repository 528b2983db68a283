"""Headers that the operator adds to requests, to models and to tool servers: their names and their values."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from coordination.config.diagnostics import quoted
from coordination.config.interpolation import variables_in
from coordination.text import Text

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
"""A token of RFC 9110."""

_LONGEST_VALUE = 8_000
"""Characters. Servers take about as many for all headers together."""

_NO_SECRETS = frozenset({"MASSGEN_BOT_TENANT"})


@dataclass(frozen=True, kw_only=True)
class Header:
    """One header of every request to a model.

    Attributes:
        is_from_variable: the value has a variable in it, and so may be a secret whatever its name.
    """

    name: str
    value: SecretStr
    is_from_variable: bool = False


def headers_of(values: Mapping[str, SecretStr], sources: Mapping[str, str]) -> tuple[Header, ...]:
    """The headers; `sources` are their values as they are written.

    A line break at the end comes from a secret's file.
    """
    return tuple(
        Header(
            name=name,
            value=SecretStr(value.get_secret_value().strip()),
            is_from_variable=bool(variables_in(sources.get(name, "")) - _NO_SECRETS),
        )
        for name, value in values.items()
    )


def problems_of_headers(values: Mapping[str, SecretStr]) -> Iterator[tuple[str, Text, Text]]:
    """Each header that can't be sent: its name, what was found, and what was expected. Values are never repeated."""
    seen: dict[str, str] = {}
    for name, secret in values.items():
        value = secret.get_secret_value().strip()
        first = seen.setdefault(name.lower(), name)
        if not _NAME.fullmatch(name):
            yield name, Text("the header name {name}", name=quoted(name)), Text("letters, digits and - without spaces")
        elif first != name:
            yield name, Text("the header {name} again", name=quoted(first)), Text("each header once, in any case")
        elif not value:
            yield name, Text("an empty header"), Text("a value")
        elif not value.isascii() or not value.isprintable():
            yield name, Text("a line break or a non-ASCII character in a header"), Text("one line of ASCII characters")
        elif len(value) > _LONGEST_VALUE:
            found = Text("a header of {length:,} characters", length=len(value))
            yield name, found, Text("at most {count} characters", count=_LONGEST_VALUE)
