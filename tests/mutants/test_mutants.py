"""Seeded mistakes, each of which the tests of the promise must notice: a suite that can't fail proves nothing."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.forked import start

ROOT = Path(__file__).parents[2]
MACHINE = "tests/service/test_run_machine.py::test_no_order_of_events_breaks_the_promise_in_one_run"
LINKED_MACHINE = "tests/service/test_run_machine.py::test_no_order_of_events_breaks_the_promise"
STORY = "tests/service/test_whole_run.py"
PROTOCOL = "tests/service/test_deliberation.py"
BALLOT = "tests/unit/test_ballot.py"
APPROVAL = "tests/unit/test_approval.py"
RULES = "tests/unit/test_run_rules.py"
SETTINGS = "tests/threats/test_settings_changed_since_the_plan.py"
JUDGED = "tests/unit/test_judged_again.py"
PLANNING = "tests/threats/test_stricter_rules_while_agents_plan.py"
IN_DOUBT = "tests/threats/test_stricter_rules_while_a_call_is_in_doubt.py"
FREEZE = "tests/threats/test_a_freeze_that_does_not_hold.py"
APPROVED = "tests/threats/test_stricter_rules_after_the_approval.py"
EDITS = "tests/service/test_plan_edits.py"
EDGES = "tests/service/test_edges_of_execution.py"
CONDITIONS = "tests/unit/test_tool_conditions.py"
OPTIONAL = "tests/service/test_optional_servers.py"
QUORUMS = "tests/unit/test_quorums.py"
SEATS = "tests/unit/test_seats.py"
NEEDS = "tests/unit/test_tool_needs.py"
OVER = "tests/unit/test_operator_policy.py"
LACKING = "tests/threats/test_approvals_that_a_call_lacks.py"
BY_DAY = "tests/threats/test_one_call_too_many_today.py"
UNFORESEEN = "tests/service/test_unforeseen.py"
FAULTS = "tests/service/test_faults_at_awaits.py"
PREVIEWS = "tests/service/test_previews.py"
READY = "tests/unit/test_ready_previews.py"
REFERENCES = "tests/unit/test_references.py"
GRANTS = "tests/unit/test_grants.py"
GRANTED = "tests/service/test_standing_grants.py"
GLASS = "tests/unit/test_break_glass.py"
ALONE = "tests/threats/test_approving_alone.py"
MARKS = "tests/unit/test_secret_marks.py"
LOST = "tests/unit/test_lost_answers.py"
AGAIN = "tests/threats/test_run_again_too_early.py"
DISGUISED = "tests/threats/test_values_that_read_as_others.py"


@dataclass(frozen=True)
class Mutant:
    """One mistake: what stands in a module, what stands there instead, and the tests that must notice."""

    name: str
    module: str
    old: str
    new: str
    killed_by: tuple[str, ...]


MUTANTS = [
    Mutant(
        "two secrets have one mark",
        "secret_marks.py",
        'f"massgen-bot/secret\\n{secret}"',
        'f"massgen-bot/secret\\n{secret[:8]}"',
        (MARKS,),
    ),
    Mutant(
        "the mark for a secret depends on no key",
        "secret_marks.py",
        "hmac.new(self._key, ",
        'hmac.new(b"key", ',
        (MARKS,),
    ),
    Mutant(
        "a script passes for a private key and is hidden",
        "secret_marks.py",
        ' if _is_key(match["body"]))',
        ")",
        (MARKS,),
    ),
    Mutant(
        "anybody revokes a standing grant",
        "domain/grant_checks.py",
        "    return None if by.is_admin or by.is_same_as(grant.by) else Refusal.NOT_YOURS\n",
        "    return None\n",
        (LINKED_MACHINE,),
    ),
    Mutant(
        "a grant covers calls to another server of the name",
        "domain/grants.py",
        "self.definition, self.settings)\n        if where",
        "self.definition, call.settings)\n        if where",
        (LINKED_MACHINE,),
    ),
    Mutant(
        "the rest is planned after a call that may have run",
        "domain/preset_plan.py",
        "isinstance(each, Skipped) or (isinstance(each, Failed) and each.nothing_happened)",
        "True",
        ("tests/unit/test_linked_runs.py",),
    ),
    Mutant(
        "what ran is taken back in the order in which it ran",
        "domain/preset_plan.py",
        "    for each in reversed(receipts):\n",
        "    for each in receipts:\n",
        (LINKED_MACHINE,),
    ),
    Mutant(
        "a run begins with another plan than what is left",
        "domain/preset_plan.py",
        "        return not any(call.references for call in calls) and planned == [\n",
        "        return True or planned == [\n",
        (LINKED_MACHINE,),
    ),
    Mutant(
        "anybody approves alone in an emergency",
        "domain/policy.py",
        "    if not rule.names(by):\n        return Refusal.NOT_FOR_BREAK_GLASS\n",
        "",
        (GLASS, ALONE, MACHINE),
    ),
    Mutant(
        "who asked for the plan approves it alone",
        "domain/policy.py",
        "    is_own = authors.asked(by) or authors.shaped(by)\n",
        "    is_own = authors.shaped(by)\n",
        (GLASS,),
    ),
    Mutant(
        "who shaped the plan approves it alone",
        "domain/policy.py",
        "    is_own = authors.asked(by) or authors.shaped(by)\n",
        "    is_own = authors.asked(by)\n",
        (GLASS, MACHINE),
    ),
    Mutant(
        "guests approve alone",
        "domain/policy.py",
        "    if policy.excludes(by):\n        return Refusal.EXTERNAL\n    if action is RunAction.BREAK_GLASS",
        "    if policy.excludes(by) and action is not RunAction.BREAK_GLASS:\n"
        "        return Refusal.EXTERNAL\n    if action is RunAction.BREAK_GLASS",
        (GLASS,),
    ),
    Mutant(
        "a call whose rule bars break-glass has it",
        "domain/break_glass.py",
        "        if needs.bars_break_glass:\n            return None\n",
        "",
        (GLASS,),
    ),
    Mutant(
        "a rule of now that has no break-glass leaves that of then",
        "domain/break_glass.py",
        "        if now is None:\n            return None\n",
        "        if now is None:\n            return self\n",
        (GLASS, ALONE),
    ),
    Mutant(
        "a log says that somebody approved alone, and not why",
        "domain/judgement.py",
        "    if event.break_glass is None or not is_reason(event.break_glass):\n",
        "    if event.break_glass is None:\n",
        (GLASS,),
    ),
    Mutant(
        "a log may say that anybody approved alone",
        "domain/transitions.py",
        "        check_break_glass(state, event, at)\n",
        "        pass\n",
        (GLASS,),
    ),
    Mutant(
        "nobody reads again whether who approved alone still may",
        "domain/states.py",
        "            return (self.break_glass_by,)\n",
        "            return ()\n",
        (GLASS, ALONE),
    ),
    Mutant(
        "who approved alone is held against the rule for everybody else",
        "domain/states.py",
        "        return self.plan.policy.alone if is_alone else self.plan.policy\n",
        "        return self.plan.policy\n",
        (ALONE,),
    ),
    Mutant(
        "who may approve alone is not under the digest",
        "domain/policy.py",
        '            "break_glass": None if self.break_glass is None else self.break_glass.as_json(),\n',
        "",
        (GLASS,),
    ),
    Mutant(
        "what is denied by now is approved in an emergency",
        "service.py",
        "        if action in (RunAction.APPROVE, RunAction.BREAK_GLASS):\n            objection",
        "        if action is RunAction.APPROVE:\n            objection",
        (ALONE,),
    ),
    Mutant(
        "what one person approved goes on under rules that have no break-glass",
        "current_rules.py",
        "    return then != (now if state.break_glass_by is not None else",
        "    return then != (now if state.break_glass_by is None else",
        (ALONE,),
    ),
    Mutant(
        "what was read gets into an argument that a grant leaves open",
        "domain/grants.py",
        "call.is_destructive or call.origins != ()",
        "call.is_destructive",
        (GRANTS,),
    ),
    Mutant(
        "a grant covers a tool that has changed",
        "domain/grants.py",
        "call.tool, call.definition, call.settings)",
        "call.tool, self.definition, call.settings)",
        (GRANTS,),
    ),
    Mutant(
        "a grant covers other arguments",
        "domain/grants.py",
        "fixed(call.arguments, self.free) == self.arguments and ",
        "",
        (GRANTS,),
    ),
    Mutant(
        "a grant covers what was not seen on the card",
        "domain/grants.py",
        " and read_for(plan, call) == self.read",
        "",
        (GRANTS,),
    ),
    Mutant(
        "grants fill some of the places",
        "domain/grant_checks.py",
        "    return ()\n\n\ndef _may",
        "    return tuple(events)\n\n\ndef _may",
        (GRANTS,),
    ),
    Mutant(
        "a log may say that anybody's grant is somebody's approval",
        "domain/grant_checks.py",
        "not each.grant.by.is_same_as(event.by) or ",
        "",
        (GRANTS,),
    ),
    Mutant(
        "a grantor counts who asked for the run",
        "domain/grant_checks.py",
        "    return refusal is None\n",
        "    return True\n",
        (GRANTS,),
    ),
    Mutant(
        "a call starts that is counted for no grant",
        "domain/transitions.py",
        "    if event.grants != state.next_grants:\n",
        "    if False:\n",
        (GRANTS,),
    ),
    Mutant(
        "nobody looks at grants before a call",
        "current_rules.py",
        "        if not state.granted:\n",
        "        if state.granted:\n",
        (GRANTED,),
    ),
    Mutant(
        "the last call of a grant starts twice",
        "storage/grant_records.py",
        "or found.used + count > found.grant.most:",
        "and False:",
        (GRANTS,),
    ),
    Mutant(
        "a call starts on a grant that was revoked",
        "storage/grant_records.py",
        "        if found is None or not found.is_live(at) or found.used",
        "        if found is None or found.used",
        (GRANTS,),
    ),
    Mutant(
        "rules of a call do not bar grants",
        "domain/policy.py",
        "allow_grants=self.allow_grants and not needs.bars_grants",
        "allow_grants=self.allow_grants",
        (GRANTS,),
    ),
    Mutant(
        "words that nobody has seen take the place of a reference",
        "domain/references.py",
        "_PLAIN.fullmatch(value) is not None",
        "bool(value)",
        (REFERENCES,),
    ),
    Mutant(
        "a call starts with another value than the one that was returned",
        "domain/transitions.py",
        "        arguments_to_send(call, state.receipts),\n",
        "        event.arguments,\n",
        (REFERENCES,),
    ),
    Mutant(
        "what changed since the plan is sent all the same",
        "previews.py",
        "    if now.digest == reading.digest:\n",
        "    if now.is_known:\n",
        (PREVIEWS,),
    ),
    Mutant(
        "another tool may show what a call changes",
        "previews.py",
        "    if (settings, definition) != (reading.settings, reading.definition):\n",
        "    if settings != reading.settings:\n",
        (PREVIEWS,),
    ),
    Mutant(
        "the tool that writes is asked before people approve",
        "previews.py",
        "    if tool.ruling(arguments).effect is not Effect.READ:\n",
        "    if tool.ruling(arguments).effect is Effect.DENY:\n",
        (PREVIEWS,),
    ),
    Mutant(
        "what a rule wants to stay as it is may change once a plan has begun",
        "previews.py",
        "reading is not None and preview.is_ready_made and reading",
        "reading is not None and reading",
        (READY,),
    ),
    Mutant(
        "what comes with the program is read though no rule allows it",
        "ready_previews.py",
        "    return _takes(reads, given) and may_read(reads, given)\n",
        "    return _takes(reads, given)\n",
        (READY,),
    ),
    Mutant(
        "a call runs without what its rule requires to be read",
        "previews.py",
        "            if preview.required and (reading is None or not reading.is_known):\n",
        "            if preview.required and reading is not None and not reading.is_known:\n",
        (PREVIEWS,),
    ),
    Mutant(
        "a person edits a call into one that nobody read for",
        "plan_edits.py",
        "    return any(each is None or not each.is_known for each in readings)\n",
        "    return any(each is not None and not each.is_known for each in readings)\n",
        (PREVIEWS,),
    ),
    Mutant(
        "an agent that nobody stopped counts as stopped",
        "run_writer.py",
        "        raise StrayCancellationError(",
        "        raise  # (",
        (FAULTS,),
    ),
    Mutant(
        "an error that nobody foresaw begins a turn again without end",
        "deliberation.py",
        "        for _ in range(ATTEMPTS - 1):\n",
        "        for _ in range(ATTEMPTS + 5):\n",
        (UNFORESEEN,),
    ),
    Mutant(
        "a call is started again after a crash",
        "execution.py",
        "            if state.in_flight is None:\n",
        "            state = __import__('dataclasses').replace(state, in_flight=None)\n"
        "            writer._on_disk = writer._state = state\n            if True:\n",
        (LINKED_MACHINE, STORY),
    ),
    Mutant(
        "an approval of a stale revision counts",
        "authorization.py",
        "    return len(digest) >= _SHORTEST_DIGEST and plan.digest.startswith(digest.lower())\n",
        "    return True\n",
        (MACHINE,),
    ),
    Mutant(
        "people may decide after expiry",
        "domain/policy.py",
        "    if at >= expires_at and action is not RunAction.RESOLVE:\n        return Refusal.EXPIRED\n",
        "",
        (MACHINE,),
    ),
    Mutant(
        "a call starts after the approval has expired",
        "execution.py",
        "    if clock.now() >= state.valid_until:\n",
        "    if clock.now() >= state.valid_until.replace(year=9999):\n",
        (STORY,),
    ),
    Mutant(
        "the rules let a call start after expiry",
        "domain/transitions.py",
        " or at >= state.valid_until:",
        ":",
        (RULES,),
    ),
    Mutant(
        "a vote of an old epoch counts",
        "domain/ballot.py",
        "return vote.epoch == self.epoch and ",
        "return ",
        (BALLOT,),
    ),
    Mutant(
        "a requester may approve their own plan",
        "domain/policy.py",
        "        return None if policy.allow_requester else Refusal.OWN_REQUEST\n",
        "        return None\n",
        (APPROVAL,),
    ),
    Mutant(
        "one person counts for two",
        "domain/policy.py",
        "        return Refusal.ALREADY_APPROVED\n",
        "        return None\n",
        (APPROVAL, STORY),
    ),
    Mutant(
        "another tenant's namesake may decide",
        "service.py",
        "        if action is not RunAction.REJECT:  #",
        "        by = __import__('dataclasses').replace(by, tenant=(await self._read(run, None))[0].request.tenant)\n"
        "        if action is not RunAction.REJECT:  #",
        (MACHINE,),
    ),
    Mutant(
        "a word about one doubt settles a later one",
        "authorization.py",
        " or attempt not in (None, state.attempt)",
        "",
        (STORY,),
    ),
    Mutant(
        "the rest runs after a failure",
        "execution.py",
        "    if any(not isinstance(receipt, Succeeded) for receipt in state.receipts):\n"
        '        return Text("an earlier call failed")\n',
        "",
        (MACHINE, STORY),
    ),
    Mutant(
        "a cancellation does not stop the calls",
        "execution.py",
        "    if state.stopped_by is not None:\n"
        '        return Text("{person} cancelled the run", person=state.stopped_by.name)\n',
        "",
        (MACHINE, STORY),
    ),
    Mutant(
        "a tool that changed after the approval runs",
        "execution.py",
        "    if definition != call.definition:\n",
        "    if definition == '':\n",
        (MACHINE, STORY),
    ),
    Mutant(
        "a plan runs on a server whose settings changed",
        "execution.py",
        "            if await executor.settings_digest(call.server) != call.settings:\n",
        "            if await executor.settings_digest(call.server) == '':\n",
        (SETTINGS,),
    ),
    Mutant(
        "a lost answer is taken for a success",
        "execution.py",
        "        end = replace(unknown(state, error.text), answer_until=until if error.may_go_on else None)\n",
        "        end = _succeeded(state, error.text)\n",
        (MACHINE, STORY),
    ),
    Mutant(
        "a call leaves however long its start took to record",
        "execution.py",
        "left=_left(started, clock)",
        "left=None",
        (AGAIN,),
    ),
    Mutant(
        "an error without a reason counts as a refusal",
        "mcp_tools/lost_answers.py",
        "    return gives_no_reason(text) or tells_of_lost_answer(text) or",
        "    return tells_of_lost_answer(text) or",
        (LOST,),
    ),
    Mutant(
        "an error about a result counts as a refusal",
        "mcp_tools/lost_answers.py",
        " or is_about_the_result(text)\n",
        "\n",
        (LOST,),
    ),
    Mutant(
        "a database's address has the host that stands in it",
        "domain/comparisons.py",
        "found[1].lower() in _HOST_SCHEMES",
        "found[1]",
        (DISGUISED,),
    ),
    Mutant(
        "a call is made before its event is on record",
        "execution.py",
        "    objection = await _objection(executor, call)\n",
        "    objection = await _objection(executor, call) or await executor.call(call, '') and None\n",
        (MACHINE, STORY),
    ),
    Mutant(
        "the rules take a call that nobody approved",
        "domain/transitions.py",
        '        raise IllegalTransition("a call that nobody approved")\n',
        "        pass\n",
        (RULES,),
    ),
    Mutant(
        "a tool that needs approval runs while planning",
        "toolbox.py",
        "    return effect is Effect.READ\n",
        "    return effect is not Effect.DENY\n",
        (PROTOCOL, STORY),
    ),
    Mutant(
        "a vote counts though its voter had not seen the newest answer",
        "agent_turn.py",
        "return VoteGiven(choice=vote.choice, reason=vote.reason, epoch=self._known.epoch)",
        "return VoteGiven(choice=vote.choice, reason=vote.reason, epoch=self._ballot_view.ballot.epoch)",
        (PROTOCOL,),
    ),
    Mutant(
        "approvals of the first revision are kept when another agent's plan is chosen",
        "domain/transitions.py",
        "        questions=state.questions,\n        started_today=event",
        "        questions=state.questions,\n        approvals=getattr(state, 'approvals', ()),\n        started_today=event",
        (MACHINE, JUDGED),
    ),
    Mutant(
        "a name counts as a role",
        "domain/quorums.py",
        "isdisjoint(person.roles)",
        "isdisjoint((*person.roles, person.name))",
        (APPROVAL,),
    ),
    Mutant(
        "a rejection of any digest counts",
        "domain/transitions.py",
        "case e.PlanRejected(by=by, digest=plan.digest, reason=reason):",
        "case e.PlanRejected(by=by, reason=reason):",
        (JUDGED,),
    ),
    Mutant(
        "a plan is chosen after expiry, or by anybody",
        "domain/judgement.py",
        "    check_decision(state, RunAction.CHANGE, by, at)\n    plan, before = event.plan, state.plan\n    answers",
        "    plan, before = event.plan, state.plan\n    answers",
        (JUDGED,),
    ),
    Mutant(
        "anybody selects calls, or edits one",
        "domain/judgement.py",
        "    check_decision(state, RunAction.CHANGE, by, at)\n    plan, before = event.plan, state.plan\n    same",
        "    plan, before = event.plan, state.plan\n    same",
        (JUDGED,),
    ),
    Mutant(
        "a selection brings calls that were not in the plan",
        "domain/judgement.py",
        "all(any(call == each for each in left) for call in after)",
        "bool(left)",
        (JUDGED,),
    ),
    Mutant(
        "an edit changes more than arguments",
        "domain/judgement.py",
        "            old,\n            arguments=new.arguments,\n",
        "            new,\n            arguments=new.arguments,\n",
        (JUDGED,),
    ),
    Mutant(
        "an edited call still needs nobody",
        "plan_edits.py",
        "        is_automatic=False,\n        says=ruling.says",
        "        says=ruling.says",
        (EDITS,),
    ),
    Mutant(
        "an edited value is not held against the rules",
        "plan_edits.py",
        "    if ruling.effect is Effect.DENY:\n",
        "    if ruling.effect is None:\n",
        (EDITS,),
    ),
    Mutant(
        "an edited value is not held against the tool's schema",
        "plan_edits.py",
        "    if found.fault is not None:\n",
        "    if found.fault == '':\n",
        (EDITS,),
    ),
    Mutant(
        "somebody takes back another one's approval",
        "authorization.py",
        "return None if any(by.is_same_as(person) for person in state.approvals) else Refusal.NOT_APPROVED",
        "return None",
        (EDITS,),
    ),
    Mutant(
        "a call succeeds that nobody started",
        "domain/transitions.py",
        "case e.CallSucceeded(index=i) if i == index and state.in_flight is not None:",
        "case e.CallSucceeded(index=i) if i == index:",
        (JUDGED,),
    ),
    Mutant(
        "calls are skipped while one is under way",
        "domain/transitions.py",
        "case e.CallsSkipped() if state.in_flight is None:",
        "case e.CallsSkipped():",
        (JUDGED,),
    ),
    Mutant(
        "a stop at a doubt does not say whose it was",
        "domain/transitions.py",
        "*left), stopped_by=event.by))",
        "*left)))",
        (JUDGED,),
    ),
    Mutant(
        "a server that can't be asked is no objection",
        "execution.py",
        '    except ToolServerError as error:\n        return Text("not sent: {why}", why=error.text)\n    if definition',
        "    except ToolServerError:\n        return None\n    if definition",
        (EDGES,),
    ),
    Mutant(
        "a second start has the key of the first",
        "execution.py",
        '-{index}-{state.attempt}"',
        '-{index}"',
        (EDGES,),
    ),
    Mutant(
        "a job of another revision executes",
        "worker.py",
        "isinstance(state, s.Executing | s.Reporting) or state.plan.revision != job.revision:",
        "isinstance(state, s.Executing | s.Reporting):",
        (EDGES,),
    ),
    Mutant(
        "a call under way is skipped with a broken config",
        "worker.py",
        "            if isinstance(state, s.Executing) and state.in_flight is None:\n",
        "            if isinstance(state, s.Executing):\n",
        (EDGES,),
    ),
    Mutant(
        "anybody stops agents at work",
        "domain/policy.py",
        "    is_named = policy is not None and policy.names(by)\n",
        "    is_named = policy is None or policy.names(by)\n",
        (APPROVAL, JUDGED, EDGES),
    ),
    Mutant(
        "a chosen plan is valid for ten years",
        "plan_edits.py",
        "expires_at=now + timedelta(seconds=plan.policy.expires_after))",
        "expires_at=now + timedelta(days=3650))",
        (EDGES,),
    ),
    Mutant(
        "a log may hold a plan that is valid for ten years",
        "domain/judgement.py",
        "    if end > at + timedelta(seconds=plan.policy.expires_after) + _DRIFT:\n",
        "    if end > at + timedelta(days=36500):\n",
        (JUDGED,),
    ),
    Mutant(
        "an agent is offered the tools of another agent's servers",
        "toolbox.py",
        "    usable = [each for each in definitions if each.server in names and not each.unusable]\n",
        "    usable = [each for each in definitions if names and not each.unusable]\n",
        (EDGES,),
    ),
    Mutant(
        "the hint of destruction is lost when a call is recorded",
        "toolbox.py",
        "is_destructive=definition.says_destructive,",
        "is_destructive=False,",
        (EDGES,),
    ),
    Mutant(
        "a tool that nobody listed is a read",
        "domain/tool_rules.py",
        '_NO_RULE = Ruling(effect=Effect.ASK, reason=Text("no rule mentions it"))',
        '_NO_RULE = Ruling(effect=Effect.READ, reason=Text("no rule mentions it"))',
        (EDGES,),
    ),
    Mutant(
        "a result for a model has no bounds",
        "toolbox.py",
        "    if len(text) <= MAX_RESULT:\n",
        "    if text:\n",
        (EDGES,),
    ),
    Mutant(
        "a digest forgets what it is for",
        "domain/canonical_json.py",
        'f"massgen-bot/{purpose}\\n{text}"',
        'f"massgen-bot/\\n{text}"',
        (JUDGED,),
    ),
    Mutant(
        "a shaper's own yes counts",
        "domain/policy.py",
        " and authors.shaped(by) and not policy.allow_author else None",
        " and authors.shaped(by) and by.is_same_as(authors.requester) else None",
        (JUDGED, EDGES),
    ),
    Mutant(
        "asking again launders the first request",
        "run_admission.py",
        "        earlier_requesters=authors.earlier,\n",
        "",
        (MACHINE, EDGES),
    ),
    Mutant(
        "a log may hold answers with calls that nobody recorded",
        "domain/transitions.py",
        "            check_recorded(state, agent, calls)\n",
        "",
        (JUDGED,),
    ),
    Mutant(
        "a stop is forgotten when the call under way ends in doubt",
        "domain/transitions.py",
        "                valid_until=state.valid_until,\n                stopped_by=state.stopped_by,\n",
        "                valid_until=state.valid_until,\n",
        (JUDGED,),
    ),
    Mutant(
        "a stop is forgotten when a person settles the doubt",
        "domain/transitions.py",
        "        receipts=state.receipts,\n        stopped_by=state.stopped_by,\n        attempt=state.attempt + 1,\n",
        "        receipts=state.receipts,\n        attempt=state.attempt + 1,\n",
        (JUDGED,),
    ),
    Mutant(
        "a call starts under rules that got stricter",
        "current_rules.py",
        "                found = await self._by_rules(run, state)\n",
        "                found: RunEvent | Caps = ()\n",
        (APPROVED,),
    ),
    Mutant(
        "approvers are not read again at the claim",
        "current_rules.py",
        " or await self._by_people(state, claim)\n",
        "\n",
        (APPROVED,),
    ),
    Mutant(
        "who had a call run again is not read again",
        "domain/states.py",
        "        given = self.approvals if self.is_untouched else self.resumed_by\n",
        "        given = self.approvals if self.is_untouched else ()\n",
        (IN_DOUBT,),
    ),
    Mutant(
        "a worker that can't ask the chat takes approvers on trust",
        "current_rules.py",
        "            return self._by_others(state, claim)\n",
        "            return None\n",
        (APPROVED,),
    ),
    Mutant(
        "what was read of approvers counts for ever",
        "current_rules.py",
        "        if now - claim.seen_at <= FRESH:\n",
        "        if True:\n",
        (APPROVED,),
    ),
    Mutant(
        "a call starts after an approver was lost",
        "domain/transitions.py",
        "    if state.check is not None and (state.check.lost or not state.check.is_read):\n",
        "    if state.check is not None and not state.check.is_read:\n",
        (APPROVED,),
    ),
    Mutant(
        "a call starts while everything is frozen",
        "current_rules.py",
        "            frozen_by = await self.freezes.frozen_by(state.request.tenant)\n",
        "            frozen_by = None\n",
        (FREEZE,),
    ),
    Mutant(
        "a plan is approved under rules that got stricter",
        "service.py",
        "        await self.review(run, by.tenant, current=current)\n",
        "",
        (MACHINE,),
    ),
    Mutant(
        "the word of one who lost the role counts",
        "service.py",
        "            if not lost:\n                return None\n",
        "            if lost or not lost:\n                return None\n",
        (IN_DOUBT,),
    ),
    Mutant(
        "a call is run again under rules that got stricter",
        "service.py",
        '        if verdict == "run_it" and (is_denied or differs(state, policy)):\n            return Refusal.STRICTER_NOW\n',
        "",
        (IN_DOUBT,),
    ),
    Mutant(
        "agents are offered what is denied by now",
        "toolbox.py",
        "        if now is None:\n            return then\n        return both(",
        "        if now is None or now:\n            return then\n        return both(",
        (PLANNING,),
    ),
    Mutant(
        "a condition that can't be judged makes a rule say nothing",
        "domain/tool_rules.py",
        "        if holds is not False:\n            yield each.ruling\n",
        "        if holds:\n            yield each.ruling\n",
        (CONDITIONS,),
    ),
    Mutant(
        "a rule whose condition can't be judged decides alone",
        "domain/tool_rules.py",
        "        if holds:\n            return\n",
        "        if holds is not False:\n            return\n",
        (CONDITIONS,),
    ),
    Mutant(
        "a path above a folder is in it",
        "domain/comparisons.py",
        'r"\\\\|%|^~|//|[. ](?:/|\\Z)|',
        'r"\\\\|%|^~|//|',
        (CONDITIONS,),
    ),
    Mutant(
        "true is the number 1",
        "domain/comparisons.py",
        "    if isinstance(left, bool) or isinstance(right, bool):\n        return left is right\n",
        "",
        (CONDITIONS,),
    ),
    Mutant(
        "a server that is away gets an empty list of reads",
        "read_lists.py",
        "                if server.name in absent:\n                    continue\n",
        "",
        (OPTIONAL,),
    ),
    Mutant(
        "a server that a run needs may be away",
        "preparation.py",
        "    if isinstance(found, ToolServerError):\n        raise found\n",
        "    if isinstance(found, ToolServerError):\n        found = ()\n",
        (OPTIONAL,),
    ),
    Mutant(
        "nobody is told that a server is away",
        "worker.py",
        "            writer.record(e.ServerUnavailable(revision=state.revision, server=server, reason=reason))\n",
        "            pass\n",
        (OPTIONAL,),
    ),
    Mutant(
        "an approval that fills no place counts",
        "domain/policy.py",
        "seated(self.places, given).seat(person)",
        "seated(self.places, ()).seat(person)",
        (QUORUMS,),
    ),
    Mutant(
        "a call's need of two people is forgotten",
        "domain/policy.py",
        "            required=max(self.required, everybody),\n",
        "            required=self.required,\n",
        (QUORUMS,),
    ),
    Mutant(
        "a rule can't keep the requester from counting",
        "domain/policy.py",
        "self.allow_requester and not needs.bars_requester",
        "self.allow_requester",
        (QUORUMS,),
    ),
    Mutant(
        "a rule can't keep an author from counting",
        "domain/policy.py",
        "self.allow_author and not needs.bars_author",
        "self.allow_author",
        (QUORUMS,),
    ),
    Mutant(
        "a call gives its plan more time",
        "domain/policy.py",
        "else min(self.expires_after, needs.expires_after)",
        "else needs.expires_after",
        (QUORUMS,),
    ),
    Mutant(
        "rules of now take the place of whom calls need",
        "domain/policy.py",
        "            quorums=union(self.quorums, now.quorums),\n",
        "            quorums=now.quorums,\n",
        (QUORUMS,),
    ),
    Mutant(
        "whom no call needs settles a call in doubt",
        "domain/policy.py",
        "    if not policy.counts(by):\n        return Refusal.NOT_AN_APPROVER\n",
        "",
        (QUORUMS,),
    ),
    Mutant(
        "two of one kind stand for one of each",
        "domain/transitions.py",
        "    if len(approvals) < plan.policy.needed and",
        "    if len(approvals) < plan.policy.required and",
        (QUORUMS,),
    ),
    Mutant(
        "whose approval calls need is not under the digest",
        "domain/policy.py",
        '            "quorums": [each.as_json() for each in self.quorums],\n',
        "",
        (QUORUMS,),
    ),
    Mutant(
        "what a call needs is not under the digest",
        "domain/plan.py",
        '            form |= {"needs": self.needs.as_json()}\n',
        "            pass\n",
        (QUORUMS,),
    ),
    Mutant(
        "the last call says how many it takes",
        "domain/quorums.py",
        "_merged((*one, *other), max)",
        "_merged((*one, *other), lambda _, last: last)",
        (SEATS,),
    ),
    Mutant(
        "an entry that is listed twice counts once",
        "domain/quorums.py",
        "_merged(quorums, int.__add__)",
        "_merged(quorums, max)",
        (QUORUMS,),
    ),
    Mutant(
        "one account takes two places",
        "domain/quorums.py",
        "        return not has_one and ",
        "        return ",
        (QUORUMS,),
    ),
    Mutant(
        "the laxer cap holds",
        "domain/day_caps.py",
        "        caps[name] = min(most, caps.get(name, most))\n",
        "        caps[name] = most\n",
        (QUORUMS,),
    ),
    Mutant(
        "a call does not count for a cap that came after its plan",
        "execution.py",
        "        per_day=lowest(call.needs.per_day, caps),\n",
        "        per_day=call.needs.per_day,\n",
        (BY_DAY,),
    ),
    Mutant(
        "a plan that does not fit into the day is begun",
        "current_rules.py",
        "        if state.is_untouched:\n            cap =",
        "        if not state.is_untouched:\n            cap =",
        (BY_DAY,),
    ),
    Mutant(
        "a log may hold a plan that leaves out whom a call needs",
        "domain/judgement.py",
        "    if plan.policy.with_needs(plan.needs) != plan.policy:\n",
        "    if plan.policy.with_needs(plan.needs) != plan.policy and not plan.calls:\n",
        (QUORUMS,),
    ),
    Mutant(
        "a log may hold a plan of too many calls of a kind",
        "domain/judgement.py",
        "    if over_cap(plan.calls) is not None:\n",
        "    if over_cap(()) is not None:\n",
        (QUORUMS,),
    ),
    Mutant(
        "a log may hold a change of what nobody read",
        "domain/judgement.py",
        "    if call.needs.read_first and ",
        "    if not call.needs and ",
        (QUORUMS,),
    ),
    Mutant(
        "a word of anybody has a call run again",
        "domain/states.py",
        "        return policy.counts(by, others)\n",
        "        return policy.names(by) or others == []\n",
        (QUORUMS,),
    ),
    Mutant(
        "a call with nothing at the path counts as read",
        "domain/conditions.py",
        "        if not leaves or None in found or not all(",
        "        if not all(",
        (QUORUMS,),
    ),
    Mutant(
        "of rules that can't be judged only one says who is needed",
        "domain/tool_rules.py",
        "needs = all_of(each.needs for each in found)\n",
        "needs = strictest.needs\n",
        (NEEDS,),
    ),
    Mutant(
        "of then and now only then says who is needed",
        "domain/tool_rules.py",
        "        needs=one.needs.and_also(other.needs),\n        previews",
        "        needs=one.needs,\n        previews",
        (NEEDS,),
    ),
    Mutant(
        "whom a rule of now wants besides is not asked",
        "current_rules.py",
        ".with_needs(all_of(each.needs for each in rulings))\n",
        "\n",
        (LACKING,),
    ),
    Mutant(
        "what is one call too many by now runs",
        "current_rules.py",
        "    return next(forbidden, None) or over_cap(capped)\n",
        "    return next(forbidden, None) or over_cap(capped[:0])\n",
        (LACKING,),
    ),
    Mutant(
        "who lost one of two roles keeps another's place",
        "current_rules.py",
        " or (policy.quorums and not seats.seat(current)):",
        ":",
        (LACKING,),
    ),
    Mutant(
        "the operator's own rules are not asked",
        "domain/tool_rules.py",
        ", *_over(rules, server, tool, context)[0])",
        ",)",
        (OVER,),
    ),
    Mutant(
        "a rule of the operator that can't be judged says nothing",
        "domain/tool_rules.py",
        "        if holds is not False:\n            found.append(each.ruling)\n",
        "        if holds:\n            found.append(each.ruling)\n",
        (OVER,),
    ),
    Mutant(
        "the operator's rules hide those of the configuration",
        "domain/tool_rules.py",
        "[each for each in rules if _sort_of(each) == sort]",
        "[each for each in rules if _sort_of(each) in (sort, 'operators')]",
        (OVER,),
    ),
    Mutant(
        "a configuration brings its own rules of the operator",
        "config/operator_policy.py",
        "    bare = without_operator_policy(config_text)\n",
        "    bare = config_text\n",
        (OVER,),
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_the_suite_notices_a_seeded_mistake(mutant: Mutant, tmp_path: Path) -> None:
    """In a copy of the code with this one mistake, the named tests fail, each of them."""
    _copy(tmp_path)
    module = tmp_path / "coordination" / mutant.module
    source = module.read_text(encoding="utf-8")
    assert source.count(mutant.old) == 1, "the mutant no longer fits the code: seed it anew"
    module.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")
    for suite in mutant.killed_by:
        assert _fails(tmp_path, suite), f"{suite} does not notice that {mutant.name}"


@pytest.mark.parametrize("suite", sorted({suite for mutant in MUTANTS for suite in mutant.killed_by}))
def test_without_a_mistake_the_suite_notices_none(suite: str, tmp_path: Path) -> None:
    """So what fails in a copy fails for its mistake."""
    _copy(tmp_path)
    assert not _fails(tmp_path, suite, profile="dev")


def _copy(to: Path) -> None:
    """The code, and the tests that may be told to look at it; with their byte code, which fits all that is not changed."""
    half_written = shutil.ignore_patterns("*.pyc.*")
    for folder in ("coordination", "tests/service", "tests/threats", "tests/unit"):
        shutil.copytree(ROOT / folder, to / folder, ignore=half_written)
    for file in (ROOT / "tests").glob("*.py"):
        shutil.copy(file, to / "tests")
    shutil.copy(ROOT / "pyproject.toml", to)


def _fails(folder: Path, suite: str, *, profile: str = "hunt") -> bool:
    """Whether tests fail, as opposed to not being found or not starting."""
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment = {**unmeasured, "HYPOTHESIS_PROFILE": profile, "PYTHONPATH": str(folder)}
    # The process that forks has imported plugins, whose own assertions need no rewriting.
    arguments = ("-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning", suite)
    with start(
        "pytest", *arguments, environ=environment, folder=folder, forgets=("bot", "coordination", "tests")
    ) as run:
        try:
            said = "".join(run.communicate(timeout=600))
        finally:
            run.kill()
    assert (run.wait(), "1 failed" in said) in ((0, False), (1, True)), said
    return run.wait() == 1
