"""Values for tests, with defaults where a test does not care."""

import json
from datetime import UTC, datetime, timedelta

from coordination.domain.ballot import Answer, Ballot, Election, Ending
from coordination.domain.canonical_json import Json, canonical
from coordination.domain.events import RunRequested
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.policy import RULES_VERSION, Person, Policy
from coordination.ports import ServerSpec, ToolDefinition
from coordination.run_options import AgentProfile, RunOptions, RunProfile

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

REQUESTER = Person(tenant="here", id="u-requester", name="rita")
ALICE = Person(tenant="here", id="u-alice", name="alice", roles=("ops",))
BOB = Person(tenant="here", id="u-bob", name="bob", roles=("ops", "leads"))
MALLORY = Person(tenant="here", id="u-mallory", name="mallory")
STRANGER = Person(tenant="elsewhere", id="u-alice", name="alice", roles=("ops",), is_admin=True)

BOARD = ServerSpec(name="board", transport="stdio", identity='{"command":"board"}', command="board")


def a_call(tool: str = "post", *, server: str = "board", is_automatic: bool = False, **arguments: Json) -> PlannedCall:
    """A call as a recorder would have it."""
    return PlannedCall(
        server=server,
        tool=tool,
        arguments=canonical(arguments),
        definition=f"definition-of-{tool}",
        is_automatic=is_automatic,
    )


def a_plan(
    *calls: PlannedCall,
    run: str = "RUN1",
    revision: int = 1,
    policy: Policy | None = None,
    expires_at: datetime | None = None,
    text: str = "Post it.",
) -> Plan:
    """A plan of one call, unless told otherwise."""
    rule = policy or Policy(roles=("ops",))
    return Plan(
        tenant="here",
        run=run,
        revision=revision,
        author="agent1.final",
        text=text,
        calls=calls or (a_call(title="hello"),),
        policy=rule,
        expires_at=expires_at or START + timedelta(seconds=rule.expires_after),
    )


def an_election(text: str = "Post it.") -> Election:
    """Agent 1 won two of two votes."""
    winner = Answer(agent=1, number=1, epoch=1, text=text)
    return Election(winner=winner, votes=2, voters=2, ending=Ending.CONSENSUS)


def an_election_of(plan: Plan) -> Election:
    """The election that led to a plan."""
    winner = Answer(agent=1, number=1, epoch=1, text=plan.text, calls=plan.calls)
    return Election(winner=winner, votes=2, voters=2, ending=Ending.CONSENSUS)


def a_request(*, agents: int = 2, prompt: str = "Post hello.") -> RunRequested:
    """A request by rita."""
    return RunRequested(
        tenant="here",
        prompt=prompt,
        requester=REQUESTER,
        config="test",
        config_digest="c" * 64,
        agents=tuple(f"agent-{number}" for number in range(1, agents + 1)),
        rules_version=RULES_VERSION,
    )


def a_ballot(size: int = 2) -> Ballot:
    """Nobody has said anything yet."""
    return Ballot(size=size)


def a_definition(tool: str, *, server: str = "board", **properties: str) -> ToolDefinition:
    """A tool whose arguments are given as name=type; all are required."""
    schema = {
        "type": "object",
        "properties": {name: {"type": type_} for name, type_ in properties.items()},
        "required": list(properties),
    }
    return ToolDefinition(
        server=server,
        tool=tool,
        description=f"{tool} on {server}",
        input_schema=json.loads(json.dumps(schema)),
        digest=f"definition-of-{tool}",
    )


def a_profile(size: int = 2, *, options: RunOptions | None = None, policy: Policy | None = None) -> RunProfile:
    """Agents that share the board."""
    agents = tuple(
        AgentProfile(number=number, id=f"agent-{number}", system_message="", servers=(BOARD,), rules=())
        for number in range(1, size + 1)
    )
    return RunProfile(
        agents=agents, servers=(BOARD,), options=options or RunOptions(), policy=policy or Policy(roles=("ops",))
    )
