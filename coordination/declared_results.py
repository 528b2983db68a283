"""What tools declare of their results, as far as later calls of a plan may refer to it.

The words for agents on that are here, too.

Schemas come from strangers: they are followed no deeper and no longer than what is written here.
"""

from collections.abc import Iterator, Mapping, Sequence

from coordination.domain.canonical_json import Json, JsonObject
from coordination.domain.comparisons import is_list
from coordination.domain.references import MARK, MAX_VALUE, PATH, Reference, index_in, steps_of
from coordination.json_schema import Verdict, verdict
from coordination.text import Text

_SCALARS = frozenset({"string", "integer", "number", "boolean"})
_MOST_REFS = 10
_MOST_DEPTH = 3
_MOST_LISTED = 12
_LONGEST_NAME = 60


def types_at(schema: JsonObject, path: str) -> frozenset[str]:
    """What kinds of short values a schema declares at a JSON pointer: JSON Schema's names of types.

    None: it has no such path.
    """
    nodes = [schema]
    for step in steps_of(path) or ():
        nodes = [inner for node in nodes for inner in _inside(node, step, schema)]
    return frozenset(kind for node in nodes for kind in _types(node, schema)) if steps_of(path) else frozenset()


def paths_in(schema: JsonObject) -> dict[str, frozenset[str]]:
    """The paths of an object's short values, those near its root first, as far as they are worth listing."""
    found: dict[str, frozenset[str]] = {}
    level: list[tuple[str, JsonObject]] = [("", schema)]
    for _ in range(_MOST_DEPTH):
        deeper: list[tuple[str, JsonObject]] = []
        for path, node in level:
            for name in list(_properties(node, schema))[:_MOST_LISTED]:
                below = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
                if name and len(name) <= _LONGEST_NAME and name.isprintable() and steps_of(below):
                    if types := types_at(schema, below):
                        found.setdefault(below, types)
                    deeper += [(below, inner) for inner in _inside(node, name, schema)]
        level = deeper[:_MOST_LISTED]
    return dict(list(found.items())[:_MOST_LISTED])


def _alternatives(node: Json, root: JsonObject, left: int = _MOST_REFS) -> Iterator[JsonObject]:
    """A schema, what it refers to in its own document, and what else it may be."""
    if not isinstance(node, Mapping) or left <= 0:
        return
    yield node
    if isinstance(target := node.get("$ref"), str) and target.startswith("#/"):
        yield from _alternatives(_followed(root, target[1:]), root, left - 1)
    for word in ("anyOf", "oneOf"):
        if is_list(others := node.get(word)):
            for each in others[:_MOST_REFS]:
                yield from _alternatives(each, root, left // 2)


def _followed(root: JsonObject, pointer: str) -> Json:
    value: Json = root
    for step in steps_of(pointer) or ():
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _properties(node: JsonObject, root: JsonObject) -> Mapping[str, Json]:
    return {
        name: inner
        for each in _alternatives(node, root)
        if isinstance(declared := each.get("properties"), Mapping)
        for name, inner in declared.items()
    }


def _inside(node: JsonObject, step: str, root: JsonObject) -> list[JsonObject]:
    inner: list[Json] = [_properties(node, root).get(step)]
    if index_in(step) is not None:
        inner += [each.get("items") for each in _alternatives(node, root)]
    return [each for each in inner if isinstance(each, Mapping)]


def _types(node: JsonObject, root: JsonObject) -> Iterator[str]:
    for each in _alternatives(node, root):
        declared = each.get("type")
        for kind in [declared] if isinstance(declared, str) else declared if is_list(declared) else []:
            if isinstance(kind, str) and kind in _SCALARS:
                yield kind


async def fits(schema: JsonObject, arguments: JsonObject, unknown: frozenset[str]) -> Verdict:
    """Whether a tool takes these arguments, whatever its `unknown` ones will be; those it must know by name."""
    known = schema.get("properties")
    properties: dict[str, Json] = dict(known) if isinstance(known, Mapping) else {}
    for name in sorted(unknown):
        if name not in properties:
            return Verdict(fault=Text("the tool has no argument {name} that could be a reference", name=name[:100]))
        properties[name] = True
    opened: JsonObject = {**schema, "properties": properties} if unknown else schema
    return await verdict(opened, {**arguments, **dict.fromkeys(unknown)})


def objection(reference: Reference, output: JsonObject | None, input_: JsonObject, own_number: int) -> str | None:
    """Why an agent can't refer so from the call that would get this number; None: it can.

    `output` is what the call referred to declares of its result, None where there is no such call or it declares
    nothing.
    """
    number = reference.call + 1
    if number >= own_number:
        return (
            f"There is no action {number} on record before this call: only an action that is recorded earlier can be "
            "referred to, by the number that you were told. What a tool read you know already: write it as it is."
        )
    if output is None:
        return f"The tool of action {number} does not declare what it returns, so nothing can refer to its result."
    types = types_at(output, reference.path)
    if not types:
        return f"Action {number} declares no short value at {reference.path}. It has {listed(output) or 'none'}."
    wanted = frozenset(_types(_declared(input_, reference.argument), input_))
    wanted |= {"integer"} if "number" in wanted else frozenset[str]()
    if wanted and not types & wanted:
        return (
            f"The argument {reference.argument!r} takes {' or '.join(sorted(wanted))}, and {reference.path} of action "
            f"{number} is {' or '.join(sorted(types))}."
        )
    return None


def _declared(schema: JsonObject, argument: str) -> JsonObject:
    properties = schema.get("properties")
    found = properties.get(argument) if isinstance(properties, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def listed(output: JsonObject) -> str:
    """The paths that can be referred to, for an agent: `/id (string), /url (string)`."""
    return ", ".join(f"{path} ({' or '.join(sorted(types))})" for path, types in paths_in(output).items())


def how_to(number: str, output: JsonObject | None) -> str:
    """How a later call refers to this one's result; empty where it declares nothing for that.

    `number`: what it is called.
    """
    paths = listed(output) if output is not None else ""
    if not paths:
        return ""
    return (
        f"A later call of the same plan may take a value from its result, which has {paths}: give that call "
        f'{{"{MARK}": {number}, "{PATH}": "/…"}} in place of a whole argument.'
    )


IN_PLANNING = f"""\
The result of a recorded call is not known while you plan. If the description of its tool says what the result will
have, a later call of your plan may take a value from there: instead of an argument, write an object with `{MARK}`, the
number of the recorded call, and `{PATH}`, where in its result the value stands, such as
{{"{MARK}": 1, "{PATH}": "/id"}}. It stands for a whole argument and never for a part of one, and it can only be an id,
an address, a number, or yes or no: text of at most {MAX_VALUE} ASCII characters without spaces. People see where the
value will come from. If the call does not return it, nothing more of the plan runs. In all other ways a later call
cannot use the result of an earlier one."""
"""What agents are told where a tool on offer declares its results."""

NOT_OF_ITS_FORM = (
    f'is not a reference: that is {{"{MARK}": 1, "{PATH}": "/id"}} with nothing else, the number of an earlier action '
    "and a JSON pointer, in place of a whole argument."
)


def returns(schemas: Sequence[JsonObject | None]) -> bool:
    """Whether any of these results has something to refer to."""
    return any(each is not None and paths_in(each) for each in schemas)
