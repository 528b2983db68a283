"""Tools: three powers over the same servers, handed out one at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from coordination.domain.caller import Caller
from coordination.domain.canonical_json import JsonObject
from coordination.domain.plan import PlannedCall
from coordination.text import Text

UNCLEAR = Text("the answer does not say clearly whether the call failed")
MALFORMED = Text("the answer is not in the form that MCP asks for")
UNKNOWN_KIND = Text("part of the answer is of a kind that is not known here")
NOT_STRUCTURED = Text("the tool declares structured content, and its answer has none")
REMARKS = (UNCLEAR, MALFORMED, UNKNOWN_KIND, NOT_STRUCTURED)
"""What logs of earlier versions have of such remarks, each in brackets on a line of its own behind the answer."""


def remark(text: Text) -> Text:
    """What the program itself says of a tool's answer, as it stands on a line of its own behind the answer."""
    return Text("[{remark}]", remark=text)


def left_out(count: int) -> Text:
    """How much of a text is missing."""
    return Text("{count:,} more character was left out", "{count:,} more characters were left out", count=count)


NOTHING_HAPPENED = "massgen-bot/nothing-happened"
"""The field of an error's `_meta` in which this program's own chat tools say `true` where nothing happened."""

IDEMPOTENCY_KEY = "massgen-bot/idempotency-key"
"""The field of a call's `_meta` with a key that is the same for each message that may carry this one call."""

AUTH_ENTRY = "auth:"
"""What stands in a spec's `rotates` for the secret of its `auth`; no variable or header has such a name."""

_LONGEST_BY_PROGRESS = 3
"""How many times its usual time a call may take while its server tells of progress."""

ProofMethod = Literal["client_secret_basic", "client_secret_post", "private_key_jwt"]
"""How a client proves to an authorization server who it is, by OAuth's names."""


@dataclass(frozen=True, kw_only=True)
class ClientCredentials:
    """How this program, for itself and no person, gets tokens for an MCP server by OAuth.

    Attributes:
        secret: a shared secret, or a private key in PEM where `method` is `private_key_jwt`.
        issuer: the only authorization server that is asked, found by its metadata; empty where there is a token_url.
        token_url: where tokens are given out, for one without metadata; else empty.
        method: None: the one of the shared-secret methods that the authorization server prefers.
        algorithm: what the private key signs with.
        scopes: all that is ever asked for, whatever a server demands.
    """

    client_id: str = field(repr=False)
    secret: str = field(repr=False)
    issuer: str = field(default="", repr=False)
    token_url: str = field(default="", repr=False)
    method: ProofMethod | None = None
    algorithm: str = "RS256"
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ServerSpec:
    """How to reach one MCP server. Values are expanded, so this may hold secrets: it is never logged or stored.

    Attributes:
        identity: what the operator wrote, unexpanded: enters the digest of every definition, holds no secret.
        start_timeout: seconds for start and handshake together.
        call_timeout: seconds for one call, or from one sign of its progress to the next.
        wrap: the words of a command that is put before the server's own, such as bubblewrap or sudo.
        takes_its_defaults: the operator lets this server have its own defaults for what it asks during a call.
        rotates: names in env and headers, or AUTH_ENTRY, whose value may be another one when a plan runs.
        is_optional: agents may plan without it while it can't be used; what it is does not depend on that.
        is_ours: the operator wrote that this program's own chat tools are what runs: its word that nothing happened
            counts.
        is_pinned: agents plan only while its tools are what the operator accepted.
    """

    name: str
    transport: Literal["stdio", "http"]
    identity: str
    command: str = ""
    args: tuple[str, ...] = field(default=(), repr=False)
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    cwd: str | None = None
    url: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    start_timeout: float = 30.0
    call_timeout: float = 60.0
    auth: ClientCredentials | None = field(default=None, repr=False)
    takes_its_defaults: bool = False
    rotates: tuple[str, ...] = ()
    wrap: tuple[str, ...] = field(default=(), repr=False)
    is_optional: bool = field(default=False, compare=False)
    is_ours: bool = field(default=False, compare=False)
    is_pinned: bool = field(default=False, compare=False)

    @property
    def longest_call(self) -> float:
        """Seconds after which a call is given up, whatever its server tells of its progress."""
        return self.call_timeout * _LONGEST_BY_PROGRESS


@dataclass(frozen=True, kw_only=True)
class ToolDefinition:
    """One tool of one server.

    Attributes:
        digest: covers the server's identity, name, description, schemas and annotations.
        settings: fingerprint of the server's resolved settings, and of the program behind it.
        target: where calls go, for people to see; holds no secret.
        unusable: why nobody can use it, in words that go on from its name; it is listed for people and offered to
            nobody.
        says_writing: whether the server says in so many words that it does not only read.
        output_schema: what it declares of its structured results; None: nothing.
        program: the name that the server gives of itself, which proves nothing.
    """

    server: str
    tool: str
    description: str
    input_schema: JsonObject
    digest: str
    unusable: str = ""
    says_read_only: bool = False
    says_destructive: bool = False
    says_writing: bool = False
    settings: str = ""
    target: str = ""
    output_schema: JsonObject | None = None
    program: str = ""


@dataclass(frozen=True, kw_only=True)
class ToolOutput:
    """What a tool answered, as text.

    Attributes:
        is_error: the server says that the call failed.
        says_writing: of a tool that was read: its server says by now that it does not only read.
        nothing_happened: of an error: a server of ours says that the call certainly had no effect.
        is_in_doubt: of an error: it leaves open whether the call was carried out, as where an answer was lost further
            on.
        structured: the structured result as it came, where it is what the tool declares and repeats no secret; else
            None.
        resource: the text of the one resource in the answer; None: it has none, or several.
    """

    text: str
    is_error: bool = False
    says_writing: bool = False
    nothing_happened: bool = False
    is_in_doubt: bool = False
    structured: JsonObject | None = None
    resource: str | None = None


class CallError(Exception):
    """A call that has no answer; its `text` says why."""

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.text = text


class CallNotSentError(CallError):
    """The call certainly did not reach the server: it may be reported as failed."""


class CallOutcomeUnknownError(CallError):
    """The call may have reached the server, and no answer came: only a person can settle it.

    `may_go_on`: the server, or one behind it, may still be carrying it out.
    """

    def __init__(self, text: Text, *, may_go_on: bool = False) -> None:
        super().__init__(text)
        self.may_go_on = may_go_on


class ToolCatalogue(Protocol):
    """Lists tools; can't call them."""

    async def definitions(self, servers: Sequence[ServerSpec]) -> Sequence[ToolDefinition]:
        """Every tool of these servers, in the servers' order, and after them those that can't be used.

        Starts the servers that are not running.

        Raises:
            ToolServerError: a server can't start or breaks the protocol; the text names it and says what to do.
        """
        ...


class ReadTools(Protocol):
    """Runs the tools that may run at once, and refuses every other, whatever it is asked."""

    async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
        """Call a tool that the operator listed.

        Raises:
            ToolServerError: the server died or did not answer; or the tool is not one that may run at once.
        """
        ...


class Executor(Protocol):
    """Runs approved calls. Held by execution alone."""

    async def definition_digest(self, server: str, tool: str, expected: str = "") -> str | None:
        """The digest of a tool's definition as the server gives it at this moment; None: there is no such tool.

        A server that does not give the `expected` one, or none at all, is asked again for some seconds: while one
        starts, it may list half of its tools, or other descriptions.

        Raises:
            ToolServerError: the server can't be asked.
        """
        ...

    async def settings_digest(self, server: str) -> str:
        """The fingerprint of a server's settings at this moment; starts nothing.

        Raises:
            ToolServerError: there is no such server in the config.
        """
        ...

    async def input_schema(self, server: str, tool: str) -> JsonObject | None:
        """What a tool takes, as the server gives it at this moment; None: there is no such tool.

        Raises:
            ToolServerError: the server can't be asked.
        """
        ...

    async def call(self, call: PlannedCall, key: str, seconds: float | None = None) -> ToolOutput:
        """Send exactly this call, once. `key` is an idempotency key, sent as metadata. It has no references any more.

        After `seconds`, or the longest time of a call, it is not sent any more, and no longer waited for.

        Raises:
            CallNotSentError: it certainly did not reach the server. So it is if the settings or the definition of the
                session that would send it are not those of the call.
            CallOutcomeUnknownError: it may have.
        """
        ...


class ToolHub(ToolCatalogue, Protocol):
    """Every MCP connection of the process, shared by all agents and runs. Hands out one power at a time."""

    def reader(
        self, servers: Sequence[ServerSpec], allowed: frozenset[tuple[str, str]], caller: Caller | None = None
    ) -> ReadTools:
        """The power to call exactly the `allowed` (server, tool) pairs; servers are told on whose behalf."""
        ...

    def executor(self, servers: Sequence[ServerSpec], caller: Caller | None = None) -> Executor:
        """The power to run approved calls on these servers, which are told on whose behalf."""
        ...


@dataclass(frozen=True, kw_only=True)
class ListedTool:
    """A tool as it was when a list was made; of a pinned server with its definition, as JSON."""

    tool: str
    digest: str
    is_destructive: bool = False
    definition: str = ""


@dataclass(frozen=True, kw_only=True)
class ReadList:
    """What a `read` rule with wildcards matched of one server when the operator last checked."""

    match: str
    server: str
    tools: tuple[ListedTool, ...]


class ReadLists(Protocol):
    """The lists of every configuration, by its file; one set for all processes on a database."""

    async def load(self, config: str) -> Sequence[ReadList]:
        """The lists of a configuration; none if none was made yet.

        Raises:
            StorageError: they can't be read.
        """
        ...

    async def add(self, config: str, lists: Sequence[ReadList]) -> Sequence[ReadList]:
        """Make those of these lists that there are not yet; returns all that hold now.

        Raises:
            StorageError: they can't be kept.
        """
        ...
