"""What is printed where a library is missing is a command that works from where the user stands."""

import io
import shlex
import sys
from pathlib import Path

import pytest

from bot.terminal import check_commands
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit, status_of
from coordination.errors import ConfigError, MissingLibraryError
from coordination.llm.extras import HOME, LOCKED, install_command, is_installed, require_extra

ROOT = Path(__file__).parents[2]
WITH_CLAUDE_CODE = "agents: [{id: one, backend: {type: claude_code, model: m}}]"


def nothing(name: str) -> object | None:
    """An environment without any library."""


def everything(name: str) -> object | None:
    """An environment that has them all."""
    return name


def absent(name: str) -> object | None:
    """An environment that lacks even the package around it."""
    raise ModuleNotFoundError(name)


def test_what_is_installed_by_hand_is_the_version_of_the_lock() -> None:
    for extra, pin in LOCKED.items():
        assert f"\n{pin} " in "\n" + (ROOT / "requirements" / f"{extra}.txt").read_text(encoding="utf-8")


def test_in_a_checkout_it_is_a_target_of_make() -> None:
    assert HOME == ROOT
    here = install_command("claude-code", here=ROOT, prefix=str(ROOT / ".venv"))
    assert here == "make claude-code"
    assert "claude-code:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    elsewhere = install_command("claude-code", here=Path("/"), prefix=str(ROOT / ".venv"))
    assert shlex.split(elsewhere) == ["make", "-C", str(ROOT), "claude-code"]


@pytest.mark.parametrize("home", [Path("/opt/env/lib/python3.13/site-packages/massgen_bot"), ROOT])
def test_anywhere_else_it_is_the_librarys_own_name_for_this_interpreter(home: Path) -> None:
    """Also in a checkout that was installed into another environment than its own."""
    pip = install_command("claude-code", home=home, prefix="/opt/my env", find=everything)
    assert shlex.split(pip) == ["/opt/my env/bin/python", "-m", "pip", "install", LOCKED["claude-code"]]
    uv = install_command("claude-code", home=home, prefix="/opt/env", find=nothing)
    assert shlex.split(uv) == ["uv", "pip", "install", "--python", "/opt/env/bin/python", LOCKED["claude-code"]]


def test_no_command_installs_what_a_stranger_may_publish_under_our_name() -> None:
    for find in (everything, nothing):
        assert "massgen-bot" not in install_command("claude-code", home=Path("/"), prefix="/opt/env", find=find)


@pytest.mark.parametrize("find", [nothing, absent])
def test_a_library_that_is_missing_is_named_without_a_path(find: object) -> None:
    assert callable(find)
    assert not is_installed("claude-code", find=find)
    with pytest.raises(MissingLibraryError) as caught:
        require_extra("claude-code", find=find)
    assert "claude-code is not installed here" in str(caught.value)
    assert str(ROOT) not in str(caught.value)
    assert sys.prefix not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "status", "told"),
    [
        (WITH_CLAUDE_CODE, Exit.LACKS_LIBRARY, "is valid, but this machine lacks a library"),
        (WITH_CLAUDE_CODE.replace("model:", "engine:"), Exit.USAGE, "engine"),
    ],
)
def test_a_right_file_on_a_machine_that_lacks_a_library_is_told_from_a_wrong_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    status: Exit,
    told: str,
) -> None:
    monkeypatch.setitem(sys.modules, "claude_agent_sdk", None)
    file = tmp_path / "ops.yaml"
    file.write_text(text, encoding="utf-8")
    errors = io.StringIO()
    context = CliContext(environ={"ANTHROPIC_API_KEY": "x"}, stdout=io.StringIO(), stderr=errors)
    with pytest.raises(ConfigError) as caught:
        check_commands.check(context, str(file), connects=False)
    assert status_of(caught.value) == status
    said = errors.getvalue() + capsys.readouterr().err
    assert told in said
    assert (install_command("claude-code") in said) is (status is Exit.LACKS_LIBRARY)
