from typing import Any, LiteralString

import pytest

from coordination.errors import ConfigError
from coordination.llm.script_file import ScriptDiagnostic, parse_script, read_script
from coordination.text import Text
from tests.german import english_in


def turn(*steps: Any) -> dict[str, Any]:  # noqa: ANN401 (whatever somebody may have written)
    return {"turns": [list(steps)]}


COMPLAINTS: list[tuple[Any, str]] = [
    (None, "script: found nothing; expected a mapping"),
    ({"turn": []}, "script.turn: found the unknown key turn; expected presentation, report, revisions or turns; did you mean turns?"),
    ({"turns": {}}, "script.turns: found a mapping; expected a list of turns"),
    ({"turns": ["x"]}, "script.turns[0]: found a text; expected a list of steps"),
    (turn("x"), "script.turns[0][0]: found a text; expected a mapping"),
    (turn({"anser": "x"}), "found the unknown key anser; expected after, answer, calls, expects, fault, "),
    (turn({"zzz": "x"}), "script.turns[0][0].zzz: found the unknown key zzz; expected after, answer, calls,"),
    (turn({"say": 5}), "script.turns[0][0].say: found a number; expected a text"),
    (turn({"say": "{promt}"}), "script.turns[0][0].say: found the unknown placeholder `{promt}`; expected {prompt}, {slug}"),
    (turn({"answer": "{result:}"}), "script.turns[0][0].answer: found the unknown placeholder `{result:}`"),
    (turn({"say": "50 } x"}), "script.turns[0][0].say: a single `}`; to write a brace, double it"),
    (turn({"say": "{"}), "script.turns[0][0].say: a single `{`"),
    (turn({"after": -1}), "script.turns[0][0].after: found a number; expected seconds, from 0 to 3600"),
    (turn({"after": True}), "script.turns[0][0].after: found true or false; expected seconds"),
    (turn({"after": float("nan")}), "script.turns[0][0].after: found a number; expected seconds"),
    (turn({"fault": "tired"}), "script.turns[0][0].fault: found 'tired'; expected auth, bad_request, rate_limited"),
    (turn({"reason": "x"}), "script.turns[0][0].reason: a reason needs a `vote` beside it"),
    (turn({"expects": "x"}), "script.turns[0][0].expects: found a text; expected a list of texts"),
    (turn({"calls": [{}]}), "script.turns[0][0].calls[0].tool: found nothing; expected the name of a tool, as `server.tool`"),
    (turn({"calls": [{"tool": "a.b", "args": {}}]}), "script.turns[0][0].calls[0].args: found the unknown key args"),
    (turn({"calls": [{"tool": "a.b", "arguments": []}]}),
     "script.turns[0][0].calls[0].arguments: found a list; expected a mapping"),
    (turn({"calls": [{"tool": "a.b", "arguments": {}, "raw_arguments": "x"}]}), "found both arguments and raw_arguments; expected one of them"),
    (turn({"calls": [{"tool": "a.b", "arguments": {"x": ["{y}"]}}]}),
     "script.turns[0][0].calls[0].arguments.x[0]: found the unknown placeholder `{y}`"),
    (turn({"calls": [{"tool": "a.b", "arguments": {"x": {1, 2}}}]}),
     "script.turns[0][0].calls[0].arguments.x: a value of type set has no JSON form; put it in quotes"),
    ({"revisions": []}, "script.revisions: found a list; expected a mapping of revision numbers"),
    ({"revisions": {1: {}}}, "script.revisions.1: found '1'; expected a revision from 2 on, or `later`"),
    ({"revisions": {2: {"turns": [[{"sya": ""}]]}}}, "script.revisions.2.turns[0][0].sya: found the unknown key sya; expected"),
    ({"report": {}}, "script.report: found a mapping; expected a list of steps"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "complaint"), COMPLAINTS)
def test_what_is_wrong_is_named_with_its_place(data: object, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_script(data, where="script")
    assert len(caught.value.diagnostics) == 1, caught.value.diagnostics
    assert complaint in caught.value.diagnostics[0]
    assert english_in(caught.value.diagnostics[0]) == []


def test_everything_wrong_is_named_at_once() -> None:
    data: dict[str, Any] = {"turns": [[{"say": 1}, {"vote": []}]], "reprot": []}
    _, diagnostics = read_script(data)
    unknown: LiteralString = (
        "found the unknown key reprot; expected presentation, report, revisions or turns; did you mean report?"
    )
    assert diagnostics == [
        ScriptDiagnostic(path=("reprot",), text=Text(unknown)),
        ScriptDiagnostic(path=("turns", 0, 0, "say"), text=Text("found a number; expected a text")),
        ScriptDiagnostic(path=("turns", 0, 1, "vote"), text=Text("found a list; expected a text")),
    ]


def test_an_empty_script_is_no_mistake() -> None:
    script, diagnostics = read_script({})
    assert (script.first.turns, diagnostics) == ((), [])
