"""Threat: a tool server, which runs as our own user, reads our secrets or decides in a person's name."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.terminal.protection import TOKEN_FILE, TOKEN_VARIABLE, require_person
from bot.variables import Environment
from coordination.errors import RefusedError
from tests.e2e.program import Program

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the Linux kernel")
ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")

CONFIG = """
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{tool: world.look, arguments: {command: [COMMAND]}}]
              answer: {say: Nothing to do.}
mcp_servers:
  world: {type: stdio, command: "${MASSGEN_BOT_PYTHON}", args: [-m, tests.servers.mcp_running]WRAP}
tools: [{match: world.look, effect: read}]
"""
# Another process than the server that reads: both runs may be carried out by one of ours, which would share it, and
# the read that approves waits for what it approved.
PLAN = """
agents:
  - id: one
    backend:
      type: scripted
      script: {turns: [[{calls: [{tool: world.write, arguments: {}}], answer: A write.}]], report: [{say: Done.}]}
mcp_servers:
  world: {type: stdio, command: "${MASSGEN_BOT_PYTHON}", args: [-m, tests.servers.mcp_running, --of-the-plan]}
approval: {allow_requester: true}
"""


OWN_PROCESSES = {"MASSGEN_BOT_PYTHON": sys.executable}
"""What the kernel says of a tool server is what these tests are about, so no other process forks it."""


def spied(program: Program, *command: str, wrap: str = "") -> str:
    """What a tool server of a run sees when it runs a command."""
    words = ", ".join(json.dumps(word) for word in command)
    path = program.folder / "spy.yaml"
    text = CONFIG.replace("COMMAND", words).replace("WRAP", f", wrap: {wrap}" if wrap else "")
    path.write_text(text.replace("{say: Nothing to do.}", "Nothing to do."), encoding="utf-8")
    ended = program.run("run", "Look", "--config", str(path), "--events")
    assert ended.status == 0, ended.err + ended.out
    return str(ended.first("tool_read")["excerpt"])


def waiting(program: Program) -> str:
    """The name of a run whose plan waits."""
    path = program.folder / "plan.yaml"
    path.write_text(PLAN, encoding="utf-8")
    ended = program.run("run", "Write", "--config", str(path), "--events")
    assert ended.status == 3, ended.err
    return ended.run


@LINUX
@pytest.mark.parametrize("variable", ["", "MASSGEN_BOT_TOOL_SERVER"])
def test_a_tool_server_can_not_approve(tmp_path: Path, variable: str) -> None:
    """Neither as it is, nor without its environment, away from its parent, and with a terminal of its own making."""
    program = Program(tmp_path, OWN_PROCESSES)
    run = waiting(program)
    away = ["env", "-u", variable, "setsid", "-w"] if variable else []
    state = f"XDG_STATE_HOME={tmp_path}"
    said = spied(program, "env", state, *away, sys.executable, "-m", "bot", "approve", run)
    assert "A tool server started this command" in said
    assert program.run("status", run).status == 3, "it still waits"
    assert program.run("approve", run).status == 0, "a script of a person can"


@LINUX
@pytest.mark.parametrize("command", ["resolve", "resume", "changes", "select", "edit", "answer", "undo"])
def test_a_tool_server_can_not_decide_otherwise(tmp_path: Path, command: str) -> None:
    program = Program(tmp_path, OWN_PROCESSES)
    run = waiting(program)
    more = {"changes": ["Do more."], "select": ["1"], "edit": ["1"], "answer": ["Yes."]}.get(command, [])
    bot = ("env", f"XDG_STATE_HOME={tmp_path}", sys.executable, "-m", "bot")
    assert "A tool server started this command" in spied(program, *bot, command, run, *more)


ON_A_TERMINAL = (sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])")


@LINUX
@pytest.mark.parametrize("words", [("run", "Write", "--approve"), ("demo", "Write", "--approve"), ("run", "Write")])
def test_a_tool_server_can_not_approve_what_it_asked_for_itself(tmp_path: Path, words: Sequence[str]) -> None:
    """Neither with an option, nor by a key on a terminal that it has made itself."""
    program = Program(tmp_path, OWN_PROCESSES)
    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    variables = (f"XDG_STATE_HOME={tmp_path}", f"MASSGEN_BOT_PYTHON={sys.executable}")
    command = (sys.executable, "-m", "bot", *words, "--config", str(tmp_path / "plan.yaml"))
    terminal = () if "--approve" in words else ON_A_TERMINAL
    assert "A tool server started this command" in spied(program, "env", *variables, *terminal, *command)
    assert "Write" not in program.run("history").out


@LINUX
@pytest.mark.parametrize("more", [[], ["--accept"]])
def test_a_tool_server_can_not_accept_its_own_tools(tmp_path: Path, more: Sequence[str]) -> None:
    program = Program(tmp_path, OWN_PROCESSES)
    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    variables = (f"XDG_STATE_HOME={tmp_path}", f"MASSGEN_BOT_PYTHON={sys.executable}")
    command = (sys.executable, "-m", "bot", "check", str(tmp_path / "plan.yaml"))
    assert "A tool server started this command" in spied(program, "env", *variables, *command, *more)
    assert "is valid" in spied(program, "env", *variables, *command, "--no-connect")


@LINUX
def test_a_script_with_a_persons_token_may_decide_from_anywhere(tmp_path: Path) -> None:
    program = Program(tmp_path, OWN_PROCESSES)
    run = waiting(program)
    program.state.joinpath(TOKEN_FILE).write_text(
        "fece50d2287f7245aea5819b75f95ee8bec295a14f8ef1e7a31f17f1dae9df44  -\n"
    )
    bot = ("env", f"XDG_STATE_HOME={tmp_path}", f"{TOKEN_VARIABLE}=my-token", sys.executable, "-m", "bot", "approve")
    spied(program, *bot, run)
    assert program.run("status", run).status == 0


def test_the_mark_in_the_environment_is_enough_to_be_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="tool servers can't decide"):
        require_person(Environment({"MASSGEN_BOT_TOOL_SERVER": "x", "MASSGEN_BOT_STATE": str(tmp_path)}))


@LINUX
@ROOT_ONLY
def test_another_process_of_our_user_can_not_read_our_environment(tmp_path: Path) -> None:
    """The environment at the start has no secret any more, and the rest is closed."""
    program = (
        "import os, sys, time\n"
        "from bot.terminal.protection import shielded\n"
        "found = shielded(os.environ)\n"
        "print(found['OPENAI_API_KEY'], 'OPENAI_API_KEY' in os.environ, os.environ['PLAIN'], flush=True)\n"
        "time.sleep(60)\n"
    )
    env = {
        "OPENAI_API_KEY": "sk-hunter2",
        "PLAIN": "visible",
        "DB": "postgres://me:hunter2@db/x",
        "PATH": os.environ["PATH"],
    }
    with subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "sk-hunter2 False visible\n"
            block = Path(f"/proc/{process.pid}/environ").read_bytes()
            assert b"hunter2" not in block
            assert b"PLAIN=visible" in block
        finally:
            process.kill()


LOOK_AT_OURSELVES = """
import ctypes, os
from bot.terminal.protection import shielded

def can_look():
    child = os.fork()
    if child == 0:
        try:
            open(f"/proc/{os.getppid()}/environ", "rb").read()
        except PermissionError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0

if os.getuid() == 0:
    os.setgroups([])
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as any process is that was not root before
before = can_look()
shielded(os.environ)
print(before, can_look())
"""


WHAT_STAYS = """
import os, sys
from bot.terminal.protection import shielded

before = dict(os.environ)
print(shielded(os.environ) == before, sorted(set(os.environ) & set(sys.argv[1:])))
"""
"""Like the other, in a process of its own: nobody can look into one afterwards, not even itself."""


@LINUX
def test_no_other_process_of_our_user_can_look_into_us() -> None:
    said = subprocess.run([sys.executable, "-c", LOOK_AT_OURSELVES], capture_output=True, text=True, check=True).stdout
    assert said == "True False\n"


def test_what_libraries_look_up_themselves_stays_in_the_environment() -> None:
    mine = {"PGPASSWORD": "x", "AWS_SECRET_ACCESS_KEY": "y", "SLACK_BOT_TOKEN": "z", "HOME": "/root"}
    said = subprocess.run(
        [sys.executable, "-c", WHAT_STAYS, *mine],
        env={**os.environ, **mine},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said == "True ['AWS_SECRET_ACCESS_KEY', 'HOME', 'PGPASSWORD']\n"


@pytest.mark.parametrize("named", [True, False])
def test_the_database_and_the_log_are_their_owners_alone_whatever_the_folder_and_the_umask(
    tmp_path: Path, *, named: bool
) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    (folder / "massgen-bot.log").touch(mode=0o666)
    environ = {"MASSGEN_BOT_STATE": str(folder)} | ({"DATABASE_URL": f"sqlite:///{folder}/runs.db"} if named else {})
    program = Program(tmp_path, environ, starts_from_nothing=True)
    before = os.umask(0)
    try:
        ended = program.run("demo", "--approve")
    finally:
        os.umask(before)
    assert ended.status == 0, ended.err
    kept = [path for path in folder.iterdir() if ".db" in path.name or ".sqlite" in path.name]
    assert kept
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept if path.is_file()} == {0o600}


def test_a_database_that_others_could_read_is_closed_at_its_next_use(tmp_path: Path) -> None:
    program = Program(tmp_path, OWN_PROCESSES)
    assert program.run("demo", "--approve").status == 0
    file = program.state / "massgen-bot.sqlite"
    file.chmod(0o644)
    assert program.run("history").status == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@LINUX
def test_a_wrapped_server_is_started_by_its_wrapper(tmp_path: Path) -> None:
    program = Program(tmp_path, starts_from_nothing=True)
    assert spied(program, "sh", "-c", "echo $BOX", wrap='[env, "BOX=in sandbox"]') == "in sandbox\n"
