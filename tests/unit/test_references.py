"""What a reference to another call's result is, what may take its place, and what is under the digest and in the log."""

from dataclasses import replace
from datetime import timedelta

import pytest

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.canonical_json import Json, JsonObject, canonical
from coordination.domain.comparisons import Operator
from coordination.domain.conditions import CallContext, Condition
from coordination.domain.plan import (
    Failed,
    OutcomeUnknown,
    PlannedCall,
    Succeeded,
    arguments_to_send,
    only,
    paths_wanted,
    refers_wrongly,
    without_dependents,
)
from coordination.domain.policy import Policy
from coordination.domain.preset_plan import preset_plan
from coordination.domain.references import (
    MAX_VALUE,
    Reference,
    WrongReferenceError,
    filled,
    may_stand,
    moved,
    returned,
    split,
    value_at,
    values_of,
)
from coordination.domain.transitions import evolve
from coordination.errors import IllegalTransition
from tests.builders import ALICE, START, a_ballot, a_call, a_plan, a_request, an_election_of

ID = Reference(argument="thread", call=0, path="/id")


def taking(*references: Reference, text: str = "") -> PlannedCall:
    return replace(a_call(text=text) if text else a_call(), references=references)


TWO = (a_call("open", title="news"), taking(ID, text="hello"))


# --- as it is written -------------------------------------------------------------------------------------------------


def test_what_is_written_in_the_place_of_an_argument_stands_beside_the_others() -> None:
    written: JsonObject = {"b": {"$from_call": 2, "path": "/a/0"}, "x": 1, "a": {"$from_call": 1, "path": "/id"}}
    references = (Reference(argument="a", call=0, path="/id"), Reference(argument="b", call=1, path="/a/0"))
    assert split(written) == ({"x": 1}, references)
    assert replace(a_call(x=1), references=references).written() == written


@pytest.mark.parametrize(
    "value",
    [
        {"$from_call": 1},
        {"$from_call": 0, "path": "/id"},
        {"$from_call": True, "path": "/id"},
        {"$from_call": "1", "path": "/id"},
        {"$from_call": 1.0, "path": "/id"},
        {"$from_call": 1, "path": "id"},
        {"$from_call": 1, "path": ""},
        {"$from_call": 1, "path": "/a~2"},
        {"$from_call": 1, "path": "/" + "a" * 200},
        {"$from_call": 1, "path": "/id", "more": 1},
        {"in": {"$from_call": 1, "path": "/id"}},
        [{"$from_call": 1, "path": "/id"}],
    ],
)
def test_what_only_looks_like_a_reference_is_none_and_no_value_either(value: Json) -> None:
    with pytest.raises(WrongReferenceError) as caught:
        split({"thread": value})
    assert caught.value.argument == "thread"


def test_a_text_that_reads_like_a_reference_is_a_text() -> None:
    arguments: JsonObject = {"text": '{"$from_call":1,"path":"/id"}', "list": [1, {"from_call": 1}]}
    assert split(arguments) == (arguments, ())


def test_a_value_that_looks_like_a_reference_is_never_one_and_has_another_digest() -> None:
    """Such a value may stand in an old plan. Nothing but `references` is ever filled in."""
    literal = a_call(text="hello", thread={"$from_call": 1, "path": "/id"})
    plans = [a_plan(TWO[0], each) for each in (literal, TWO[1], taking(replace(ID, path="/ix"), text="hello"))]
    assert len({plan.digest for plan in plans}) == 3
    done = [Succeeded(index=0, result="", returned='{"/id":7}')]
    assert arguments_to_send(literal, done) == literal.arguments


def test_the_digest_of_a_plan_without_references_is_what_it_was() -> None:
    assert '"references"' not in a_plan().canonical()
    assert a_plan().digest == "8efd7bdaedbb63374dfb1ba8efab830f68c8f9cd820a361ef4102cf20b95dd0d"


# --- what may take its place ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [True, False, 0, -7, 10**18, 0.5, "a", "https://x.example/a?b=1#c", "~" * MAX_VALUE])
def test_an_id_an_address_a_number_or_yes_or_no_may_stand(value: Json) -> None:
    assert may_stand(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "two words",
        "a\n",
        "a" * (MAX_VALUE + 1),
        "schön",
        "a\u202eb",
        "\x7f",
        10**100,
        float("inf"),
        float("nan"),
        [],
        ["a"],
        {},
    ],
)
def test_words_and_whatever_is_hidden_long_or_nested_may_not(value: Json) -> None:
    assert not may_stand(value)


def test_a_path_leads_through_names_and_places_in_lists() -> None:
    result: Json = {"a": {"b/c": [{"~": "x"}]}, "0": "zero", "list": ["p", "q"], "words": "two words"}
    assert value_at(result, "/a/b~1c/0/~0") == "x"
    assert value_at(result, "/0") == "zero"
    assert value_at(result, "/list/1") == "q"
    assert [
        value_at(result, path) for path in ("/list/2", "/list/01", "/list/x", "/words", "/a", "/list/1/0", "/no")
    ] == [None] * 7


def test_a_call_returns_what_others_refer_to_and_nothing_else() -> None:
    assert returned({"id": 417773298837880906, "secret": "s"}, ["/id", "/no"]) == '{"/id":417773298837880906}'
    assert returned({"id": "two words"}, ["/id"]) == ""
    assert returned(None, ["/id"]) == ""
    assert returned({"id": 1}, []) == ""


@pytest.mark.parametrize("text", ["[]", "{}", '{"/id": 1}', '{"/id":"two words"}', "no json", "null"])
def test_what_nobody_returned_is_no_value(text: str) -> None:
    assert values_of(text) is None
    assert filled("{}", (ID,), [text]) is None


def test_the_arguments_that_are_sent_have_the_values_that_earlier_calls_returned() -> None:
    call = taking(ID, Reference(argument="n", call=1, path="/n"), text="hello")
    first, second = (
        Succeeded(index=0, result="", returned='{"/id":"t1"}'),
        Succeeded(index=1, result="", returned='{"/n":2}'),
    )
    assert arguments_to_send(call, [first, second]) == '{"n":2,"text":"hello","thread":"t1"}'
    assert arguments_to_send(call, [first]) is None
    assert arguments_to_send(call, [second, second]) is None
    assert arguments_to_send(call, [OutcomeUnknown(index=0, reason="?"), second]) is None
    assert arguments_to_send(call, [replace(first, returned=""), second]) is None
    assert filled("[]", (ID,), ['{"/id":1}']) is None
    assert filled("{}", (replace(ID, call=-1),), ['{"/id":1}']) is None


# --- in a plan --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "references",
    [
        [replace(ID, call=1)],
        [replace(ID, call=2)],
        [replace(ID, call=-1)],
        [replace(ID, path="id")],
        [replace(ID, argument="text")],
        [ID, replace(ID, path="/other")],
    ],
    ids=["itself", "a later call", "no call", "no path", "an argument with a value", "one argument twice"],
)
def test_a_reference_is_to_an_earlier_call_and_of_an_argument_of_its_own(references: list[Reference]) -> None:
    assert refers_wrongly([TWO[0], taking(*references, text="hello"), a_call(x=1)])
    with pytest.raises(IllegalTransition, match="does not run before it"):
        proposed(TWO[0], taking(*references, text="hello"), a_call(x=1))


def test_a_reference_beside_no_arguments_at_all_is_wrong() -> None:
    assert refers_wrongly([TWO[0], replace(TWO[1], arguments="[]")])
    assert not refers_wrongly(TWO)
    assert paths_wanted(TWO, 0) == ("/id",)
    assert paths_wanted(TWO, 1) == ()


def test_no_other_server_says_what_a_call_destroys() -> None:
    source = a_call("open", server="forum", title="news")
    destroys = replace(taking(ID), is_destructive=True)
    assert not refers_wrongly([TWO[0], destroys])
    assert not refers_wrongly([source, taking(ID)])
    assert refers_wrongly([source, destroys])


def test_calls_that_refer_to_a_dropped_one_go_with_it_and_the_others_keep_what_they_refer_to() -> None:
    chain = taking(replace(ID, call=2))
    calls = (a_call(x=0), TWO[0], taking(replace(ID, call=1)), chain, taking(replace(ID, call=0)))
    assert without_dependents(calls, [2, 3, 4, 0]) == (0, 4)
    assert without_dependents(calls, [4, 3, 2, 1]) == (1, 2, 3)
    assert without_dependents(calls, [-1, 0, 7]) == (0,)
    assert only(calls, (1, 2, 3)) == (calls[1], taking(ID), taking(replace(ID, call=1)))
    with pytest.raises(ValueError, match="not in"):
        moved(chain.references, [0])


def test_what_is_left_of_a_plan_is_not_planned_again_where_a_call_takes_what_another_returns() -> None:
    plan = a_plan(*TWO)
    failed = Failed(index=1, reason="not sent", nothing_happened=True)
    done = Succeeded(index=0, result="", returned='{"/id":"t1"}')
    assert preset_plan("rest", plan, [done, failed], is_stopped=False) is None
    other = a_plan(TWO[0], a_call(text="hello"))
    preset = preset_plan("rest", other, [done, failed], is_stopped=False)
    assert preset is not None
    assert preset.is_made_of([other.calls[1]])
    assert not preset.is_made_of([taking(ID, text="hello")])


def test_rules_for_what_was_read_hold_for_what_nobody_knows_yet() -> None:
    assert replace(TWO[0], origins=()).read_for_rules == ()
    assert replace(TWO[1], origins=()).read_for_rules is None


# --- in the rules -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operator", ["equals", "not", "in", "present", "matches", "longest"])
@pytest.mark.parametrize("about", ["$.thread", "$.thread.id", "$['thread']", "$", "$[*]", "$[0]"])
def test_nothing_can_be_judged_of_what_nobody_knows_yet(operator: Operator, about: str) -> None:
    context = CallContext(arguments={"text": "hello"}, unknown=frozenset({"thread"}))
    assert Condition(about=about, operator=operator, value=True).holds(context) is None


def test_the_other_arguments_are_judged_as_ever() -> None:
    context = CallContext(arguments={"text": "hello"}, unknown=frozenset({"thread"}))
    assert Condition(about="$.text", operator="equals", value="hello").holds(context) is True
    assert Condition(about="$.other", operator="present", value=True).holds(context) is False
    assert Condition(about="place", operator="equals", value="c").holds(context) is False


# --- in the log -------------------------------------------------------------------------------------------------------


def deliberating(*calls: PlannedCall) -> s.RunState:
    state: s.RunState = s.Deliberating(request=a_request(), revision=1, ballot=a_ballot())
    for call in calls:
        state = evolve(state, e.ActionRecorded(agent=1, call=call), START)
    plan = a_plan(*calls)
    accepted = e.AnswerAccepted(agent=1, number=1, epoch=1, text=plan.text, calls=calls)
    return evolve(state, accepted, START)


def proposed(*calls: PlannedCall) -> s.AwaitingDecision:
    plan = a_plan(*calls)
    event = e.PlanProposed(plan=plan, digest=plan.digest, election=an_election_of(plan))
    state = evolve(deliberating(*calls), event, START)
    assert isinstance(state, s.AwaitingDecision)
    return state


def executing(*calls: PlannedCall) -> s.Executing:
    waiting = proposed(*calls)
    state = evolve(waiting, e.ApprovalGiven(by=ALICE, digest=waiting.plan.digest), START)
    assert isinstance(state, s.Executing)
    return state


def started(state: s.RunState, arguments: str) -> s.RunState:
    assert isinstance(state, s.Executing)
    call = state.plan.calls[state.next_index]
    event = e.CallStarted(
        index=state.next_index,
        server=call.server,
        tool=call.tool,
        arguments=arguments,
        digest=state.plan.digest,
        hand=f"h{state.next_index}",
    )
    return evolve(state, event, START)


def ended(state: s.RunState, gave: str) -> s.RunState:
    assert isinstance(state, s.Executing)
    call = state.plan.calls[state.next_index]
    return evolve(
        state,
        e.CallSucceeded(
            index=state.next_index, server=call.server, tool=call.tool, arguments="", result="ok", returned=gave
        ),
        START,
    )


def test_the_log_takes_a_start_with_the_returned_value_and_with_no_other() -> None:
    state = ended(started(executing(*TWO), TWO[0].arguments), '{"/id":"t1"}')
    for wrong in (TWO[1].arguments, '{"text":"hello","thread":"t2"}', '{"text":"hallo","thread":"t1"}', ""):
        with pytest.raises(IllegalTransition, match="nobody approved"):
            started(state, wrong)
    assert isinstance(started(state, '{"text":"hello","thread":"t1"}'), s.Executing)


def test_the_log_takes_no_start_where_the_value_is_missing() -> None:
    state = ended(started(executing(*TWO), TWO[0].arguments), "")
    with pytest.raises(IllegalTransition, match="nobody approved"):
        started(state, TWO[1].arguments)


@pytest.mark.parametrize("gave", ['{"/other":1}', '{"/id":"two words"}', '{"/id":1,"/other":1}', '{"/id": 1}', "{}"])
def test_the_log_takes_no_result_that_no_later_call_may_take(gave: str) -> None:
    state = started(executing(*TWO), TWO[0].arguments)
    with pytest.raises(IllegalTransition, match="no later call may take"):
        ended(state, gave)


def revised(state: s.AwaitingDecision, kind: e.Revised, *calls: PlannedCall, kept: tuple[int, ...] = ()) -> s.RunState:
    plan = replace(state.plan, revision=2, calls=calls, expires_at=START + timedelta(seconds=Policy().expires_after))
    event = e.PlanProposed(
        plan=plan, digest=plan.digest, election=state.election, chosen_by=ALICE, revised=kind, kept=kept
    )
    return evolve(state, event, START)


def test_the_log_takes_a_selection_only_with_the_calls_that_it_names() -> None:
    first, other, post = a_call(x=0), TWO[0], taking(replace(ID, call=1), text="hello")
    state = proposed(first, other, post)
    renumbered = taking(ID, text="hello")
    for calls, kept in [
        ((other, renumbered), ()),
        ((first, post), (0, 2)),
        ((first, renumbered), (0, 2)),
        ((other, renumbered), (0, 1)),
        ((other, renumbered), (2, 1)),
        ((first, other, post), (0, 1, 2)),
        ((other,), (1, 7)),
    ]:
        with pytest.raises(IllegalTransition):
            revised(state, "selected", *calls, kept=kept)
    assert isinstance(revised(state, "selected", other, renumbered, kept=(1, 2)), s.AwaitingDecision)


def test_the_log_takes_an_edit_that_drops_a_reference_and_none_that_adds_or_turns_one() -> None:
    state = proposed(*TWO)
    dropped = a_call(text="hello", thread="t9")
    for call in (
        taking(replace(ID, path="/other"), text="hello"),
        taking(ID, Reference(argument="n", call=0, path="/n"), text="hello"),
        TWO[1],
    ):
        with pytest.raises(IllegalTransition):
            revised(state, "edited", TWO[0], call)
    assert isinstance(revised(state, "edited", TWO[0], dropped), s.AwaitingDecision)
    assert isinstance(revised(state, "edited", TWO[0], a_call(text="hello")), s.AwaitingDecision)
    assert isinstance(revised(state, "edited", TWO[0], taking(ID, text=canonical("x"))), s.AwaitingDecision)
