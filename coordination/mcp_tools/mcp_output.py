"""A tool's answer as text, for models and for people, whatever form it came in: an answer that came is a result."""

import json
from collections.abc import Iterator, Mapping, Sequence

from coordination.mcp_tools.json_rpc import BARE, Raw
from coordination.ports import ToolOutput
from coordination.redaction import Redactor

MAX_TEXT = 200_000
"""Characters of an answer that go beyond this module."""

_LONGEST_SECRET = 20_000
_LONGEST_FIELD = 2_000
_ENVELOPE = frozenset({"content", "isError", "structuredContent", "_meta", "resultType", BARE})


def output(answer: Mapping[str, Raw], redactor: Redactor, *, breaks: str = "") -> ToolOutput:
    """The text of an answer, without our secrets; what is not text is named in brackets, with its size.

    `breaks` says in what the answer is not what its tool declared. It is a remark at the end, and so is whatever else
    the protocol does not allow.
    """
    remarks: list[str] = []
    texts = list(_texts(answer, remarks))
    is_error = _is_error(answer.get("isError"), remarks)
    if breaks and not is_error:
        remarks.append(breaks)
    lines = [*texts, *(f"[{each}]" for each in dict.fromkeys(remarks))]
    return ToolOutput(text=capped("\n".join(lines), redactor), is_error=is_error)


def capped(text: str, redactor: Redactor) -> str:
    """At most MAX_TEXT characters, and how many are missing; without our secrets."""
    if len(text) <= MAX_TEXT:
        return redactor.text(text)
    # A secret at the cut must be whole to be found.
    kept = redactor.text(text[: MAX_TEXT + _LONGEST_SECRET])[:MAX_TEXT]
    return f"{kept}\n[{len(text) - MAX_TEXT} more characters were left out]"


def _is_error(flag: Raw, remarks: list[str]) -> bool:
    """Whether an answer says that the call failed. Languages without booleans write numbers and words."""
    if isinstance(flag, str):
        flag = flag.strip().lower() not in ("", "false", "no", "0", "null", "none")
    if flag is not None and not isinstance(flag, bool | int | float):
        remarks.append("the answer does not say clearly whether the call failed")
        return False
    return bool(flag)


def _texts(answer: Mapping[str, Raw], remarks: list[str]) -> Iterator[str]:
    content, structured = answer.get("content"), answer.get("structuredContent")
    if isinstance(content, list):
        blocks = content
    else:
        blocks = [] if content is None else [content]
        remarks.append("the answer is not in the form that MCP asks for")
    yield from (text for text in (_block(each, remarks) for each in blocks) if text is not None)
    if structured is not None and not _repeats(blocks, structured):
        yield _json(structured)
    if not blocks and structured is None:
        rest: Raw = answer.get(BARE) or {name: each for name, each in answer.items() if name not in _ENVELOPE}
        if rest:
            yield rest if isinstance(rest, str) else _json(rest)


def _repeats(blocks: Sequence[Raw], structured: Raw) -> bool:
    """Whether the text of an answer is its structured content once more, as the protocol suggests."""
    texts = [each["text"] for each in blocks if isinstance(each, dict) and isinstance(each.get("text"), str)]
    values = [_parsed(each) for each in texts if isinstance(each, str)]
    wrapped = structured["result"] if isinstance(structured, dict) and structured.keys() == {"result"} else structured
    return structured in values or wrapped in (*values, *texts) or (bool(values) and wrapped in (values, texts))


def _parsed(text: str) -> Raw:
    try:
        value: Raw = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value


def _block(block: Raw, remarks: list[str]) -> str | None:
    """One block of content as text; one of no known kind as it is."""
    if isinstance(block, str):
        return block
    if not isinstance(block, dict):
        return None if block is None else _json(block)
    kind, text, data = block.get("type"), block.get("text"), block.get("data")
    resource = block.get("resource")
    if kind in ("image", "audio") and isinstance(data, str):
        return f"[{kind}, {block.get('mimeType') or 'of no stated type'}, {_size(data)}]"
    if kind == "resource_link":
        return f"[link to {block.get('uri')}]"
    if kind == "resource" and isinstance(resource, dict):
        return _resource(resource)
    if kind != "text":
        remarks.append("part of the answer is of a kind that is not known here")
    if isinstance(text, str):
        return text
    return _json({name: _shortened(each) for name, each in block.items()})


def _resource(resource: Mapping[str, Raw]) -> str:
    name = f"resource {resource.get('uri')}, {resource.get('mimeType') or 'of no stated type'}"
    text, blob = resource.get("text"), resource.get("blob")
    if isinstance(text, str):
        return f"[{name}]\n{text}"
    return f"[{name}, {_size(blob)}]" if isinstance(blob, str) else f"[{name}]"


def _shortened(value: Raw) -> Raw:
    """A text that may be a whole film, cut."""
    if isinstance(value, str) and len(value) > _LONGEST_FIELD:
        return f"{value[:_LONGEST_FIELD]} [{len(value) - _LONGEST_FIELD} more characters were left out]"
    return value


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "[nested too deep to be shown]"


def _size(base64: str) -> str:
    """The size of what was encoded, as people say it."""
    size = len(base64.rstrip("=")) * 3 // 4
    return f"{size} bytes" if size < 1000 else f"{round(size / 1000)} kB"
