"""Every MCP connection of the process, and the three powers over them: to list, to read, to run what was approved."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from coordination.domain.caller import Caller
from coordination.domain.canonical_json import JsonObject, canonical
from coordination.domain.plan import PlannedCall
from coordination.errors import ToolServerError
from coordination.mcp_tools import server_errors as complaints
from coordination.mcp_tools.child_process import ProcessGuard
from coordination.mcp_tools.connection import Connection, Patience
from coordination.mcp_tools.definitions import ToolListing
from coordination.mcp_tools.fingerprints import Fingerprints
from coordination.mcp_tools.session import ConnectionBrokeError, McpSession, SessionLostError, UnansweredError
from coordination.mcp_tools.stdio_transport import silence_library_logs
from coordination.ports import (
    CallNotSentError,
    CallOutcomeUnknownError,
    Executor,
    ReadTools,
    ServerSpec,
    ToolDefinition,
    ToolOutput,
)
from coordination.text import Text


class McpHub:
    """Use it as a context manager, in the event loop that all its users share.

    Two equal specs are one server process, whoever asks: agents, runs and tenants share it.
    """

    def __init__(self, patience: Patience | None = None, *, key: bytes | None = None) -> None:
        """`key` is the installation's, for fingerprints that are compared later; without it one of its own."""
        silence_library_logs()
        self._fingerprints = Fingerprints(key or secrets.token_bytes(32))
        self.patience = patience or Patience()
        self._connections: dict[ServerSpec, Connection] = {}
        self._owners: asyncio.TaskGroup | None = None
        self._guard = ProcessGuard()
        self._is_closed = False

    async def __aenter__(self) -> Self:
        self._owners = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.aclose()
        finally:
            if self._owners is not None:
                await self._owners.__aexit__(None, None, None)
            await self._guard.aclose()

    async def aclose(self) -> None:
        """End every server that was started here, all at once, and start none any more."""
        self._is_closed = True
        # All are told before anything is waited for: who is cancelled while waiting has told them too.
        ending = [owner for connection in self._connections.values() for owner in connection.end()]
        if ending:
            await asyncio.wait(ending)

    async def definitions(self, servers: Sequence[ServerSpec], *, fresh: bool = False) -> Sequence[ToolDefinition]:
        """Every tool of these servers, in the servers' order, and those that can't be used; starts what is not running.

        `fresh` asks them again, though they told of no change since they were asked last.

        Raises:
            ToolServerError: a server can't be used; with one sentence for each that can't.
        """
        specs = _by_name(servers)
        connections = [self.connection(spec) for spec in specs.values()]
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(_listing_or_error(connection, fresh=fresh)) for connection in connections]
        outcomes = [each.result() for each in asked]
        failures = [each.text for each in outcomes if isinstance(each, ToolServerError)]
        if failures:
            raise ToolServerError(Text.joined(" ", failures))
        listings = [each for each in outcomes if isinstance(each, ToolListing)]
        unusable = [_unusable(spec, each) for spec, each in zip(specs.values(), listings, strict=True)]
        return [tool for each in listings for tool in each.tools.values()] + [
            tool for each in unusable for tool in each
        ]

    def last_lines(self) -> Mapping[str, Sequence[str]]:
        """What each server that did not start wrote last to its standard error, by name; for operators alone."""
        return {spec.name: each.last_lines for spec, each in self._connections.items() if each.last_lines}

    def reader(
        self, servers: Sequence[ServerSpec], allowed: frozenset[tuple[str, str]], caller: Caller | None = None
    ) -> ReadTools:
        """The power to call exactly the `allowed` (server, tool) pairs; servers are told on whose behalf."""
        return _Reader(self, _by_name(servers), allowed, caller)

    def executor(self, servers: Sequence[ServerSpec], caller: Caller | None = None) -> Executor:
        """The power to run approved calls on these servers, which are told on whose behalf."""
        return _Executor(self, _by_name(servers), caller)

    def connection(self, spec: ServerSpec) -> Connection:
        """The one connection to this server; nothing is started yet.

        Raises:
            ToolServerError: the hub is closed.
        """
        if self._owners is None:
            raise RuntimeError("the hub is used before it was entered")
        if self._is_closed:
            raise complaints.closing(spec)
        if spec not in self._connections:
            # Months of changed configurations and renewed tokens would pile up.
            for old in [each for each, connection in self._connections.items() if connection.is_of_no_use]:
                del self._connections[old]
            self._connections[spec] = Connection(
                spec, self._owners, self.patience, self._guard, self._fingerprints, self._make_room
            )
        return self._connections[spec]

    def _make_room(self) -> None:
        """End the servers that were unused for longest, where there are too many; those at work are left to it."""
        unused = {each: each.unused_for for each in self._connections.values()}
        living = sorted((each for each in unused if unused[each] is not None), key=lambda each: unused[each] or 0.0)
        for connection in living[max(0, self.patience.most - 1) :]:
            if unused[connection]:
                connection.rest()


class _Reader:
    """Calls the listed tools.

    A read may be asked twice: once more after its server, or the way to it, died under it.
    """

    def __init__(
        self,
        hub: McpHub,
        servers: Mapping[str, ServerSpec],
        allowed: frozenset[tuple[str, str]],
        caller: Caller | None,
    ) -> None:
        self._caller = caller
        self._hub = hub
        self._servers = servers
        self._allowed = allowed

    async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
        """Call a tool that the operator listed."""
        if (server, tool) not in self._allowed or server not in self._servers:
            raise ToolServerError(
                Text(
                    "{server}.{tool} may not run before people approve it; the operator can allow it as a read.",
                    server=server,
                    tool=tool,
                )
            )
        connection = self._hub.connection(self._servers[server])
        try:
            return await _read(connection, tool, canonical(arguments), self._caller)
        except (CallNotSentError, CallOutcomeUnknownError) as error:
            raise ToolServerError(Text("{why} If this continues, the operator must fix it.", why=error.text)) from error


class _Executor:
    """Runs approved calls: each leaves in one message and never in another."""

    def __init__(self, hub: McpHub, servers: Mapping[str, ServerSpec], caller: Caller | None) -> None:
        self._caller = caller
        self._hub = hub
        self._servers = servers

    async def definition_digest(self, server: str, tool: str, expected: str = "") -> str | None:
        """The digest of a tool's definition as the server gives it now, or soon after if it is another one."""
        _, definition = await self._defined(self._spec(server), tool, expected)
        return None if definition is None else definition.digest

    async def input_schema(self, server: str, tool: str) -> JsonObject | None:
        """What a tool takes, as the server gives it at this moment."""
        _, definition = await self._defined(self._spec(server), tool)
        return None if definition is None else definition.input_schema

    async def settings_digest(self, server: str) -> str:
        """The fingerprint of a server's settings at this moment."""
        return (await self._hub.connection(self._spec(server)).fingerprint()).digest

    async def call(self, call: PlannedCall, key: str, seconds: float | None = None) -> ToolOutput:
        """Send exactly this call, once, by a session that has just shown the approved settings and definition.

        Whatever was compared before may have been another process: a server can end and start at any moment. A server
        that refused the call unread, because it lost the session, is compared and asked once more. All of it ends
        within `seconds`, and the longest time of a call: after that, people may have it made again.
        """
        try:
            spec = self._spec(call.server)
        except ToolServerError as error:
            raise CallNotSentError(error.text) from error
        if call.references:
            raise CallNotSentError(Text("an argument was still a reference to another call"))
        longest = spec.longest_call if seconds is None else min(seconds, spec.longest_call)
        until = asyncio.get_running_loop().time() + longest
        try:
            return await self._call(spec, call, key, until)
        except SessionLostError:
            return await self._call(spec, call, key, until)

    async def _call(self, spec: ServerSpec, call: PlannedCall, key: str, until: float) -> ToolOutput:
        try:
            async with asyncio.timeout_at(until):
                session, tool = await self._defined(spec, call.tool, call.definition)
        except TimeoutError:
            raise CallNotSentError(complaints.unanswered(spec).text) from None
        except ToolServerError as error:
            raise CallNotSentError(error.text) from error
        if session.fingerprint.digest != call.settings:
            raise CallNotSentError(
                Text("the settings of the MCP server {server} have changed since the plan was made", server=call.server)
            )
        if tool is None:
            raise CallNotSentError(Text("{server} no longer has a tool {tool}", server=call.server, tool=call.tool))
        if tool.digest != call.definition:
            raise CallNotSentError(
                Text(
                    "the definition of {server}.{tool} has changed since the call was planned",
                    server=call.server,
                    tool=call.tool,
                )
            )
        output = await session.call(call.tool, call.arguments, key=key, caller=self._caller, until=until)
        if output.is_in_doubt:
            raise CallOutcomeUnknownError(complaints.in_doubt(spec, output.text), may_go_on=True)
        return output

    async def _defined(
        self, spec: ServerSpec, tool: str, expected: str = ""
    ) -> tuple[McpSession, ToolDefinition | None]:
        """A session, and a tool as it has just listed it; None: it has none.

        One that starts may have half of its tools, or describe them in other words, until it has asked around.
        """
        loop = asyncio.get_running_loop()
        pause, until = self._hub.patience.first, loop.time() + self._hub.patience.settling
        while True:
            session, listing = await _listed(self._hub.connection(spec), fresh=True)
            found = listing.tools.get(tool)
            is_expected = found is not None and expected in ("", found.digest)
            if is_expected or loop.time() >= until:
                return session, found
            await asyncio.sleep(min(pause, max(0.0, until - loop.time())))
            pause *= 2

    def _spec(self, server: str) -> ServerSpec:
        if server not in self._servers:
            raise ToolServerError(
                Text(
                    "There is no MCP server {server} in the configuration: the operator must put it back.",
                    server=server,
                )
            )
        return self._servers[server]


def _unusable(spec: ServerSpec, listing: ToolListing) -> list[ToolDefinition]:
    return [
        ToolDefinition(server=spec.name, tool=name, description="", input_schema={}, digest="", unusable=reason)
        for name, reason in listing.unusable.items()
    ]


async def _read(connection: Connection, tool: str, arguments: str, caller: Caller | None) -> ToolOutput:
    session = await connection.session(is_read=True)
    try:
        output = await session.call(tool, arguments, caller=caller)
    except (CallNotSentError, CallOutcomeUnknownError) as error:
        if isinstance(error, ConnectionBrokeError):
            session.abandon()  # It may be of a server that is being restarted.
        elif not session.is_over:
            raise
        session = await connection.session()
        output = await session.call(tool, arguments, caller=caller)
    else:
        successor = await _successor(connection, session) if output.is_error else None
        if successor is not None:
            session = successor
            output = await session.call(tool, arguments, caller=caller)
    return replace(output, says_writing=await session.says_writing(tool))


async def _successor(connection: Connection, session: McpSession) -> McpSession | None:
    """Another session in place of one that lists no tools after an error, as a bridge does that lost its server."""
    with suppress(ToolServerError):
        found, _ = await _listed(connection, fresh=True)
        return None if found is session else found
    return None


async def _listed(connection: Connection, *, fresh: bool) -> tuple[McpSession, ToolListing]:
    """A session, and the tools that it lists.

    Asked twice if the server turns out to be dead, to hang, or to know none.
    """
    session = await connection.session()
    try:
        return session, await session.listing(fresh=fresh)
    except UnansweredError:
        if not session.is_over and await session.shows_life():
            raise
        session.abandon()
    except (complaints.NoListError, complaints.UnreachableError):  # Each session has listed them when it began.
        session.abandon()
    except ToolServerError:
        if not session.is_over:
            raise
    session = await connection.session()
    return session, await session.listing(fresh=fresh)


async def _listing_or_error(connection: Connection, *, fresh: bool) -> ToolListing | ToolServerError:
    try:
        _, listing = await _listed(connection, fresh=fresh)
    except ToolServerError as error:
        return error
    return listing


def _by_name(servers: Sequence[ServerSpec]) -> Mapping[str, ServerSpec]:
    """The servers by name.

    Raises:
        ToolServerError: one name stands for two servers, so that nobody could say what was approved.
    """
    specs: dict[str, ServerSpec] = {}
    for spec in servers:
        if specs.setdefault(spec.name, spec) != spec:
            raise ToolServerError(
                Text(
                    "Two different MCP servers are called {server}: the operator must rename one in the configuration.",
                    server=spec.name,
                )
            )
    return specs
