"""How the agents coordinate, who approves and what a run may use: the sections that are there once."""

from coordination.config.diagnostics import KeyPath, mismatch
from coordination.config.nodes import Table
from coordination.config.section_reader import Reader
from coordination.config.sections import (
    ApprovalKeys,
    ApproverKeys,
    AskKeys,
    CoordinationKeys,
    LimitKeys,
    OrchestratorKeys,
    Presentation,
    TimeoutKeys,
    seconds,
)
from coordination.config.sections_sections import (
    APPROVAL,
    APPROVERS,
    ASK,
    COORDINATION,
    LIMITS,
    ORCHESTRATOR,
    TIMEOUT,
    TIMEOUT_SETTINGS,
    UI,
    KeysT,
    Section,
)
from coordination.domain.policy import Policy
from coordination.run_options import Knobs

UNLIMITED_ANSWERS = 100
"""What MassGen's `max_new_answers_per_agent: null` comes to."""

_DEFAULTS = Knobs()
_TIMES = ("orchestrator_timeout_seconds", "initial_round_timeout_seconds", "subsequent_round_timeout_seconds")


class OnceReader:
    """Reads the sections at the top of the file, except agents, servers and tools."""

    def __init__(self, reader: Reader, root: Table) -> None:
        self._reader = reader
        self._root = root

    def knobs(self, limits: LimitKeys) -> Knobs:
        """The values of deliberation."""
        orchestrator = self._section(ORCHESTRATOR, self._root, ()) or OrchestratorKeys()
        table = self._table(self._root, ("orchestrator",))
        coordination = self._section(COORDINATION, table, ("orchestrator",)) or CoordinationKeys()
        self._warn_of_planning(coordination, table)
        times = self._times(table)
        answers = orchestrator.max_new_answers_per_agent
        return Knobs(
            max_new_answers_per_agent=UNLIMITED_ANSWERS if answers is None else answers,
            max_new_answers_global=orchestrator.max_new_answers_global,
            voting_sensitivity=orchestrator.voting_sensitivity,
            answer_novelty_requirement=orchestrator.answer_novelty_requirement,
            orchestrator_timeout_seconds=times.get(_TIMES[0], _DEFAULTS.orchestrator_timeout_seconds),
            initial_round_timeout_seconds=times.get(_TIMES[1], _DEFAULTS.initial_round_timeout_seconds),
            subsequent_round_timeout_seconds=times.get(_TIMES[2], _DEFAULTS.subsequent_round_timeout_seconds),
            max_tool_rounds=orchestrator.max_tool_rounds,
            max_midstream_updates=orchestrator.max_midstream_updates,
            max_calls=limits.max_calls,
            max_answer_characters=limits.max_answer_characters,
            defer_voting=orchestrator.defer_voting_until_all_answered,
            consensus=orchestrator.consensus,
            final_presentation=self._presentation(orchestrator, coordination, table),
            planning_instruction=coordination.planning_mode_instruction.strip(),
            budget_tokens=limits.tokens_per_run,
            budget_money=limits.money_per_run,
        )

    def limits(self) -> LimitKeys:
        """What may be used."""
        return self._section(LIMITS, self._root, ()) or LimitKeys()

    def approval(self) -> tuple[Policy, bool | None, bool | None]:
        """The approval rule, and what it says of the requester and of other authors, if anything."""
        approval = self._section(APPROVAL, self._root, ()) or ApprovalKeys()
        table = self._table(self._root, ("approval",))
        approvers = self._section(APPROVERS, table, ("approval",)) or ApproverKeys()
        users = len(set(approvers.users))
        if approvers.users and not approvers.roles and approval.required > users:
            found = f"{approval.required} approvals, and {users} who may give one"
            line = table.line_of("required")
            self._reader.report.complain(
                line, ("approval", "required"), mismatch(found, "no more than there are users")
            )
        policy = Policy(
            roles=approvers.roles,
            users=approvers.users,
            required=approval.required,
            expires_after=seconds(approval.expires_after),
            allow_external=approval.external,
        )
        return policy, approval.allow_requester, approval.allow_author

    def ask(self) -> AskKeys:
        """Who may ask."""
        return self._section(ASK, self._root, ()) or AskKeys()

    def ui(self) -> None:
        """MassGen's `ui`, all of which has no meaning here."""
        self._section(UI, self._root, ())

    def _section(self, section: Section[KeysT], parent: Table, path: KeyPath) -> KeysT | None:
        key = section.name.rpartition(".")[2]
        table = self._reader.table(parent, key, path)
        if table is None:
            return None
        return self._reader.section(section, table, (*path, key), is_partial_welcome=True)

    def _table(self, parent: Table, path: KeyPath) -> Table:
        """The table of a section that was read and found fit before; an empty one where there is none."""
        node = parent.entries.get(str(path[-1]))
        return node if isinstance(node, Table) else Table(entries={}, key_lines={}, line=parent.line)

    def _times(self, orchestrator: Table) -> dict[str, float]:
        """The timeouts, which MassGen documents in one place and writes in another."""
        times: dict[str, float] = {}
        for section, parent, path in ((TIMEOUT_SETTINGS, self._root, ()), (TIMEOUT, orchestrator, ("orchestrator",))):
            keys = self._section(section, parent, path) or TimeoutKeys()
            for name in _TIMES:
                value: float | None = getattr(keys, name)
                if value is not None and times.setdefault(name, value) != value:
                    place = (*path, section.name.rpartition(".")[2])
                    line = self._table(parent, place).line_of(name)
                    found = f"another time than under {TIMEOUT_SETTINGS.name}"
                    self._reader.report.complain(line, (*place, name), mismatch(found, "the same, or one of them"))
        return times

    def _presentation(
        self, orchestrator: OrchestratorKeys, coordination: CoordinationKeys, table: Table
    ) -> Presentation:
        outer, inner = orchestrator.final_presentation, coordination.final_presentation
        if outer is not None and inner is not None and outer != inner:
            found = "another final_presentation than under orchestrator.coordination"
            path: KeyPath = ("orchestrator", "final_presentation")
            self._reader.report.complain(table.line_of("final_presentation"), path, mismatch(found, "one of them"))
        return inner or outer or _DEFAULTS.final_presentation

    def _warn_of_planning(self, coordination: CoordinationKeys, orchestrator: Table) -> None:
        if not coordination.enable_planning_mode:
            line = self._table(orchestrator, ("coordination",)).line_of("enable_planning_mode")
            text = "has no effect: agents always plan here, and a plan whose calls are all listed as auto asks nobody"
            self._reader.report.warn(line, ("orchestrator", "coordination", "enable_planning_mode"), text)
