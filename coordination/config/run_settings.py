"""A whole configuration, checked: what a run and the program around it need of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from coordination.config.agents import AgentSettings
from coordination.config.diagnostics import Complaint
from coordination.config.sections import LimitKeys
from coordination.config.tool_policy import Pattern, doubtful_reads, unmatched, vouched_reads
from coordination.domain.policy import Policy
from coordination.ports import ServerSpec, ToolDefinition
from coordination.run_options import DailyLimits, Knobs, RunProfile


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One configuration. Secrets are in the servers' values and the backends' keys, and in no representation.

    Attributes:
        origin: the file that it came from.
        text: the file's text, unexpanded.
        policy: the approval rule, `allow_requester` and `allow_author` aside.
        allow_requester: whether who asks may approve; None: the surface decides.
        allow_author: whether others who shaped a plan may approve it; None: no, unless the surface lets who asks.
        asks_external: whether guests, bots and people of other organizations may ask.
        limits: what a run, a person, a tenant and a key may use.
        warnings: what was accepted without effect, or means something else than it may seem, one line each.
    """

    origin: str
    text: str = field(repr=False)
    agents: tuple[AgentSettings, ...]
    servers: tuple[ServerSpec, ...] = field(repr=False)
    knobs: Knobs
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
            knobs=self.knobs,
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

    It fits none, or lists as `read` what seems to write; of those (server, tool) that are `asking` instead, nothing is said.
    """
    patterns = [*settings.patterns, *(pattern for agent in settings.agents for pattern in agent.patterns)]
    complaints = unmatched(patterns, definitions)
    for agent in settings.agents:
        names = {server.name for server in agent.servers}
        own = [
            each
            for each in definitions
            if each.server in names and not each.unusable and (each.server, each.tool) not in asking
        ]
        complaints += doubtful_reads(agent.rules, settings.patterns, own)
    return [complaint.render(settings.origin) for complaint in sorted(set(complaints))]


def doubtful_vouchers(settings: Settings, definitions: Sequence[ToolDefinition]) -> list[str]:
    """A warning for every tool that seems to write, and runs while agents plan since the operator is sure that it reads."""
    complaints: list[Complaint] = []
    for agent in settings.agents:
        names = {server.name for server in agent.servers}
        own = [each for each in definitions if each.server in names and not each.unusable]
        complaints += vouched_reads(agent.rules, settings.patterns, own)
    return [complaint.render(settings.origin) for complaint in sorted(set(complaints))]
