"""The script of a scripted agent: what it replies, turn by turn, read strictly from the plain data of a YAML file.

    turns:                                        # the first revision; one list of steps per turn
      - - {after: 0.5, say: Let me look., calls: [{tool: notices.read_notice, arguments: {name: welcome}}]}
        - {expects: ["Welcome"], calls: [{tool: notices.post_notice, arguments: {title: "{title}"}}], answer: "Post
          {slug}."}
      - - {vote: agent1, reason: It does what was asked.}
    revisions: {2: {turns: […]}, later: {…}}      # after people asked for changes; each has a script of its own
    presentation: [{answer: …}]
    report: [{say: Done.}]

A step is one reply. Texts may use {prompt}, {slug}, {title} and {result:server.tool}; a brace is written twice.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from coordination.config.diagnostics import KeyPath, expected_but_found, kind_of_plain, nearest, quoted, shown_key
from coordination.errors import ConfigError, ModelFault
from coordination.text import Text, either, together

_PARTS = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_REQUEST = re.compile(r"^<request>\n(.*?)\n</request>$", re.MULTILINE | re.DOTALL)
_TAMED_TAG = re.compile(r"<\\(/?)(?=\s*request\b)", re.IGNORECASE)
_RESULT = "result:"
_LONGEST_SLUG = 40
_LONGEST_TITLE = 60


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a conversation has been told so far. `prompt` is None until it was told a request."""

    prompt: str | None
    results: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Blank:
    name: str


@dataclass(frozen=True, kw_only=True)
class Template:
    """A text with blanks: {prompt}, {slug}, {title}, {result:server.tool}."""

    parts: tuple[str | _Blank, ...]

    @classmethod
    def read(cls, text: str) -> "Template":
        """The template in this text.

        Raises:
            ValueError: a blank that does not exist, or a brace without its partner; the message is for people.
        """
        return cls(parts=tuple(_part(match) for match in _PARTS.finditer(text)))

    def fill(self, heard: Heard) -> str:
        """The text, its blanks filled.

        Raises:
            LookupError: the conversation has not heard what a blank needs; the message is for people.
        """
        return "".join(part if isinstance(part, str) else _fill(part.name, heard) for part in self.parts)


def request_in(text: str) -> str | None:
    """The request as the prompts delimit it, as it was before they made its own tags harmless."""
    found = _REQUEST.search(text)
    return _TAMED_TAG.sub(r"<\1", found.group(1)) if found else None


def _part(match: re.Match[str]) -> str | _Blank:
    text = match.group()
    if text in {"{{", "}}"}:
        return text[0]
    if text in {"{", "}"}:
        raise ValueError(Text("a single `{brace}`; to write a brace, double it", brace=text))
    name = match.group(1)
    if name is None:
        return text
    if name in {"prompt", "slug", "title"} or (name.startswith(_RESULT) and len(name) > len(_RESULT)):
        return _Blank(name=name)
    known = together(["{prompt}", "{slug}", "{title}", "{result:server.tool}"])
    raise ValueError(expected_but_found(Text("the unknown placeholder `{name}`", name=f"{{{name}}}"), known))


def _fill(name: str, heard: Heard) -> str:
    if name.startswith(_RESULT):
        tool = name.removeprefix(_RESULT)
        if tool not in heard.results:
            raise LookupError(Text("uses the result of {tool}, which has none yet", tool=tool))
        return heard.results[tool]
    if heard.prompt is None:
        raise LookupError(Text("uses {{{name}}}, but got no request", name=name))
    match name:
        case "slug":
            return _slug(heard.prompt)
        case "title":
            return _title(heard.prompt)
        case _:
            return heard.prompt


def _slug(prompt: str) -> str:
    plain = unicodedata.normalize("NFKD", prompt.casefold()).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return slug[:_LONGEST_SLUG].strip("-") or "request"


def _title(prompt: str) -> str:
    line = " ".join(prompt.split())[:_LONGEST_TITLE].strip()
    return line[:1].upper() + line[1:]


Shape: TypeAlias = "Template | None | bool | int | float | Sequence[Shape] | Mapping[str, Shape]"
"""JSON with templates in the place of its strings."""

_STEP_KEYS = frozenset({"after", "say", "calls", "answer", "vote", "reason", "expects", "fault", "retry_after"})
_CALL_KEYS = frozenset({"tool", "arguments", "raw_arguments"})
_REVISION_KEYS = frozenset({"turns", "presentation", "report"})


@dataclass(frozen=True, kw_only=True)
class ScriptedCall:
    """One tool call. `tool` is `server.tool`, or a name exactly as it is offered."""

    tool: str
    arguments: Shape


@dataclass(frozen=True, kw_only=True)
class Step:
    """One reply, or one failure, after `after` seconds."""

    after: float = 0.0
    say: Template = field(default_factory=lambda: Template.read(""))
    calls: tuple[ScriptedCall, ...] = ()
    expects: tuple[str, ...] = ()
    fault: ModelFault | None = None
    retry_after: float | None = None


@dataclass(frozen=True, kw_only=True)
class RevisionScript:
    """What an agent does in one revision. `presentation` and `report` are None where the script does not say."""

    turns: tuple[tuple[Step, ...], ...] = ()
    presentation: tuple[Step, ...] | None = None
    report: tuple[Step, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Script:
    """All that an agent will do. `later` serves the revisions that have no script of their own."""

    first: RevisionScript
    revisions: Mapping[int, RevisionScript] = field(default_factory=dict[int, RevisionScript])
    later: RevisionScript | None = None

    def act(self, revision: int) -> RevisionScript | None:
        """The part of one revision; None: the script does not reach so far."""
        return self.first if revision == 1 else self.revisions.get(revision, self.later)


@dataclass(frozen=True, kw_only=True)
class ScriptDiagnostic:
    """One thing wrong in a script, and where."""

    path: KeyPath
    text: Text


def parse_script(data: object, *, where: str) -> Script:
    """The script in this data; `where` names the data in complaints, such as `agents[0].backend.script`.

    Raises:
        ConfigError: with everything that is wrong.
    """
    script, diagnostics = read_script(data)
    if diagnostics:
        raise ConfigError(
            [Text.joined("", [where, _dotted(complaint.path), ": ", complaint.text]) for complaint in diagnostics]
        )
    return script


def read_script(data: object) -> tuple[Script, Sequence[ScriptDiagnostic]]:
    """The script as far as it can be read, and everything that is wrong with it."""
    reader = _Reader()
    return reader.script(data), reader.diagnostics


class _Reader:
    """Reads one script; collects complaints instead of stopping at the first."""

    def __init__(self) -> None:
        self.diagnostics: list[ScriptDiagnostic] = []

    def script(self, data: object) -> Script:
        members = self._members(data, (), _REVISION_KEYS | {"revisions"})
        revisions: dict[int, RevisionScript] = {}
        later: RevisionScript | None = None
        found = members.get("revisions", {})
        if not isinstance(found, dict):
            self._expect(("revisions",), found, Text("a mapping of revision numbers"))
            found = {}
        for key, value in cast("dict[object, object]", found).items():
            path: KeyPath = ("revisions", str(key))
            if key == "later":
                later = self._act(self._members(value, path, _REVISION_KEYS), path)
            elif isinstance(key, int) and not isinstance(key, bool) and key >= 2:
                revisions[key] = self._act(self._members(value, path, _REVISION_KEYS), path)
            else:
                self._add_error(path, expected_but_found(quoted(str(key)), Text("a revision from 2 on, or `later`")))
        return Script(first=self._act(members, ()), revisions=revisions, later=later)

    def _act(self, members: Mapping[str, object], path: KeyPath) -> RevisionScript:
        turns = self._items(members.get("turns", []), (*path, "turns"), Text("a list of turns"))
        return RevisionScript(
            turns=tuple(self._steps(turn, (*path, "turns", index)) for index, turn in enumerate(turns)),
            presentation=self._optional_steps(members, "presentation", path),
            report=self._optional_steps(members, "report", path),
        )

    def _optional_steps(self, members: Mapping[str, object], key: str, path: KeyPath) -> tuple[Step, ...] | None:
        return self._steps(members[key], (*path, key)) if key in members else None

    def _steps(self, data: object, path: KeyPath) -> tuple[Step, ...]:
        return tuple(
            self._step(each, (*path, index))
            for index, each in enumerate(self._items(data, path, Text("a list of steps")))
        )

    def _step(self, data: object, path: KeyPath) -> Step:
        members = self._members(data, path, _STEP_KEYS)
        calls = self._items(members.get("calls", []), (*path, "calls"), Text("a list of calls"))
        expects = self._items(members.get("expects", []), (*path, "expects"), Text("a list of texts"))
        scripted = [self._call(call, (*path, "calls", index)) for index, call in enumerate(calls)]
        return Step(
            after=self._seconds(members, "after", path) or 0.0,
            say=self._template(members.get("say", ""), (*path, "say")),
            calls=(*scripted, *self._workflow_calls(members, path)),
            expects=tuple(self._text(each, (*path, "expects", index)) for index, each in enumerate(expects)),
            fault=self._fault(members, path),
            retry_after=self._seconds(members, "retry_after", path),
        )

    def _workflow_calls(self, members: Mapping[str, object], path: KeyPath) -> list[ScriptedCall]:
        calls: list[ScriptedCall] = []
        if "answer" in members:
            content = self._template(members["answer"], (*path, "answer"))
            calls.append(ScriptedCall(tool="new_answer", arguments={"content": content}))
        if "vote" in members:
            choice = self._template(members["vote"], (*path, "vote"))
            reason = self._template(members.get("reason", "It does what was asked."), (*path, "reason"))
            calls.append(ScriptedCall(tool="vote", arguments={"agent_id": choice, "reason": reason}))
        elif "reason" in members:
            self._add_error((*path, "reason"), Text("a reason needs a `vote` beside it"))
        return calls

    def _call(self, data: object, path: KeyPath) -> ScriptedCall:
        members = self._members(data, path, _CALL_KEYS)
        tool = self._text(members.get("tool", ""), (*path, "tool"))
        if not tool:
            self._expect((*path, "tool"), None, Text("the name of a tool, as `server.tool`"))
        if "raw_arguments" in members:
            if "arguments" in members:
                self._add_error(path, expected_but_found(Text("both arguments and raw_arguments"), Text("one of them")))
            return ScriptedCall(tool=tool, arguments=self._template(members["raw_arguments"], (*path, "raw_arguments")))
        arguments = members.get("arguments", {})
        if not isinstance(arguments, dict):
            self._expect((*path, "arguments"), arguments, Text("a mapping"))
            arguments = {}
        return ScriptedCall(tool=tool, arguments=self._shape(cast("object", arguments), (*path, "arguments")))

    def _shape(self, value: object, path: KeyPath) -> Shape:
        match value:
            case str():
                return self._template(value, path)
            case None | bool() | int() | float():
                return value
            case dict():
                members = cast("dict[object, object]", value)
                return {str(key): self._shape(each, (*path, str(key))) for key, each in members.items()}
            case list():
                items = cast("list[object]", value)
                return [self._shape(each, (*path, index)) for index, each in enumerate(items)]
            case _:
                self._add_error(path, Text("{kind} has no JSON form; put it in quotes", kind=kind_of_plain(value)))
                return None

    def _fault(self, members: Mapping[str, object], path: KeyPath) -> ModelFault | None:
        if "fault" not in members:
            return None
        try:
            return ModelFault(str(members["fault"]))
        except ValueError:
            self._add_error((*path, "fault"), expected_but_found(quoted(str(members["fault"])), either(ModelFault)))
            return None

    def _seconds(self, members: Mapping[str, object], key: str, path: KeyPath) -> float | None:
        value = members.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3600:
            self._expect((*path, key), value, Text("seconds, from 0 to 3600"))
            return None
        return float(value)

    def _template(self, value: object, path: KeyPath) -> Template:
        try:
            return Template.read(self._text(value, path))
        except ValueError as error:
            self._add_error(path, Text.verbatim(error.args[0]))
            return Template.read("")

    def _text(self, value: object, path: KeyPath) -> str:
        if isinstance(value, str):
            return value
        self._expect(path, value, Text("a text"))
        return ""

    def _items(self, value: object, path: KeyPath, what: Text) -> list[object]:
        if isinstance(value, list):
            return cast("list[object]", value)
        self._expect(path, value, what)
        return []

    def _members(self, value: object, path: KeyPath, known: frozenset[str]) -> dict[str, object]:
        if not isinstance(value, dict):
            self._expect(path, value, Text("a mapping"))
            return {}
        members = cast("dict[object, object]", value)
        for key in members:
            if key not in known:
                found = Text("the unknown key {key}", key=shown_key(str(key)))
                near = nearest(str(key), known)
                self._add_error((*path, str(key)), expected_but_found(found, either(sorted(known)), near))
        return {str(key): each for key, each in members.items() if key in known}

    def _expect(self, path: KeyPath, found: object, expected: Text) -> None:
        self._add_error(path, expected_but_found(kind_of_plain(found), expected))

    def _add_error(self, path: KeyPath, text: Text) -> None:
        self.diagnostics.append(ScriptDiagnostic(path=path, text=text))


def _dotted(path: KeyPath) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
