"""Seeded mistakes, each of which the tests of the promise must notice: a suite that can't fail proves nothing."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.forked import start

ROOT = Path(__file__).parents[2]
MACHINE = "tests/service/test_run_machine.py"
STORY = "tests/service/test_whole_run.py"
PROTOCOL = "tests/service/test_deliberation.py"
BALLOT = "tests/unit/test_ballot.py"
APPROVAL = "tests/unit/test_approval.py"
RULES = "tests/unit/test_run_rules.py"
SETTINGS = "tests/threats/test_settings_changed_since_the_plan.py"


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
        "a call is started again after a crash",
        "execution.py",
        "            if state.in_flight is None:\n",
        "            state = __import__('dataclasses').replace(state, in_flight=None)\n"
        "            journal._on_disk = journal._state = state\n            if True:\n",
        (MACHINE, STORY),
    ),
    Mutant(
        "an approval of a stale revision counts",
        "judging.py",
        "    if len(digest) < _SHORTEST_DIGEST or not state.plan.digest.startswith(digest.lower()):\n"
        "        return Refusal.STALE_PLAN\n",
        "",
        (MACHINE,),
    ),
    Mutant(
        "people may decide after expiry",
        "domain/approval.py",
        "    if at >= expires_at and act is not Act.RESOLVE:\n        return Refusal.EXPIRED\n",
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
        "domain/execution_rules.py",
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
        "domain/approval.py",
        "    if act in (Act.APPROVE, Act.RESOLVE) and by.is_same_as(requester) and not policy.allow_requester:\n"
        "        return Refusal.OWN_REQUEST\n",
        "",
        (APPROVAL,),
    ),
    Mutant(
        "one person counts for two",
        "domain/approval.py",
        "    if act is Act.APPROVE and any(by.is_same_as(person) for person in approvals):\n"
        "        return Refusal.ALREADY_APPROVED\n",
        "",
        (MACHINE,),
    ),
    Mutant(
        "another tenant's namesake may decide",
        "service.py",
        "before, seq = await self._read(run, by.tenant)",
        "before, seq = await self._read(run, None)\n"
        "            by = __import__('dataclasses').replace(by, tenant=before.request.tenant)",
        (MACHINE,),
    ),
    Mutant(
        "a word about one doubt settles a later one",
        "judging.py",
        " or attempt not in (None, state.attempt)",
        "",
        (STORY,),
    ),
    Mutant(
        "the rest runs after a failure",
        "execution.py",
        '    if any(not isinstance(receipt, Succeeded) for receipt in state.receipts):\n        return "an earlier call failed"\n',
        "",
        (MACHINE, STORY),
    ),
    Mutant(
        "a cancellation does not stop the calls",
        "execution.py",
        '    if state.stopped_by is not None:\n        return f"{state.stopped_by.name} cancelled the run"\n',
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
        "        end = _unknown(state, str(error))\n",
        "        end = _succeeded(state, str(error))\n",
        (MACHINE, STORY),
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
        "domain/execution_rules.py",
        '        raise IllegalTransition("a call that nobody approved")\n',
        "        pass\n",
        (RULES,),
    ),
    Mutant(
        "a tool that needs approval runs while planning",
        "toolbox.py",
        "    return effect is Effect.READ or ",
        "    return effect is not Effect.DENY or ",
        (PROTOCOL, STORY),
    ),
    Mutant(
        "a vote counts though its voter had not seen the newest answer",
        "turn.py",
        "return Voted(choice=vote.choice, reason=vote.reason, epoch=self._known.epoch)",
        "return Voted(choice=vote.choice, reason=vote.reason, epoch=self._table.ballot.epoch)",
        (PROTOCOL,),
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


def test_without_a_mistake_the_suite_notices_none(tmp_path: Path) -> None:
    """So what fails in a copy fails for its mistake."""
    _copy(tmp_path)
    for suite in sorted({suite for mutant in MUTANTS for suite in mutant.killed_by}):
        assert not _fails(tmp_path, suite, profile="dev")


def _copy(to: Path) -> None:
    """The code, and the tests that may be told to look at it."""
    shutil.copytree(ROOT / "coordination", to / "coordination", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("service", "threats", "unit"):
        shutil.copytree(ROOT / "tests" / folder, to / "tests" / folder)
    for name in ("builders.py", "fake_log.py", "fakes.py", "conftest.py"):
        shutil.copy(ROOT / "tests" / name, to / "tests" / name)
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
            said = "".join(run.communicate(timeout=120))
        finally:
            run.kill()
    assert (run.wait(), "1 failed" in said) in ((0, False), (1, True)), said
    return run.wait() == 1
