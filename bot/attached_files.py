"""Text files attached to a request: added to the prompt completely, each with its length and hash, or not at all.

A prompt is a text. A file stands in it behind a line that names it, so that agents see what is whose; and whoever
decides sees the hash on the card, which is worked out anew from the prompt: a line that somebody typed proves nothing.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bot.i18n import catalog

MOST_FILES: Final = 5
LONGEST_FILE: Final = 16_000
"""Bytes of one file: a request holds 20,000 characters, words and files together."""
LONGEST_IN_ALL: Final = 18_000

_HEAD = re.compile(
    rb"^\[attached file: ([^\[\]\n]{1,200}), ([0-9]{1,6}) bytes, SHA-256 ([0-9a-f]{64})\]\n", re.MULTILINE
)
_UNFIT = re.compile(r"[\[\]\s]+")


@dataclass(frozen=True, kw_only=True)
class AttachedFile:
    """A file of a message. `fetch` gives its bytes, no more than it is asked for.

    Raises:
        OSError: by `fetch`: the chat does not give them; the text says what to do, or is empty.
    """

    name: str
    size: int
    media_type: str
    fetch: Callable[[], Awaitable[bytes]] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class FileNote:
    """A file in a prompt, as it can be shown: its length in bytes, and its SHA-256 in hexadecimal digits."""

    name: str
    size: int
    digest: str


async def with_files(text: str, files: Sequence[AttachedFile]) -> tuple[str, tuple[str, ...]]:
    """A prompt with the text files behind its words, and a sentence for each file that can't be in it."""
    parts, refused, length = [text] if text else [], list[str](), 0
    for number, file in enumerate(files):
        if number >= MOST_FILES:
            refused.append(catalog.text("files.too_many", name=file.name, most=MOST_FILES))
            continue
        content = await _content_of(file)
        if not isinstance(content, bytes):
            refused.append(content)
        elif length + len(content) > LONGEST_IN_ALL:
            refused.append(catalog.text("files.too_long_in_all", name=file.name, most=LONGEST_IN_ALL))
        else:
            length += len(content)
            parts.append(_part(file.name, content))
    return "\n\n".join(parts), tuple(refused)


async def _content_of(file: AttachedFile) -> bytes | str:
    """What is in a file, or the sentence that says why it is not read."""
    if file.media_type.partition("/")[0] in {"image", "audio", "video"}:
        return catalog.text("files.image", name=file.name)
    if file.size > LONGEST_FILE:
        return catalog.text("files.too_long", name=file.name, most=LONGEST_FILE)
    try:
        content = await file.fetch()
        is_text = "\0" not in content.decode("utf-8")
    except UnicodeDecodeError:
        is_text, content = False, b""
    except (OSError, TimeoutError) as error:
        return catalog.text("files.unreadable", name=file.name, why=str(error)).rstrip()
    if not is_text:
        return catalog.text("files.no_text", name=file.name)
    return (
        content if len(content) <= LONGEST_FILE else catalog.text("files.too_long", name=file.name, most=LONGEST_FILE)
    )


def _part(name: str, content: bytes) -> str:
    named = _UNFIT.sub(" ", name).strip()[:40] or "file"
    digest = hashlib.sha256(content).hexdigest()
    head = f"[attached file: {named}, {len(content)} bytes, SHA-256 {digest}]\n"
    return f"{head}{content.decode('utf-8')}\n[end of file]"


def files_in(prompt: str) -> tuple[FileNote, ...]:
    """The files in a prompt whose hash is that of what stands there."""
    data = prompt.encode("utf-8", "replace")
    found: list[FileNote] = []
    position = 0
    while match := _HEAD.search(data, position):
        size = int(match[2])
        end = match.end() + size
        digest = match[3].decode()
        if end <= len(data) and hashlib.sha256(data[match.end() : end]).hexdigest() == digest:
            found.append(FileNote(name=match[1].decode("utf-8", "replace"), size=size, digest=digest))
            position = end
        else:
            position = match.end()
    return tuple(found)
