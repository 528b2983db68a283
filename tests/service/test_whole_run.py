"""The whole life of a run over the ports: what people approve is what runs, once."""

import asyncio

import pytest

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.plan import PlannedCall, Skipped
from coordination.domain.policy import Policy
from coordination.domain.tool_rules import Effect, Rule
from coordination.errors import ConfigError, ModelError, ModelFault, RefusedError, RunNotFoundError, ToolServerError
from coordination.ports import CallNotSentError, CallOutcomeUnknownError, ToolDefinition, ToolOutput
from coordination.run_options import MAX_PROMPT, RunOptions
from coordination.text import Text
from tests.builders import ALICE, BOB, MALLORY, REQUESTER, STRANGER
from tests.fakes import Crash, PlayedModel, answers, calls, raises, says, votes
from tests.service.deliberation_harness import LOOKS_READ
from tests.service.service_harness import Office


def post(title: str) -> tuple[str, dict[str, object]]:
    return ("mcp__board__post", {"title": title})


def two_agents(*, report: object = None) -> tuple[PlayedModel, PlayedModel]:
    """Agent 1's plan of two calls wins two to nothing; it reports in the end."""
    last = says("Posted.") if report is None else report
    first = PlayedModel(answers("one", post("a"), post("b")), votes(1), last)  # type: ignore[arg-type]  # a step by shape
    return first, PlayedModel(answers("two"), votes(1))


def titles(office: Office) -> list[str]:
    return [call.arguments for call in office.world.done]


async def test_what_people_approve_is_what_runs_once_and_in_order() -> None:
    """From the request to the report; nothing is written before the approval."""
    office = Office(*two_agents())
    run, state = await office.planned()
    assert office.world.done == []
    assert [call.arguments for call in state.plan.calls] == ['{"title":"a"}', '{"title":"b"}']
    await office.people.approve(run, state.plan.digest, ALICE)
    assert office.world.done == []
    await office.work()
    assert tuple(office.world.done) == state.plan.calls
    assert len(set(office.world.keys)) == 2
    final = await office.state(run)
    assert isinstance(final, s.Finished)
    assert final.report == "Posted."
    assert [receipt.kind for receipt in final.receipts] == ["succeeded", "succeeded"]
    assert final.approvals == (ALICE,)


async def test_every_call_is_on_record_before_it_is_made() -> None:
    """No event, no effect."""
    office = Office(*two_agents())
    run, state = await office.planned()
    seen: list[int] = []

    def look_at_the_log(_: object) -> ToolOutput:
        seen.append(office.log.kinds(run).count("call_started"))
        return ToolOutput(text="done")

    office.world.behaviours = [look_at_the_log, look_at_the_log]
    await office.people.approve(run, state.plan.digest, ALICE)
    await office.work()
    assert seen == [1, 2]


async def test_a_plan_without_calls_is_an_answer() -> None:
    """There is nothing to approve."""
    office = Office(PlayedModel(answers("just words")))
    run = await office.ask()
    await office.work()
    final = await office.state(run)
    assert isinstance(final, s.Answered)
    assert final.text == "just words"
    with pytest.raises(RefusedError, match="nothing to decide"):
        await office.people.approve(run, "0" * 64, ALICE)


@pytest.mark.parametrize("how", ["reject", "expire", "cancel"])
async def test_what_is_not_approved_never_runs(how: str) -> None:
    """Not after a rejection, an expiry or a cancellation; and a late approval is refused."""
    office = Office(*two_agents())
    run, state = await office.planned()
    if how == "reject":
        await office.people.reject(run, state.plan.digest, ALICE, "no")
    elif how == "cancel":
        await office.people.cancel(run, REQUESTER)
    else:
        office.clock.tick(days=2)
    with pytest.raises(RefusedError):
        await office.people.approve(run, state.plan.digest, ALICE)
    await office.work()
    assert office.world.done == []
    kind = {"reject": "rejected", "expire": "expired", "cancel": "cancelled"}[how]
    assert (await office.state(run)).kind == kind


async def test_an_expiry_is_logged_by_whoever_looks_first() -> None:
    """Nobody has to be awake at that moment."""
    office = Office(*two_agents())
    run, _ = await office.planned()
    office.clock.tick(days=2)
    assert list(await office.people.expire_due()) == [run]
    assert list(await office.people.expire_due()) == []
    assert office.log.kinds(run)[-1] == "plan_expired"


async def test_a_plan_of_two_approvals_waits_for_the_second_person() -> None:
    """The same person twice is not two."""
    office = Office(*two_agents(), policy=Policy(roles=("ops",), required=2))
    run, state = await office.planned()
    assert isinstance(await office.people.approve(run, state.plan.digest, ALICE), s.AwaitingDecision)
    with pytest.raises(RefusedError, match="2 different people"):
        await office.people.approve(run, state.plan.digest, ALICE)
    await office.work()
    assert office.world.done == []
    assert isinstance(await office.people.approve(run, state.plan.digest, BOB), s.Executing)


async def test_refused_attempts_change_nothing_and_are_kept_for_the_audit() -> None:
    """A stranger learns nothing: for them there is no such run."""
    office = Office(*two_agents())
    run, state = await office.planned()
    for by, words in ((MALLORY, "Only ops can decide"), (REQUESTER, "Only ops can decide")):
        with pytest.raises(RefusedError, match=words):
            await office.people.approve(run, state.plan.digest, by)
    with pytest.raises(RunNotFoundError):
        await office.people.approve(run, state.plan.digest, STRANGER)
    with pytest.raises(RefusedError, match="not the plan that waits"):
        await office.people.approve(run, "f" * 64, ALICE)
    with pytest.raises(RefusedError, match="not the plan that waits"):
        await office.people.approve(run, state.plan.digest[:7], ALICE)
    assert office.log.kinds(run).count("action_refused") == 4
    assert await office.state(run) == state


async def test_fifty_clicks_at_once_make_one_decision() -> None:
    """Approve and Reject race; the first append wins, all others are refused, and the world sees one result."""
    office = Office(*two_agents())
    run, state = await office.planned()
    digest = state.plan.digest

    async def click(number: int) -> str:
        verb = office.people.reject if number % 3 == 0 else office.people.approve
        try:
            return (await verb(run, digest, (ALICE, BOB)[number % 2])).kind
        except RefusedError:
            return "refused"

    results = await asyncio.gather(*(click(number) for number in range(50)))
    assert results.count("refused") == 49
    await office.work()
    assert len(office.world.done) == (2 if "executing" in results else 0)
    kinds = office.log.kinds(run)
    assert kinds.count("approval_given") + kinds.count("plan_rejected") == 1


async def test_a_job_performed_twice_at_once_runs_the_plan_once() -> None:
    """The log decides who may start a call."""
    office = Office(*two_agents())
    run, state = await office.planned()
    await office.people.approve(run, state.plan.digest, ALICE)
    job = office.log.jobs.pop()
    await asyncio.gather(*(office.worker.perform(job) for _ in range(5)), return_exceptions=True)
    starts = [r.event.index for r in office.log.events[run] if isinstance(r.event, e.CallStarted)]
    assert sorted(set(starts)) == starts
    assert len(office.world.done) <= 2


async def test_changes_lead_to_another_plan_with_another_digest() -> None:
    """The agents see the earlier plan and the words; the old plan can no longer be approved."""
    first = PlayedModel(answers("one", post("a")), answers("one, changed", post("b")), says("Done."))
    office = Office(first)
    run, old = await office.planned()
    await office.people.request_changes(run, old.plan.digest, ALICE, "shorter, please")
    await office.work()
    new = await office.state(run)
    assert isinstance(new, s.AwaitingDecision)
    assert (new.plan.revision, new.plan.calls[0].arguments) == (2, '{"title":"b"}')
    assert new.plan.digest != old.plan.digest
    assert "shorter, please" in first.conversations[1].told
    assert '{"title": "a"}' in first.conversations[1].told
    with pytest.raises(RefusedError, match="not the plan that waits"):
        await office.people.approve(run, old.plan.digest, ALICE)
    with pytest.raises(RefusedError, match="Your words are in this plan"):
        await office.people.approve(run, new.plan.digest, ALICE)
    await office.people.approve(run, new.plan.digest, BOB)
    await office.work()
    assert titles(office) == ['{"title":"b"}']


async def test_another_agents_plan_can_be_chosen_and_needs_its_own_approval() -> None:
    """It is the next revision, marked with who chose it."""
    first = PlayedModel(answers("one", post("a")), votes(1))
    second = PlayedModel(answers("two", post("b")), votes(1), says("Done."))
    office = Office(first, second)
    run, old = await office.planned()
    new = await office.people.choose(run, old.plan.digest, ALICE, 2)
    assert isinstance(new, s.AwaitingDecision)
    assert (new.plan.revision, new.plan.calls[0].arguments) == (2, '{"title":"b"}')
    with pytest.raises(RefusedError):
        await office.people.approve(run, old.plan.digest, BOB)
    await office.people.approve(run, new.plan.digest, BOB)
    await office.work()
    assert titles(office) == ['{"title":"b"}']


# --- execution that goes wrong ----------------------------------------------------------------------------------------


def fails_with(error: BaseException) -> object:
    def behaviour(_: object) -> ToolOutput:
        raise error

    return behaviour


def says_no(call: PlannedCall) -> ToolOutput:
    return ToolOutput(text="no such channel", is_error=True)


async def run_approved(office: Office, *behaviours: object) -> tuple[str, s.RunState]:
    run, state = await office.planned()
    office.world.behaviours = list(behaviours)  # type: ignore[arg-type]  # behaviours by shape
    await office.people.approve(run, state.plan.digest, ALICE)
    await office.work()
    return run, await office.state(run)


async def test_the_first_failure_stops_the_rest() -> None:
    """The receipts say which call failed and which were skipped."""
    office = Office(*two_agents())
    _, final = await run_approved(office, says_no)
    assert isinstance(final, s.Finished)
    assert [receipt.kind for receipt in final.receipts] == ["failed", "skipped"]
    assert len(office.world.done) == 1


async def test_a_call_that_certainly_was_not_sent_has_failed() -> None:
    """It is not tried again either."""
    office = Office(*two_agents())
    _, final = await run_approved(office, fails_with(CallNotSentError(Text("the server can't be reached"))))
    assert isinstance(final, s.Finished)
    assert [receipt.kind for receipt in final.receipts] == ["failed", "skipped"]
    assert office.world.done == []


async def test_a_tool_whose_definition_changed_after_the_approval_does_not_run() -> None:
    """Nor does anything after it."""
    office = Office(*two_agents())
    office.world.definitions[("board", "post")] = "another"
    _, final = await run_approved(office)
    assert isinstance(final, s.Finished)
    assert [receipt.kind for receipt in final.receipts] == ["failed", "skipped"]
    assert "has changed since" in str(final.receipts[0])
    assert office.world.done == []


async def test_a_tool_that_is_gone_does_not_run() -> None:
    """The receipt says so."""
    office = Office(*two_agents())
    office.world.definitions[("board", "post")] = None
    _, final = await run_approved(office)
    assert isinstance(final, s.Finished)
    assert "has no tool post any more" in str(final.receipts[0])


async def test_an_unknown_outcome_stops_everything_and_asks_a_person() -> None:
    """Nothing is retried, nothing else runs."""
    office = Office(*two_agents())
    run, state = await run_approved(office, fails_with(CallOutcomeUnknownError(Text("no answer in 60 s"))))
    assert isinstance(state, s.NeedsHuman)
    assert (state.unknown.index, state.unknown.reason) == (0, "no answer in 60 s")
    with pytest.raises(RefusedError):
        await office.people.resolve(run, 0, MALLORY, "run_it")
    with pytest.raises(RefusedError):
        await office.people.resolve(run, 1, ALICE, "run_it")
    await office.work()
    assert office.world.done == []


async def test_a_word_about_one_doubt_settles_no_later_one_of_the_same_call() -> None:
    """Two people look at the same doubt; the second one's word comes when the call is in doubt anew."""
    office = Office(*two_agents())
    lost = fails_with(CallOutcomeUnknownError(Text("no answer")))
    run, state = await run_approved(office, lost, lost)
    assert isinstance(state, s.NeedsHuman)
    await office.people.resolve(run, 0, ALICE, "run_it", attempt=state.attempt)
    await office.work()
    again = await office.state(run)
    assert isinstance(again, s.NeedsHuman)
    with pytest.raises(RefusedError, match="No call of this run waits"):
        await office.people.resolve(run, 0, BOB, "run_it", attempt=state.attempt)
    assert await office.state(run) == again
    await office.people.resolve(run, 0, BOB, "abandon", attempt=again.attempt)


@pytest.mark.parametrize(
    ("verdict", "done", "receipts"),
    [
        ("happened", ['{"title":"b"}'], ["succeeded", "succeeded"]),
        ("run_it", ['{"title":"a"}', '{"title":"b"}'], ["succeeded", "succeeded"]),
        ("abandon", [], ["outcome_unknown", "skipped"]),
    ],
)
async def test_a_person_settles_an_unknown_outcome(verdict: e.Verdict, done: list[str], receipts: list[str]) -> None:
    """It happened; it did not, run it; or stop here."""
    office = Office(*two_agents())
    run, _ = await run_approved(office, fails_with(CallOutcomeUnknownError(Text("no answer"))))
    await office.people.resolve(run, 0, ALICE, verdict)
    await office.work()
    final = await office.state(run)
    assert isinstance(final, s.Finished)
    assert titles(office) == done
    assert [receipt.kind for receipt in final.receipts] == receipts


@pytest.mark.parametrize("performed", [False, True])
async def test_a_crash_in_the_middle_of_a_call_leaves_a_question_not_a_second_call(performed: bool) -> None:
    """Whether it had happened or not: the next worker can't know, and asks."""
    office = Office(*two_agents())
    run, state = await office.planned()

    def crash(call: object) -> ToolOutput:
        if performed:
            office.world.done.append(call)  # type: ignore[arg-type]  # a call by shape
        raise Crash

    office.world.behaviours = [crash]
    await office.people.approve(run, state.plan.digest, ALICE)
    job = office.log.jobs[0]
    with pytest.raises(Crash):
        await office.work()
    await office.worker.perform(job)
    assert isinstance(await office.state(run), s.NeedsHuman)
    assert len(office.world.done) == int(performed)


async def test_a_result_that_comes_after_the_call_was_given_up_is_kept() -> None:
    """The truth stands beside the question; the person still decides."""
    office = Office(*two_agents())
    run, state = await office.planned()
    await office.people.approve(run, state.plan.digest, ALICE)
    job = office.log.jobs.pop()
    reached, go_on = asyncio.Event(), asyncio.Event()

    class Slow:
        definition_digest = office.world.definition_digest
        settings_digest = office.world.settings_digest

        async def call(self, call: object, key: str) -> ToolOutput:
            reached.set()
            await go_on.wait()
            return ToolOutput(text="posted after all")

    office.hub.executor = lambda servers, caller=None: Slow()  # type: ignore[method-assign,assignment,return-value]  # a slow world
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(office.worker.perform(job))
        await reached.wait()
        await office.worker.perform(job)
        assert isinstance(await office.state(run), s.NeedsHuman)
        go_on.set()
    after = await office.state(run)
    assert isinstance(after, s.NeedsHuman)
    assert after.late_result == "posted after all"


async def test_a_program_that_is_told_to_stop_lets_the_call_under_way_end() -> None:
    """Its receipt is on record, and the next worker goes on with the next call instead of asking a person."""
    office = Office(*two_agents())
    run, state = await office.planned()
    await office.people.approve(run, state.plan.digest, ALICE)
    job = office.log.jobs.pop()
    reached, go_on = asyncio.Event(), asyncio.Event()
    world = office.hub.executor(())

    class Slow:
        definition_digest = office.world.definition_digest
        settings_digest = office.world.settings_digest

        async def call(self, call: PlannedCall, key: str) -> ToolOutput:
            reached.set()
            await go_on.wait()
            return await world.call(call, key)

    office.hub.executor = lambda servers, caller=None: Slow()  # type: ignore[method-assign,assignment,return-value]  # a slow world
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        working = group.create_task(office.worker.perform(job))
        await reached.wait()
        working.cancel()
        await asyncio.sleep(0)
        go_on.set()
    assert working.cancelled()
    assert office.log.kinds(run)[-1] == "call_succeeded"
    await office.worker.perform(job)
    assert isinstance(await office.state(run), s.Finished)
    assert len(office.world.done) == 2


async def test_cancelling_during_execution_lets_the_call_under_way_end_and_skips_the_rest() -> None:
    """What has happened is on the receipt."""
    office = Office(*two_agents())
    run, state = await office.planned()
    await office.people.approve(run, state.plan.digest, ALICE)
    job = office.log.jobs.pop()
    reached, go_on = asyncio.Event(), asyncio.Event()

    class Slow:
        definition_digest = office.world.definition_digest
        settings_digest = office.world.settings_digest

        async def call(self, call: object, key: str) -> ToolOutput:
            reached.set()
            await go_on.wait()
            return ToolOutput(text="posted")

    office.hub.executor = lambda servers, caller=None: Slow()  # type: ignore[method-assign,assignment,return-value]  # a slow world
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(office.worker.perform(job))
        await reached.wait()
        await office.people.cancel(run, BOB)
        go_on.set()
    final = await office.state(run)
    assert isinstance(final, s.Finished)
    assert [receipt.kind for receipt in final.receipts] == ["succeeded", "skipped"]
    assert final.stopped_by == BOB


async def test_an_approval_that_expires_before_a_call_could_start_does_not_run_it() -> None:
    """A machine that slept through the day does not act on yesterday's yes."""
    office = Office(*two_agents())
    run, state = await office.planned()
    await office.people.approve(run, state.plan.digest, ALICE)
    office.clock.tick(days=2)
    await office.work()
    final = await office.state(run)
    assert isinstance(final, s.Finished)
    reason = "the approval had expired before this call could start"
    assert final.receipts == (Skipped(index=0, reason=reason), Skipped(index=1, reason=reason))
    assert office.world.done == []


async def test_a_report_that_can_not_be_written_is_left_out() -> None:
    """The receipts alone are the report."""
    office = Office(*two_agents(report=raises(ModelError(ModelFault.AUTH, Text("no key")))))
    _, final = await run_approved(office)
    assert isinstance(final, s.Finished)
    assert final.report is None
    assert len(office.world.done) == 2


async def test_the_report_has_the_results_and_no_tools() -> None:
    """It is written after everything happened."""
    first, second = two_agents()
    office = Office(first, second)
    await run_approved(office)
    last = first.conversations[-1]
    assert last.tools == ()
    assert "1. board.post: done: did post" in last.told


# --- planning that goes wrong -----------------------------------------------------------------------------------------


async def test_a_server_that_can_not_start_fails_the_run_with_that_sentence() -> None:
    """No agent is let loose without its tools."""
    office = Office(PlayedModel())

    async def broken(servers: object) -> list[ToolDefinition]:
        raise ToolServerError(Text("The MCP server board can't start: the operator must install it."))

    office.hub.definitions = broken  # a broken hub
    run = await office.ask()
    await office.work()
    state = await office.state(run)
    assert isinstance(state, s.RunBroken)
    assert state.reason == "The MCP server board can't start: the operator must install it."


async def test_rules_for_tools_that_do_not_exist_fail_the_run() -> None:
    """A rule that matches nothing protects nothing."""
    office = Office(PlayedModel())
    office.prepared.diagnostics = lambda definitions, asking=frozenset(), absent=(): [
        "tools[0]: nothing matches"
    ]  # as settings do
    run = await office.ask()
    await office.work()
    state = await office.state(run)
    assert isinstance(state, s.RunBroken)
    assert "nothing matches" in state.reason


async def test_more_tools_than_models_accept_fail_the_run_in_words() -> None:
    """A thousand tools: the operator must deny some."""
    many = [
        ToolDefinition(server="board", tool=f"tool{n}", description="", input_schema={"type": "object"}, digest="d")
        for n in range(1000)
    ]
    office = Office(PlayedModel(), definitions=many, rules=())
    run = await office.ask()
    await office.work()
    state = await office.state(run)
    assert isinstance(state, s.RunBroken)
    assert "1000 tools" in state.reason


async def test_cancelling_stops_agents_at_work_at_once() -> None:
    """Their model calls are not waited for."""
    never = asyncio.Event()
    model = PlayedModel(answers("one"), gates={0: never})
    office = Office(model)
    run = await office.ask()
    job = office.log.jobs.pop()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(office.worker.perform(job))
        while not model.conversations:  # noqa: ASYNC110 - a few turns of the loop, bounded by the timeout
            await asyncio.sleep(0)
        await office.people.cancel(run, REQUESTER)
    assert isinstance(await office.state(run), s.Cancelled)
    assert model.conversations[0].is_closed


async def test_a_worker_that_died_while_agents_were_at_work_is_followed_by_another() -> None:
    """Answers on disk are kept; only what was under way is asked again."""
    first = PlayedModel(answers("one", post("a")), raises(Crash()), votes(1))  # type: ignore[arg-type]  # dies
    office = Office(first, PlayedModel(answers("two"), votes(1), votes(1)))
    run = await office.ask()
    job = office.log.jobs[0]
    with pytest.raises((Crash, BaseExceptionGroup)):
        await office.work()
    await office.worker.perform(job)
    state = await office.state(run)
    assert isinstance(state, s.AwaitingDecision)
    assert office.log.kinds(run).count("answer_accepted") == 2
    assert office.log.kinds(run).count("deliberation_started") == 2


async def test_a_plan_of_automatic_calls_needs_nobody() -> None:
    """The operator's rule is the approval, and the log says so."""
    auto = Rule(match="board.post", effect=Effect.AUTO, source="tools[1]")
    office = Office(PlayedModel(answers("one", post("a")), says("Done.")), rules=(LOOKS_READ, auto))
    run = await office.ask()
    await office.work()
    final = await office.state(run)
    assert isinstance(final, s.Finished)
    assert [by.name for by in final.approvals] == ["the operator's rules"]
    assert titles(office) == ['{"title":"a"}']


async def test_one_call_that_is_not_automatic_makes_the_whole_plan_wait() -> None:
    """Nothing runs ahead."""
    auto = Rule(match="board.post", effect=Effect.AUTO, source="tools[1]")
    look = ("mcp__board__look", {"title": "x"})
    office = Office(PlayedModel(calls(look), answers("one", post("a"))), rules=(auto,))
    await office.planned()
    assert office.world.done == []


async def test_the_winner_may_write_its_plan_anew_after_the_vote() -> None:
    """The card will say so; the digest is of what was written."""
    first = PlayedModel(answers("one", post("a")), votes(1), answers("final", post("z")))
    office = Office(first, PlayedModel(answers("two"), votes(1)), options=RunOptions(final_presentation="present"))
    run, state = await office.planned()
    assert state.written_after_vote
    assert state.plan.calls[0].arguments == '{"title":"z"}'
    assert office.log.kinds(run)[-1] == "plan_proposed"


# --- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["", " \n", "x" * (MAX_PROMPT + 1)])
async def test_a_request_of_no_or_endless_words_is_refused_and_leaves_nothing(prompt: str) -> None:
    """Bad input changes nothing."""
    office = Office(PlayedModel())
    with pytest.raises(RefusedError):
        await office.ask(prompt)
    assert office.log.events == {}


async def test_a_config_that_can_not_be_used_is_refused_before_anything_is_written() -> None:
    """The complaints go to the person who asked."""
    office = Office(PlayedModel())

    def broken(text: str, origin: str, tenant: str) -> object:
        raise ConfigError([Text("agents: at least one")])

    office.people._configure = broken  # type: ignore[assignment]  # as settings do
    with pytest.raises(ConfigError):
        await office.ask()
    assert office.log.events == {}
    assert office.log.configs == {}


async def test_a_name_that_is_taken_is_not_taken_again() -> None:
    """Another is found."""
    office = Office(PlayedModel())
    run = await office.ask()
    names = iter([run, run, "FREE"])
    office.people._new_id = lambda: next(names)
    assert await office.ask() == "FREE"


async def test_a_run_that_does_not_exist_is_said_not_to() -> None:
    """Also to whoever guesses."""
    office = Office(PlayedModel())
    with pytest.raises(RunNotFoundError):
        await office.state("NOPE")
    with pytest.raises(RunNotFoundError):
        await office.people.cancel("NOPE", ALICE)
