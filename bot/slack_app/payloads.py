"""What Slack sends, read once into our own words; whatever is missing or of another type is empty."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.chat.platform import ChannelRef
from bot.slack_app.installations import Workspace

_TOKENS = re.compile(r"<([^<>]*)>")
_BUTTON = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, kw_only=True)
class EventSource:
    """Who did something, and where.

    Attributes:
        message: the message that they did it on or with.
        event_id: what tells this from anything else that was done; the same if Slack sends it again.
        trigger: allows one view to be opened, within three seconds.
        reply_address: takes a few private answers.
        view: the window that it was done in, or that stays open below the one that was submitted.
        is_edited: it is a message that was changed after it was sent.
    """

    workspace: Workspace
    user: str
    called: str = ""
    channel: str = ""
    thread: str = ""
    message: str = ""
    event_id: str = ""
    trigger: str = ""
    reply_address: str = ""
    view: str = ""
    is_edited: bool = False

    @property
    def place(self) -> ChannelRef:
        """Where an answer goes, and where the card lives that this was done on."""
        return ChannelRef(platform="slack", tenant=self.workspace.tenant, channel=self.channel, thread=self.thread)


@dataclass(frozen=True, kw_only=True)
class Click:
    """A button or a menu: the opaque id, and what was chosen."""

    source: EventSource
    action: str
    button: str
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What a view remembers of the button that opened it."""

    button: str
    channel: str
    thread: str
    message: str
    run: str = ""
    page: int = 0
    reply_address: str = ""
    choice: str = ""

    def at(self, source: EventSource) -> EventSource:
        """A submission as if it had been done on the button's message."""
        answers = source.reply_address or self.reply_address
        return replace(source, channel=self.channel, thread=self.thread, message=self.message, reply_address=answers)

    def packed(self) -> str:
        """As a view carries it."""
        return json.dumps(
            {
                "button": self.button,
                "channel": self.channel,
                "thread": self.thread,
                "message": self.message,
                "run": self.run,
                "page": self.page,
                **({"reply_address": self.reply_address} if self.reply_address else {}),
                "choice": self.choice,
            }
        )


def unpacked(metadata: str) -> Opened:
    """What a view carried."""
    try:
        data: object = json.loads(metadata)
    except ValueError:
        data = {}
    page = inner(data, "page")
    return Opened(
        button=text_in(data, "button"),
        channel=text_in(data, "channel"),
        thread=text_in(data, "thread"),
        message=text_in(data, "message"),
        run=text_in(data, "run"),
        page=page if isinstance(page, int) else 0,
        reply_address=text_in(data, "reply_address"),
        choice=text_in(data, "choice"),
    )


def opened_by(click: Click, run: str = "") -> Opened:
    """What a view must remember of a click."""
    at = click.source
    return Opened(
        button=click.button, channel=at.channel, thread=at.thread, message=at.message, run=run, choice=click.text
    )


def text_in(data: object, *path: str) -> str:
    """A text deep inside a payload, or nothing."""
    value = inner(data, *path)
    return value if isinstance(value, str) else ""


def inner(data: object, *path: str) -> object:
    """Whatever is deep inside a payload, or None."""
    for key in path:
        if not isinstance(data, Mapping):
            return None
        data = data.get(key)
    return data


def command_source(body: object, workspace: Workspace) -> EventSource:
    """Of a slash command."""
    return EventSource(
        workspace=workspace,
        user=text_in(body, "user_id"),
        called=text_in(body, "user_name"),
        channel=text_in(body, "channel_id"),
        event_id=f"slack:{text_in(body, 'trigger_id')}",
        trigger=text_in(body, "trigger_id"),
        reply_address=text_in(body, "response_url"),
    )


def event_source(body: object, workspace: Workspace) -> EventSource:
    """Of an event: a mention, or a direct message.

    A mention that somebody edits comes once more, in another event: its message tells that it is the same.
    """
    event = inner(body, "event")
    channel = text_in(event, "channel") or text_in(event, "channel", "id")
    message = text_in(event, "ts")
    return EventSource(
        workspace=workspace,
        user=text_in(event, "user"),
        channel=channel,
        thread=_thread(text_in(event, "thread_ts"), message),
        message=message,
        event_id=f"slack:{channel}:{message}" if message else f"slack:{text_in(body, 'event_id')}",
        is_edited=isinstance(inner(event, "edited"), Mapping),
    )


def interaction_source(body: object, workspace: Workspace) -> EventSource:
    """Of a click, a shortcut, or a submitted view."""
    message = text_in(body, "container", "message_ts") or text_in(body, "message", "ts")
    thread = text_in(body, "container", "thread_ts") or text_in(body, "message", "thread_ts")
    view = text_in(body, "view", "id")
    trigger = text_in(body, "trigger_id")
    return EventSource(
        workspace=workspace,
        user=text_in(body, "user", "id"),
        called=text_in(body, "user", "name") or text_in(body, "user", "username"),
        channel=text_in(body, "channel", "id") or text_in(body, "container", "channel_id"),
        thread=_thread(thread, message),
        message=message,
        event_id=f"slack:{view if text_in(body, 'type') == 'view_submission' else trigger}",
        trigger=trigger,
        reply_address=text_in(body, "response_url"),
        view=_window(body),
    )


def _window(body: object) -> str:
    """The lowest of the windows that are open; a submitted one closes, so that it counts only where there is one below.

    https://docs.slack.dev/surfaces/modals#pushing_views
    """
    view, lowest = text_in(body, "view", "id"), text_in(body, "view", "root_view_id")
    if text_in(body, "view", "type") != "modal":
        return ""
    is_submitted = text_in(body, "type") == "view_submission"
    return ("" if lowest == view else lowest) if is_submitted else lowest or view


def _thread(thread: str, message: str) -> str:
    """A message that begins a thread is not in it."""
    return "" if thread == message else thread


def click_in(body: object, workspace: Workspace) -> Click:
    """The first action of a click; an id of another form than ours is none."""
    actions = inner(body, "actions")
    action: object = actions[0] if isinstance(actions, list) and actions else {}
    value, text = text_in(action, "value"), ""
    if selected := text_in(action, "selected_option", "value"):
        value, _, text = selected.partition(":")
    return Click(
        source=interaction_source(body, workspace),
        action=text_in(action, "action_id"),
        button=value if _BUTTON.fullmatch(value) else "",
        text=text,
    )


def inputs_in(body: object) -> Mapping[str, str]:
    """What stands in each input of a submitted view, by the input's name; what was ticked with commas."""
    values = inner(body, "view", "state", "values")
    blocks = [each for each in values.values() if isinstance(each, Mapping)] if isinstance(values, Mapping) else []
    return {str(name): _input(element) for block in blocks for name, element in block.items()}


def _input(element: object) -> str:
    ticked = inner(element, "selected_options")
    if isinstance(ticked, list):
        return ",".join(text_in(option, "value") for option in ticked)
    return text_in(element, "selected_option", "value") or text_in(element, "value")


def readable(text: str) -> str:
    """A message as its writer saw it: `<@U1|bob>` as `@bob (U1)`, a link with its address, and no entities."""
    return _TOKENS.sub(_token, text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def _token(match: "re.Match[str]") -> str:
    target, _, label = match[1].partition("|")
    sign = target[:1]
    if sign in {"@", "#"}:
        return f"{sign}{label} ({target[1:]})" if label else target
    if sign == "!":
        return label or f"@{target[1:].partition('^')[0]}"
    return target if label in target else f"{label} ({target})"


def without_mention(text: str, bot_user: str) -> str:
    """A message without the mention of the bot that called it."""
    return re.sub(rf"<@{re.escape(bot_user)}(?:\|[^>]*)?>", " ", text, count=1).strip() if bot_user else text.strip()
