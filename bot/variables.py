"""Every environment variable that this program knows: read once, at startup, into one model.

What a variable means is written only here: `scripts/variables` puts it into the pages for users. An invalid value is
reported where it is needed: what is wrong with a chat's port does not keep anybody from reading a log.
"""

import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, SkipValidation

from bot.machine import STATE_VARIABLE, configs_folder, expanded, made
from bot.variable_parsers import IN_FILE, by_tenant, in_files, number, yes_or_no
from coordination.domain.caller import KEY_VARIABLE
from coordination.engine.fair_share import TaskLimits
from coordination.errors import ConfigError, StorageError
from coordination.text import Text

OURS = "MASSGEN_BOT_"
"""How the names begin that nobody but this program gives a meaning to."""

PYTHON_VARIABLE = "MASSGEN_BOT_PYTHON"
"""Names the interpreter that this program runs on, for configurations whose tool servers are part of it."""

TENANT_VARIABLE = "MASSGEN_BOT_TENANT"
"""Names the server or workspace that a run was asked for in, for configurations whose tool servers must stay in it."""

DATABASE_FILE = "massgen-bot.sqlite"

NONE = SecretStr("")

_QUEUE_LIMITS = tuple(
    f"{whose}_{what}" for whose in ("worker", "tenant", "all") for what in ("deliberations", "executions")
)
_MOST = 999

RawText: TypeAlias = Annotated[str, SkipValidation]
"""As the system gives it: a value need not be UTF-8."""


def _chat(name: str, meaning: str) -> Any:  # noqa: ANN401 - what pydantic's own `Field` returns
    return Field(alias=name, description=meaning, json_schema_extra={"page": "chat"})


def _discord(name: str, meaning: str) -> Any:  # noqa: ANN401 - likewise
    return Field(alias=name, description=meaning, json_schema_extra={"page": "discord"})


def _slack(name: str, meaning: str) -> Any:  # noqa: ANN401 - likewise
    return Field(alias=name, description=meaning, json_schema_extra={"page": "slack"})


def _other(name: str, meaning: str) -> Any:  # noqa: ANN401 - likewise
    return Field(alias=name, description=meaning, json_schema_extra={"page": "environment"})


class Environment(BaseModel):
    """The environment of the process, as it was at the start. A variable that is empty is as one that is not set."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    configs: Annotated[
        RawText,
        _chat(
            "MASSGEN_BOT_CONFIGS",
            "The folder of [configurations](configuration.md), read again for each run. The file `ops.yaml` "
            "is the configuration `ops`; names consist of `a-z`, `0-9`, `-` and `_`. Default: `configs` in "
            "the working folder or, if there is none, the configurations that come with the program.",
        ),
    ] = ""
    operator_policy: Annotated[
        RawText,
        _other(
            "MASSGEN_BOT_POLICY",
            "A file of [rules over every configuration](policy.md#rules-over-every-configuration).",
        ),
    ] = ""
    config: Annotated[
        RawText,
        _chat(
            "MASSGEN_BOT_CONFIG",
            "The configuration that applies where administrators have not set one. Without it, and with more"
            " than one to choose from, an administrator must choose.",
        ),
    ] = ""
    allowed_configs_text: Annotated[
        RawText,
        _chat(
            "MASSGEN_BOT_ALLOWED_CONFIGS",
            "Which configurations each tenant can use: `discord:123=ops,demo; slack:-:T1=ops; *=demo`. `*` "
            "stands for every tenant that is not listed. Default: all of them, everywhere.",
        ),
    ] = ""
    member_configs_text: Annotated[
        RawText,
        _chat(
            "MASSGEN_BOT_MEMBER_CONFIGS",
            "Which of these members can name in a request, unless an administrator has set it. Same format; "
            "`*` in place of names means all. Default: only the one that applies there. Administrators can "
            "name any.",
        ),
    ] = ""
    admins: Annotated[
        RawText,
        _chat(
            "MASSGEN_BOT_ADMINS",
            "People with the permissions of administrators, in addition to those who are administrators in "
            "the chat: `discord:123/42, slack:-:T1/U1` (tenant and account). For Slack, `T1/U1` and `U1` "
            "work too.",
        ),
    ] = ""
    runs_at_once: Annotated[
        RawText, _chat("MASSGEN_BOT_RUNS_AT_ONCE", "How many runs a tenant can have in progress at once. Default 10.")
    ] = ""
    runs_waiting: Annotated[
        RawText, _chat("MASSGEN_BOT_RUNS_WAITING", "How many plans can wait for approval in a tenant. Default 100.")
    ] = ""
    runs_at_once_each: Annotated[
        RawText,
        _chat(
            "MASSGEN_BOT_RUNS_AT_ONCE_EACH",
            "How many of the runs in progress can be one person's. Default: half, rounded up.",
        ),
    ] = ""
    runs_per_hour: Annotated[
        RawText, _chat("MASSGEN_BOT_RUNS_PER_HOUR", "How many runs a person can request per hour. Default 30.")
    ] = ""
    threads: Annotated[
        RawText, _chat("MASSGEN_BOT_THREADS", "`no` turns off the timelines in threads. Default `yes`.")
    ] = ""
    drain_text: Annotated[
        RawText,
        _chat(
            "MASSGEN_BOT_DRAIN_SECONDS",
            "How long approved calls in progress may continue after SIGTERM, from 0 to 3600 "
            "([deploys](operations.md#deploys)). Default 25.",
        ),
    ] = ""
    otlp_endpoint: Annotated[
        RawText,
        _chat(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "Where traces and metrics are sent, such as `http://collector:4318`; needs the extra `otel` "
            "([traces](operations.md#traces)). Default: nowhere.",
        ),
    ] = ""
    log_level: Annotated[
        RawText,
        _chat(
            "MASSGEN_BOT_LOG_LEVEL",
            "The least severe messages of this program in the [log](operations.md#logs): `debug`, `info`, "
            "`warning` or `error`. Libraries never log less severe messages than warnings. Default "
            "`warning`.",
        ),
    ] = ""
    language: Annotated[
        RawText,
        _chat(
            "MASSGEN_BOT_LANGUAGE",
            "`en` or `de`: the language of cards and threads, everywhere. Without it, [the language of the "
            "place](#language).",
        ),
    ] = ""
    database: Annotated[
        SecretStr,
        _chat(
            "DATABASE_URL",
            "Where runs, cards and settings are stored: `sqlite:///FILE` or `postgresql://…`. Default: a "
            "SQLite file in the state folder.",
        ),
    ] = NONE
    direct_database: Annotated[
        SecretStr,
        _chat(
            "DATABASE_DIRECT_URL",
            "If `DATABASE_URL` leads to a pooler (PgBouncer): the same database without the pooler, for "
            "locks, notifications and `migrate` ([PostgreSQL](operations.md#postgresql)). Default: "
            "`DATABASE_URL`.",
        ),
    ] = NONE
    state: Annotated[
        RawText,
        _chat(
            STATE_VARIABLE,
            "The state folder. Default: `massgen-bot` in `$XDG_STATE_HOME` or in `~/.local/state`.",
        ),
    ] = ""

    anchors: Annotated[
        RawText,
        _other(
            "MASSGEN_BOT_ANCHOR_FOLDER",
            "A folder in which an [anchor](audit.md#what-it-cant-tell) of all logs is written once a day. "
            "Use a location that nobody who can write to the database can write to.",
        ),
    ] = ""
    anchor_server: Annotated[
        RawText,
        _other(
            "MASSGEN_BOT_ANCHOR_TSA",
            "A time stamp server (RFC 3161), such as `http://tsa.example.org`, that "
            "[stamps](audit.md#time-stamps) each anchor.",
        ),
    ] = ""
    anchor_channels: Annotated[
        RawText,
        _other(
            "MASSGEN_BOT_ANCHOR_CHANNEL",
            "A channel in which the [digest](audit.md#digests-in-a-channel) of each anchor is posted: "
            "`discord:123/456` or `slack:-:T1/C1` (tenant and channel). Separate several with commas.",
        ),
    ] = ""
    job_connections: Annotated[
        RawText,
        _other(
            "MASSGEN_BOT_JOB_CONNECTIONS",
            "How many connections to PostgreSQL the jobs of one worker can use, from 4 to 100 "
            "([connections](operations.md#postgresql)). Default 10.",
        ),
    ] = ""
    read_connections: Annotated[
        RawText,
        _other(
            "MASSGEN_BOT_READ_CONNECTIONS",
            "How many connections one process can use to read runs, from 1 to 100. Default 4.",
        ),
    ] = ""
    worker_deliberations: Annotated[
        RawText,
        _other(
            "MASSGEN_BOT_WORKER_DELIBERATIONS",
            "How many runs one worker plans at once ([who waits for "
            "whom](operations.md#who-waits-for-whom)). Default 128.",
        ),
    ] = ""
    worker_executions: Annotated[
        RawText,
        _other("MASSGEN_BOT_WORKER_EXECUTIONS", "How many approved plans one worker carries out at once. Default 32."),
    ] = ""
    tenant_deliberations: Annotated[
        RawText,
        _other(
            "MASSGEN_BOT_TENANT_DELIBERATIONS",
            "How many runs of one tenant are planned at once, in all workers together. Default: three "
            "quarters of one worker's limit.",
        ),
    ] = ""
    tenant_executions: Annotated[
        RawText,
        _other(
            "MASSGEN_BOT_TENANT_EXECUTIONS",
            "How many plans of one tenant are carried out at once, in all workers together. Default: three "
            "quarters of one worker's limit.",
        ),
    ] = ""
    all_deliberations: Annotated[
        RawText,
        _other(
            "MASSGEN_BOT_ALL_DELIBERATIONS",
            "How many runs are planned at once in all workers together. Default: no limit beyond each worker's own.",
        ),
    ] = ""
    all_executions: Annotated[
        RawText,
        _other(
            "MASSGEN_BOT_ALL_EXECUTIONS",
            "How many plans are carried out at once in all workers together. Default: no limit beyond each "
            "worker's own.",
        ),
    ] = ""

    discord_bot_token: Annotated[
        SecretStr,
        _discord("DISCORD_BOT_TOKEN", "The bot's token. If it is invalid, the program ends with exit status 2."),
    ] = NONE
    discord_members: Annotated[
        RawText,
        _discord(
            "DISCORD_MEMBERS_INTENT",
            "`yes`: members of small roles that may approve get the card as a direct message. The "
            "application needs the *Server Members Intent* for this ([members of roles](#members-of-roles))."
            " Default `no`.",
        ),
    ] = ""
    discord_api_url: Annotated[
        RawText, _discord("DISCORD_API_URL", "Another address of Discord's API, such as a proxy's.")
    ] = ""
    discord_gateway_url: Annotated[
        RawText, _discord("DISCORD_GATEWAY_URL", "Another address of Discord's gateway, such as a proxy's.")
    ] = ""
    health_port: Annotated[
        RawText,
        _chat(
            "MASSGEN_BOT_HEALTH_PORT",
            "The port on which every command that serves, including `worker`, answers `/live`, `/ready` and "
            "`/metrics` ([health](operations.md#health)). Default: none.",
        ),
    ] = ""

    slack_bot_token: Annotated[
        SecretStr,
        _slack(
            "SLACK_BOT_TOKEN",
            "The token of the one workspace that is served (`xoxb-…`). If it is invalid, the program ends "
            "with exit status 2.",
        ),
    ] = NONE
    slack_app_token: Annotated[
        SecretStr, _slack("SLACK_APP_TOKEN", "In addition to the bot token, for Socket Mode (`xapp-…`).")
    ] = NONE
    slack_signing_secret: Annotated[
        SecretStr, _slack("SLACK_SIGNING_SECRET", "In addition to the bot token, without an app token: for HTTP.")
    ] = NONE
    slack_client_id: Annotated[
        RawText,
        _slack("SLACK_CLIENT_ID", "With both secrets and without a bot token: many workspaces, by HTTP."),
    ] = ""
    slack_client_secret: Annotated[
        SecretStr, _slack("SLACK_CLIENT_SECRET", "The secret that belongs to the client id.")
    ] = NONE
    slack_public_url: Annotated[
        RawText, _slack("SLACK_PUBLIC_URL", "With many workspaces: the address at which browsers reach this program.")
    ] = ""
    slack_features: Annotated[
        RawText,
        _slack(
            "SLACK_FEATURES",
            "With many workspaces: the options the manifest was made with, from `agent`, `chat-tools` and "
            "`approvals`, or `none`. Default `agent`.",
        ),
    ] = ""
    slack_record_email: Annotated[
        RawText,
        _slack(
            "SLACK_RECORD_EMAIL",
            "`yes`: record the email address that Slack has confirmed with what a person does ([email "
            "addresses](#email-addresses)). Default `no`.",
        ),
    ] = ""
    host: Annotated[RawText, _slack("HOST", "The address on which the program listens for HTTP. Default 0.0.0.0.")] = ""
    port: Annotated[RawText, _slack("PORT", "The port on which it listens. Default 3000.")] = ""
    slack_api_url: Annotated[RawText, _slack("SLACK_API_URL", "Another address of the Web API, such as a proxy's.")] = (
        ""
    )
    slack_team_id: Annotated[
        RawText, _slack("SLACK_TEAM_ID", "The workspace that `chat-tools slack` must be in; any other is refused.")
    ] = ""

    approval_token: Annotated[
        SecretStr,
        _other(
            "MASSGEN_BOT_APPROVAL_TOKEN",
            "Lets a script decide on plans without a terminal ([decisions at the command "
            "line](security.md#decisions-at-the-command-line)).",
        ),
    ] = NONE
    server_idle: Annotated[
        RawText,
        _other(
            "MASSGEN_BOT_SERVER_IDLE",
            "Seconds after which an unused tool server is stopped, from 1 to 86400; it starts again when it "
            "is next used. Default 900.",
        ),
    ] = ""
    most_servers: Annotated[
        RawText,
        _other(
            "MASSGEN_BOT_SERVERS",
            "How many tool servers one process keeps running, from 1 to 10000; those unused for longest are "
            "stopped first, and those in use never. Default 50.",
        ),
    ] = ""
    demo_pace: Annotated[
        RawText,
        _other(
            "MASSGEN_BOT_DEMO_PACE",
            "How long scripted agents pause: 1 as written, 0 not at all. Default 1.",
        ),
    ] = "1"
    azure_openai_endpoint: Annotated[
        RawText,
        _other("AZURE_OPENAI_ENDPOINT", "The address of `azure_openai` for configurations without `base_url`."),
    ] = ""
    tenant: Annotated[
        RawText,
        _other(
            TENANT_VARIABLE,
            "Set by this program in configurations: the server or workspace in which a run was requested. Tool servers "
            "for chats are limited to it.",
        ),
    ] = ""
    python: Annotated[
        RawText,
        _other(PYTHON_VARIABLE, "Set by this program in configurations, unless it is set: the Python that runs it."),
    ] = ""
    caller_key: Annotated[
        SecretStr,
        _other(KEY_VARIABLE, "Set by this program in tool servers: proves who made the request and who approved."),
    ] = NONE
    tool_server: Annotated[
        RawText,
        _other("MASSGEN_BOT_TOOL_SERVER", "Set by this program in tool servers: decisions can't be made from there."),
    ] = ""
    state_home: Annotated[
        RawText, _other("XDG_STATE_HOME", "Where the state folder is created, if `MASSGEN_BOT_STATE` is not set.")
    ] = ""
    home: Annotated[
        RawText, _other("HOME", "The home folder, in which the state folder is created if neither of them is set.")
    ] = ""
    lc_all: Annotated[
        RawText,
        _other("LC_ALL", "The language of the command line if `MASSGEN_BOT_LANGUAGE` is not set: `de_DE.UTF-8`."),
    ] = ""
    lc_messages: Annotated[RawText, _other("LC_MESSAGES", "The same, if `LC_ALL` is not set.")] = ""
    lang: Annotated[RawText, _other("LANG", "The same, if neither of the two is set.")] = ""
    editor: Annotated[RawText, _other("EDITOR", "The editor in which `massgen-bot edit` opens a value.")] = ""
    search_path: Annotated[RawText, _other("PATH", "Where programs are searched for.")] = ""

    _all: Mapping[str, str] = PrivateAttr(default_factory=dict)

    def __init__(self, variables: Mapping[str, str]) -> None:
        """The environment in these variables, secrets in files read. It keeps no tie to them.

        Raises:
            ConfigError: a file that a variable names can't be read.
        """
        kinds = {field.alias: field.annotation for field in type(self).model_fields.values()}
        variables = {**variables, **in_files(variables, [name for name in kinds if kinds[name] is SecretStr])}
        super().__init__(
            **{name: SecretStr(value) if kinds.get(name) is SecretStr else value for name, value in variables.items()}
        )
        self._all = dict(variables)

    def for_configs(self, tenant: str = "") -> Mapping[str, str]:
        """What `${NAME}` in a configuration may name, keys of providers among it: all that is set, and what we add.

        This is the only way by which a variable that is not declared above gets anywhere.
        """
        variables = {PYTHON_VARIABLE: sys.executable, **self._all}
        with suppress(StorageError):  # whatever needs the folder says so
            variables[STATE_VARIABLE] = str(self.state_folder())
        return variables | {TENANT_VARIABLE: tenant} if tenant else variables

    def first_set(self, names: Sequence[str]) -> str:
        """The first of these variables that has a value; empty where none has."""
        return next((name for name in names if self._all.get(name, "").strip()), "")

    def misspelt(self) -> Iterator[tuple[str, str]]:
        """Each variable that is named like ours and is none, with the one that is probably meant, or nothing."""
        names = [field.alias or "" for field in type(self).model_fields.values()]
        known = [name.removeprefix(OURS) for name in names if name.startswith(OURS)]
        for name in self._all:
            rest = name.removeprefix(OURS)
            if rest != name and rest not in known and rest.removesuffix(IN_FILE) not in known:
                near = difflib.get_close_matches(rest, known, n=1)
                yield name, f"{OURS}{near[0]}" if near else ""

    def state_folder(self) -> Path:
        """The folder, whether it exists or not.

        Raises:
            StorageError: it is sought at a home that there is none of.
        """
        if self.state:
            return expanded(self.state).absolute()
        home = Path(self.state_home)
        return (home if home.is_absolute() else expanded(self.home or "~") / ".local/state") / "massgen-bot"

    def database_url(self) -> str:
        """The database that is named, or a file in the state folder.

        Raises:
            StorageError: the folder can't be made.
        """
        return self.database.get_secret_value() or f"sqlite:///{made(self.state_folder()) / DATABASE_FILE}"

    def direct_database_url(self) -> str:
        """The database past any pooler.

        Raises:
            StorageError: the folder can't be made.
        """
        return self.direct_database.get_secret_value() or self.database_url()

    def configs_folder(self) -> Path:
        """The folder of configurations for chats."""
        return configs_folder(self.configs)

    def allowed_configs(self) -> Mapping[str, frozenset[str]]:
        """Which tenants may use which configurations.

        Raises:
            ConfigError: it is written in another way than the page says.
        """
        return by_tenant(self.allowed_configs_text, "MASSGEN_BOT_ALLOWED_CONFIGS")

    def member_configs(self) -> Mapping[str, frozenset[str]]:
        """Which configurations members may name, by tenant.

        Raises:
            ConfigError: likewise.
        """
        return by_tenant(self.member_configs_text, "MASSGEN_BOT_MEMBER_CONFIGS")

    def named_admins(self) -> frozenset[tuple[str, str]]:
        """The people whom the operator named by tenant and account: `discord:123/42`, `slack:-:T1/U1`.

        Names of other forms are for a platform to understand.
        """
        pairs = (each.rpartition("/") for each in self.admins.replace(",", " ").split())
        return frozenset((tenant, account) for tenant, _, account in pairs if ":" in tenant and account)

    def admins_of(self, tenant: str) -> tuple[str, ...]:
        """The accounts named as administrators of a tenant; in Slack, also those named without one."""
        names = (each.removeprefix("slack:").rpartition("/") for each in self.admins.replace(",", " ").split())
        own = tenant.removeprefix("slack:")
        forms = {own, own.rpartition(":")[2], ""} if tenant.startswith("slack:") else {tenant}
        return tuple(dict.fromkeys(account for named, _, account in names if named in forms and account))

    def posts_timelines(self) -> bool:
        """Whether each run gets a thread with its story: `yes`, which is the default, or `no`.

        Raises:
            ConfigError: it is neither.
        """
        return yes_or_no(self.threads, "MASSGEN_BOT_THREADS", default=True)

    def queue_limits(self, only: str = "") -> Mapping[str, TaskLimits]:
        """How much may be under way at once, by task; of `only` one task, if it is named.

        Raises:
            ConfigError: something of it is no such number.
        """
        found: dict[str, int | None] = {}
        for name in _QUEUE_LIMITS:
            found[name] = number(type(self).model_fields[name].alias or name, str(getattr(self, name)), _MOST)
        return {
            task: TaskLimits(
                worker=found[f"worker_{name}"] or most,
                tenant=found[f"tenant_{name}"],
                everywhere=found[f"all_{name}"],
            )
            for task, name, most in (("deliberate", "deliberations", 128), ("execute", "executions", 32))
            if only in ("", task)
        }

    def pools(self) -> tuple[int, int]:
        """How many connections the jobs of one worker share, and how many the reads of one process.

        Raises:
            ConfigError: one is no such number.
        """
        jobs = number("MASSGEN_BOT_JOB_CONNECTIONS", self.job_connections, 100, least=4)
        return jobs or 10, number("MASSGEN_BOT_READ_CONNECTIONS", self.read_connections, 100) or 4

    def drain(self) -> float:
        """Seconds that calls under way have when a service is told to end.

        Raises:
            ConfigError: it is no such number.
        """
        text = self.drain_text.strip() or "25"
        if not text.isdecimal() or int(text) > 3_600:
            raise ConfigError([Text("MASSGEN_BOT_DRAIN_SECONDS must be a number of seconds from 0 to 3600.")])
        return float(text)

    def server_limits(self) -> Mapping[str, int]:
        """How long a tool server may be unused, in seconds, and how many there may be, as `Patience` calls them.

        Only what is set.

        Raises:
            ConfigError: one is no such number.
        """
        limits = {
            "unused": number("MASSGEN_BOT_SERVER_IDLE", self.server_idle, 86_400),
            "most": number("MASSGEN_BOT_SERVERS", self.most_servers, 10_000),
        }
        return {name: limit for name, limit in limits.items() if limit is not None}

    def pace(self) -> float:
        """How long the pauses of scripted models are, as a multiple of what is written.

        Raises:
            ConfigError: it is no such number.
        """
        try:
            pace = float(self.demo_pace)
        except ValueError:
            pace = -1.0
        if not 0 <= pace <= 100:
            raise ConfigError([Text("{variable} must be a number from 0 to 100.", variable="MASSGEN_BOT_DEMO_PACE")])
        return pace
