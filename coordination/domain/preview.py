"""What is read before people decide on a call: what the rules want read, and what was there.

A reading stands in the plan, under its digest, by what was asked: whoever changes a call changes what must be read for
it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

from coordination.domain.canonical_json import Json, JsonObject, canonical, digest, parse
from coordination.domain.comparisons import is_list
from coordination.domain.conditions import Found, at_path, steps_of

RESOURCE = "resource"
"""In the place of a path: what counts is the text of the one resource in an answer."""

Problem: TypeAlias = Literal["", "no_tool", "arguments", "no_read", "late", "failed", "writes", "shape"]
"""Why something could not be read; empty: it was."""


MOST_DESCRIBED = 20
"""Ids of one list that are described; of a longer list none is."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One read: what is asked of which tool, and what of its answer counts.

    Attributes:
        arguments: a JSON object in canonical form.
        shows: the path of what counts in an answer that is JSON, or RESOURCE; empty: all of the answer.
        missing: how an error reads that says that there is nothing, with `*` and `?`; empty: every error is a failure.
    """

    server: str
    tool: str
    arguments: str
    shows: str = ""
    missing: str = ""

    def as_json(self) -> Json:
        """As it enters a plan's digest."""
        return {
            "server": self.server,
            "tool": self.tool,
            "arguments": self.arguments,
            "shows": self.shows,
            "missing": self.missing,
        }

    def value_in(self, answer: str, resource: str | None = None) -> str | None:
        """What counts in an answer with this resource; None: it has no such thing."""
        if not self.shows:
            return answer
        if self.shows == RESOURCE:
            return resource
        try:
            found = list(at_path(parse(answer), steps_of(self.shows) or ()))
        except ValueError:
            return None
        values = [each.value for each in found if each is not None]
        if not values or len(values) != len(found):
            return None
        value: Json = values[0] if len(values) == 1 else values
        return value if isinstance(value, str) else canonical(value)

    def is_missing(self, error: str) -> bool:
        """Whether an error says that there is nothing."""
        return bool(self.missing) and fnmatchcase(error, self.missing.replace("[", "[[]"))


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a rule wants read before its calls.

    Attributes:
        server: empty: the call's own.
        arguments: a JSON object in canonical form, in which a text that is a path stands for the call's argument there.
        after: the path of the argument that takes the place of what was read; empty: none does.
        required: nothing runs where it can't be read.
        is_condition: it is no view of what the call changes; it must only stay as it was.
        describes: it says what the ids among the arguments are. Of what the call leaves out nothing is asked.
        beside: the path of the one argument that all of what was read says this of; empty: the answer has words for
            each.
        edits: the path of a list of `oldText` and `newText`, by which what was read is edited; empty: it is not.
        is_ready_made: nobody wrote it; it comes with the program for a server that people know.
    """

    server: str
    tool: str
    arguments: str
    shows: str = ""
    after: str = ""
    missing: str = ""
    required: bool = False
    is_condition: bool = False
    describes: bool = False
    beside: str = ""
    edits: str = ""
    is_ready_made: bool = False

    def of_call(self, arguments: str, unknown: Collection[str]) -> "Iterator[Preview]":
        """What is to be read for a call: nothing where it has no id to describe, and of a list of ids each by itself.

        `unknown` are the arguments that only earlier calls will tell.
        """
        if not self.beside:
            if self.question("", arguments) is not None or not self.describes:
                yield self
            return
        given, steps = parse(arguments), steps_of(self.beside) or ()
        if steps and steps[0] in unknown:
            yield self
            return
        values = list(at_path(given, steps))
        if self.beside.count("[*]") == 1 and "'" not in self.beside and len(values) <= MOST_DESCRIBED:
            yield from (each for number in range(len(values)) for each in self._at(number).of_call(arguments, unknown))
        elif any(each is not None and each.value is not None for each in values):
            yield self

    def _at(self, number: int) -> "Preview":
        """The same for one element of the list that it describes."""
        ids = self.beside.partition("[*]")[0] + "[*]"
        one = f"{ids.removesuffix('[*]')}[{number}]"
        return replace(
            self,
            beside=self.beside.replace(ids, one, 1),
            arguments=canonical(_renamed(parse(self.arguments), ids, one)),
        )

    def question(self, server: str, arguments: str) -> Question | None:
        """What to ask for a call to a server with these arguments; None: they lack something that the read needs."""
        template, given = parse(self.arguments), parse(arguments)
        if self.describes and not self.beside and isinstance(template, Mapping):
            template = {name: each for name, each in template.items() if _has(given, each)}
            if not template:
                return None
        try:
            filled = _filled(template, given)
        except KeyError:
            return None
        return Question(
            server=self.server or server,
            tool=self.tool,
            arguments=canonical(filled),
            shows=self.shows,
            missing=self.missing,
        )

    def replacement(self, arguments: str, before: str | None) -> str | None:
        """The text that takes the place of what was read; None: that is not known.

        `before` is None if there was nothing.
        """
        if self.edits:
            edits = [each.value for each in at_path(parse(arguments), steps_of(self.edits) or ()) if each is not None]
            return None if before is None else edited(before, edits[0] if len(edits) == 1 else None)
        found = list(at_path(parse(arguments), steps_of(self.after) or ())) if self.after else []
        if len(found) != 1 or found[0] is None:
            return None
        value = found[0].value
        return value if isinstance(value, str) else canonical(value)

    def as_json(self) -> Json:
        """As it enters a plan's digest."""
        form: dict[str, Json] = {
            "server": self.server,
            "tool": self.tool,
            "arguments": self.arguments,
            "shows": self.shows,
            "after": self.after,
            "missing": self.missing,
            "required": self.required,
            "is_condition": self.is_condition,
        }
        # A plan of an earlier version has none, and keeps the digest that it was decided on with.
        form |= {"describes": True} if self.describes else {}
        form |= {"beside": self.beside} if self.beside else {}
        form |= {"edits": self.edits} if self.edits else {}
        return form | {"is_ready_made": True} if self.is_ready_made else form

    def described(self) -> Iterator[tuple[str, str]]:
        """What it describes: the names of the read's arguments, and of the call's argument that is asked about."""
        template = parse(self.arguments)
        if self.describes and not self.beside and isinstance(template, Mapping):
            for name, path in template.items():
                if isinstance(path, str) and path.startswith("$."):
                    yield name, path.removeprefix("$.")


def _renamed(template: Json, old: str, new: str) -> Json:
    """A template in which the paths that begin with one begin with another."""
    if isinstance(template, str):
        return f"{new}{template.removeprefix(old)}" if template.startswith(old) else template
    if isinstance(template, Mapping):
        return {name: _renamed(each, old, new) for name, each in template.items()}
    return [_renamed(each, old, new) for each in template] if is_list(template) else template


def edited(before: str, edits: Json) -> str | None:
    """A text after its edits, one after the other; None where it is not plain what they come to.

    An edit takes the first place of its `oldText`. Servers differ in what they do where there is none, with line ends
    of other systems, and with dollar signs.
    """
    after = before
    for each in edits if is_list(edits) else [None]:
        old, new = (each.get("oldText"), each.get("newText")) if isinstance(each, Mapping) else (None, None)
        if not isinstance(old, str) or not isinstance(new, str) or not old or old not in after:
            return None
        if "\r" in after + new or "$" in new:
            return None
        after = after.replace(old, new, 1)
    return after


def _has(arguments: Json, path: Json) -> bool:
    """Whether a call has a value at a path; what is no path is there anyway."""
    steps = steps_of(path) if isinstance(path, str) and path.startswith("$") else None
    return not steps or all(each is not None and each.value is not None for each in at_path(arguments, steps))


def _filled(template: Json, arguments: Json) -> Json:
    """A template with the call's arguments in place of their paths.

    Raises:
        KeyError: the call has none, or more than one, at a path.
    """
    if isinstance(template, str) and template.startswith("$") and (steps := steps_of(template)):
        match list(at_path(arguments, steps)):
            case [Found(value=value)]:
                return value
            case _:
                raise KeyError(template)
    if isinstance(template, Mapping):
        return {name: _filled(each, arguments) for name, each in template.items()}
    if is_list(template):
        return [_filled(each, arguments) for each in template]
    return template


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a read found while a plan was made.

    Attributes:
        definition: digest of the reading tool's definition then.
        settings: fingerprint of its server's settings then.
        digest: covers the whole of what was found; empty: it could not be read.
        text: what was found, if it is short enough to be kept.
        length: its characters.
        is_missing: there was nothing, and the tool said so.
        detail: what the server said of that.
    """

    question: Question
    definition: str = ""
    settings: str = ""
    digest: str = ""
    text: str = ""
    length: int = 0
    is_missing: bool = False
    problem: Problem = ""
    detail: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there is something to compare with."""
        return bool(self.digest)

    @property
    def is_whole(self) -> bool:
        """Whether the text is all that was found."""
        return self.is_known and len(self.text) == self.length

    def with_text(self, text: str) -> "Reading":
        """The same, of which this much is kept."""
        return self if text == self.text else replace(self, text=text)

    def by(self, definition: str, settings: str) -> "Reading":
        """The same, with the tool that read it."""
        return replace(self, definition=definition, settings=settings)

    def as_json(self) -> Json:
        """As it enters a plan's digest."""
        return {
            "question": self.question.as_json(),
            "definition": self.definition,
            "settings": self.settings,
            "digest": self.digest,
            "text": self.text,
            "length": self.length,
            "is_missing": self.is_missing,
            "problem": self.problem,
            "detail": self.detail,
        }


def digest_of(text: str, *, is_missing: bool) -> str:
    """What stands for one state of what is read: nothing is not the empty text."""
    return digest("reading", canonical(["" if is_missing else text, is_missing]))


def merged(some: Sequence[Preview], more: Iterable[Preview]) -> tuple[Preview, ...]:
    """All of both, each once."""
    return tuple(dict.fromkeys((*some, *more)))


def arguments_of(question: Question) -> JsonObject:
    """The arguments of a read."""
    found = parse(question.arguments)
    return found if isinstance(found, Mapping) else {}


def by_path(text: str) -> str | None:
    """A JSON object or list in canonical form, one line for each value in it with its path; None: it is another text.

    No two such texts have the same lines.
    """
    try:
        value = parse(text)
        if isinstance(value, str) or not isinstance(value, Mapping | Sequence) or canonical(value) != text:
            return None
    except ValueError:
        return None
    return "".join(f"{path}: {canonical(leaf)}\n" for path, leaf in _leaves("$", value))


def _leaves(path: str, value: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(value, Mapping) and value:
        for name, each in value.items():
            yield from _leaves(f"{path}[{canonical(name)}]", each)
    elif is_list(value) and value:
        for index, each in enumerate(value):
            yield from _leaves(f"{path}[{index}]", each)
    else:
        yield path, value
