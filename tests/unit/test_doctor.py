"""What the doctor of any chat says of the database, the configurations and their models."""

from pathlib import Path

import pytest

from bot.chat_app import installation_report
from bot.variables import Environment

SCRIPTED = "agents: [{id: a, backend: {type: scripted, script: {}}}]\n"
NEEDS_KEY = "agents: [{id: a, backend: {type: openai, model: gpt-4o-mini}}]\n"
LOCAL = "agents: [{id: a, backend: {type: chatcompletion, base_url: 'http://127.0.0.1:9/v1', model: m}}]\n"


async def found(folder: Path, files: dict[str, str], **environ: str) -> list[str]:
    """What is said of these configurations, line by line."""
    configs = folder / "configs"
    configs.mkdir(exist_ok=True)
    for name, text in files.items():
        (configs / f"{name}.yaml").write_text(text, encoding="utf-8")
    own = {"MASSGEN_BOT_STATE": str(folder), "MASSGEN_BOT_CONFIGS": str(configs)}
    lines = await installation_report(Environment({**own, **environ}))
    return [f"{'ok' if each.is_well else '!!'} {each.text}" for each in lines]


async def test_a_database_and_a_configuration_that_can_be_used_are_well(tmp_path: Path) -> None:
    lines = await found(tmp_path, {"ops": SCRIPTED}, MASSGEN_BOT_CONFIG="ops")
    assert [line[:2] for line in lines] == ["ok", "ok"]
    assert "massgen-bot.sqlite" in lines[0]
    assert lines[1].startswith("ok Configuration ops is usable")


async def test_a_database_that_can_not_be_used_is_a_line(tmp_path: Path) -> None:
    lines = await found(tmp_path, {"ops": SCRIPTED}, DATABASE_URL=f"sqlite:///{tmp_path}/none/there/x.db")
    assert lines[0].startswith("!! ")
    assert lines[1].startswith("ok Configuration ops")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("agents: []\n", "agents"),
        (NEEDS_KEY, "OPENAI_API_KEY"),
        (LOCAL, "nothing is listening at 127.0.0.1:9"),
    ],
)
async def test_each_configuration_of_the_operator_is_looked_at_and_its_fault_named(
    tmp_path: Path, text: str, problem: str
) -> None:
    lines = await found(tmp_path, {"ops": SCRIPTED, "bad": text}, MASSGEN_BOT_CONFIG="ops")
    (wrong,) = (line for line in lines if line.startswith("!!"))
    assert wrong.startswith("!! Configuration bad: ")
    assert problem in wrong


async def test_a_default_that_is_not_there_is_a_line(tmp_path: Path) -> None:
    lines = await found(tmp_path, {"ops": SCRIPTED}, MASSGEN_BOT_CONFIG="opps")
    assert [line[:2] for line in lines] == ["ok", "!!"]
    assert "'opps'" in lines[1]


async def test_a_choice_that_nobody_has_made_is_told_and_is_no_fault(tmp_path: Path) -> None:
    lines = await found(tmp_path, {"ops": SCRIPTED, "web": SCRIPTED})
    assert not any(line.startswith("!!") for line in lines)
    assert any("MASSGEN_BOT_CONFIG names one" in line for line in lines)


async def test_the_examples_of_the_program_are_no_business_of_the_doctor(tmp_path: Path) -> None:
    own = {"MASSGEN_BOT_STATE": str(tmp_path), "MASSGEN_BOT_CONFIG": "demo"}
    lines = await installation_report(Environment(own))
    assert [each.is_well for each in lines] == [True, True]
