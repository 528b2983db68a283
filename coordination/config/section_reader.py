"""A section: a pydantic model made from a mapping of the file. It tells every key and value that does not fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Self, cast, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails
from typing_extensions import override

from coordination.config.diagnostics import (
    Diagnostics,
    KeyPath,
    Place,
    expected_but_found,
    quoted,
    shown_key,
)
from coordination.config.interpolation import described, variables_in
from coordination.config.massgen_keys import WITHOUT_EFFECT
from coordination.config.yaml_tree import EMPTY, Listing, Node, Scalar, Table, is_absent, is_open, kind_of, plain
from coordination.text import Text, either

_WORDS = {
    "string_type": Text("a text"),
    "int_type": Text("a whole number"),
    "int_from_float": Text("a whole number"),
    "int_parsing_size": Text("a smaller number"),
    "float_type": Text("a number"),
    "finite_number": Text("a finite number"),
    "bool_type": Text("true or false"),
    "tuple_type": Text("a list"),
    "dict_type": Text("a mapping"),
    "model_type": Text("a mapping"),
    "string_pattern_mismatch": Text("server.tool"),
    "string_too_short": Text("a longer text"),
    "too_short": Text("a longer list"),
    "too_long": Text("a shorter list"),
}
_TOP_LEVEL = Text("the top level")
_FEW = 9
"""Keys that are named in a complaint; of more, only where they are documented."""

_COLLECTIONS = ("tuple_type", "dict_type")


@dataclass
class Reading:
    """What the sections of one file have in common: where they complain, and which of them were read."""

    report: Diagnostics
    sections: "dict[KeyPath, Section | None]" = field(default_factory=dict[KeyPath, "Section | None"])


SECTIONS: "list[type[Section]]" = []
"""Every kind of section that has a place in the file, in the order of their definition."""


def report_of(info: ValidationInfo) -> Diagnostics:
    """Where what is made of a file complains."""
    return cast("Reading", info.context).report


class Section(BaseModel):
    """One section. What a person typed is never repeated in an error of these models.

    Attributes:
        title: the section's place, for people: `agents[].backend`.
        kind: what is expected where something else than a mapping stands.
        holds_in_part: of use without the keys that have problems.
        is_a_home: a key of it that stands elsewhere is told where it belongs.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False, defer_build=True
    )
    title: ClassVar[str] = ""
    kind: ClassVar[Text] = Text("a mapping")
    holds_in_part: ClassVar[bool] = True
    is_a_home: ClassVar[bool] = True
    _table: Table = PrivateAttr(default_factory=lambda: EMPTY)

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        if "title" in cls.__dict__:
            SECTIONS.append(cls)

    @property
    def table(self) -> Table:
        """The mapping as it is written; an empty one for a section that is not in the file."""
        return self._table

    @classmethod
    def honoured(cls) -> frozenset[str]:
        """Every key that has a meaning here."""
        return frozenset(cls.model_fields) - cls.without_effect().keys()

    @classmethod
    def without_effect(cls) -> Mapping[str, Text]:
        """MassGen's keys that have no meaning here, and why."""
        return WITHOUT_EFFECT.get(cls.title, {})

    @classmethod
    def prepared(cls, table: Table, report: Diagnostics) -> Table | None:
        """The mapping as its keys are read; None after complaints that leave nothing to read."""
        del report
        return table

    def is_coherent(self, report: Diagnostics) -> bool:
        """Whether its values go together, after complaints if not."""
        del report
        return True

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: object, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if not isinstance(value, Scalar | Listing | Table):
            return handler(value)
        reading = cast("Reading", info.context)
        path = value.place.path
        if path not in reading.sections:
            reading.sections[path] = cls._made(value, handler, reading.report)
        # None where it is of no use: what holds sections allows for that, or leaves them out.
        return cast("Self", reading.sections[path])

    @classmethod
    def _made(cls, node: Node, handler: ModelWrapValidatorHandler[Self], report: Diagnostics) -> Self | None:
        if not isinstance(node, Table):
            report.expect(node.place, kind_of(node), cls.kind)
            return None
        table = cls.prepared(node, report)
        if table is None:
            return None
        section = cls._validated(table, handler, report)
        if section is None:
            return None
        section._table = table  # noqa: SLF001 - of the class itself, and made here
        return section if section.is_coherent(report) else None

    @classmethod
    def _validated(cls, table: Table, handler: ModelWrapValidatorHandler[Self], report: Diagnostics) -> Self | None:
        """The section; what is left of it without the keys that have problems; or None."""
        values = cls._own_keys(table, report)
        try:
            return handler(values)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
        # A value that waits for a variable can't be judged, so it is no problem.
        judged = [problem for problem in problems if not _waits(table, problem)]
        for problem in judged:
            cls._complain(table, problem, report)
        if judged and not cls.holds_in_part:
            return None
        bad = {str(problem["loc"][0]) for problem in problems}
        try:
            return handler({key: value for key, value in values.items() if key not in bad})
        except ValidationError:
            # One of them is required, and so there is no section.
            return None

    @classmethod
    def _own_keys(cls, table: Table, report: Diagnostics) -> dict[str, object]:
        own: dict[str, object] = {}
        idle = cls.without_effect()
        for key, node in table.entries.items():
            if key in idle:
                if plain(node) not in (None, False, 0, "", [], {}):
                    text = Text("has no effect here: {why}", why=idle[key])
                    report.add_warning(table.place_of(key), text, once_for=f"{cls.title}.{key}")
            elif key not in cls.model_fields:
                report.add_error(table.place_of(key), cls._unknown(key, report))
            elif not is_absent(node):
                own[key] = node
            elif not is_absent(node, or_null=False) and cls._means_null(key):
                own[key] = None
        return own

    @classmethod
    def _means_null(cls, key: str) -> bool:
        """Whether null is a value of its own under a key, and not the same as no value."""
        key_field = cls.model_fields[key]
        return type(None) in get_args(key_field.annotation) and key_field.default is not None

    @classmethod
    def _unknown(cls, key: str, report: Diagnostics) -> Text:
        home = _home_of(key)
        if home is not None:
            return expected_but_found(Text("a key that doesn't belong here"), Text("it under {section}", section=home))
        known = sorted(cls.honoured())
        listed = Text(
            "a key of {section} (`massgen-bot docs configuration` lists them)", section=cls.title or _TOP_LEVEL
        )
        expected = either(known) if 0 < len(known) <= _FEW else listed
        suggestion = report.nearest(key, known + list(cls.without_effect()))
        return expected_but_found(Text("the unknown key {key}", key=shown_key(key)), expected, suggestion)

    @classmethod
    def _complain(cls, table: Table, problem: ErrorDetails, report: Diagnostics) -> None:
        key = str(problem["loc"][-1])
        if problem["type"] == "missing":
            place = Place(table.line, (*table.place.path, key))
            report.expect(place, Text("nothing"), Text("a value for {key}", key=key))
            return
        loc = tuple(part for part in problem["loc"] if part != "[key]")
        node, place = _found_at(table, loc)
        is_secret = "SecretStr" in str(cls.model_fields[str(loc[0])])
        found, word = _found(node, problem, is_secret=is_secret)
        choices = _choices(problem)
        suggestion = report.nearest(word, choices) if word and choices else None
        report.expect(place, found, expected_by(problem), suggestion)


def _home_of(key: str) -> str | None:
    """The section that a key belongs to, for one that stands in the wrong place; None: it belongs to none, or many."""
    homes = _homes().get(key, [])
    return (homes[0] or _TOP_LEVEL) if len(homes) == 1 else None


@cache
def _homes() -> Mapping[str, list[str]]:
    """The sections that every key belongs to; they are all defined before the first file is read."""
    homes = dict[str, list[str]]()
    for section in SECTIONS:
        for key in section.honoured() if section.is_a_home else ():
            homes.setdefault(key, []).append(section.title)
    return homes


def _waits(table: Table, problem: ErrorDetails) -> bool:
    node = table.entries.get(str(problem["loc"][0]))
    return node is not None and is_open(node)


def _found_at(table: Table, loc: tuple[str | int, ...]) -> tuple[Node | None, Place]:
    """The value at a place below a section, and where it stands; the line is that of the last part that there is."""
    node: Node = table
    place = Place(table.line, (*table.place.path, *loc))
    for part in loc:
        if isinstance(node, Table) and isinstance(part, str) and part in node.entries:
            node = node.entries[part]
        elif isinstance(node, Listing) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            return None, Place(place.line, (*table.place.path, *loc))
        place = node.place
    return node, place


def _found(node: Node | None, problem: ErrorDetails, *, is_secret: bool) -> tuple[Text, str]:
    """What was found, in words, and the word itself where it may be repeated."""
    if isinstance(node, Scalar) and variables_in(node.source):
        return described(node), ""
    if not isinstance(node, Scalar) or node.value is None or is_secret or problem["type"] in _COLLECTIONS:
        return kind_of(node), ""
    return quoted(node.source) if isinstance(node.value, str) else Text.verbatim(node.source), node.source


def expected_by(problem: ErrorDetails) -> Text:
    """What should stand where pydantic has a problem."""
    kind, context, choices = problem["type"], problem.get("ctx", {}), _choices(problem)
    if choices:
        return either(choices)
    if kind == "value_error":
        return Text.verbatim(context["error"].args[0])
    if kind == "greater_than":
        return Text("a number above {bound:g}", bound=context["gt"])
    if kind == "greater_than_equal":
        return Text("a number of at least {bound}", bound=context["ge"])
    if kind == "less_than_equal":
        return Text("a number of at most {bound}", bound=context["le"])
    if kind == "string_too_long":
        return Text("at most {count} characters", count=context["max_length"])
    return _WORDS.get(kind, Text("another value"))


def _choices(problem: ErrorDetails) -> tuple[str, ...]:
    if problem["type"] not in ("literal_error", "enum"):
        return ()
    words = problem.get("ctx", {}).get("expected", "")
    return tuple(word.strip(" '") for word in words.replace(" or ", ",").split(","))
