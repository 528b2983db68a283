"""The environment is read once, by one model, which the pages for users are made from."""

import re
import runpy
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.variables import Environment
from coordination.engine.dbos_engine import LIMITS
from coordination.engine.fair_share import TaskLimits
from coordination.errors import ConfigError
from coordination.mcp_tools.connection import Patience
from tests.surroundings import clear, is_cleared

ROOT = Path(__file__).parents[2]
TABLES = runpy.run_path(str(ROOT / "scripts/variables"))
DECLARED = {field.alias: field for field in Environment.model_fields.values() if field.alias is not None}
MAY_READ = {
    "bot/__main__.py": "hands it to the command line, after secrets were taken out of the process's own",
    "bot/slack_app/client.py": "hides what Slack's library would read",
    "bot/terminal/cli.py": "the environment of the process, where it is started as a library",
    "bot/terminal/cli_context.py": "the language of `--help`, which is made while modules load",
    "bot/tool_servers/callers.py": "takes the key out of it",
    "bot/tool_servers/discord_server.py": "a program of its own",
    "bot/tool_servers/slack_server.py": "likewise",
    "coordination/llm/claude_code/process.py": "a child process gets these few of it",
    "coordination/mcp_tools/stdio_transport.py": "likewise",
}


@pytest.mark.parametrize("page", TABLES["PAGES"])
def test_the_pages_list_the_variables_as_the_model_has_them(page: str) -> None:
    """`make pages` writes them."""
    text = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    assert TABLES["HEAD"] + TABLES["table_of"](page) in text
    assert TABLES["with_table"](text, page) == text


def test_every_variable_is_explained_and_belongs_to_a_page() -> None:
    assert {
        name for page in TABLES["PAGES"] for name in re.findall(r"^\| `(\w+)`", TABLES["table_of"](page), re.MULTILINE)
    } == (DECLARED.keys())
    assert [name for name, field in DECLARED.items() if not (field.description or "").endswith(".")] == []


def test_no_test_depends_on_the_environment_of_whoever_runs_it() -> None:
    """Nothing that the program, its libraries or a terminal's text go by comes from outside."""
    others = ("OPENAI_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_BASE_URL", "PGHOST", "OTEL_SDK_DISABLED", "HTTPS_PROXY")
    shown = ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM", "LANG", "LC_TIME", "TZ", "EDITOR", "XDG_STATE_HOME")
    assert [
        name for name in ({*DECLARED, *others, *shown, "http_proxy"} - {"HOME", "PATH"}) if not is_cleared(name)
    ] == []
    kept = ("PATH", "HOME", "TMPDIR", "HYPOTHESIS_PROFILE", "DISCORD_OPENAPI", "SLACK_MANIFEST_SCHEMA", "PYTHONPATH")
    assert [name for name in kept if is_cleared(name)] == []
    assert clear({"TZ": "Pacific/Kiritimati", "COLUMNS": "40", "PATH": "/bin"}) == {
        "PATH": "/bin",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }


def test_nothing_else_reads_the_environment() -> None:
    files = [path for package in ("bot", "coordination") for path in (ROOT / package).rglob("*.py")]
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in files
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text(encoding="utf-8"))
    }
    assert readers == MAY_READ.keys()


def test_every_variable_that_is_named_anywhere_is_known() -> None:
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "configs").glob("*.yaml")]
    texts += [path for package in ("bot", "coordination", "scripts") for path in (ROOT / package).rglob("*")]
    named = {
        name
        for path in texts
        if path.is_file() and path.suffix not in (".pyc", ".mo")
        for name in re.findall(r"\bMASSGEN_BOT_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))
    }
    assert named - DECLARED.keys() == set()


def test_no_secret_is_in_a_picture_of_the_environment() -> None:
    secrets = [name for name, field in DECLARED.items() if field.annotation is SecretStr]
    assert {"DATABASE_URL", "DISCORD_BOT_TOKEN", "SLACK_SIGNING_SECRET", "MASSGEN_BOT_APPROVAL_TOKEN"} <= {*secrets}
    given = dict.fromkeys([*secrets, "OPENAI_API_KEY"], "canary")
    environment = Environment(given)
    assert "canary" not in f"{environment!r} {environment} {environment.model_dump_json()}"
    assert environment.discord_bot_token.get_secret_value() == "canary"


def test_a_value_need_not_be_text_that_can_be_encoded() -> None:
    environment = Environment({"PATH": "/\udcff", "DATABASE_URL": "sqlite:///\udcff"})
    assert (environment.search_path, environment.database_url()) == ("/\udcff", "sqlite:///\udcff")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("MASSGEN_BOT_LANGUGE", "MASSGEN_BOT_LANGUAGE"),
        ("MASSGEN_BOT_RUN_AT_ONCE", "MASSGEN_BOT_RUNS_AT_ONCE"),
        ("MASSGEN_BOT_COFFEE", ""),
    ],
)
def test_a_misspelt_variable_is_found_with_what_is_probably_meant(written: str, told: str) -> None:
    given = {written: "x", "MASSGEN_BOT_CONFIG": "demo", "SLACK_BOT_TOCKEN": "anybody's"}
    assert list(Environment(given).misspelt()) == [(written, told)]


def test_a_configuration_may_name_whatever_is_set_and_what_is_added_for_it(tmp_path: Path) -> None:
    given = {"OPENAI_API_KEY": "k", "MASSGEN_BOT_STATE": f"{tmp_path}/a/../b", "MASSGEN_BOT_TENANT": "of the operator"}
    environment = Environment(given)
    added = {"MASSGEN_BOT_PYTHON": sys.executable, "MASSGEN_BOT_STATE": f"{tmp_path}/a/../b"}
    assert environment.for_configs() == given | added
    assert environment.for_configs("discord:1")["MASSGEN_BOT_TENANT"] == "discord:1"
    given["OPENAI_API_KEY"] = "changed"
    assert environment.for_configs()["OPENAI_API_KEY"] == "k"
    assert Environment({"MASSGEN_BOT_PYTHON": "/mine"}).for_configs()["MASSGEN_BOT_PYTHON"] == "/mine"


def test_the_first_variable_that_has_a_value_is_taken() -> None:
    environment = Environment({"GOOGLE_API_KEY": " ", "GEMINI_API_KEY": "k"})
    assert environment.first_set(("GOOGLE_API_KEY", "GEMINI_API_KEY")) == "GEMINI_API_KEY"
    assert environment.first_set(("XAI_API_KEY",)) == ""


def test_limits_of_the_queues_have_defaults_and_are_read_by_task() -> None:
    assert Environment({}).queue_limits() == LIMITS
    limits = Environment({"MASSGEN_BOT_WORKER_EXECUTIONS": "8", "MASSGEN_BOT_ALL_EXECUTIONS": "6"}).queue_limits()
    assert limits["execute"] == TaskLimits(worker=8, everywhere=6)
    assert (limits["execute"].of_one_worker, limits["execute"].share) == (6, 4)
    assert Environment({"MASSGEN_BOT_TENANT_DELIBERATIONS": "999"}).queue_limits()["deliberate"].share == 128


@pytest.mark.parametrize("value", ["0", "-1", "many", "1000", "1.5"])
def test_a_limit_that_is_no_number_is_named(value: str) -> None:
    with pytest.raises(ConfigError, match=r"MASSGEN_BOT_ALL_DELIBERATIONS must be a number from 1 to 999\."):
        Environment({"MASSGEN_BOT_ALL_DELIBERATIONS": value}).queue_limits()


def test_every_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    secrets = [name for name, field in DECLARED.items() if field.annotation is SecretStr]
    given: dict[str, str] = {}
    for name in [*secrets, "OPENAI_API_KEY"]:
        (tmp_path / name).write_text(f" of {name}\n", encoding="utf-8")
        given[f"{name}_FILE"] = str(tmp_path / name)
    environment = Environment(given)
    assert environment.discord_bot_token.get_secret_value() == "of DISCORD_BOT_TOKEN"
    assert environment.database_url() == "of DATABASE_URL"
    configs = environment.for_configs()
    assert [name for name in [*secrets, "OPENAI_API_KEY"] if configs[name] != f"of {name}"] == []
    assert list(environment.misspelt()) == []
    assert Environment({**given, "DATABASE_URL": "sqlite:///x"}).database_url() == "sqlite:///x"


def test_a_file_that_can_not_be_read_is_told_by_its_variable_and_other_programs_files_are_left_alone() -> None:
    for name in ("DATABASE_URL_FILE", "ANTHROPIC_API_KEY_FILE"):
        with pytest.raises(ConfigError, match=f"The file that {name} names"):
            Environment({name: "/nowhere/at/all"})
    assert "SSH_KEY" not in Environment({"SSH_KEY_FILE": "/nowhere", "SSL_CERT_FILE": "/etc/hostname"}).for_configs()


def test_how_long_and_how_many_tool_servers_are_kept_can_be_set() -> None:
    assert Environment({}).server_limits() == {}
    set_ = {"MASSGEN_BOT_SERVER_IDLE": "60", "MASSGEN_BOT_SERVERS": "5"}
    assert Patience(**Environment(set_).server_limits()) == Patience(unused=60, most=5)


@pytest.mark.parametrize("value", ["0", "-9", "86401", "1.5", "soon", "²"])
def test_limits_of_tool_servers_that_make_no_sense_are_told(value: str) -> None:
    with pytest.raises(ConfigError, match="MASSGEN_BOT_SERVER_IDLE must be a number from 1 to 86400"):
        Environment({"MASSGEN_BOT_SERVER_IDLE": value}).server_limits()


def test_how_many_connections_a_process_shares_is_said_by_the_operator() -> None:
    assert Environment({}).pools() == (10, 4)
    given = {"MASSGEN_BOT_JOB_CONNECTIONS": "4", "MASSGEN_BOT_READ_CONNECTIONS": "100"}
    assert Environment(given).pools() == (4, 100)


@pytest.mark.parametrize("value", ["3", "101", "-1", "many", "4.5", "٤"])
def test_another_number_of_connections_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="MASSGEN_BOT_JOB_CONNECTIONS must be a number from 4 to 100"):
        Environment({"MASSGEN_BOT_JOB_CONNECTIONS": value}).pools()
