"""Threat: a configuration lets run what the operator's own rules forbid, or a run keeps rules of the operator that got stricter."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat.approvers import Approvers, approvers_in, with_approvers, without_approvers
from bot.composition import Configurations, RulesHere
from bot.machine import CONSOLE
from bot.variables import Environment
from coordination.config import with_operator_policy
from coordination.config.operator_policy import operator_policy_in, without_operator_policy
from coordination.domain.canonical_json import config_digest
from coordination.domain.events import RunRequested
from coordination.domain.tool_rules import Effect, rule
from coordination.errors import ConfigError
from coordination.llm.registry import Models
from tests.builders import REQUESTER, a_request
from tests.fakes import FakeClock, MemoryLog
from tests.memory_chat_store import MemoryChatStore
from tests.service.chat_service_harness import GENERAL, ChatServiceHarness
from tests.unit.test_operator_policy import CONFIG, OVER


def test_the_text_of_the_rules_is_stored_with_the_configuration_and_approvers_beside() -> None:
    text = with_operator_policy(CONFIG, OVER)
    both = with_approvers(text, Approvers(users=("U1",)))
    assert operator_policy_in(both) == OVER
    assert approvers_in(both) == Approvers(users=("U1",))
    assert without_operator_policy(without_approvers(both)) == CONFIG
    assert with_operator_policy(text, "") == CONFIG
    assert operator_policy_in(with_operator_policy(text, "tools: []")) == "tools: []"


async def test_rules_of_the_operator_that_change_while_a_plan_waits_are_seen_in_a_chat_and_at_a_terminal(
    tmp_path: Path,
) -> None:
    over, config = tmp_path / "over.yaml", tmp_path / "ops.yaml"
    over.write_text(OVER, encoding="utf-8")
    config.write_text(CONFIG, encoding="utf-8")
    log = MemoryLog()
    stored = with_approvers(with_operator_policy(CONFIG, OVER), Approvers(users=("U1",)))
    requests: list[RunRequested] = []
    for tenant, text in (("here", stored), (CONSOLE, with_operator_policy(CONFIG, OVER))):
        number = config_digest(text, str(config))
        await log.save_config(number, text, str(config))
        requests.append(replace(a_request(), tenant=tenant, config_digest=number))

    async def opened() -> MemoryChatStore:
        return MemoryChatStore(log)

    environment = Environment({"MASSGEN_BOT_POLICY": str(over)})
    configure = Configurations(environ={}, build=Models(FakeClock()), adapt=list)
    present = RulesHere(environment, opened, log, configure)
    for request in requests:
        assert await present("RUN1", request) is None
    over.write_text("tools: [{match: bank.pay, effect: deny}]", encoding="utf-8")
    for request in requests:
        now = await present("RUN1", request)
        assert now is not None
        assert rule(now.agents[0].rules, "bank", "pay").effect is Effect.DENY
    over.unlink()
    for request in requests:
        with pytest.raises(ConfigError, match="no such file"):
            await present("RUN1", request)


async def test_a_run_of_a_chat_begins_under_the_operators_rules_or_not_at_all(tmp_path: Path) -> None:
    over = tmp_path / "over.yaml"
    over.write_text(OVER, encoding="utf-8")
    (tmp_path / "configs").mkdir()
    harness = ChatServiceHarness(tmp_path / "configs", operator_policy=str(over))
    state = await harness.people.state((await harness.start_run(REQUESTER, GENERAL, "Go.")).run)
    text, _ = await harness.log.load_config(state.request.config_digest)
    assert operator_policy_in(text) == OVER
    over.unlink()
    refused = await harness.start_run(REQUESTER, GENERAL, "Go.")
    assert (refused.run, len(harness.log.events)) == ("", 1)
