"""What Slack tells of messages that stand: pages of a channel or a thread, within bounds, and who may read them.

https://docs.slack.dev/reference/methods/conversations.history and https://docs.slack.dev/messaging/message-metadata
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

MOST_METADATA = 16_000
MOST_MESSAGES = 999
USUAL_MESSAGES = 100
_KINDS = {"C": "channels", "G": "groups", "D": "im"}
_MOMENT = re.compile(r"\d+\.\d{6}")


class Standing(Protocol):
    """A message as the server keeps it."""

    ts: str
    thread: str
    user: str
    bot: str
    metadata: dict[str, Any]

    @property
    def now(self) -> dict[str, Any]:
        """As it stands."""
        ...


def history_scope(channel: str) -> str:
    """What an app needs in order to read there."""
    return f"{_KINDS[channel[0]]}:history"


def history(standing: Iterable[Standing], given: dict[str, Any]) -> dict[str, Any]:
    """The messages of a channel that are in no thread, newest first."""
    found = [each for each in standing if not each.thread and _is_within(each.ts, given)]
    return _page(sorted(found, key=lambda each: each.ts, reverse=True), given)


def replies(standing: Iterable[Standing], given: dict[str, Any]) -> dict[str, Any]:
    """A thread, oldest first; the message that it hangs under is always told."""
    thread = given["ts"]
    found = [each for each in standing if thread in {each.ts, each.thread}]
    if not found:
        return {"ok": False, "error": "thread_not_found"}
    told = [each for each in found if each.ts == thread or _is_within(each.ts, given)]
    return _page(sorted(told, key=lambda each: each.ts), given)


def metadata_error(metadata: object) -> str:
    """What Slack would refuse in the metadata of a new message."""
    if not isinstance(metadata, dict) or set(metadata) != {"event_type", "event_payload"}:
        return "invalid_metadata_format"
    kind, payload = metadata["event_type"], metadata["event_payload"]
    if not isinstance(kind, str) or not re.fullmatch(r"\w+", kind, re.ASCII) or not isinstance(payload, dict):
        return "invalid_metadata_format"
    if not all(isinstance(value, str | int | float | bool | dict | list) for value in payload.values()):
        return "invalid_metadata_format"
    return "metadata_too_large" if len(json.dumps(metadata)) > MOST_METADATA else ""


def _is_within(ts: str, given: dict[str, Any]) -> bool:
    oldest, latest = (_moment(given.get(name)) for name in ("oldest", "latest"))
    if _is_on(given.get("inclusive")):
        return (oldest is None or ts >= oldest) and (latest is None or ts <= latest)
    return (oldest is None or ts > oldest) and (latest is None or ts < latest)


def _moment(text: object) -> str | None:
    if text in (None, "", "0"):
        return None
    assert isinstance(text, str), text
    assert _MOMENT.fullmatch(text), text
    return text


def _page(found: Sequence[Standing], given: dict[str, Any]) -> dict[str, Any]:
    limit, start = int(given.get("limit") or USUAL_MESSAGES), int(given.get("cursor") or 0)
    if not 1 <= limit <= MOST_MESSAGES:
        return {"ok": False, "error": "invalid_limit"}
    end = start + limit
    return {
        "ok": True,
        "messages": [_told(each, given) for each in found[start:end]],
        "has_more": end < len(found),
        "response_metadata": {"next_cursor": str(end) if end < len(found) else ""},
    }


def _told(message: Standing, given: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"type": "message", "ts": message.ts, "text": message.now["text"], "user": message.user}
    if message.bot:
        told["bot_id"] = message.bot
    if message.thread:
        told["thread_ts"] = message.thread
    if message.metadata:
        # Without being asked for all, Slack tells of what kind it is, and no more.
        whole = _is_on(given.get("include_all_metadata"))
        told["metadata"] = message.metadata if whole else {"event_type": message.metadata["event_type"]}
    return told


def _is_on(value: object) -> bool:
    return str(value).lower() in {"1", "true"}
