"""What the program writes to its log: whole, attributed, without secrets, and in one piece from many processes."""

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.telemetry.log_lines import JsonLines, PrivateFile, keep_logs, say
from bot.variables import Environment
from coordination.errors import ConfigError
from coordination.log_context import log_fields, logged_for

MANY = 400


@contextmanager
def kept(environ: dict[str, str], *, is_verbose: bool = False) -> Generator[io.StringIO]:
    """Logs that are collected from a stream, until the context closes."""
    stream, root = io.StringIO(), logging.getLogger()
    loggers = [root, *map(logging.getLogger, ("bot", "coordination", "coordination.mcp_tools.stdio_transport"))]
    before, handlers = [each.level for each in loggers], list(root.handlers)
    try:
        with warnings.catch_warnings():
            keep_logs(Environment(environ), is_verbose=is_verbose, collected_by=stream)
            yield stream
    finally:
        for handler in [each for each in root.handlers if each not in handlers]:
            root.removeHandler(handler)
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
        logging.captureWarnings(capture=False)


def lines_of(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_when_who_what_and_keeps_every_field() -> None:
    with kept({}) as stream:
        logging.getLogger("coordination.worker").warning("a job failed", extra={"job": "run-1-1", "jobs": 3})
    (line,) = lines_of(stream)
    assert str(line.pop("time")).endswith("+00:00")
    assert line == {
        "level": "warning", "logger": "coordination.worker", "message": "a job failed", "job": "run-1-1", "jobs": 3,
    }  # fmt: skip


async def test_a_line_bears_the_run_the_tenant_and_the_person_of_its_task() -> None:
    async def work(run: str) -> None:
        with logged_for(run=run, tenant="discord:1"):
            await asyncio.sleep(0)
            with logged_for(person=f"of {run}"):
                await asyncio.to_thread(logging.getLogger("bot.x").warning, "here")

    with kept({}) as stream:
        await asyncio.gather(work("A"), work("B"))
    found = {(line["run"], line["tenant"], line["person"]) for line in lines_of(stream)}
    assert found == {("A", "discord:1", "of A"), ("B", "discord:1", "of B")}
    assert log_fields() == {}


def test_a_traceback_is_part_of_its_line_and_no_secret_is_in_any() -> None:
    given = {
        "DISCORD_BOT_TOKEN": "canary-token-1", "MASSGEN_BOT_APPROVAL_TOKEN": "canary-token-2",
        "DATABASE_URL": "postgresql://me:canary-password@host/db",
    }  # fmt: skip
    with kept(given) as stream:
        try:
            int("login with canary-token-1 failed")
        except ValueError:
            logging.getLogger("some.library").exception("no %s", "canary-token-2", extra={"field": "canary-password"})
    (line,) = lines_of(stream)
    assert "base 10: 'login with [secret] failed'" in str(line["exception"])
    assert "canary" not in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "told"), [("", ["w"]), ("info", ["i", "w"]), ("ERROR", []), ("debug", ["d", "i", "w"])]
)
def test_the_level_is_of_the_programs_own_lines(level: str, told: list[str]) -> None:
    with kept({"MASSGEN_BOT_LOG_LEVEL": level}) as stream:
        ours, library = logging.getLogger("bot.x"), logging.getLogger("library")
        ours.debug("d")
        ours.info("i")
        ours.warning("w")
        library.info("no")
    assert [line["message"] for line in lines_of(stream)] == told


def test_a_level_that_is_none_is_told() -> None:
    with pytest.raises(ConfigError, match="MASSGEN_BOT_LOG_LEVEL must be one of"), kept({"MASSGEN_BOT_LOG_LEVEL": "x"}):
        pass


def test_sentences_for_the_operator_are_lines_of_it_too() -> None:
    with kept({}) as stream:
        say(stream, "Working.")
        other = io.StringIO()
        say(other, "Working.")
    assert [line["message"] for line in lines_of(stream)] == ["Working."]
    assert other.getvalue() == "Working.\n"


def test_what_is_no_text_does_not_keep_a_line_from_being_written() -> None:
    record = logging.makeLogRecord({"msg": "odd \udcff", "path": Path("/x"), "none": None, "many": ["a"]})
    line = json.loads(JsonLines().format(record))
    assert (line["message"], line["path"], line["none"], line["many"]) == ("odd \\udcff", "/x", None, "['a']")


def test_several_processes_rotate_one_file_and_lose_no_line(tmp_path: Path) -> None:
    writers = [PrivateFile(tmp_path / "log", maxBytes=50_000, backupCount=1, delay=True) for _ in range(2)]
    for number in range(MANY):
        for name, writer in zip("ab", writers, strict=True):
            writer.emit(logging.makeLogRecord({"msg": f"{name} {number} {'x' * 80}"}))
    for writer in writers:
        writer.close()
    assert (tmp_path / "log").stat().st_size < (tmp_path / "log.1").stat().st_size <= 50_000
    text = "".join((tmp_path / name).read_text(encoding="utf-8") for name in ("log.1", "log"))
    found = [line.split()[:2] for line in text.splitlines()]
    assert found == [[name, str(number)] for number in range(MANY) for name in "ab"]
