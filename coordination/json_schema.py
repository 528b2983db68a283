"""Do arguments fit a tool's JSON Schema? Asked before a call is recorded, while the model can still mend it.

Schemas come from strangers. One that may take long to check, by a regular expression or by what it refers to, is
checked by another process under a time limit: Python can't interrupt a regular expression, and nobody may stop the
event loop.
"""

import asyncio
import atexit
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import LiteralString

from coordination import schema_check
from coordination.domain.canonical_json import Json, JsonObject, canonical
from coordination.errors import InvalidJsonError
from coordination.schema_check import Fault
from coordination.text import Text, template

_SLOW_WORDS = frozenset(
    {
        "$dynamicRef",
        "$recursiveRef",
        "$ref",
        "contains",
        "pattern",
        "patternProperties",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
    }
)
"""Keywords whose check may take longer than the schema and the value together are long."""

_MOST_AT_ONCE = 100_000
"""Characters of a schema and a value that are checked on the event loop."""

_MOST_UNCHECKABLE = 1_000

WORDS: Mapping[str, LiteralString] = {
    "additionalProperties": template("{found} is not expected"),
    "anyOf": template("{found} fits none of the forms that are allowed"),
    "const": template("{found} is not {wanted}"),
    "contains": template("{found} lacks an entry that is required"),
    "dependentRequired": template("{found} is missing, which is required with {wanted}"),
    "enum": template("{found} is not one of {wanted}"),
    "exclusiveMaximum": template("{found} is not less than {wanted}"),
    "exclusiveMinimum": template("{found} is not greater than {wanted}"),
    "false": template("{found} is not allowed here"),
    "items": template("{found} has more than {wanted} entries"),
    "maxContains": template("{found} has more than {wanted} entries of a form that is limited"),
    "maxItems": template("{found} has more than {wanted} entries"),
    "maxLength": template("{found} has more than {wanted} characters"),
    "maxProperties": template("{found} has more than {wanted} properties"),
    "maximum": template("{found} is greater than {wanted}"),
    "minContains": template("{found} has fewer than {wanted} entries of a form that is required"),
    "minItems": template("{found} has fewer than {wanted} entries"),
    "minLength": template("{found} has fewer than {wanted} characters"),
    "minProperties": template("{found} has fewer than {wanted} properties"),
    "minimum": template("{found} is less than {wanted}"),
    "multipleOf": template("{found} is not a multiple of {wanted}"),
    "not": template("{found} has a form that is not allowed"),
    "oneOf": template("{found} does not fit exactly one of the forms that are allowed"),
    "pattern": template("{found} does not match {wanted}"),
    "required": template("{found} is missing"),
    "type": template("{found} is not of type {wanted}"),
    "unevaluatedItems": template("{found} has an entry that is not expected"),
    "unevaluatedProperties": template("{found} has a property that is not expected"),
    "uniqueItems": template("{found} has an entry twice"),
}
"""What is said of a value that does not meet a keyword; `false` stands for a schema that allows nothing."""


@dataclass(frozen=True)
class Verdict:
    """What became of a check.

    Attributes:
        fault: the first thing wrong with the arguments; None if they fit or nobody can say.
        is_checked: whether somebody can say. Arguments that can't be checked are left to the server.
    """

    fault: Text | None = None
    is_checked: bool = True


async def verdict(schema: JsonObject, arguments: JsonObject) -> Verdict:
    """Check arguments, within a few seconds whatever the schema is.

    A property that the schema does not know is wrong even where the schema would let it pass: servers silently drop
    such arguments, and people would approve what never takes effect.
    """
    found = await conforms(schema, arguments)
    if found.fault is None and (unknown := _unknown_property(schema, arguments)) is not None:
        return Verdict(fault=unknown)
    return found


async def conforms(schema: JsonObject, value: Json) -> Verdict:
    """Check any value by the schema alone."""
    try:
        text, written = canonical(schema), canonical(value)
    except InvalidJsonError:
        return Verdict(is_checked=False)
    if len(text) + len(written) <= _MOST_AT_ONCE and not _has_slow_words(schema):
        try:
            return _verdict_of(schema_check.fault(text, value))
        except schema_check.UncheckableError:
            return Verdict(is_checked=False)
    return await _checker().verdict(text, written)


def _verdict_of(fault: Fault | None) -> Verdict:
    if fault is None:
        return Verdict()
    told = Text(WORDS[fault.keyword], found=fault.found, wanted=fault.wanted)
    return Verdict(fault=Text("{place}: {fault}", place=fault.place or Text("the object"), fault=told))


def _has_slow_words(schema: Json) -> bool:
    if isinstance(schema, Mapping):
        return not _SLOW_WORDS.isdisjoint(schema) or any(_has_slow_words(each) for each in schema.values())
    return isinstance(schema, Sequence) and not isinstance(schema, str) and any(map(_has_slow_words, schema))


def _unknown_property(schema: JsonObject, arguments: JsonObject) -> Text | None:
    known = schema.get("properties")
    if not isinstance(known, dict) or not known or {"additionalProperties", "patternProperties"} & schema.keys():
        return None
    if any(word in schema for word in ("allOf", "anyOf", "oneOf", "$ref", "if")):
        return None
    unknown = [name for name in arguments if name not in known]
    if not unknown:
        return None
    return Text("unknown {unknown}; known are {known}", unknown=", ".join(unknown)[:200], known=", ".join(known)[:500])


class Checker:
    """The other process, which checks: started when it is needed, and ending by itself when it was idle for a while."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="schema")
        self._process: subprocess.Popen[bytes] | None = None
        self._uncheckable: dict[str, None] = {}
        self.pid = os.getpid()

    async def verdict(self, schema: str, value: str) -> Verdict:
        """Ask; a schema that took too long once is asked about no more."""
        if schema in self._uncheckable:
            return Verdict(is_checked=False)
        found = await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, schema, value)
        if found is None:
            self._uncheckable[schema] = None
            if len(self._uncheckable) > _MOST_UNCHECKABLE:
                del self._uncheckable[next(iter(self._uncheckable))]
        return found or Verdict(is_checked=False)

    def _ask(self, schema: str, value: str) -> Verdict | None:
        """The answer, or None if it took too long. Blocks, for as long as a check may take."""
        question = f"[{json.dumps(schema)},{value}]\n".encode()
        for _ in range(2):
            process = self._started()
            answer = b""
            with contextlib.suppress(OSError):
                if process.stdin is not None and process.stdout is not None:
                    process.stdin.write(question)
                    process.stdin.flush()
                    answer = process.stdout.readline()
            if answer:
                is_checked, fault = json.loads(answer)
                return (
                    _verdict_of(None if fault is None else Fault(*fault)) if is_checked else Verdict(is_checked=False)
                )
            self.end()
            if process.returncode != 0:
                return None
            # It left because nobody had asked, in the moment that somebody did.
        return None

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self.end()
            self._process = subprocess.Popen(  # noqa: S603 - our own program, and nothing from outside
                [sys.executable, "-I", schema_check.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,
            )
        return self._process

    def end(self) -> None:
        """Let the process go; it leaves when its input ends, or when its time is up."""
        process, self._process = self._process, None
        if process is not None and self.pid == os.getpid():
            # Leaving the block closes its pipes and waits for it.
            with contextlib.suppress(OSError), process:
                pass


_checkers: list[Checker] = []


def _checker() -> Checker:
    """The one of this process: a process that was forked has none of its parent's threads and shares its pipes."""
    if not _checkers or _checkers[-1].pid != os.getpid():
        _checkers[:] = [Checker()]
        atexit.register(_checkers[-1].end)
    return _checkers[-1]
