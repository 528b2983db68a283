"""What the operator says about Slack, all of it in the environment, and each mistake in one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.i18n import catalog
from bot.slack_app.identity import Admins
from bot.slack_app.installations import AGENT, FEATURES, SCOPES, SLACK_API, scopes_with
from bot.variable_parsers import yes_or_no
from bot.variables import Environment
from coordination.errors import ConfigError
from coordination.text import Text

DEFAULT_PORT = 3000
_NONE = "none"
_ROTATING = "xoxe"
"""https://docs.slack.dev/authentication/using-token-rotation: a token that expires, or what it is renewed with"""
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
class OAuthMode:
    """Many workspaces, each of which installs the app; Slack calls us. `public_address` is how browsers reach us."""

    client_id: str
    client_secret: str = field(repr=False)
    signing_secret: str = field(repr=False)
    public_address: str
    host: str
    port: int
    scopes: Sequence[str] = SCOPES


@dataclass(frozen=True, kw_only=True)
class SlackSettings:
    """Everything. `address` is where Slack's Web API is; `records_email`: addresses of people are kept in the log."""

    mode: SocketMode | HttpMode | OAuthMode
    address: str
    admins: Admins
    records_email: bool = False


def slack_settings(environment: Environment) -> SlackSettings:
    """What the environment says.

    Raises:
        ConfigError: something is missing, or is not what its name says.
    """
    values, diagnostics = _secrets(environment)
    port = _port(environment, diagnostics)
    mode = _mode(environment, values, port, diagnostics) if not diagnostics else None
    if mode is None or diagnostics:
        raise ConfigError(diagnostics)
    return SlackSettings(
        mode=mode,
        address=api_address(environment),
        admins=named_admins(environment),
        records_email=records_email(environment),
    )


def _mode(
    environment: Environment, values: Mapping[str, str], port: int, diagnostics: list[Text]
) -> SocketMode | HttpMode | OAuthMode | None:
    """A bot token means one workspace, whatever else is there: many are served only by an app without one."""
    bot, app, secret = values["SLACK_BOT_TOKEN"], values["SLACK_APP_TOKEN"], values["SLACK_SIGNING_SECRET"]
    client_id, client_secret = environment.slack_client_id, values["SLACK_CLIENT_SECRET"]
    host = environment.host or "0.0.0.0"  # noqa: S104  # Slack must reach it
    if not bot and client_id and client_secret:
        if not secret:
            diagnostics.append(catalog.text("slack.needs_secret"))
            return None
        return OAuthMode(
            client_id=client_id,
            client_secret=client_secret,
            signing_secret=secret,
            public_address=environment.slack_public_url,
            host=host,
            port=port,
            scopes=scopes_with(named_features(environment), has_email=records_email(environment)),
        )
    if not bot:
        diagnostics.append(catalog.text("slack.needs_token"))
        return None
    if app:
        return SocketMode(bot_token=bot, app_token=app)
    if secret:
        return HttpMode(bot_token=bot, signing_secret=secret, host=host, port=port)
    diagnostics.append(catalog.text("slack.needs_mode"))
    return None


def named_features(environment: Environment) -> frozenset[str]:
    """What the app was made with besides.

    Raises:
        ConfigError: the environment names something that there is not.
    """
    written = environment.slack_features
    named = {AGENT} if not written else set(written.replace(",", " ").split()) - {_NONE}
    if not named <= FEATURES.keys():
        raise ConfigError([catalog.text("slack.bad_features", known=", ".join([*FEATURES, _NONE]))])
    return frozenset(named)


def records_email(environment: Environment) -> bool:
    """Whether the operator has the addresses of people recorded.

    Raises:
        ConfigError: the variable says neither yes nor no.
    """
    return yes_or_no(environment.slack_record_email, "SLACK_RECORD_EMAIL", default=False)


def api_address(environment: Environment) -> str:
    """Where Slack's Web API is: theirs, or a proxy's."""
    address = environment.slack_api_url or SLACK_API
    return address if address.endswith("/") else f"{address}/"


def named_admins(environment: Environment) -> Admins:
    """The people whom the operator named in MASSGEN_BOT_ADMINS."""
    names = environment.admins.replace(",", " ").split()
    return Admins(names=frozenset(name.removeprefix("slack:") for name in names))


def _secrets(environment: Environment) -> tuple[dict[str, str], list[Text]]:
    """The secrets, each of the form that its name promises."""
    values: dict[str, str] = {}
    diagnostics: list[Text] = []
    written = {
        "SLACK_BOT_TOKEN": environment.slack_bot_token,
        "SLACK_APP_TOKEN": environment.slack_app_token,
        "SLACK_SIGNING_SECRET": environment.slack_signing_secret,
        "SLACK_CLIENT_SECRET": environment.slack_client_secret,
    }
    for name, secret in written.items():
        value = secret.get_secret_value().strip()
        if name == "SLACK_BOT_TOKEN" and value.startswith(_ROTATING):
            diagnostics.append(catalog.text("slack.rotating_token", variable=name))
        elif value and not value.startswith(_NAMES.get(name, "")):
            diagnostics.append(catalog.text("slack.other_token", variable=name, start=_NAMES[name]))
        values[name] = value
    return values, diagnostics


def _port(environment: Environment, diagnostics: list[Text]) -> int:
    value = environment.port
    if not value:
        return DEFAULT_PORT
    if value.isdecimal() and int(value) < 65_536:
        return int(value)
    diagnostics.append(catalog.text("slack.bad_port"))
    return DEFAULT_PORT
