"""What Slack's refusals mean for whoever asked: gone, forbidden, slow down, or too large."""

import logging
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.chat.platform import (
    CardTooLarge,
    ChannelNotFound,
    EditRefused,
    MessageNotFound,
    MissingPermission,
    RateLimited,
)
from bot.i18n import catalog

_log = logging.getLogger(__name__)

GONE = frozenset({"message_not_found", "thread_not_found", "cant_edit_message_not_found", "not_found"})
"""A message, or, with the last, a window: https://docs.slack.dev/reference/methods/views.update"""

NOT_IN = frozenset({"not_in_channel", "user_not_in_channel"})
NOT_HERE = frozenset(
    {
        *NOT_IN,
        "no_permission",
        "restricted_action",
        "restricted_action_read_only_channel",
        "restricted_action_thread_only_channel",
    }
)
NO_GROUPS = frozenset({"plan_upgrade_required", "paid_teams_only"})
"""User groups are no part of the workspace's plan: https://docs.slack.dev/reference/methods/usergroups.list"""

ARCHIVED = frozenset({"is_archived", "is_inactive"})
"""Of a post, and of an edit: https://docs.slack.dev/reference/methods/chat.update"""

BY_ADMINS = frozenset(
    {
        "access_denied",
        "accesslimited",
        "app_access_restricted",
        "blocked_file_type",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "file_type_not_allowed",
        "file_upload_size_restricted",
        "file_uploads_disabled",
        "file_uploads_except_images_disabled",
        "posting_to_channel_denied",
        "slack_connect_blocked_file_type",
        "slack_connect_file_upload_sharing_blocked",
    }
)
"""What the people who administer a workspace or an organisation have forbidden this app, or everybody.

https://docs.slack.dev/reference/methods/files.getUploadURLExternal
"""
NO_ROOM = frozenset({"storage_limit_reached"})
NOT_GRANTED = "team_access_not_granted"
"""An app that a whole organisation installed was not added to this workspace, or is not any more."""

UNCHANGEABLE = frozenset({"cant_update_message", "edit_window_closed", "streaming_state_conflict", "block_mismatch"})
CLOSED_THREADS = frozenset(
    {"restricted_action_thread_locked", "restricted_action_non_threadable_channel", "cannot_reply_to_message"}
)
"""Nothing can be said in this thread, or in any of its channel; in the channel itself it can."""
BAD_TOKEN = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", NOT_GRANTED})
TOO_LARGE = frozenset({"msg_blocks_too_long", "msg_too_long", "invalid_blocks", "invalid_blocks_format"})
CROWDED = "message_limit_exceeded"
"""A whole workspace writes too much; Slack does not say for how long: https://slack.com/help/articles/115002422943"""

PASSING = frozenset(
    {
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
        "team_added_to_org",
        "org_login_required",
        "external_channel_migrating",
        "update_failed",
    }
)
"""Slack has a bad moment, or moves a workspace or a shared channel to another place."""

_SOCKET_MODE_OFF = "socket mode is not turned on"

FAULTS = (SlackClientError, aiohttp.ClientError, TimeoutError, OSError)
"""All that Slack's library raises, and lets through, where a request fails."""

LOST_SECONDS = 5.0
"""How long to wait when Slack did not answer."""

CROWDED_SECONDS = 60.0


class NotInChannel(MissingPermission):
    """The bot is not in the channel, which somebody in it can change by an invitation."""


class MissingScope(MissingPermission):
    """Slack gave the app no such right, whatever the channel."""


@contextmanager
def translated() -> Generator[None]:
    """Turn what Slack's library raises into the errors of a surface.

    Raises:
        MessageNotFound: the message or its channel is not there.
        EditRefused: the message is there and can't be changed, or its thread is closed.
        MissingPermission: the bot lacks something; the text says who gives it.
        RateLimited: Slack asks for patience, or did not answer.
        CardTooLarge: Slack takes no such message.
    """
    try:
        yield
    except SlackApiError as error:
        if code_of(error) in BAD_TOKEN:  # Nobody in that workspace can be told any more.
            _log.error("Slack refused the token of a workspace: %s", code_of(error))
        raise platform_error(error) from None
    except FAULTS as error:
        _log.warning("Slack did not answer: %s", type(error).__name__)
        raise RateLimited(LOST_SECONDS) from None


def platform_error(error: SlackApiError) -> Exception:
    """The error of a platform that stands for one of Slack's."""
    code = code_of(error)
    if (seconds := _patience(error, code)) is not None:
        return RateLimited(seconds)
    if code == "channel_not_found" or code in GONE:
        return MessageNotFound(code) if code in GONE else ChannelNotFound(code)
    if code in UNCHANGEABLE | CLOSED_THREADS:
        name = "update" if code in UNCHANGEABLE else "thread"
        return EditRefused(catalog.text(f"slack.refused.{name}", code=code))
    if code in TOO_LARGE:
        _log.error("Slack refused a message: %s", code)
        return CardTooLarge(code)
    kinds: Mapping[str, type[MissingPermission]] = {
        "missing_scope": MissingScope,
        **dict.fromkeys(NOT_IN, NotInChannel),
    }
    return kinds.get(code, MissingPermission)(_forbidden(error, code))


def _patience(error: SlackApiError, code: str) -> float | None:
    """For how long Slack is to be left alone; None: it has answered."""
    status = status_of(error)
    if status == 429 or code in {"ratelimited", "rate_limited"}:
        return retry_after(error)
    if code == CROWDED:
        return CROWDED_SECONDS
    # What names no error is the page of somebody before Slack.
    return LOST_SECONDS if status >= 500 or code in PASSING or not code else None


_SENTENCES: Mapping[str, Collection[str]] = {
    "scope": {"missing_scope"},
    "channel": NOT_HERE,
    "not_granted": {NOT_GRANTED},
    "token": BAD_TOKEN,
    "groups": NO_GROUPS,
    "archived": ARCHIVED,
    "admins": BY_ADMINS,
    "storage": NO_ROOM,
}
"""What is said of each refusal, by its key: who must do what."""


def may_pass(error: Exception) -> bool:
    """Whether the same request may succeed later, though nobody does anything about it."""
    return not isinstance(error, SlackApiError) or isinstance(platform_error(error), RateLimited)


def _forbidden(error: SlackApiError, code: str) -> str:
    key = next((name for name, codes in _SENTENCES.items() if code in codes), "unknown")
    if key == "unknown":
        _log.error("Slack refused: %s", code or error)
    return catalog.text(f"slack.refused.{key}", code=code or "-", scope=str(_data(error).get("needed", "")))


def is_switched_off(answer: AsyncSlackResponse) -> bool:
    """Whether Slack gave the address of a connection, and a warning that nothing will come over it."""
    told: object = answer.get("response_metadata")
    return _SOCKET_MODE_OFF in str(told.get("messages")).lower() if isinstance(told, Mapping) else False


def code_of(error: SlackApiError) -> str:
    """Slack's name of an error."""
    return str(_data(error).get("error", ""))


def status_of(error: SlackApiError) -> int:
    """The HTTP status of an error; 0 if there was none."""
    response: object = error.response
    status = getattr(response, "status_code", None) or getattr(response, "status", 0)
    return status if isinstance(status, int) else 0


def retry_after(error: SlackApiError) -> float:
    """How long Slack wants to be left alone."""
    headers = getattr(error.response, "headers", {})
    for name, value in dict(headers).items():
        if str(name).lower() == "retry-after":
            try:
                return max(0.0, float(value))
            except ValueError:
                break
    return LOST_SECONDS


def _data(error: SlackApiError) -> Mapping[str, object]:
    data: object = getattr(error.response, "data", None)
    return data if isinstance(data, Mapping) else {}
