"""Every section of a configuration, ours and MassGen's, as pydantic models: keys, types, ranges, defaults."""

from dataclasses import replace
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, StrictFloat, StrictInt
from typing_extensions import override

from coordination.config.diagnostics import Diagnostics, Place
from coordination.config.key_types import (
    AsTyped,
    AsWritten,
    Budget,
    Data,
    Effort,
    Flag,
    Money,
    OneLine,
    OneLines,
    Presentation,
    Price,
    Secret,
    SecretValues,
    Sections,
    String,
    Thinking,
    Timeout,
    Tokens,
    ToolNames,
    WebAddress,
    Whole,
    duration,
    header_key,
)
from coordination.config.massgen_keys import OWN_DISPLAY
from coordination.config.section_reader import SECTIONS, Section
from coordination.config.server_sections import Servers
from coordination.config.tool_conditions import When
from coordination.config.tool_needs import ArgumentPath, FromRead, RuleApprovers, check_channel, check_met, needs_of
from coordination.config.tool_previews import PreconditionKeys, ShownBefore
from coordination.config.tool_undo import UndoKeys
from coordination.config.yaml_tree import Listing, Node, Table, is_absent, kind_of
from coordination.domain.break_glass import BreakGlass
from coordination.domain.preview import Preview
from coordination.domain.quorums import Needs
from coordination.domain.tool_rules import NOTHING_MORE, IfFromRead
from coordination.run_options import RunOptions, Strictness
from coordination.text import Text

_DEFAULTS = RunOptions()

Grade: TypeAlias = Annotated[Strictness, AsWritten]


class ReasoningKeys(Section):
    """How much a model thinks, in OpenAI's words and in Anthropic's."""

    title = "agents[].backend.reasoning"
    holds_in_part = False
    effort: Effort | None = None
    summary: Annotated[Literal["auto", "concise", "detailed", "none"], AsWritten] | None = None
    type: Thinking | None = None
    budget_tokens: Budget | None = None


class ThinkingKeys(Section):
    """Anthropic's `thinking`."""

    title = "agents[].backend.thinking"
    holds_in_part = False
    type: Thinking
    budget_tokens: Budget | None = None


class TextKeys(Section):
    """OpenAI's `text`."""

    title = "agents[].backend.text"
    holds_in_part = False
    verbosity: Annotated[Literal["low", "medium", "high"], AsWritten] | None = None


class PriceKeys(Section):
    """US dollars for a million tokens."""

    title = "agents[].backend.price"
    holds_in_part = False
    input: Price
    output: Price
    cached_input: Price | None = None


class ModelOptions(Section):
    """What is asked of a model beside the conversation. None: the provider's default."""

    temperature: Annotated[StrictFloat, Field(ge=0, le=2), AsTyped] | None = None
    top_p: Annotated[StrictFloat, Field(gt=0, le=1), AsTyped] | None = None
    top_k: Annotated[StrictInt, Field(ge=1, le=100_000), AsTyped] | None = None
    max_tokens: Annotated[StrictInt, Field(ge=1, le=10_000_000), AsTyped] | None = None
    max_completion_tokens: Annotated[StrictInt, Field(ge=1, le=10_000_000), AsTyped] | None = None
    seed: Whole | None = None
    reasoning: ReasoningKeys | None = None
    reasoning_effort: Effort | None = None
    thinking: ThinkingKeys | None = None
    max_thinking_tokens: Annotated[StrictInt, Field(ge=1, le=1_000_000), AsTyped] | None = None
    text: TextKeys | None = None
    enable_web_search: Flag = False
    repetition_penalty: Annotated[StrictFloat, Field(gt=0, le=10), AsTyped] | None = None
    separate_reasoning: Flag | None = None
    chat_template_kwargs: Data | None = Field(default=None, repr=False)
    extra_body: Data | None = Field(default=None, repr=False)
    idle_timeout: Annotated[StrictFloat, Field(ge=1, le=3600), AsTyped] | None = None

    @property
    def output_tokens(self) -> int | None:
        """The most tokens that one reply may have, under either of its two names."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def effort(self) -> Effort | None:
        """How hard the model is to think, under either of its two names."""
        return self.reasoning_effort or (self.reasoning.effort if self.reasoning else None)

    @property
    def thinking_ahead(self) -> tuple[Thinking | None, int | None]:
        """Whether and for how many tokens it is to think ahead, under whichever of the three names it was written."""
        for written in (self.thinking, self.reasoning):
            if written is not None and (written.type is not None or written.budget_tokens is not None):
                return written.type, written.budget_tokens
        return ("enabled", self.max_thinking_tokens) if self.max_thinking_tokens is not None else (None, None)


class ModelKeys(ModelOptions):
    """A model, and how to reach it."""

    type: OneLine | None = None
    model: OneLine | None = None
    base_url: WebAddress | None = Field(default=None, repr=False)
    api_key: Annotated[Secret, AfterValidator(header_key)] | None = None
    api_version: OneLine | None = None
    headers: SecretValues = Field(default_factory=dict)
    price: PriceKeys | None = None
    cwd: OneLine | None = None
    system_prompt: String = ""
    append_system_prompt: String = ""
    script: Data | None = Field(default=None, repr=False)
    script_file: OneLine | None = None
    enable_code_interpreter: Flag = False
    enable_code_execution: Flag = False


class FallbackKeys(ModelKeys):
    """The model that is asked when the first can't be. Its keys are those of a backend, and documented there."""

    title = "agents[].backend.fallback"
    is_a_home = False


class BackendKeys(ModelKeys):
    """The model of one agent, the servers and tools that it has, and the model behind it."""

    title = "agents[].backend"
    mcp_servers: Servers = ()
    allowed_tools: ToolNames | None = None
    exclude_tools: ToolNames = ()
    disallowed_tools: ToolNames = ()
    fallback: FallbackKeys | None = None


class AgentKeys(Section):
    """One agent."""

    title = "agents[]"
    kind = Text("a mapping with id, system_message and backend")
    id: OneLine | None = None
    system_message: String = ""
    append_system_prompt: String = ""
    backend: BackendKeys | None = None

    @property
    def number(self) -> int:
        """Its number, from 1 in the order of the file."""
        index = self.table.place.path[-1]
        return index + 1 if isinstance(index, int) else 1

    @property
    def name(self) -> str:
        """Its id, given or made of its number."""
        return self.id or f"agent{self.number}"

    @classmethod
    @override
    def prepared(cls, table: Table, report: Diagnostics) -> Table:
        """The agent, after a complaint if it has no model at all."""
        written = table.entries.get("backend")
        is_missing = written is None or is_absent(written)
        if is_missing or (isinstance(written, Table) and not written.entries):
            found = Text("nothing") if is_missing else Text("an empty mapping")
            report.expect(table.place_of("backend"), found, Text("a mapping with type and model"))
            return replace(table, entries={key: node for key, node in table.entries.items() if key != "backend"})
        return table


class CoordinationKeys(Section):
    """MassGen's section of that name, as far as it means something here."""

    title = "orchestrator.coordination"
    enable_planning_mode: Flag = True
    planning_mode_instruction: String = ""
    broadcast: Annotated[Literal["human", "agents", "false"], AsWritten] = "false"
    broadcast_sensitivity: Annotated[Literal["low", "medium", "high"], AsWritten] = _DEFAULTS.question_sensitivity
    broadcast_timeout: Timeout = _DEFAULTS.question_timeout_seconds
    max_broadcasts_per_agent: Annotated[StrictInt, Field(ge=1, le=100), AsTyped] = 3
    final_presentation: Presentation | None = None


class TimeoutKeys(Section):
    """Times in seconds."""

    title = "orchestrator.timeout"
    orchestrator_timeout_seconds: Timeout | None = None
    initial_round_timeout_seconds: Timeout | None = None
    subsequent_round_timeout_seconds: Timeout | None = None


class TimeoutSettingsKeys(TimeoutKeys):
    """The same, where MassGen's files have it."""

    title = "timeout_settings"
    is_a_home = False


class OrchestratorKeys(Section):
    """How agents coordinate."""

    title = "orchestrator"
    voting_sensitivity: Grade = _DEFAULTS.voting_sensitivity
    answer_novelty_requirement: Grade = _DEFAULTS.answer_novelty_requirement
    max_new_answers_per_agent: Annotated[StrictInt, Field(ge=1, le=100), AsTyped] | None = (
        _DEFAULTS.max_new_answers_per_agent
    )
    max_new_answers_global: Annotated[StrictInt, Field(ge=1, le=10_000), AsTyped] | None = None
    defer_voting_until_all_answered: Flag = _DEFAULTS.defer_voting
    consensus: Annotated[Literal["all", "majority"], AsWritten] = _DEFAULTS.consensus
    final_presentation: Presentation | None = None
    max_tool_rounds: Annotated[StrictInt, Field(ge=1, le=1000), AsTyped] = _DEFAULTS.max_tool_rounds
    max_midstream_updates: Annotated[StrictInt, Field(ge=0, le=100), AsTyped] | None = None
    max_midstream_injections_per_round: Annotated[StrictInt, Field(ge=0, le=100), AsTyped] | None = None
    coordination_mode: Annotated[Literal["voting"], AsWritten] = "voting"
    coordination: CoordinationKeys | None = None
    timeout: TimeoutKeys | None = None


class RuleKeys(Section):
    """What may be done with the tools that a pattern matches."""

    title = "tools[]"
    kind = Text("a mapping with match and effect")
    holds_in_part = False
    is_a_home = False
    match: OneLine
    when: When = ()
    effect: Annotated[Literal["read", "ask", "auto", "deny"], AsWritten]
    sure: Flag = False
    says: OneLine = ""
    approvers: RuleApprovers = ()
    expires: Annotated[String, AfterValidator(duration)] | None = None
    requester: Flag | None = None
    author: Flag | None = None
    per_plan: Annotated[StrictInt, Field(ge=1, le=1000), AsTyped] | None = None
    per_day: Annotated[StrictInt, Field(ge=1, le=100_000), AsTyped] | None = None
    requires_read: ArgumentPath | None = None
    grants: Flag | None = None
    break_glass: Flag | None = None
    if_from_read: FromRead | None = None
    preview: ShownBefore | None = None
    preconditions: Sections[PreconditionKeys] = ()
    undo: UndoKeys | None = None

    @property
    def needs(self) -> Needs:
        """What it asks for beside that people are asked."""
        return needs_of(
            self.match,
            tuple(self.when),
            approvers=self.approvers,
            expires=self.expires,
            bars_requester=self.requester is False,
            bars_author=self.author is False,
            per_plan=self.per_plan,
            per_day=self.per_day,
            requires_read=self.requires_read,
            bars_grants=self.grants is False,
            bars_break_glass=self.break_glass is False,
        )

    @property
    def what_if_from_read(self) -> IfFromRead:
        """What it asks for, beside that, of calls that repeat what was read."""
        if self.if_from_read is None:
            return NOTHING_MORE
        needs = needs_of(self.match, tuple(self.when), approvers=self.if_from_read)
        return IfFromRead(needs=needs, is_denied=not self.if_from_read)

    @property
    def previews(self) -> tuple[Preview, ...]:
        """What it wants read before people decide."""
        return (*(each.as_shown for each in self.preview or ()), *(each.as_condition for each in self.preconditions))

    @property
    def has_own_view(self) -> bool:
        """Whether it says itself what is shown of its calls, or that nothing is."""
        return self.preview is not None

    @override
    def is_coherent(self, report: Diagnostics) -> bool:
        of_people = ("approvers", "expires", "requester", "author", "grants", "break_glass")
        about_people = [key for key in of_people if key in self.model_fields_set]
        keys = ("per_plan", "per_day", "requires_read", "if_from_read", "preview", "preconditions", "undo")
        about_calls = [key for key in keys if key in self.model_fields_set]
        for key in [*(about_people if self.effect != "ask" else []), *(about_calls if self.is_fixed else [])]:
            found = Text("{key} beside effect: {effect}", key=key, effect=self.effect)
            expected = Text("effect: ask with it") if key in about_people else Text("effect: ask or auto with it")
            report.expect(self.table.place_of(key), found, expected)
        for key in ("requester", "author"):
            if getattr(self, key):
                found = Text("{key}: true, but a rule can only forbid that", key=key)
                report.expect(
                    self.table.place_of(key), found, Text("{key}: false, or allow_{key} under approval", key=key)
                )
        if self.grants:
            found = Text("grants: true, but a rule can only forbid that")
            report.expect(self.table.place_of("grants"), found, Text("grants: false, or grants: true under approval"))
        if self.break_glass:
            found = Text("break_glass: true, but a rule can only forbid that")
            expected = Text("break_glass: false, or break_glass under approval with the people who may")
            report.expect(self.table.place_of("break_glass"), found, expected)
        check_met(self.needs, self.table.place_of("approvers"), report)
        check_met(self.needs.and_also(self.what_if_from_read.needs), self.table.place_of("if_from_read"), report)
        return True

    @property
    def is_fixed(self) -> bool:
        """Whether calls of it are in no plan."""
        return self.effect in ("read", "deny")


class ApproverKeys(Section):
    """Who may decide. With neither, anyone of the tenant."""

    title = "approval.approvers"
    roles: OneLines = ()
    users: OneLines = ()


class BreakGlassKeys(Section):
    """Who may approve a plan alone in an emergency."""

    title = "approval.break_glass"
    kind = Text("a mapping with roles or users")
    holds_in_part = False
    roles: OneLines = ()
    users: OneLines = ()
    requester: Flag = False

    @override
    def is_coherent(self, report: Diagnostics) -> bool:
        if not self.roles and not self.users:
            report.expect(self.table.place, Text("break_glass that names nobody"), Text("roles or users"))
        return True

    @property
    def rule(self) -> BreakGlass | None:
        """The same as a rule."""
        return BreakGlass(roles=self.roles, users=self.users, allow_requester=self.requester).or_nothing


class ApprovalKeys(Section):
    """How a plan gets approved."""

    title = "approval"
    approvers: ApproverKeys | None = None
    required: Annotated[StrictInt, Field(ge=1, le=20), AsTyped] = 1
    allow_requester: Flag | None = None
    allow_author: Flag | None = None
    external: Flag = False
    notify: Flag = True
    channel: OneLine = ""
    channel_shows_private: Flag = False
    grants: Flag = False
    break_glass: BreakGlassKeys | None = None
    expires_after: Annotated[String, AfterValidator(duration)] = "24h"

    @override
    def is_coherent(self, report: Diagnostics) -> bool:
        approvers = self.approvers or ApproverKeys()
        users = len(set(approvers.users))
        if users and not approvers.roles and self.required > users:
            found = Text(
                "{required} approvals, and {count} user who may give one",
                "{required} approvals, and {count} users who may give one",
                required=self.required,
                count=users,
            )
            report.expect(self.table.place_of("required"), found, Text("no more than there are users"))
        check_channel(self.channel, self.table.place_of("channel"), report)
        return True


class AskKeys(Section):
    """Who may ask."""

    title = "ask"
    external: Flag = False


class LimitKeys(Section):
    """What one run, one person, one place, one tenant and one key may use at most."""

    title = "limits"
    tokens_per_run: Tokens | None = None
    money_per_run: Money | None = None
    tokens_per_user_per_day: Tokens | None = None
    money_per_user_per_day: Money | None = None
    tokens_per_place_per_day: Tokens | None = None
    money_per_place_per_day: Money | None = None
    tokens_per_tenant_per_day: Tokens | None = None
    money_per_tenant_per_day: Money | None = None
    requests_at_once: Annotated[StrictInt, Field(ge=1, le=10_000), AsTyped] | None = None
    requests_per_minute: Annotated[StrictInt, Field(ge=1, le=1_000_000), AsTyped] | None = None
    max_calls: Annotated[StrictInt, Field(ge=1, le=1000), AsTyped] = _DEFAULTS.max_calls
    max_answer_characters: Annotated[StrictInt, Field(ge=100, le=10_000_000), AsTyped] = _DEFAULTS.max_answer_characters


class UiKeys(Section):
    """MassGen's `ui`, all of which has no meaning here, whatever it will hold one day."""

    title = "ui"

    @classmethod
    @override
    def prepared(cls, table: Table, report: Diagnostics) -> Table:
        """The keys that have a reason of their own; the others share a warning."""
        known = {key: node for key, node in table.entries.items() if key in cls.without_effect()}
        for key in (each for each in table.entries if each not in known):
            text = Text("has no effect here: {why}", why=OWN_DISPLAY)
            report.add_warning(table.place_of(key), text, once_for="ui")
        return replace(table, entries=known)


MAX_AGENTS = 50


class Configuration(Section):
    """A whole file."""

    title = ""
    ui: UiKeys | None = None
    mcp_servers: Servers = ()
    agents: Sections[AgentKeys] = ()
    agent: AgentKeys | None = None
    tools: Sections[RuleKeys] = ()
    orchestrator: OrchestratorKeys | None = None
    timeout_settings: TimeoutSettingsKeys | None = None
    approval: ApprovalKeys | None = None
    ask: AskKeys | None = None
    limits: LimitKeys | None = None

    @override
    def is_coherent(self, report: Diagnostics) -> bool:
        approval = self.approval
        of_rules = (each for rule in self.tools for each in (*rule.approvers, *(rule.if_from_read or ())))
        if approval is None or not approval.channel_shows_private:
            return True
        if not approval.channel and not any(each.channel for each in of_rules):
            place = approval.table.place_of("channel_shows_private")
            report.expect(place, Text("no channel"), Text("channel as well"))
        return True

    @classmethod
    @override
    def prepared(cls, table: Table, report: Diagnostics) -> Table:
        """The file with its agents in one place."""
        one, many = table.entries.get("agent"), table.entries.get("agents")
        if one is None and many is None:
            report.expect(Place(table.line), Text("no agents"), Text("the key agents, with a list of them"))
        elif one is not None and many is not None:
            report.expect(table.place_of("agent"), Text("both agent and agents"), Text("one of them"))
        rest = {key: node for key, node in table.entries.items() if key not in ("agent", "agents")}
        if many is None:
            items: tuple[Node, ...] = () if one is None else (one,)
        elif isinstance(many, Listing) and many.items:
            items = many.items[:MAX_AGENTS]
            if len(many.items) > MAX_AGENTS:
                report.expect(
                    many.place, Text("{count} agents", count=len(many.items)), Text("at most {most}", most=MAX_AGENTS)
                )
        else:
            items = ()
            report.expect(table.place_of("agents"), kind_of(many), Text("a list of agents"))
        return replace(table, entries={**rest, "agents": Listing(items=items, line=table.line)})


ALL = tuple(section for section in SECTIONS if section is not FallbackKeys)
"""The sections whose keys are documented."""
