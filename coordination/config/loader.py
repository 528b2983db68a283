"""Loads a file, or its text, into a checked configuration, or reports all of its diagnostics at once."""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from threading import Lock
from typing import Any

from coordination.config.agents import Agents, AgentSettings, Backends
from coordination.config.chat_tools import look_up_rules, unseen_rules
from coordination.config.diagnostics import Diagnostic, Diagnostics, Place, expected_but_found, key_name, printable
from coordination.config.interpolation import Variables, put_in
from coordination.config.key_types import Presentation, seconds
from coordination.config.massgen_keys import NO_ASIDES
from coordination.config.operator_policy import digest_of, operator_policy_in, operator_rules, with_operator_policy
from coordination.config.section_reader import Reading
from coordination.config.sections import (
    ApprovalKeys,
    ApproverKeys,
    BackendKeys,
    Configuration,
    CoordinationKeys,
    LimitKeys,
    OrchestratorKeys,
    TimeoutKeys,
    TimeoutSettingsKeys,
)
from coordination.config.servers import ServerBook, broken_names
from coordination.config.tool_conditions import hidden, misfits, unmeetable
from coordination.config.tool_policy import Pattern, doubtful_reads, read_rules, unmatched
from coordination.config.tool_previews import unreadable
from coordination.config.tool_undo import not_returned, not_undoing
from coordination.config.yaml_tree import MAX_BYTES, TOO_LARGE, Table, read
from coordination.domain.policy import Policy
from coordination.domain.tool_rules import Rule
from coordination.errors import ConfigError
from coordination.ports import ServerSpec, ToolDefinition
from coordination.run_options import DailyLimits, RunOptions, RunProfile
from coordination.text import Text

UNLIMITED_ANSWERS = 100
"""What MassGen's `max_new_answers_per_agent: null` comes to."""

_DEFAULTS = RunOptions()


def _options(file: Configuration, limits: LimitKeys, report: Diagnostics) -> RunOptions:
    """The values of deliberation. A key that is called as its option needs no line here."""
    orchestrator = file.orchestrator or OrchestratorKeys()
    coordination = orchestrator.coordination or CoordinationKeys()
    if not coordination.enable_planning_mode:
        text = Text("has no effect: agents always plan first; a plan with only auto calls runs without asking anyone")
        report.add_warning(coordination.table.place_of("enable_planning_mode"), text)
    given = {**dict(orchestrator), **dict(limits), **_times(file, orchestrator, report)}
    values: dict[str, Any] = {each.name: given[each.name] for each in fields(RunOptions) if each.name in given}
    if values["max_new_answers_per_agent"] is None:
        values["max_new_answers_per_agent"] = UNLIMITED_ANSWERS
    values["max_midstream_updates"] = _updates(orchestrator, report)
    values["defer_voting"] = orchestrator.defer_voting_until_all_answered
    values["final_presentation"] = _presentation(orchestrator, coordination, report)
    values["planning_instruction"] = coordination.planning_mode_instruction.strip()
    if coordination.broadcast == "agents":
        text = Text("has no effect here: {why}", why=NO_ASIDES)
        report.add_warning(coordination.table.place_of("broadcast"), text)
    values["questions_per_agent"] = coordination.max_broadcasts_per_agent if coordination.broadcast == "human" else 0
    values["question_timeout_seconds"] = coordination.broadcast_timeout
    values["question_sensitivity"] = coordination.broadcast_sensitivity
    values["budget_tokens"], values["budget_money"] = limits.tokens_per_run, limits.money_per_run
    return RunOptions(**values)


def _times(file: Configuration, orchestrator: OrchestratorKeys, report: Diagnostics) -> Mapping[str, float]:
    """The timeouts, which MassGen documents in one place and writes in another."""
    times: dict[str, float] = {}
    for section in (file.timeout_settings or TimeoutKeys(), orchestrator.timeout or TimeoutKeys()):
        for name, value in section:
            if value is not None and times.setdefault(name, value) != value:
                found = Text("a different time than under {section}", section=TimeoutSettingsKeys.title)
                report.expect(section.table.place_of(name), found, Text("the same, or one of them"))
    return times


def _updates(orchestrator: OrchestratorKeys, report: Diagnostics) -> int:
    """How often a turn hears of new answers, by either of the two names."""
    ours, massgens = orchestrator.max_midstream_updates, orchestrator.max_midstream_injections_per_round
    if ours is not None and massgens is not None and ours != massgens:
        place = orchestrator.table.place_of("max_midstream_injections_per_round")
        report.expect(place, Text("a different number than under max_midstream_updates"), Text("one of them"))
    written = massgens if ours is None else ours
    return _DEFAULTS.max_midstream_updates if written is None else written


def _presentation(orchestrator: OrchestratorKeys, coordination: CoordinationKeys, report: Diagnostics) -> Presentation:
    outer, inner = orchestrator.final_presentation, coordination.final_presentation
    if outer is not None and inner is not None and outer != inner:
        found = Text("a different final_presentation than under {section}", section=CoordinationKeys.title)
        report.expect(orchestrator.table.place_of("final_presentation"), found, Text("one of them"))
    return inner or outer or _DEFAULTS.final_presentation


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
    warnings: tuple[Text, ...]

    def profile(self, *, allow_requester_default: bool = False) -> RunProfile:
        """The configuration as a run needs it."""
        allowed = allow_requester_default if self.allow_requester is None else self.allow_requester
        by_authors = allow_requester_default if self.allow_author is None else self.allow_author
        policy = replace(self.policy, allow_requester=allowed, allow_author=by_authors)
        return RunProfile(
            agents=self.agents,
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
        by_day = (limits.money_per_user_per_day, limits.money_per_place_per_day, limits.money_per_tenant_per_day)
        return any((limits.money_per_run, *by_day))

    def _daily(self) -> DailyLimits:
        return DailyLimits(
            user_tokens=self.limits.tokens_per_user_per_day,
            user_money=self.limits.money_per_user_per_day,
            place_tokens=self.limits.tokens_per_place_per_day,
            place_money=self.limits.money_per_place_per_day,
            tenant_tokens=self.limits.tokens_per_tenant_per_day,
            tenant_money=self.limits.money_per_tenant_per_day,
        )


def unmatched_rules(
    settings: Settings,
    definitions: Sequence[ToolDefinition],
    asking: frozenset[tuple[str, str]] = frozenset(),
    absent: Collection[str] = (),
) -> list[Text]:
    """A complaint for every rule and listed name that does not fit the tools of the servers as they are.

    It fits none, or lists as `read` what seems to write; of those (server, tool) that are `asking` instead, nothing is
    said. Nor is anything said of a rule that may fit tools of a server that is `absent`.
    """
    patterns = [*settings.patterns, *(pattern for agent in settings.agents for pattern in agent.patterns)]
    rest = [each for each in definitions if (each.server, each.tool) not in asking]
    doubtful = _doubtful(settings, rest, is_sure=False)
    return _told(
        settings,
        [
            *unmatched(patterns, definitions, absent),
            *doubtful,
            *_of_rules(settings, definitions, misfits),
            *_of_rules(settings, definitions, unreadable),
            *_of_rules(settings, definitions, not_undoing),
        ],
    )


def hidden_rules(settings: Settings, definitions: Sequence[ToolDefinition]) -> list[Text]:
    """A complaint for every rule that never decides, as an earlier one does or nothing can match its pattern."""
    found = [
        *_of_rules(settings, definitions, hidden),
        *_of_rules(settings, (), lambda rules, places, _: unmeetable(rules, places)),
    ]
    return _told(settings, found)


def doubtful_undos(settings: Settings, definitions: Sequence[ToolDefinition]) -> list[Text]:
    """A warning for every path of an undo into results that, as their tools declare them, have nothing there."""
    return _told(settings, list(_of_rules(settings, definitions, not_returned)))


def _of_rules(
    settings: Settings,
    definitions: Sequence[ToolDefinition],
    looked_at: Callable[[Sequence[Rule], Mapping[str, Place], Sequence[ToolDefinition]], Iterator[Diagnostic]],
) -> Iterator[Diagnostic]:
    """What is found of the rules of each agent, and the tools of its servers."""
    places = {
        key_name(each.place.path[:-1]): each.place._replace(path=each.place.path[:-1]) for each in settings.patterns
    }
    for agent in settings.agents:
        names = {server.name for server in agent.servers}
        yield from looked_at(agent.rules, places, [each for each in definitions if each.server in names])


def doubtful_vouchers(settings: Settings, definitions: Sequence[ToolDefinition]) -> list[Text]:
    """A warning for every tool that seems to write and that the operator is sure only reads."""
    return _told(settings, _doubtful(settings, definitions, is_sure=True))


def _doubtful(settings: Settings, definitions: Sequence[ToolDefinition], *, is_sure: bool) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for agent in settings.agents:
        names = {server.name for server in agent.servers}
        own = [each for each in definitions if each.server in names and not each.unusable]
        found += doubtful_reads(agent.rules, settings.patterns, own, is_sure=is_sure)
    return found


def _told(settings: Settings, diagnostics: Sequence[Diagnostic]) -> list[Text]:
    return [each.render(settings.origin) for each in sorted(set(diagnostics))]


def load(path: Path, environ: Mapping[str, str], *, operator: str = "") -> Settings:
    """The settings of a file, under the rules of this text of the operator's.

    Raises:
        ConfigError: with every problem of the file, one line each.
    """
    return parse(with_operator_policy(read_text(path), operator), origin=str(path), environ=environ)


def read_text(path: Path) -> str:
    """The text of a configuration file.

    Raises:
        ConfigError: there is no such file, it can't be read, or it is no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(path, Text("no such file")) from None
    except (OSError, ValueError):
        raise _unreadable(path, Text("a file that can't be read")) from None
    if len(content) > MAX_BYTES:
        raise _unreadable(path, TOO_LARGE, Text("a smaller file"), line=1)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, Text("bytes that are not valid UTF-8"), Text("a text file"), line=line) from None


def read_operator_policy(path: str) -> str:
    """The text of the operator's own rules, if it can be used; empty where there is no such file.

    Raises:
        ConfigError: there should be one, and it can't be used: then nothing may begin, and nothing be approved.
    """
    if not path.strip():
        return ""
    text = read_text(Path(path).expanduser())
    operator_rules(text, path)
    return text


_A_FILE = Text("a configuration file")


def _unreadable(path: Path, found: Text, expected: Text = _A_FILE, *, line: int = 0) -> ConfigError:
    place = f"{printable(str(path))}:{line}" if line else printable(str(path))
    return ConfigError([Text.joined(": ", [place, expected_but_found(found, expected)])])


def parse(text: str, *, origin: str, environ: Mapping[str, str] | None, works: bool = True) -> Settings:
    """The settings of a text. Relative paths in it begin where `origin`, the file's path, is.

    Without an environment, variables stay as they are written (one with a default has that) and no key is missed:
    enough to check a configuration, not to run it. Where nobody `works`, that is so of what only models and tool
    servers need; all that rules are made of must be known. A text that was read before, under the same name and with
    the same values of the variables that count for it, is not read again.

    Raises:
        ConfigError: with every problem of the text, one line each.
    """
    named = (text, origin, Path(origin).absolute().parent, environ is None, works)
    known = _known(named, environ or {})
    if known is not None:
        return known
    report, variables = Diagnostics(origin), Variables(environ, works=works)
    written = read(text, report)
    root = None if written is None else put_in(written, variables, report)
    if root is None:
        raise ConfigError(report.render())
    settings = _settings(root, report, text, origin, variables)
    report.raise_if_any()
    with _LOCK:
        _KNOWN.append(_Known(named=named, values=variables.asked_for, settings=settings))
    return settings


@dataclass(frozen=True, kw_only=True, eq=False)
class _Known:
    """What a text came to, and all that it depends on: what it is called, and the variables that it was read with."""

    named: tuple[object, ...]
    values: Mapping[str, str | None] = field(repr=False)
    settings: Settings = field(repr=False)


_MOST_KNOWN = 64
_LOCK = Lock()
_KNOWN: deque[_Known] = deque(maxlen=_MOST_KNOWN)
"""The texts of late, for a run asks for its own when it starts, plans, executes and reports."""


def _known(named: tuple[object, ...], environ: Mapping[str, str]) -> Settings | None:
    """The settings of the same text where every variable that counts has the same value."""
    with _LOCK:
        for each in _KNOWN:
            if each.named == named and all(environ.get(name) == value for name, value in each.values.items()):
                # It comes last, and so is the last to be given up.
                _KNOWN.remove(each)
                _KNOWN.append(each)
                return each.settings
    return None


def _settings(root: Table, report: Diagnostics, text: str, origin: str, variables: Variables) -> Settings:
    """The settings; worth nothing if there are complaints."""
    folder = Path(origin).absolute().parent
    file = Configuration.model_validate(root, context=Reading(report))
    places: list[Configuration | BackendKeys] = [file, *(agent.backend for agent in file.agents if agent.backend)]
    names = frozenset(keys.name for place in places for keys in place.mcp_servers)
    broken = frozenset(name for place in places for name in broken_names(place.table, place.mcp_servers))
    rules, patterns = read_rules(file.tools, names | broken, report)
    over = operator_policy_in(text)
    written = [keys for place in places for keys in place.mcp_servers]
    rules = (*operator_rules(over), *rules, *look_up_rules(written), *unseen_rules(written))
    book = ServerBook(report, folder, file.mcp_servers, names)
    agents = Agents(report, Backends(report, folder, variables), book).settings(
        file.agents, file.mcp_servers, rules, broken
    )
    limits, approval = file.limits or LimitKeys(), file.approval or ApprovalKeys()
    own = {spec.name: spec for agent in agents for spec in agent.servers}
    return Settings(
        origin=origin,
        text=text,
        agents=agents,
        servers=tuple({**{spec.name: spec for spec in book.shared.values()}, **own}.values()),
        options=_options(file, limits, report),
        policy=_policy(approval, over),
        allow_requester=approval.allow_requester,
        allow_author=approval.allow_author,
        asks_external=file.ask is not None and file.ask.external,
        limits=limits,
        patterns=patterns,
        warnings=report.warnings(),
    )


def _policy(approval: ApprovalKeys, over: str) -> Policy:
    """The rule of approval as it is written.

    Whether the one who asked may approve depends on where a run is asked for.
    """
    approvers = approval.approvers or ApproverKeys()
    return Policy(
        roles=approvers.roles,
        users=approvers.users,
        required=approval.required,
        expires_after=seconds(approval.expires_after),
        allow_external=approval.external,
        is_quiet=not approval.notify,
        operator=digest_of(over),
        approvals_channel=approval.channel,
        shows_private=approval.channel_shows_private,
        allow_grants=approval.grants,
        break_glass=None if approval.break_glass is None else approval.break_glass.rule,
    )
