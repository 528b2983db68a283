"""The tools of a server as they are listed at one moment, each pinned by a digest; and what they answer."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from mcp import Client, MCPError
from mcp.types import METHOD_NOT_FOUND

from coordination.domain.canonical_json import Json, JsonObject, canonical, digest
from coordination.errors import InvalidJsonError
from coordination.mcp_tools import server_errors as complaints
from coordination.mcp_tools.call_guard import CallTrace
from coordination.mcp_tools.fingerprints import Fingerprint
from coordination.mcp_tools.json_rpc import BARE, Raw
from coordination.mcp_tools.lost_answers import leaves_open
from coordination.mcp_tools.pagination import RawTool, next_cursor, tools_of
from coordination.ports import ServerSpec, ToolDefinition, ToolOutput
from coordination.ports.tools import MALFORMED, NOTHING_HAPPENED, UNCLEAR, UNKNOWN_KIND, left_out, remark
from coordination.redaction import Redactor
from coordination.text import Text

MAX_TOOLS = 2_000
MAX_PAGES = 200

_LONGEST_TITLE = 100


@dataclass(frozen=True)
class ToolListing:
    """All tools of a server, by name, in its own order.

    Attributes:
        unusable: those that can't be used, and why, in words that go on from the name.
        outputs: what each tool declares of its answers.
    """

    tools: Mapping[str, ToolDefinition]
    unusable: Mapping[str, Text] = field(default_factory=dict[str, Text])
    outputs: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])


async def list_tools(
    spec: ServerSpec, client: Client, fingerprint: Fingerprint, redactor: Redactor, trace: CallTrace
) -> ToolListing:
    """Every page, asked of the server itself and never of a cache.

    What models and people get of it has no secret of ours.

    `trace` is the passage of the requests. A cursor that was used before ends the list, and so does a page that only
    repeats: the tools that came are as good as ever.

    Raises:
        ToolServerError: the list has no tools and no end, is too long, or is none.
    """
    entries: dict[str, RawTool] = {}
    cursor: str | None = None
    used: set[str] = set()
    for _ in range(MAX_PAGES):
        page, kept = await _page(client, cursor, trace)
        listed = tools_of(page)
        if listed is None:
            raise complaints.not_speaking(spec)
        known = len(entries)
        for each in listed:
            _add(entries, _as_kept(each, kept))
        if len(entries) > MAX_TOOLS:
            raise complaints.too_many_tools(spec, MAX_TOOLS)
        cursor = next_cursor(page)
        if cursor is None or cursor in used or (listed and len(entries) == known):
            return _listing(spec, client, entries, fingerprint, redactor)
        used.add(cursor)
    if not entries:
        raise complaints.endless_list(spec)
    return _listing(spec, client, entries, fingerprint, redactor)


async def _page(client: Client, cursor: str | None, trace: CallTrace) -> tuple[Mapping[str, Raw], frozenset[str]]:
    """A page as it came, and the names of its tools that the protocol lets a client use."""
    try:
        kept = await client.list_tools(cursor=cursor, cache_mode="bypass")
    except MCPError as error:
        # A server without tools knows no such request; one that writes an empty cursor may not take it back.
        if trace.error is not None and (cursor == "" or (error.code == METHOD_NOT_FOUND and cursor is None)):
            return {}, frozenset()
        raise
    return trace.answer or {}, frozenset(tool.name for tool in kept.tools)


def _as_kept(entry: RawTool, kept: frozenset[str]) -> RawTool:
    if entry.schema is None or entry.name in kept:
        return entry
    return replace(entry, schema=None, reason=Text("asks for headers in a way that the protocol forbids"))


def _add(entries: dict[str, RawTool], entry: RawTool) -> None:
    """Add a tool; of two that share a name and nothing else nobody could say which one was approved."""
    before = entries.setdefault(entry.name, entry)
    if before.raw != entry.raw:
        entries[entry.name] = replace(before, schema=None, reason=Text("is the name of two different tools"))


def _listing(
    spec: ServerSpec, client: Client, entries: Mapping[str, RawTool], fingerprint: Fingerprint, redactor: Redactor
) -> ToolListing:
    tools: dict[str, ToolDefinition] = {}
    outputs: dict[str, JsonObject] = {}
    for name, entry in entries.items():
        if entry.schema is not None:
            declared = entry.raw.get("outputSchema")
            if isinstance(declared, dict):
                outputs[name] = declared
            definition = _definition(spec, client, entry, entry.schema, fingerprint, redactor)
            tools[name] = replace(definition, output_schema=_shown(outputs.get(name), redactor))
    unusable = {
        redactor.text(name): entry.reason.mapped(redactor.text)
        for name, entry in entries.items()
        if entry.schema is None
    }
    return ToolListing(tools, unusable, outputs)


def _shown(declared: JsonObject | None, redactor: Redactor) -> JsonObject | None:
    """What a tool declares of its results, for models; None: nothing that can be written down."""
    try:
        canonical(declared)
    except InvalidJsonError:
        return None
    return None if declared is None else cast("JsonObject", redactor.json(declared))


def _definition(
    spec: ServerSpec,
    client: Client,
    entry: RawTool,
    schema: JsonObject,
    fingerprint: Fingerprint,
    redactor: Redactor,
) -> ToolDefinition:
    hints, description = entry.raw.get("annotations"), entry.raw.get("description")
    hints = hints if isinstance(hints, dict) else {}
    return ToolDefinition(
        server=spec.name,
        tool=entry.name,
        description=redactor.text(description if isinstance(description, str) else ""),
        input_schema=cast("JsonObject", redactor.json(schema)),
        digest=digest("tool", canonical(_pinned(spec, client, entry))),
        says_read_only=hints.get("readOnlyHint") is True,
        says_destructive=hints.get("destructiveHint") is True,
        says_writing=hints.get("destructiveHint") is True or hints.get("readOnlyHint") is False,
        settings=fingerprint.digest,
        target=redactor.text(_target(fingerprint, client)),
        program="" if client.server_info is None else redactor.text(client.server_info.name),
    )


def _target(fingerprint: Fingerprint, client: Client) -> str:
    """Where calls go, and what the server calls itself there, such as the name of the account that it acts for."""
    title = " ".join(_title(client).split())[:_LONGEST_TITLE]
    return f"{fingerprint.target} ({title})" if title else fingerprint.target


def _title(client: Client) -> str:
    about = client.server_info
    return (about.title or "") if about is not None else ""


def _pinned(spec: ServerSpec, client: Client, entry: RawTool) -> Json:
    """Everything that may make the same name mean another thing, as the server wrote it."""
    about = client.server_info
    hints = entry.raw.get("annotations")
    title: dict[str, Json] = {"title": _title(client)} if _title(client) else {}
    return {
        "server": spec.name,
        "identity": spec.identity,
        "server_info": None if about is None else {"name": about.name, "version": about.version, **title},
        "tool": entry.name,
        "description": entry.raw.get("description"),
        "input_schema": entry.raw.get("inputSchema"),
        "output_schema": entry.raw.get("outputSchema"),
        "annotations": {name: value for name, value in hints.items() if value is not None}
        if isinstance(hints, dict)
        else hints,
    }


MAX_TEXT = 200_000
"""Characters of an answer that go beyond this module."""

_LONGEST_SECRET = 20_000
_LONGEST_FIELD = 2_000
_ENVELOPE = frozenset({"content", "isError", "structuredContent", "_meta", "resultType", BARE})


def output(
    answer: Mapping[str, Raw],
    redactor: Redactor,
    *,
    breaks: Text | None = None,
    is_declared: bool = False,
    is_ours: bool = False,
) -> ToolOutput:
    """The text of an answer, without our secrets; what is not text is named in brackets, with its size.

    `breaks` says in what the answer is not what its tool declared. It is a remark at the end, and so is whatever else
    the protocol does not allow. Only where the answer has no such remark, and its tool `is_declared` to give structured
    results, others may refer to what it has. That nothing happened is taken on the word of a server that `is_ours`
    alone, and of no answer that has to be guessed at.
    """
    remarks: list[Text] = []
    texts = list(_texts(answer, remarks))
    is_error = _is_error(answer.get("isError"), remarks)
    if breaks is not None and not is_error:
        remarks.append(breaks)
    is_sound = is_declared and not is_error and not remarks
    structured = _structured(answer, redactor) if is_sound else None
    text = capped([*texts, *map(remark, dict.fromkeys(remarks))], redactor)
    nothing_happened = is_ours and not remarks and _says_nothing_happened(answer)
    resource = None if is_error else _only_resource(answer, redactor)
    return ToolOutput(
        text=text,
        is_error=is_error,
        structured=structured,
        resource=resource,
        nothing_happened=nothing_happened,
        is_in_doubt=is_error and not nothing_happened and leaves_open("\n".join(texts)),
    )


def _says_nothing_happened(answer: Mapping[str, Raw]) -> bool:
    meta = answer.get("_meta")
    return answer.get("isError") is True and isinstance(meta, dict) and meta.get(NOTHING_HAPPENED) is True


def _only_resource(answer: Mapping[str, Raw], redactor: Redactor) -> str | None:
    """The text of the one resource in an answer; None: it has none, several, or one that is too long."""
    content = answer.get("content")
    blocks = [each for each in content if isinstance(each, dict)] if isinstance(content, list) else []
    found = [each["resource"] for each in blocks if each.get("type") == "resource" and "resource" in each]
    text = found[0].get("text") if len(found) == 1 and isinstance(found[0], dict) else None
    return redactor.text(text) if isinstance(text, str) and len(text) <= MAX_TEXT else None


def _structured(answer: Mapping[str, Raw], redactor: Redactor) -> JsonObject | None:
    """The structured result as it came, if it is an object that can be written down and repeats none of our secrets."""
    result = answer.get("structuredContent")
    if not isinstance(result, dict):
        return None
    try:
        is_clean = canonical(redactor.json(result)) == canonical(result)
    except InvalidJsonError:
        return None
    return result if is_clean else None


def capped(lines: Sequence[str], redactor: Redactor) -> str:
    """At most MAX_TEXT characters, and how many are missing; without our secrets.

    It is a `Text` where this program's own words are in it.
    """
    text = "\n".join(lines)
    if len(text) > MAX_TEXT:
        # A secret at the cut must be whole to be found.
        kept = redactor.text(text[: MAX_TEXT + _LONGEST_SECRET])[:MAX_TEXT]
        return Text.joined("\n", [kept, remark(left_out(len(text) - MAX_TEXT))])
    redacted = redactor.text(text)
    if not any(isinstance(each, Text) for each in lines):
        return redacted
    told = Text.joined("\n", lines).mapped(redactor.text)
    return told if told == redacted else redacted  # A secret may go over several lines.


def _is_error(flag: Raw, remarks: list[Text]) -> bool:
    """Whether an answer says that the call failed. Languages without booleans write numbers and words."""
    if isinstance(flag, str):
        flag = flag.strip().lower() not in ("", "false", "no", "0", "null", "none")
    if flag is not None and not isinstance(flag, bool | int | float):
        remarks.append(UNCLEAR)
        return False
    return bool(flag)


def _texts(answer: Mapping[str, Raw], remarks: list[Text]) -> Iterator[str]:
    content, structured = answer.get("content"), answer.get("structuredContent")
    if isinstance(content, list):
        blocks = content
    else:
        blocks = [] if content is None else [content]
        remarks.append(MALFORMED)
    yield from (text for text in (_block(each, remarks) for each in blocks) if text is not None)
    if structured is not None and not _repeats(blocks, structured):
        yield _json(structured)
    if not blocks and structured is None:
        rest: Raw = answer.get(BARE) or {name: each for name, each in answer.items() if name not in _ENVELOPE}
        if rest:
            yield rest if isinstance(rest, str) else _json(rest)


def _repeats(blocks: Sequence[Raw], structured: Raw) -> bool:
    """Whether the text of an answer is its structured content once more, as the protocol suggests.

    Where that is one text under one name, many a server has the bare text in its place.
    """
    texts = [each["text"] for each in blocks if isinstance(each, dict) and isinstance(each.get("text"), str)]
    values = [_parsed(each) for each in texts if isinstance(each, str)]
    wrapped = structured["result"] if isinstance(structured, dict) and structured.keys() == {"result"} else structured
    only = next(iter(structured.values())) if isinstance(structured, dict) and len(structured) == 1 else None
    if isinstance(only, str) and only and [only] == texts:
        return True
    return structured in values or wrapped in (*values, *texts) or (bool(values) and wrapped in (values, texts))


def _parsed(text: str) -> Raw:
    try:
        value: Raw = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value


def _block(block: Raw, remarks: list[Text]) -> str | None:
    """One block of content as text; one of no known kind as it is."""
    if isinstance(block, str):
        return block
    if not isinstance(block, dict):
        return None if block is None else _json(block)
    kind, text, data = block.get("type"), block.get("text"), block.get("data")
    resource = block.get("resource")
    if kind in ("image", "audio") and isinstance(data, str):
        name = Text("image, {type}", type=_type(block)) if kind == "image" else Text("audio, {type}", type=_type(block))
        return Text("[{name}, {size}]", name=name, size=_size(data))
    if kind == "resource_link":
        return Text("[link to {uri}]", uri=str(block.get("uri")))
    if kind == "resource" and isinstance(resource, dict):
        return _resource(resource)
    if kind != "text":
        remarks.append(UNKNOWN_KIND)
    if isinstance(text, str):
        return text
    return _json({name: _shortened(name, each, remarks) for name, each in block.items()})


def _resource(resource: Mapping[str, Raw]) -> Text:
    name = Text("resource {uri}, {type}", uri=str(resource.get("uri")), type=_type(resource))
    text, blob = resource.get("text"), resource.get("blob")
    if isinstance(text, str):
        return Text("[{name}]\n{text}", name=name, text=text)
    return Text("[{name}, {size}]", name=name, size=_size(blob)) if isinstance(blob, str) else remark(name)


def _type(described: Mapping[str, Raw]) -> str:
    stated = described.get("mimeType")
    return str(stated) if stated else Text("of no stated type")


def _shortened(name: str, value: Raw, remarks: list[Text]) -> Raw:
    """A text that may be a whole film, cut."""
    if isinstance(value, str) and len(value) > _LONGEST_FIELD:
        remarks.append(Text("{name} is cut: {rest}", name=name, rest=left_out(len(value) - _LONGEST_FIELD)))
        return f"{value[:_LONGEST_FIELD]}…"
    return value


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return Text("[nested too deep to be shown]")


def _size(base64: str) -> Text:
    """The size of what was encoded, as people say it."""
    size = len(base64.rstrip("=")) * 3 // 4
    return (
        Text("{count} byte", "{count} bytes", count=size) if size < 1000 else Text("{size} kB", size=round(size / 1000))
    )
