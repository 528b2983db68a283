"""What a configuration's rules do with one call, and whether that is what a file of cases expects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, cast

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictStr, ValidationError
from pydantic_core import ErrorDetails

from bot.machine import config_file
from bot.variables import Environment
from coordination.config import Settings, load, read_operator_policy, read_text
from coordination.config.diagnostics import expected_but_found, key_name, kind_of_plain, quoted, shown_key
from coordination.config.section_reader import expected_by
from coordination.domain.canonical_json import Json
from coordination.domain.conditions import CallContext, Condition
from coordination.domain.policy import Person
from coordination.domain.quorums import NOTHING, Needs, Quorum, side_by_side
from coordination.domain.tool_rules import NOTHING_MORE, Effect, IfFromRead, Rule, matching, rule
from coordination.errors import ConfigError
from coordination.text import Text, either

_MOST_CASES = 1_000


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call that nobody makes: `server.tool`, with its arguments, on behalf of somebody, somewhere.

    `from_read`: it repeats what was read.
    """

    tool: str
    arguments: Json = field(default_factory=dict[str, Json])
    user: str = ""
    roles: tuple[str, ...] = ()
    place: str = ""
    at: datetime | None = None
    from_read: bool = False

    @property
    def context(self) -> CallContext:
        """The call as conditions see it."""
        requester = Person(tenant="", id=self.user, name=self.user, roles=self.roles)
        return CallContext(arguments=self.arguments, requester=requester, place=self.place, at=self.at)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A rule that may decide about a call, and each of its conditions with whether it holds; None: nobody can say."""

    rule: Rule
    conditions: tuple[tuple[Condition, bool | None], ...]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What the rules of some agents say of a call, and the rules that were looked at for it, in their order."""

    agents: tuple[str, ...]
    effect: Effect
    reason: Text
    steps: tuple[Step, ...]
    needs: Needs = NOTHING
    if_from_read: IfFromRead = NOTHING_MORE


def explain(settings: Settings, call: Call) -> tuple[Explanation, ...]:
    """What becomes of a call, for each group of agents whose rules say the same; none where no agent has its server."""
    server, _, tool = call.tool.partition(".")
    found: dict[tuple[Effect, str, IfFromRead, Needs], Explanation] = {}
    for agent in settings.agents:
        if server not in {each.name for each in agent.servers}:
            continue
        said = rule(agent.rules, server, tool, call.context)
        said = said.of_what_was_read() if call.from_read else said
        is_planned = said.effect in (Effect.ASK, Effect.AUTO)
        more = said.if_from_read if is_planned else NOTHING_MORE
        same = (said.effect, said.reason, more, said.needs if is_planned else NOTHING)
        before = found.get(same)
        agents = (*before.agents, agent.id) if before is not None else (agent.id,)
        steps = tuple(_steps(agent.rules, server, tool, call.context))
        found[same] = Explanation(
            agents=agents, effect=said.effect, reason=said.reason, steps=steps, needs=same[-1], if_from_read=more
        )
    return tuple(found.values())


def _steps(rules: Sequence[Rule], server: str, tool: str, context: CallContext) -> Iterator[Step]:
    """Those of the operator's own rules, and then those of the configuration: each up to the one that decides."""
    for is_operators in (True, False):
        for each in matching(rules, server, tool, is_operators=is_operators):
            step = Step(rule=each, conditions=tuple((one, one.holds(context)) for one in each.when))
            yield step
            if all(holds for _, holds in step.conditions):
                break


def moment_of(value: object) -> datetime | None:
    """A moment with its zone, as it is written or as YAML reads it; None: it is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, datetime) and value.tzinfo is not None else None


def _moment(value: object) -> datetime:
    found = moment_of(value)
    if found is None:
        raise ValueError(Text("a date and time with a time zone, such as 2026-11-30T09:00+01:00"))
    return found


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Approvers(_Model):
    roles: tuple[StrictStr, ...] = ()
    users: tuple[StrictStr, ...] = ()
    required: Annotated[int, Field(ge=1, le=20)] = 1


class Case(_Model):
    """One expectation of a file of cases."""

    tool: Annotated[StrictStr, Field(pattern=r"^[^.\s]+\.\S+$")]
    arguments: dict[str, Any] = {}
    user: StrictStr = ""
    roles: tuple[StrictStr, ...] = ()
    place: StrictStr = ""
    at: Annotated[datetime | None, BeforeValidator(_moment)] = None
    agent: StrictStr = ""
    from_read: bool = False
    effect: Effect
    approvers: tuple[_Approvers, ...] | None = None
    grants: bool | None = None
    break_glass: bool | None = None

    @property
    def quorums(self) -> tuple[Quorum, ...] | None:
        """Whose approval it is to need beside the plan's own; None: the case does not say."""
        if self.approvers is None:
            return None
        return side_by_side(Quorum(**each.model_dump()) for each in self.approvers)

    @property
    def call(self) -> Call:
        """The call that it is about."""
        arguments = cast("Json", self.arguments)
        return Call(
            tool=self.tool,
            arguments=arguments,
            user=self.user,
            roles=self.roles,
            place=self.place,
            at=self.at,
            from_read=self.from_read,
        )


class _Cases(_Model):
    config: StrictStr
    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=_MOST_CASES)]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a case.

    `found` is what the rules say: one of several agents, or nothing where none has the server.
    """

    number: int
    case: Case
    found: tuple[Explanation, ...]

    @property
    def is_met(self) -> bool:
        """Whether every agent that is meant gets what is expected."""
        return bool(self.found) and all(self.fits(each) for each in self.found)

    def fits(self, found: Explanation) -> bool:
        """Whether this is what is expected, of the effect and of whose approval it takes, where the case says so."""
        quorums = self.case.quorums
        is_granted = self.case.grants in (None, not found.needs.bars_grants)
        may_be_alone = self.case.break_glass in (None, not found.needs.bars_break_glass)
        fits_people = quorums in (None, found.needs.quorums)
        return found.effect is self.case.effect and fits_people and is_granted and may_be_alone


def run_cases(environment: Environment, path: Path) -> tuple[Outcome, ...]:
    """Hold a configuration against a file of cases. The configuration's path begins beside the file.

    Raises:
        ConfigError: the file or the configuration can't be used.
    """
    cases = _read(path)
    named = path.parent / cases.config
    settings = load(
        (named if named.exists() else config_file(cases.config)).absolute(),
        environment.for_configs(tenant=""),
        operator=read_operator_policy(environment.operator_policy),
    )
    return tuple(_outcome(settings, number, case) for number, case in enumerate(cases.cases, start=1))


def _outcome(settings: Settings, number: int, case: Case) -> Outcome:
    found = explain(settings, case.call)
    meant = tuple(each for each in found if not case.agent or case.agent in each.agents)
    return Outcome(number=number, case=case, found=meant)


def _read(path: Path) -> _Cases:
    try:
        return _Cases.model_validate(yaml.safe_load(read_text(path)))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = expected_but_found(Text("text that is not YAML"), Text("config and cases"))
        raise ConfigError([Text.joined("", [str(path), line, ": ", problem])]) from None
    except ValidationError as error:
        raise ConfigError([_complaint(path, each) for each in error.errors()]) from None


def _complaint(path: Path, problem: ErrorDetails) -> Text:
    where, value = problem["loc"], problem["input"]
    key = str(where[-1]) if where else ""
    match problem["type"]:
        case "missing":
            text = expected_but_found(Text("nothing"), Text("a value for {key}", key=key))
        case "extra_forbidden":
            keys = Case.model_fields if len(where) > 1 else _Cases.model_fields
            text = expected_but_found(Text("the unknown key {key}", key=shown_key(key)), either(keys))
        case _:
            found = quoted(value) if isinstance(value, str) else kind_of_plain(value)
            text = expected_but_found(found, expected_by(problem))
    return Text.joined(": ", [str(path), key_name(where) or Text("the file"), text])
