"""The call that takes another one back, as the operator's rules name it.

They name its tool, and what it takes from the call and its result.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from coordination.domain.canonical_json import Json, canonical, parse
from coordination.domain.comparisons import is_list
from coordination.domain.conditions import Found, at_path, steps_of

RESULT = "$result"
"""What a path begins with that leads into the result of the call."""

MAX_TAKEN = 500
"""Characters of a text that is taken from a result: an id, an address, a time; nothing that somebody wrote."""


@dataclass(frozen=True, kw_only=True)
class Undo:
    """How a call is taken back.

    Attributes:
        server: empty: the call's own.
        arguments: a JSON object in canonical form, in which a text that is a path stands for what is there: `$.channel`
            in the call's arguments, `$result.id` in its result.
    """

    server: str
    tool: str
    arguments: str

    def filled(self, arguments: str, result: str) -> str | None:
        """The arguments of the call that takes back one with these arguments and this result.

        None: something is missing.
        """
        try:
            return canonical(_filled(parse(self.arguments), parse(arguments), structured(result)))
        except KeyError:
            return None

    def as_json(self) -> Json:
        """As it enters a plan's digest."""
        return {"server": self.server, "tool": self.tool, "arguments": self.arguments}


def structured(result: str) -> Json:
    """The object or list in what a tool answered: all of it, or its last line; None: there is none."""
    for text in (result, result.rpartition("\n")[2]):
        try:
            value = parse(text)
        except ValueError:
            continue
        if isinstance(value, Mapping) or is_list(value):
            return value
    return None


def path_in(text: str) -> tuple[bool, str] | None:
    """Whether a text of a template leads into the result, and the path in it or in the arguments.

    None: it is no path.
    """
    is_result = text.startswith(RESULT)
    path = f"${text.removeprefix(RESULT)}" if is_result else text
    return (is_result, path) if path.startswith("$") and steps_of(path) else None


def _filled(template: Json, arguments: Json, result: Json) -> Json:
    """A template with what stands at its paths.

    Raises:
        KeyError: there is nothing at a path, or more than one value; or what a result has there is no single short
            value.
    """
    if isinstance(template, str) and (path := path_in(template)) is not None:
        is_result, where = path
        match list(at_path(result if is_result else arguments, steps_of(where) or ())):
            case [Found(value=value)] if not is_result or _may_be_taken(value):
                return value
            case _:
                raise KeyError(template)
    if isinstance(template, Mapping):
        return {name: _filled(each, arguments, result) for name, each in template.items()}
    if is_list(template):
        return [_filled(each, arguments, result) for each in template]
    return template


def _may_be_taken(value: Json) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and 0 < len(value) <= MAX_TAKEN)
