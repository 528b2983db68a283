"""The app's manifest: what an operator pastes on api.slack.com, and what the doctor compares with."""

import json

from bot.i18n import ENGLISH, Words
from bot.slack_app.client import EVENTS_PATH
from bot.slack_app.commands import ADMIN_COMMAND, COMMAND
from bot.slack_app.installations import REDIRECT_PATH
from bot.slack_app.listeners import SHORTCUT
from bot.slack_app.manifest_scopes import AGENT_SCOPE, CHAT_TOOL_SCOPES, SCOPES

EVENTS = ("app_home_opened", "app_mention", "message.im")
AGENT_EVENTS = ("agent_session_stopped",)
INSTALL_EVENTS = ("app_uninstalled", "tokens_revoked")


def manifest(url: str = "", *, has_chat_tools: bool = False, is_agent: bool = False, words: Words = ENGLISH) -> str:
    """The manifest as JSON: for Socket Mode, or for HTTP at this address."""
    address = f"{url.rstrip('/')}{EVENTS_PATH}" if url else ""
    more = {*(CHAT_TOOL_SCOPES if has_chat_tools else ()), *((AGENT_SCOPE,) if is_agent else ())}
    scopes = sorted({*SCOPES, *more})
    events = [*EVENTS, *(AGENT_EVENTS if is_agent else ()), *(INSTALL_EVENTS if address else ())]
    request: dict[str, object] = {"request_url": address} if address else {}
    redirects: dict[str, object] = {"redirect_urls": [f"{url.rstrip('/')}{REDIRECT_PATH}"]} if url else {}
    return json.dumps(
        {
            "_metadata": {"major_version": 2, "minor_version": 0},
            "display_information": {
                "name": words.say("slack.manifest.name"),
                "description": words.say("slack.manifest.description"),
                "long_description": words.say("slack.manifest.long_description"),
                "background_color": "#1f3a5f",
            },
            "features": _features(address, is_agent=is_agent, words=words),
            "oauth_config": {**redirects, "scopes": {"bot": scopes}},
            "settings": {
                "event_subscriptions": {**request, "bot_events": events},
                "interactivity": {"is_enabled": True, **request},
                "org_deploy_enabled": False,
                "socket_mode_enabled": not address,
                "token_rotation_enabled": False,
            },
        },
        indent=2,
        ensure_ascii=False,
    )


def _features(address: str, *, is_agent: bool, words: Words) -> dict[str, object]:
    agent: dict[str, object] = {"agent_view": {"agent_description": words.say("slack.manifest.description")}}
    return {
        **(agent if is_agent else {}),
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "bot_user": {"display_name": words.say("slack.manifest.bot"), "always_online": True},
        "shortcuts": [
            {
                "name": words.say("slack.manifest.shortcut"),
                "type": "message",
                "callback_id": SHORTCUT,
                "description": words.say("slack.manifest.shortcut_description"),
            }
        ],
        "slash_commands": [
            _command(COMMAND, "command", address, words),
            _command(ADMIN_COMMAND, "admin", address, words),
        ],
    }


def _command(command: str, name: str, address: str, words: Words) -> dict[str, object]:
    made: dict[str, object] = {
        "command": command,
        "description": words.say(f"slack.manifest.{name}"),
        "usage_hint": words.say(f"slack.manifest.{name}_hint"),
        "should_escape": True,
    }
    return {**made, "url": address} if address else made
