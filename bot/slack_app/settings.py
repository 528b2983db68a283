"""What the operator says about Slack, all of it in the environment, and each mistake in one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.slack_app.people import Admins
from bot.slack_app.workspaces import SLACK_API
from coordination.errors import ConfigError

DEFAULT_PORT = 3000
_NAMES = {"SLACK_BOT_TOKEN": "xoxb-", "SLACK_APP_TOKEN": "xapp-"}


@dataclass(frozen=True, kw_only=True)
class SocketMode:
    """One workspace, and Slack is called: no address of ours is needed."""

    bot_token: str = field(repr=False)
    app_token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class HttpMode:
    """One workspace, and Slack calls us."""

    bot_token: str = field(repr=False)
    signing_secret: str = field(repr=False)
    host: str
    port: int


@dataclass(frozen=True, kw_only=True)
class SlackSettings:
    """Everything. `address` is where Slack's Web API is."""

    mode: SocketMode | HttpMode
    address: str
    admins: Admins


def slack_settings(environ: Mapping[str, str]) -> SlackSettings:
    """What the environment says.

    Raises:
        ConfigError: something is missing, or is not what its name says.
    """
    values, complaints = _secrets(environ)
    bot, app, secret = (values.get(name, "") for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"))
    if not bot and not complaints:
        complaints.append(
            "Put the bot token of your Slack app (xoxb-…) into SLACK_BOT_TOKEN; docs/slack.md says where it is."
        )
    if not app and not secret and not complaints:
        complaints.append(
            "Put the app token (xapp-…) into SLACK_APP_TOKEN for Socket Mode, or the signing secret into "
            "SLACK_SIGNING_SECRET for HTTP; docs/slack.md says where they are."
        )
    port = _port(environ, complaints)
    if complaints:
        raise ConfigError(complaints)
    mode = (
        SocketMode(bot_token=bot, app_token=app)
        if app
        else HttpMode(bot_token=bot, signing_secret=secret, host=environ.get("HOST") or "0.0.0.0", port=port)  # noqa: S104  # Slack must reach it
    )
    return SlackSettings(mode=mode, address=api_address(environ), admins=named_admins(environ))


def api_address(environ: Mapping[str, str]) -> str:
    """Where Slack's Web API is: theirs, or a proxy's."""
    address = environ.get("SLACK_API_URL") or SLACK_API
    return address if address.endswith("/") else f"{address}/"


def named_admins(environ: Mapping[str, str]) -> Admins:
    """The people whom the operator named in MASSGEN_BOT_ADMINS."""
    names = environ.get("MASSGEN_BOT_ADMINS", "").replace(",", " ").split()
    return Admins(names=frozenset(name.removeprefix("slack:") for name in names))


def bot_token(environ: Mapping[str, str]) -> str:
    """The bot token alone, for what needs nothing else.

    Raises:
        ConfigError: it is missing, or is another token.
    """
    values, complaints = _secrets(environ)
    if not values.get("SLACK_BOT_TOKEN") and not complaints:
        complaints.append(
            "Put the bot token of your Slack app (xoxb-…) into SLACK_BOT_TOKEN; docs/slack.md says where it is."
        )
    if complaints:
        raise ConfigError(complaints)
    return values["SLACK_BOT_TOKEN"]


def _secrets(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The secrets, each from its variable or from the file that `NAME_FILE` names."""
    values: dict[str, str] = {}
    complaints: list[str] = []
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"):
        value = environ.get(name, "")
        if not value and (path := environ.get(f"{name}_FILE", "")):
            try:
                value = Path(path).read_text(encoding="utf-8")
            except OSError:
                complaints.append(f"The file that {name}_FILE names can't be read.")
        value = value.strip()
        if value and not value.startswith(_NAMES.get(name, "")):
            complaints.append(f"{name} must begin with {_NAMES[name]}: another token stands there.")
        values[name] = value
    return values, complaints


def _port(environ: Mapping[str, str], complaints: list[str]) -> int:
    value = environ.get("PORT", "")
    if not value:
        return DEFAULT_PORT
    if value.isdecimal() and int(value) < 65_536:
        return int(value)
    complaints.append("PORT must be a number below 65536.")
    return DEFAULT_PORT
