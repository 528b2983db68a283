"""Says of an installation what is missing, in the order in which a person would mend it."""

from collections.abc import Mapping

import aiohttp
from slack_sdk.errors import SlackApiError

from bot.chat.platform import Checkup
from bot.i18n import Words, words_for
from bot.slack_app.client import open_slack
from bot.slack_app.errors import code_of
from bot.slack_app.manifest_scopes import SCOPES
from bot.slack_app.settings import OAuthMode, SlackSettings, SocketMode, slack_settings
from bot.slack_app.workspaces import Clients, Workspace
from coordination.errors import ConfigError

_MOST_NAMED = 20


async def examine(environ: Mapping[str, str]) -> list[Checkup]:
    """Everything up to the first thing that a person must do before the rest can be looked at."""
    words = words_for(environ)
    try:
        settings = slack_settings(environ)
        if isinstance(settings.mode, OAuthMode):
            return [Checkup(is_well=True, text=words.say("slack.doctor.oauth"))]
        app = await open_slack(settings, words)
    except ConfigError as error:
        return [Checkup(is_well=False, text=each) for each in error.complaints]
    workspace = await app.workspaces.of(*app.only_workspace)
    if workspace is None:
        return [Checkup(is_well=False, text=words.say("slack.doctor.no_workspace"))]
    name = words.say("slack.doctor.workspace", name=workspace.name, team=workspace.team)
    found = [Checkup(is_well=True, text=name), _scopes(workspace, words)]
    found.append(await _mode(settings, app.clients, words))
    found.append(await _channels(workspace, app.clients, words))
    return found


def _scopes(workspace: Workspace, words: Words) -> Checkup:
    missing = [scope for scope in SCOPES if scope not in workspace.scopes]
    if missing:
        return Checkup(is_well=False, text=words.say("slack.doctor.scopes_missing", scopes=", ".join(missing)))
    more = [scope for scope in workspace.scopes if scope not in SCOPES]
    if more:
        return Checkup(is_well=True, text=words.say("slack.doctor.scopes_more", scopes=", ".join(more)))
    return Checkup(is_well=True, text=words.say("slack.doctor.scopes"))


async def _mode(settings: SlackSettings, clients: Clients, words: Words) -> Checkup:
    if not isinstance(settings.mode, SocketMode):
        return Checkup(is_well=True, text=words.say("slack.doctor.http", port=settings.mode.port))
    try:
        await clients.steady(None).apps_connections_open(app_token=settings.mode.app_token)
    except SlackApiError as error:
        return Checkup(is_well=False, text=words.say("slack.doctor.app_token", code=code_of(error) or "-"))
    except (aiohttp.ClientError, TimeoutError, OSError):
        return Checkup(is_well=False, text=words.say("slack.doctor.unreachable"))
    return Checkup(is_well=True, text=words.say("slack.doctor.socket"))


async def _channels(workspace: Workspace, clients: Clients, words: Words) -> Checkup:
    """Where it was invited to; not seeing that is no fault."""
    try:
        answer = await clients.steady(workspace.token).users_conversations(
            types="public_channel", exclude_archived=True, limit=200
        )
    except SlackApiError as error:
        return Checkup(is_well=True, text=words.say("slack.doctor.channels_unseen", code=code_of(error) or "-"))
    except (aiohttp.ClientError, TimeoutError, OSError):
        return Checkup(is_well=False, text=words.say("slack.doctor.unreachable"))
    channels: object = answer.get("channels")
    names = [f"#{each['name']}" for each in channels if "name" in each] if isinstance(channels, list) else []
    if not names:
        return Checkup(is_well=False, text=words.say("slack.doctor.no_channels"))
    return Checkup(is_well=True, text=words.say("slack.doctor.channels", names=", ".join(names[:_MOST_NAMED])))
