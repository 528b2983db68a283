"""At a terminal: an approver allows calls like one that they see, and later runs need no yes until that is used up."""

from pathlib import Path

import pytest

from tests.e2e.program import SHAKY, Ended, Program


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_what_is_granted_for_a_number_of_calls_runs_so_often_and_then_waits_for_people(program: Program) -> None:
    config = program.folder / "ops.yaml"
    config.write_text(
        SHAKY.format(journal=program.folder / "journal", behaviour="well")
        + "approval: {allow_requester: true, grants: true}\n",
        encoding="utf-8",
    )

    def asked() -> Ended:
        return program.run("run", "Write", "--config", str(config), "--events")

    first = asked()
    assert first.status == 3, first.err
    shown = program.run("status", first.run).out.partition("--digest ")[2].split()[0]
    for wrong, sentence in (
        (["--digest", "0000-0000"], ""),
        (["--call", "9"], "The plan has no call 9."),
        (["--for", "soon"], "“soon” is not a duration."),
        (["--for", "31d"], "at most 30 days"),
        (["--times", "1001"], "1 to 1000 calls"),
        (["--any", "nothing"], "no such argument"),
    ):
        refused = program.run("grants", "add", first.run, "--times", "2", *wrong)
        assert (refused.status, sentence in refused.err, len(refused.err.splitlines())) == (1, True, 1), refused.err
    given = program.run("grants", "add", first.run, "--times", "2", "--for", "1h", "--digest", shown)
    assert given.status == 0, given.err
    assert "world.write" in program.run("grants").out

    second = asked()
    assert second.status == 0, second.err
    assert [each["index"] for each in second.events if each["kind"] == "call_succeeded"] == [0, 1]
    assert asked().status == 3, "both calls are used up"
    assert program.run("grants").out == "There are no standing grants.\n"
    assert program.run("audit", "verify").status == 0
