"""The Coordinator: the verbs of a run, and the only writer of its log."""

from collections.abc import Sequence
from dataclasses import dataclass

from coordination.domain.events import Exchange, Verdict
from coordination.domain.person import Person
from coordination.domain.states import RunState


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request for a run. `config_text` is the configuration as written, `origin` the file it came from."""

    prompt: str
    requester: Person
    config_name: str
    config_text: str
    origin: str
    history: tuple[Exchange, ...] = ()


class Coordinator:
    """What a surface may ask. Every verb checks, writes one event or refuses, and returns the new state."""

    async def start(self, ask: Ask) -> str:
        """Log the request and submit its deliberation. Returns the run's name."""
        raise NotImplementedError

    async def state(self, run: str, tenant: str | None = None) -> RunState:
        """The state now; a plan that is past its time counts as expired, and is logged so."""
        raise NotImplementedError

    async def approve(self, run: str, digest: str, by: Person) -> RunState:
        """One person's yes to the plan of this digest (a prefix of 8 or more digits will do)."""
        raise NotImplementedError

    async def reject(self, run: str, digest: str, by: Person, reason: str = "") -> RunState:
        """A no to the plan of this digest."""
        raise NotImplementedError

    async def request_changes(self, run: str, digest: str, by: Person, text: str) -> RunState:
        """Send the agents back with a person's words."""
        raise NotImplementedError

    async def choose(self, run: str, digest: str, by: Person, agent: int) -> RunState:
        """Propose another agent's newest plan instead, as the next revision."""
        raise NotImplementedError

    async def cancel(self, run: str, by: Person, reason: str = "") -> RunState:
        """Stop the run; during execution the call under way ends and the rest is skipped."""
        raise NotImplementedError

    async def resolve(self, run: str, index: int, by: Person, verdict: Verdict) -> RunState:
        """Settle a call of unknown outcome."""
        raise NotImplementedError

    async def expire_due(self) -> Sequence[str]:
        """Log the expiry of every plan whose time has passed; returns those runs."""
        raise NotImplementedError
