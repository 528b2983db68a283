"""What an operator sets up: the app's manifest, and what is missing on Slack's side."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from slack_sdk.errors import SlackApiError

from bot.cards.text import one_line
from bot.chat.name_report import NameReport
from bot.chat.platform import Checkup
from bot.i18n import catalog
from bot.slack_app.client import EVENTS_PATH, SlackApp, open_slack, opened_slack
from bot.slack_app.commands import ADMIN_COMMAND, COMMAND, default_prompts
from bot.slack_app.errors import FAULTS, code_of, is_switched_off
from bot.slack_app.installations import (
    AGENT,
    AGENT_SCOPE,
    APPROVALS,
    CHAT_TOOLS,
    REDIRECT_PATH,
    Clients,
    InstalledWorkspaces,
    Workspace,
    scopes_with,
    workspace_of_token,
)
from bot.slack_app.listeners import SHORTCUT
from bot.slack_app.settings import OAuthMode, SlackSettings, SocketMode, slack_settings
from bot.variables import Environment
from coordination.clock import SystemClock
from coordination.errors import ConfigError, StorageError

EVENTS = ("app_home_opened", "app_mention", "message.im")
AGENT_EVENTS = ("agent_session_stopped",)
INSTALL_EVENTS = ("app_uninstalled", "tokens_revoked")


def manifest(
    url: str = "",
    *,
    has_chat_tools: bool = False,
    is_agent: bool = True,
    has_approvals_channel: bool = False,
    has_email: bool = False,
) -> str:
    """The manifest as JSON: for Socket Mode, or for HTTP at this address, where whole organisations can install it."""
    address = f"{url.rstrip('/')}{EVENTS_PATH}" if url else ""
    wanted = {CHAT_TOOLS: has_chat_tools, AGENT: is_agent, APPROVALS: has_approvals_channel}
    scopes = scopes_with([feature for feature, is_wanted in wanted.items() if is_wanted], has_email=has_email)
    events = [*EVENTS, *(AGENT_EVENTS if is_agent else ()), *(INSTALL_EVENTS if address else ())]
    request: dict[str, object] = {"request_url": address} if address else {}
    redirects: dict[str, object] = {"redirect_urls": [f"{url.rstrip('/')}{REDIRECT_PATH}"]} if url else {}
    return json.dumps(
        {
            "_metadata": {"major_version": 2, "minor_version": 0},
            "display_information": {
                "name": catalog.text("slack.manifest.name"),
                "description": catalog.text("slack.manifest.description"),
                "long_description": catalog.text("slack.manifest.long_description"),
                "background_color": "#1f3a5f",
            },
            "features": _features(address, is_agent=is_agent),
            "oauth_config": {**redirects, "scopes": {"bot": scopes}},
            "settings": {
                "event_subscriptions": {**request, "bot_events": events},
                "interactivity": {"is_enabled": True, **request},
                "org_deploy_enabled": bool(address),
                "socket_mode_enabled": not address,
                "token_rotation_enabled": False,
            },
        },
        indent=2,
        ensure_ascii=False,
    )


def _features(address: str, *, is_agent: bool) -> dict[str, object]:
    agent: dict[str, object] = {
        "agent_view": {
            "agent_description": catalog.text("slack.manifest.description"),
            "suggested_prompts": default_prompts(),
        }
    }
    return {
        **(agent if is_agent else {}),
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "bot_user": {"display_name": catalog.text("slack.manifest.bot"), "always_online": True},
        "shortcuts": [
            {
                "name": catalog.text("slack.manifest.shortcut"),
                "type": "message",
                "callback_id": SHORTCUT,
                "description": catalog.text("slack.manifest.shortcut_description"),
            }
        ],
        "slash_commands": [
            _command(COMMAND, "command", address),
            _command(ADMIN_COMMAND, "admin", address),
        ],
    }


def _command(command: str, name: str, address: str) -> dict[str, object]:
    made: dict[str, object] = {
        "command": command,
        "description": catalog.text(f"slack.manifest.{name}"),
        "usage_hint": catalog.text(f"slack.manifest.{name}_hint"),
        "should_escape": True,
    }
    return {**made, "url": address} if address else made


_CLOCKS_APART = timedelta(minutes=1)
_MOST_NAMED = 20
_MOST_WORKSPACES = 20
_REASON = 300


async def examine(environment: Environment, names: NameReport) -> list[Checkup]:
    """Everything up to the first thing that a person must do before the rest can be looked at."""
    try:
        settings = slack_settings(environment)
        if isinstance(settings.mode, OAuthMode):
            return await _examine_installations(settings, environment.database_url(), names)
        app = await open_slack(settings)
    except ConfigError as error:
        return [Checkup(is_well=False, text=each) for each in error.diagnostics]
    workspace = await app.workspaces.of(*app.only_workspace)
    if workspace is None:
        return [Checkup(is_well=False, text=catalog.text("slack.doctor.no_workspace"))]
    wanted = scopes_with([], has_email=settings.records_email)
    found = [_token(workspace), _scopes(workspace, wanted), await _mode(settings, app.clients)]
    if not isinstance(settings.mode, SocketMode):
        found += await clock_checkups(app.clients, workspace.token, SystemClock().now())
    found.append(await _channels(workspace, app.clients))
    found += await names.of(app.platform, workspace.tenant)
    return found + await names.of_anchors(app.platform, app.platform.name)


async def _examine_installations(settings: SlackSettings, database: str, names: NameReport) -> list[Checkup]:
    """The workspaces that installed the app, the newest first."""
    found = [Checkup(is_well=True, text=catalog.text("slack.doctor.oauth"))]
    try:
        async with opened_slack(settings, database) as app:
            installed = app.workspaces
            if isinstance(installed, InstalledWorkspaces):
                newest = await installed.newest(_MOST_WORKSPACES)
                found += await clock_checkups(app.clients, newest[0].token, SystemClock().now()) if newest else []
                for workspace in newest:
                    found += await _examine_workspace(workspace, app, names, installed.scopes)
            found += await names.of_anchors(app.platform, app.platform.name)
    except StorageError as error:
        found.append(Checkup(is_well=False, text=one_line(str(error), _REASON)))
    return found


async def _examine_workspace(
    workspace: Workspace, app: SlackApp, names: NameReport, wanted: Sequence[str]
) -> list[Checkup]:
    try:
        told = await workspace_of_token(app.clients, workspace.token)
    except SlackApiError as error:
        what = {"name": workspace.name or workspace.team, "code": code_of(error) or "-"}
        return [Checkup(is_well=False, text=catalog.text("slack.doctor.token_refused", **what))]
    except FAULTS:
        return [Checkup(is_well=False, text=catalog.text("slack.doctor.unreachable"))]
    if not workspace.team:
        # Each of its workspaces is a tenant of its own, with groups, names and settings of its own.
        what = {"name": workspace.name or told.name or workspace.enterprise, "enterprise": workspace.enterprise}
        return [Checkup(is_well=True, text=catalog.text("slack.doctor.organisation", **what)), _scopes(told, wanted)]
    found = [_token(told), _scopes(told, wanted), await _channels(told, app.clients)]
    if workspace.has_rotation:
        found.append(Checkup(is_well=True, text=catalog.text("slack.doctor.rotation")))
    return found + await names.of(app.platform, workspace.tenant)


def _token(workspace: Workspace) -> Checkup:
    name = workspace.name or workspace.enterprise
    return Checkup(is_well=True, text=catalog.text("slack.doctor.workspace", name=name, team=workspace.team or "-"))


def _scopes(workspace: Workspace, wanted: Sequence[str]) -> Checkup:
    missing = [scope for scope in wanted if scope not in workspace.scopes]
    if missing:
        return Checkup(is_well=False, text=catalog.text("slack.doctor.scopes_missing", scopes=", ".join(missing)))
    more = [scope for scope in workspace.scopes if scope not in {*wanted, AGENT_SCOPE}]
    if more:
        return Checkup(is_well=True, text=catalog.text("slack.doctor.scopes_more", scopes=", ".join(more)))
    return Checkup(is_well=True, text=catalog.text("slack.doctor.scopes"))


async def _mode(settings: SlackSettings, clients: Clients) -> Checkup:
    if not isinstance(settings.mode, SocketMode):
        return Checkup(is_well=True, text=catalog.text("slack.doctor.http", port=settings.mode.port))
    try:
        answer = await clients.with_retries(None).apps_connections_open(app_token=settings.mode.app_token)
    except SlackApiError as error:
        return Checkup(is_well=False, text=catalog.text("slack.doctor.app_token", code=code_of(error) or "-"))
    except FAULTS:
        return Checkup(is_well=False, text=catalog.text("slack.doctor.unreachable"))
    is_off = is_switched_off(answer)
    return Checkup(
        is_well=not is_off, text=catalog.text("slack.doctor.socket_off" if is_off else "slack.doctor.socket")
    )


async def clock_checkups(clients: Clients, token: str, now: datetime) -> list[Checkup]:
    """That this machine's clock is too far from Slack's for signed requests to count; nothing where it is not.

    https://docs.slack.dev/authentication/verifying-requests-from-slack
    """
    try:
        answer = await clients.with_retries(token).auth_test()
        apart = abs(now - parsedate_to_datetime(answer.headers.get("Date", "")))
    except (*FAULTS, ValueError):
        return []
    if apart < _CLOCKS_APART:
        return []
    text = catalog.text("slack.doctor.clock", seconds=round(apart.total_seconds()))
    return [Checkup(is_well=False, text=text)]


async def _channels(workspace: Workspace, clients: Clients) -> Checkup:
    """Where it was invited to; not seeing that is no fault."""
    try:
        answer = await clients.with_retries(workspace.token).users_conversations(
            types="public_channel", exclude_archived=True, limit=200
        )
    except SlackApiError as error:
        return Checkup(is_well=True, text=catalog.text("slack.doctor.channels_unseen", code=code_of(error) or "-"))
    except FAULTS:
        return Checkup(is_well=False, text=catalog.text("slack.doctor.unreachable"))
    channels: object = answer.get("channels")
    names = [f"#{each['name']}" for each in channels if "name" in each] if isinstance(channels, list) else []
    if not names:
        return Checkup(is_well=False, text=catalog.text("slack.doctor.no_channels"))
    return Checkup(is_well=True, text=catalog.text("slack.doctor.channels", names=", ".join(names[:_MOST_NAMED])))
