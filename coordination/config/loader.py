"""From a file, or its text, to a checked configuration, or to every diagnostic of it at once."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock

from coordination.config.agents import AgentReader, AgentSettings, WrittenAgent
from coordination.config.diagnostics import Diagnostic, Diagnostics, KeyPath, expected_but_found, printable
from coordination.config.section_reader import Reader
from coordination.config.sections import (
    APPROVAL,
    APPROVERS,
    ASK,
    COORDINATION,
    LIMITS,
    ORCHESTRATOR,
    TIMEOUT,
    TIMEOUT_SETTINGS,
    TOP,
    UI,
    ApprovalKeys,
    ApproverKeys,
    AskKeys,
    CoordinationKeys,
    KeysT,
    LimitKeys,
    OrchestratorKeys,
    Presentation,
    Section,
    TimeoutKeys,
    seconds,
)
from coordination.config.servers import ServerBook, ServerReader, WrittenServer
from coordination.config.tool_policy import Pattern, WrittenRule, doubtful_reads, read_rules, unmatched, vouched_reads
from coordination.config.yaml_tree import MAX_BYTES, Table, Variables, put_in, read
from coordination.domain.policy import Policy
from coordination.errors import ConfigError
from coordination.ports import ServerSpec, ToolDefinition
from coordination.run_options import DailyLimits, RunOptions, RunProfile

UNLIMITED_ANSWERS = 100
"""What MassGen's `max_new_answers_per_agent: null` comes to."""

_DEFAULTS = RunOptions()
_TIMES = ("orchestrator_timeout_seconds", "initial_round_timeout_seconds", "subsequent_round_timeout_seconds")


class OnceReader:
    """Reads the sections at the top of the file, except agents, servers and tools."""

    def __init__(self, reader: Reader, root: Table) -> None:
        self._reader = reader
        self._root = root

    def options(self, limits: LimitKeys) -> RunOptions:
        """The values of deliberation."""
        orchestrator = self._section(ORCHESTRATOR, self._root, ()) or OrchestratorKeys()
        table = self._table(self._root, ("orchestrator",))
        coordination = self._section(COORDINATION, table, ("orchestrator",)) or CoordinationKeys()
        self._warn_of_planning(coordination, table)
        times = self._times(table)
        answers = orchestrator.max_new_answers_per_agent
        return RunOptions(
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
            self._reader.report.add_error(
                line, ("approval", "required"), expected_but_found(found, "no more than there are users")
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
                    self._reader.report.add_error(
                        line, (*place, name), expected_but_found(found, "the same, or one of them")
                    )
        return times

    def _presentation(
        self, orchestrator: OrchestratorKeys, coordination: CoordinationKeys, table: Table
    ) -> Presentation:
        outer, inner = orchestrator.final_presentation, coordination.final_presentation
        if outer is not None and inner is not None and outer != inner:
            found = "another final_presentation than under orchestrator.coordination"
            path: KeyPath = ("orchestrator", "final_presentation")
            self._reader.report.add_error(
                table.line_of("final_presentation"), path, expected_but_found(found, "one of them")
            )
        return inner or outer or _DEFAULTS.final_presentation

    def _warn_of_planning(self, coordination: CoordinationKeys, orchestrator: Table) -> None:
        if not coordination.enable_planning_mode:
            line = self._table(orchestrator, ("coordination",)).line_of("enable_planning_mode")
            text = "has no effect: agents always plan here, and a plan whose calls are all listed as auto asks nobody"
            self._reader.report.add_warning(line, ("orchestrator", "coordination", "enable_planning_mode"), text)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One configuration. Secrets are in the servers' values and the backends' keys, and in no representation.

    Attributes:
        origin: the file that it came from.
        text: the file's text, unexpanded.
        policy: the approval rule, `allow_requester` and `allow_author` aside.
        allow_requester: whether who asks may approve; None: the platform decides.
        allow_author: whether others who shaped a plan may approve it; None: no, unless the platform lets who asks.
        asks_external: whether guests, bots and people of other organizations may ask.
        limits: what a run, a person, a tenant and a key may use.
        warnings: what was accepted without effect, or means something else than it may seem, one line each.
    """

    origin: str
    text: str = field(repr=False)
    agents: tuple[AgentSettings, ...]
    servers: tuple[ServerSpec, ...] = field(repr=False)
    options: RunOptions
    policy: Policy
    allow_requester: bool | None
    asks_external: bool
    allow_author: bool | None = None
    limits: LimitKeys
    patterns: tuple[Pattern, ...] = field(repr=False)
    warnings: tuple[str, ...]

    def profile(self, *, allow_requester_default: bool = False) -> RunProfile:
        """The configuration as a run needs it."""
        allowed = allow_requester_default if self.allow_requester is None else self.allow_requester
        by_authors = allow_requester_default if self.allow_author is None else self.allow_author
        policy = replace(self.policy, allow_requester=allowed, allow_author=by_authors)
        return RunProfile(
            agents=tuple(agent.profile() for agent in self.agents),
            servers=self.servers,
            options=self.options,
            policy=policy,
            asks_external=self.asks_external,
            daily=self._daily(),
            origin=self.origin,
        )

    @property
    def limits_money(self) -> bool:
        """Whether anything is limited in money, which then must be known."""
        limits = self.limits
        return any((limits.money_per_run, limits.money_per_user_per_day, limits.money_per_tenant_per_day))

    def _daily(self) -> DailyLimits:
        return DailyLimits(
            user_tokens=self.limits.tokens_per_user_per_day,
            user_money=self.limits.money_per_user_per_day,
            tenant_tokens=self.limits.tokens_per_tenant_per_day,
            tenant_money=self.limits.money_per_tenant_per_day,
        )


def unmatched_rules(
    settings: Settings, definitions: Sequence[ToolDefinition], asking: frozenset[tuple[str, str]] = frozenset()
) -> list[str]:
    """A complaint for every rule and listed name that does not fit the tools of the servers as they are.

    It fits none, or lists as `read` what seems to write; of those (server, tool) that are `run_starter` instead, nothing is said.
    """
    patterns = [*settings.patterns, *(pattern for agent in settings.agents for pattern in agent.patterns)]
    diagnostics = unmatched(patterns, definitions)
    for agent in settings.agents:
        names = {server.name for server in agent.servers}
        own = [
            each
            for each in definitions
            if each.server in names and not each.unusable and (each.server, each.tool) not in asking
        ]
        diagnostics += doubtful_reads(agent.rules, settings.patterns, own)
    return [complaint.render(settings.origin) for complaint in sorted(set(diagnostics))]


def doubtful_vouchers(settings: Settings, definitions: Sequence[ToolDefinition]) -> list[str]:
    """A warning for every tool that seems to write, and runs while agents plan since the operator is sure that it reads."""
    diagnostics: list[Diagnostic] = []
    for agent in settings.agents:
        names = {server.name for server in agent.servers}
        own = [each for each in definitions if each.server in names and not each.unusable]
        diagnostics += vouched_reads(agent.rules, settings.patterns, own)
    return [complaint.render(settings.origin) for complaint in sorted(set(diagnostics))]


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of a file.

    Raises:
        ConfigError: with every problem of the file, one line each.
    """
    return parse(read_text(path), origin=str(path), environ=environ)


def read_text(path: Path) -> str:
    """The text of a configuration file.

    Raises:
        ConfigError: there is no such file, it can't be read, or it is no text.
    """
    name = printable(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError([f"{name}: {expected_but_found('no such file', 'a configuration file')}"]) from None
    except (OSError, ValueError):
        raise ConfigError(
            [f"{name}: {expected_but_found('something that can not be read', 'a configuration file')}"]
        ) from None
    if len(content) > MAX_BYTES:
        raise ConfigError([f"{name}:1: {expected_but_found(f'more than {MAX_BYTES // 1000} kB', 'a smaller file')}"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            [f"{name}:{line}: {expected_but_found('bytes that are no UTF-8 text', 'a text file')}"]
        ) from None


def parse(text: str, *, origin: str, environ: Mapping[str, str] | None) -> Settings:
    """The settings of a text. Relative paths in it begin where `origin`, the file's path, is.

    Without an environment, variables stay as they are written (one with a default has that) and no key is missed:
    enough to check a configuration, not to run it. A text that was read before, under the same name and with the same
    values of the variables that count for it, is not read again.

    Raises:
        ConfigError: with every problem of the text, one line each.
    """
    named = (text, origin, Path(origin).absolute().parent, environ is None)
    known = _KEPT.found(named, environ or {})
    if known is not None:
        return known
    report, variables = Diagnostics(origin), Variables(environ)
    written = read(text, report)
    if written is None:
        raise ConfigError(report.render())
    settings = _Assembly(put_in(written, variables, report), report, origin, variables).settings(text)
    report.raise_if_any()
    _KEPT.keep(_Reading(named=named, values=variables.asked_for, settings=settings))
    return settings


_MOST_KEPT = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class _Reading:
    """What a text came to, and all that it depends on: what it is called, and the variables that it was read with."""

    named: tuple[object, ...]
    values: Mapping[str, str | None] = field(repr=False)
    settings: Settings = field(repr=False)


class _Kept:
    """The readings of late: a run asks for its text when it starts, plans, executes and reports."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._readings: deque[_Reading] = deque(maxlen=_MOST_KEPT)

    def found(self, named: tuple[object, ...], environ: Mapping[str, str]) -> Settings | None:
        """The settings of the same text where every variable has the same value."""
        with self._lock:
            for each in self._readings:
                if each.named == named and all(environ.get(name) == value for name, value in each.values.items()):
                    self._readings.remove(each)
                    self._readings.append(each)
                    return each.settings
        return None

    def keep(self, reading: _Reading) -> None:
        """Keep one, in the place of the one that was not asked for the longest."""
        with self._lock:
            self._readings.append(reading)


_KEPT = _Kept()


class _Assembly:
    """One reading of one tree."""

    def __init__(self, root: Table, report: Diagnostics, origin: str, variables: Variables) -> None:
        folder = Path(origin).absolute().parent
        self._root = root
        self._report = report
        self._origin = origin
        self._reader = Reader(report)
        self._servers = ServerReader(self._reader, folder)
        self._agents = AgentReader(self._reader, self._servers, folder, variables)
        self._once = OnceReader(self._reader, root)

    def settings(self, text: str) -> Settings:
        """The settings; worth nothing if there are complaints."""
        self._reader.section(TOP, self._root, ())
        self._once.ui()
        shared = self._servers.servers(self._root, ())
        written = self._agents.written(self._root)
        names = frozenset(server.name for server in (*shared, *(each for agent in written for each in agent.servers)))
        rules = read_rules(self._reader, self._root, names | self._servers.broken)
        agents = self._settled(written, shared, rules, names)
        limits = self._once.limits()
        options = self._once.options(limits)
        policy, allow_requester, allow_author = self._once.approval()
        return Settings(
            origin=self._origin,
            text=text,
            agents=agents,
            servers=_once_each([server.spec for server in shared], agents),
            options=options,
            policy=policy,
            allow_requester=allow_requester,
            allow_author=allow_author,
            asks_external=self._once.ask().external,
            limits=limits,
            patterns=tuple(rule.pattern for rule in rules),
            warnings=self._report.warnings(),
        )

    def _settled(
        self,
        written: Sequence[WrittenAgent],
        shared: Sequence[WrittenServer],
        rules: Sequence[WrittenRule],
        names: frozenset[str],
    ) -> tuple[AgentSettings, ...]:
        book = ServerBook(self._reader, shared, names)
        found = [self._agents.settings(agent, shared=shared, book=book, rules=rules) for agent in written]
        return tuple(agent for agent in found if agent is not None)


def _once_each(shared: Sequence[ServerSpec], agents: Sequence[AgentSettings]) -> tuple[ServerSpec, ...]:
    by_name = {spec.name: spec for agent in agents for spec in agent.servers}
    return tuple(({spec.name: spec for spec in shared} | by_name).values())
