"""A tool's answer as text, for models and for people."""

import json
from collections.abc import Iterator
from typing import assert_never

from mcp.types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from coordination.adapters.redaction import Redactor
from coordination.ports import ToolOutput

MAX_TEXT = 200_000
"""Characters of an answer that go beyond this module."""

_LONGEST_SECRET = 20_000


def output(result: CallToolResult, redactor: Redactor) -> ToolOutput:
    """The text of an answer, without our secrets; what is not text is named in brackets, with its size."""
    blocks = list(_texts(result.content))
    if result.structured_content is not None and not any(isinstance(each, TextContent) for each in result.content):
        blocks.append(json.dumps(result.structured_content, ensure_ascii=False))
    return ToolOutput(text=capped("\n".join(blocks), redactor), is_error=bool(result.is_error))


def capped(text: str, redactor: Redactor) -> str:
    """At most MAX_TEXT characters, and how many are missing; without our secrets."""
    if len(text) <= MAX_TEXT:
        return redactor.text(text)
    # A secret at the cut must be whole to be found.
    kept = redactor.text(text[: MAX_TEXT + _LONGEST_SECRET])[:MAX_TEXT]
    return f"{kept}\n[{len(text) - MAX_TEXT} more characters were left out]"


def _texts(blocks: list[ContentBlock]) -> Iterator[str]:
    for block in blocks:
        match block:
            case TextContent():
                yield block.text
            case ImageContent():
                yield f"[image, {block.mime_type}, {_size(block.data)}]"
            case AudioContent():
                yield f"[audio, {block.mime_type}, {_size(block.data)}]"
            case ResourceLink():
                yield f"[link to {block.uri}]"
            case EmbeddedResource():
                yield _resource(block)
            case _:
                assert_never(block)


def _resource(block: EmbeddedResource) -> str:
    content = block.resource
    name = f"resource {content.uri}, {content.mime_type or 'of no stated type'}"
    if isinstance(content, TextResourceContents):
        return f"[{name}]\n{content.text}"
    return f"[{name}, {_size(content.blob)}]"


def _size(base64: str) -> str:
    """The size of what was encoded, as people say it."""
    size = len(base64.rstrip("=")) * 3 // 4
    return f"{size} bytes" if size < 1000 else f"{round(size / 1000)} kB"
