from typing import Any

import pytest

from coordination.errors import ConfigError
from coordination.llm.script_file import ScriptDiagnostic, parse_script, read_script


def turn(*steps: Any) -> dict[str, Any]:  # noqa: ANN401 (whatever somebody may have written)
    return {"turns": [list(steps)]}


COMPLAINTS: list[tuple[Any, str]] = [
    (None, "script: expected a mapping, found nothing"),
    ({"turn": []}, "script.turn: unknown key; did you mean `turns`?"),
    ({"turns": {}}, "script.turns: expected a list of turns, found a mapping"),
    ({"turns": ["x"]}, "script.turns[0]: expected a list of steps, found a text"),
    (turn("x"), "script.turns[0][0]: expected a mapping, found a text"),
    (turn({"anser": "x"}), "script.turns[0][0].anser: unknown key; did you mean `answer`?"),
    (turn({"zzz": "x"}), "script.turns[0][0].zzz: unknown key; known are after, answer, calls,"),
    (turn({"say": 5}), "script.turns[0][0].say: expected a text, found a int"),
    (turn({"say": "{promt}"}), "script.turns[0][0].say: unknown blank `{promt}`; known are {prompt}"),
    (turn({"answer": "{result:}"}), "script.turns[0][0].answer: unknown blank `{result:}`"),
    (turn({"say": "50 } x"}), "script.turns[0][0].say: a lone `}`; write it twice where a brace is meant"),
    (turn({"say": "{"}), "script.turns[0][0].say: a lone `{`"),
    (turn({"after": -1}), "script.turns[0][0].after: expected seconds, from 0 to 3600"),
    (turn({"after": True}), "script.turns[0][0].after: expected seconds"),
    (turn({"after": float("nan")}), "script.turns[0][0].after: expected seconds"),
    (turn({"fault": "tired"}), "script.turns[0][0].fault: expected one of auth, bad_request, rate_limited"),
    (turn({"reason": "x"}), "script.turns[0][0].reason: a reason needs a `vote` beside it"),
    (turn({"expects": "x"}), "script.turns[0][0].expects: expected a list of texts, found a text"),
    (turn({"calls": [{}]}), "script.turns[0][0].calls[0].tool: expected the name of a tool, as `server.tool`"),
    (turn({"calls": [{"tool": "a.b", "args": {}}]}), "script.turns[0][0].calls[0].args: unknown key"),
    (turn({"calls": [{"tool": "a.b", "arguments": []}]}),
     "script.turns[0][0].calls[0].arguments: expected a mapping, found a list"),
    (turn({"calls": [{"tool": "a.b", "arguments": {}, "raw_arguments": "x"}]}), "exclude each other"),
    (turn({"calls": [{"tool": "a.b", "arguments": {"x": ["{y}"]}}]}),
     "script.turns[0][0].calls[0].arguments.x[0]: unknown blank `{y}`"),
    (turn({"calls": [{"tool": "a.b", "arguments": {"x": {1, 2}}}]}),
     "script.turns[0][0].calls[0].arguments.x: a set has no JSON form; put it in quotes"),
    ({"revisions": []}, "script.revisions: expected a mapping of revision numbers, found a list"),
    ({"revisions": {1: {}}}, "script.revisions.1: expected a revision from 2 on, or `later`"),
    ({"revisions": {2: {"turns": [[{"sya": ""}]]}}}, "script.revisions.2.turns[0][0].sya: unknown key; did you mean"),
    ({"report": {}}, "script.report: expected a list of steps, found a mapping"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "complaint"), COMPLAINTS)
def test_what_is_wrong_is_named_with_its_place(data: object, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_script(data, where="script")
    assert len(caught.value.diagnostics) == 1, caught.value.diagnostics
    assert complaint in caught.value.diagnostics[0]


def test_everything_wrong_is_named_at_once() -> None:
    data: dict[str, Any] = {"turns": [[{"say": 1}, {"vote": []}]], "reprot": []}
    _, diagnostics = read_script(data)
    assert diagnostics == [
        ScriptDiagnostic(path=("reprot",), text="unknown key; did you mean `report`?"),
        ScriptDiagnostic(path=("turns", 0, 0, "say"), text="expected a text, found a int"),
        ScriptDiagnostic(path=("turns", 0, 1, "vote"), text="expected a text, found a list"),
    ]


def test_an_empty_script_is_no_mistake() -> None:
    script, diagnostics = read_script({})
    assert (script.first.turns, diagnostics) == ((), [])
