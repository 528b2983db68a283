"""Configurations for whole runs: scripted agents, and a real tool server over stdio whose journal counts its writes."""

from pathlib import Path

from tests.e2e.program import ROOT

_TWO_AGENTS = """
agents:
  - id: first
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{{tool: world.look}}]
            - calls:
                - {{tool: world.write, arguments: {{text: "{{prompt}}", channel: general}}}}
                - {{tool: world.write, arguments: {{text: "again: {{prompt}}", channel: general}}}}
              answer: Two lines.
          - - {{vote: agent1, reason: It is complete.}}
        report: &report [{{say: It is written.}}]
        revisions: &shorter
          later:
            turns:
              - - calls: [{{tool: world.write, arguments: {{text: "short: {{prompt}}", channel: general}}}}]
                  answer: One line.
              - - {{vote: agent1, reason: It is short.}}
            report: *report
  - id: second
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{{tool: world.write, arguments: {{text: "mine: {{prompt}}", channel: leads}}}}]
              answer: One line is enough.
          - - {{vote: agent1, reason: It says more.}}
        report: *report
        revisions: *shorter
"""

_ONE_AGENT = """
agents:
  - id: first
    backend:
      type: scripted
      script:
        turns:
          - - {{after: {after}, answer: This is the plan., calls: [{calls}]}}
        report: [{{say: It is written.}}]
"""

_CURIOUS = """
agents:
  - id: first
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{tool: ask_people, arguments: {question: "Which channel?"}}]
            - {calls: [{tool: world.write, arguments: {text: "{result:ask_people}", channel: general}}], answer: So.}
        report: [{say: It is written.}]
orchestrator: {coordination: {broadcast: human, broadcast_timeout: 60}}
"""

_WORLD = """
mcp_servers:
  world:
    type: stdio
    command: ${{MASSGEN_BOT_PYTHON}}
    args: [-m, {server}, {journal}{more}]
    cwd: {root}
tools: [{{match: "world.look", effect: read}}]
"""

_OPS = "approval: {approvers: {roles: [ops]}, allow_requester: false, expires_after: 1h}\n"
_ANYONE = "approval: {allow_requester: true, expires_after: 1h}\n"
_LEDGER, _COUNTING = "tests.servers.mcp_ledger", "tests.servers.mcp_counting"


def write_configs(folder: Path, writer: Path) -> None:
    """`ops`: two agents, a plan of two calls, decided by ops, not by who asked.

    `calm` is the same and takes its time, a plan of `patient` waits for a day, `slow` never comes to a plan, `doubt` has
    a server that dies in its first call, `destroys` may destroy something, `two` needs two people, `long` has more than
    a card holds, the agent of `asks` asks whoever made the request, `broken` can't be read.
    """
    folder.mkdir()

    def world(server: str = _LEDGER, more: str = "") -> str:
        return _WORLD.format(server=server, journal=writer, more=more, root=ROOT)

    def write(text: str) -> str:
        return f'{{tool: world.write, arguments: {{text: "{text}", channel: general}}}}'

    both = _TWO_AGENTS.format()
    configs = {
        "ops": both + world() + _OPS,
        "two": both + world() + _OPS.replace("allow", "required: 2, allow"),
        "calm": both.replace("{vote", "{after: 1.3, vote").replace(
            "{tool: world.look}]", "{tool: world.look}]\n              after: 0.7"
        )
        + world()
        + _OPS,
        "patient": both + world() + _OPS.replace("1h", "24h"),
        "slow": _ONE_AGENT.format(after=600, calls="") + world() + _OPS,
        "doubt": _ONE_AGENT.format(after=0, calls="{tool: world.write}, {tool: world.write}")
        + world(_COUNTING, ", dies_once")
        + _OPS,
        "destroys": _ONE_AGENT.format(after=0, calls="{tool: world.write}") + world(_COUNTING, ", well") + _OPS,
        "asks": _CURIOUS + world() + _OPS,
        "long": _ONE_AGENT.format(after=0, calls=write("long " * 3000)) + world() + _ANYONE,
    }
    for name, text in configs.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "broken.yaml").write_text("agents: 7\n", encoding="utf-8")


def one_call(path: Path, writer: Path, *, grants: bool = False, alone: str = "") -> None:
    """A configuration whose agent writes what it was asked for, in one call; `grants` allows standing ones.

    With `alone` it takes two people, or this one with break-glass.
    """
    call = '{tool: world.write, arguments: {text: "{prompt}", channel: general}}'
    world = _WORLD.format(server=_LEDGER, journal=writer, more="", root=ROOT)
    rule = _OPS.replace("}, allow", "}, grants: true, allow") if grants else _OPS
    if alone:
        rule = _OPS.replace("}, allow", f"}}, required: 2, break_glass: {{users: [{alone}]}}, allow")
    path.write_text(_ONE_AGENT.format(after=0, calls=call) + world + rule, encoding="utf-8")


_UNDOABLE = """
tools:
  - match: world.write
    effect: ask
    undo: {tool: world.write, arguments: {text: taken back, channel: $.text}}
"""


def two_calls(path: Path, writer: Path) -> None:
    """A configuration whose agent writes what it was asked for twice, in two calls that can be taken back."""
    calls = [
        f'{{tool: world.write, arguments: {{text: "{each}{{prompt}}", channel: general}}}}' for each in ("", "again: ")
    ]
    agents = _ONE_AGENT.format(after=0, calls=", ".join(calls))
    world = _WORLD.format(server=_LEDGER, journal=writer, more="", root=ROOT).partition("\ntools:")[0]
    path.write_text(f"{agents}{world}{_UNDOABLE}\n{_OPS}", encoding="utf-8")
