"""What a message of Slack says, whoever wrote it: its text, its blocks, its attachments, and its files.

Alerts come as blocks and attachments, with a text that says little or nothing. What people write is a text, which Slack
repeats in a block of its own. https://docs.slack.dev/reference/block-kit/blocks and
https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments
"""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import aiohttp

from bot.attached_files import LONGEST_FILE, MOST_FILES, AttachedFile
from bot.i18n import catalog
from bot.slack_app.payloads import readable, text_in

MOST_TEXT = 18_000
"""Characters of one message; what is beyond is counted."""

_DEEPEST = 12
_TIMEOUT = aiohttp.ClientTimeout(total=15)
_TEXTS_OF_ATTACHMENT = ("pretext", "author_name", "title", "title_link", "text")


def text_of_message(message: object, text: str | None = None) -> str:
    """Everything that is to be read on a message, in order.

    `text` stands for the message's own, without a mention, say.
    """
    own = readable(text_in(message, "text") if text is None else text)
    blocks = [each for each in _parts(message, "blocks") if text_in(each, "type") != "rich_text" or not own]
    lines = [line for block in blocks for line in _block(block, 0)]
    lines += [line for attachment in _parts(message, "attachments") for line in _attachment(attachment)]
    known = {each.strip() for each in own.splitlines()}
    said = "\n".join(
        [*([own] if own else []), *(line for each in lines if (line := each.strip()) and line not in known)]
    )
    if len(said) <= MOST_TEXT:
        return said
    return f"{said[:MOST_TEXT]}\n{catalog.text('files.text_cut', number=len(said) - MOST_TEXT)}"


def _parts(data: object, name: str) -> list[object]:
    found: object = data.get(name) if isinstance(data, Mapping) else None
    return found if isinstance(found, list) else []


def _attachment(attachment: object) -> Iterator[str]:
    said = [readable(text_in(attachment, name)) for name in _TEXTS_OF_ATTACHMENT]
    for field in _parts(attachment, "fields"):
        title, value = readable(text_in(field, "title")), readable(text_in(field, "value"))
        said.append(f"{title}: {value}" if title and value else title or value)
    for block in _parts(attachment, "blocks"):
        said += _block(block, 0)
    said.append(readable(text_in(attachment, "footer")))
    if not any(said):
        said = [readable(text_in(attachment, "fallback"))]
    yield from said


def _block(block: object, depth: int) -> Iterator[str]:
    """The lines of one block, or of what is inside one."""
    if not isinstance(block, Mapping) or depth > _DEEPEST:
        return
    match text_in(block, "type"):
        case "rich_text":
            for part in _parts(block, "elements"):
                yield from _rich(part, depth + 1)
        case "image":
            yield text_in(block, "alt_text")
        case "context":
            yield " ".join(line for each in _parts(block, "elements") for line in _block_or_text(each, depth))
        case "actions":
            return
        case _:
            yield from _container(block, depth)


def _container(block: Mapping[str, object], depth: int) -> Iterator[str]:
    """A block's own texts, then its fields, then what is inside it; a row of a table is a line."""
    texts = [block.get(name) for name in ("title", "text", "label", "subtitle", "body")]
    for each in (*texts, *_parts(block, "fields")):
        yield from _text_object(each)
    for name in ("elements", "blocks", "children"):
        for each in _parts(block, name):
            yield from _block(each, depth + 1)
    for row in _parts(block, "rows"):
        cells: list[object] = row if isinstance(row, list) else []
        yield " | ".join(" ".join(_block_or_text(cell, depth)) for cell in cells)


def _block_or_text(part: object, depth: int) -> Iterator[str]:
    if text_in(part, "type") in {"mrkdwn", "plain_text", "raw_text"}:
        yield from _text_object(part)
    else:
        yield from _block(part, depth + 1)


def _text_object(value: object) -> Iterator[str]:
    """A text as blocks have it: plain, or with Slack's marks in it."""
    if isinstance(value, str):
        yield from readable(value).splitlines()
    elif text_in(value, "type") == "mrkdwn":
        yield from readable(text_in(value, "text")).splitlines()
    else:
        yield from text_in(value, "text").splitlines()


def _rich(part: object, depth: int) -> Iterator[str]:
    """A paragraph, a list, a quotation or code of a rich text."""
    if depth > _DEEPEST:
        return
    if text_in(part, "type") == "rich_text_list":
        for each in _parts(part, "elements"):
            yield from (f"- {line}" for line in _rich(each, depth + 1))
        return
    yield from "".join(_inline(each) for each in _parts(part, "elements")).splitlines()


def _inline(element: object) -> str:
    match text_in(element, "type"):
        case "user":
            return f"@{text_in(element, 'user_id')}"
        case "channel":
            return f"#{text_in(element, 'channel_id')}"
        case "usergroup":
            return f"@{text_in(element, 'usergroup_id')}"
        case "broadcast":
            return f"@{text_in(element, 'range')}"
        case "emoji":
            return f":{text_in(element, 'name')}:"
        case "link":
            label, address = text_in(element, "text"), text_in(element, "url")
            return f"{label} ({address})" if label and label != address else address
        case _:
            return text_in(element, "text")


def files_of_message(message: object, token: str, api: str) -> list[AttachedFile]:
    """The files of a message. They are read with the bot's token, from Slack's own hosts or where its API is."""
    # One more than is taken, so that it can be said that there are too many.
    return [_file(each, token, api) for each in _parts(message, "files")[: MOST_FILES + 1] if isinstance(each, Mapping)]


def _file(file: object, token: str, api: str) -> AttachedFile:
    address = text_in(file, "url_private_download") or text_in(file, "url_private")
    size: object = file.get("size") if isinstance(file, Mapping) else None
    media_type = text_in(file, "mimetype")

    async def fetch() -> bytes:
        if not _is_slacks(address, api):
            return _refuse()
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session,
                session.get(address, allow_redirects=False) as answer,
            ):
                # Without the permission Slack answers with its page to log in, or sends there.
                if answer.status != 200 or (answer.content_type == "text/html" and media_type != "text/html"):
                    return _refuse()
                return await _up_to(answer.content, LONGEST_FILE + 1)
        except aiohttp.ClientError:
            raise OSError from None

    name = text_in(file, "name") or text_in(file, "title") or "file"
    return AttachedFile(name=name, size=size if isinstance(size, int) else 0, media_type=media_type, fetch=fetch)


def _refuse() -> bytes:
    raise OSError(catalog.text("slack.files.scope"))


async def _up_to(content: aiohttp.StreamReader, most: int) -> bytes:
    """The beginning of what arrives."""
    data = b""
    while len(data) < most and (piece := await content.read(most - len(data))):
        data += piece
    return data


def _is_slacks(address: str, api: str) -> bool:
    """Whether an address may be told the token."""
    try:
        target, own = urlsplit(address), urlsplit(api)
        host = target.hostname or ""
        if (target.scheme, target.netloc) == (own.scheme, own.netloc):
            return True
    except ValueError:
        return False
    return target.scheme == "https" and (host == "slack.com" or host.endswith(".slack.com"))
