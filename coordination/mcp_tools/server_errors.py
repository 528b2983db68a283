"""Why an MCP server can't be used, in one sentence that says what the operator must do; never an SDK's own text."""

from collections.abc import Iterator, Mapping
from typing import LiteralString, cast
from urllib.parse import urlsplit

from mcp import MCPError
from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT

from coordination.errors import ToolServerError
from coordination.mcp_tools.call_guard import CallTrace
from coordination.ports import ServerSpec
from coordination.text import Text, template

_HTTP_ADVICE: Mapping[int, LiteralString] = {
    401: template(
        "rejected the credentials (HTTP 401): the operator must correct its {credentials} in the configuration"
    ),
    403: template(
        "rejected the credentials (HTTP 403): the operator must correct its {credentials} in the configuration"
    ),
    404: template(
        "has nothing at this address (HTTP 404): the operator must correct the path of its url in the configuration"
    ),
    405: template(
        "does not accept MCP messages at this address (HTTP 405): "
        "the operator must correct its url in the configuration"
    ),
    429: template("rejects requests because there are too many (HTTP 429): the operator must wait, or raise its limit"),
}


_MOST_SAID = 300

AWAY = frozenset({502, 503})
"""What a gateway answers while nothing is behind it, as when its server is restarted."""


class UnreachableError(ToolServerError):
    """Nothing takes a connection at the server's address, or nothing is behind the gateway there."""


class NoListError(ToolServerError):
    """A server answers, and does not list its tools: a bridge may have lost the server behind it for good."""


def refuses_handshake(spec: ServerSpec, error: Exception, trace: CallTrace) -> bool:
    """Whether the server answered, in the protocol's terms, that it does not want this handshake."""
    if trace.refusal is not None or trace.loss is not None:
        return False
    # On stdio the SDK says so of a process that ended; over HTTP it would be in `found`.
    no_answer = {REQUEST_TIMEOUT} if spec.transport == "http" else {REQUEST_TIMEOUT, CONNECTION_CLOSED}
    return any(isinstance(each, MCPError) and each.code not in no_answer for each in leaves(error))


def lacks_credentials(trace: CallTrace) -> bool:
    """Whether the server is there, and it is for the operator to get us in."""
    return trace.obstacle is not None or trace.status in (401, 403)


def leaves(error: Exception) -> Iterator[Exception]:
    """The errors inside groups of errors."""
    if isinstance(error, ExceptionGroup):
        for each in cast("ExceptionGroup[Exception]", error).exceptions:
            yield from leaves(each)
    else:
        yield error


def slow_start(spec: ServerSpec) -> ToolServerError:
    """The server is not ready within its deadline."""
    return _server_error(
        spec,
        Text(
            "was not ready within {seconds:g} s: "
            "the operator must find out why, or give it more time in the configuration",
            seconds=spec.start_timeout,
        ),
    )


def failed_start(spec: ServerSpec, error: Exception, trace: CallTrace) -> ToolServerError:
    """The server can't be started or reached, or does not answer as an MCP server does."""
    if isinstance(error, ToolServerError):
        return error
    if spec.transport == "stdio" and trace.loss is not None:
        return died(spec, trace)
    if trace.is_foreign:
        return not_speaking(spec)
    if trace.refusal is not None or trace.loss is not None:
        return _unreachable(spec, trace)
    for each in leaves(error):
        code = each.code if isinstance(each, MCPError) else None
        if isinstance(each, TimeoutError) or code == REQUEST_TIMEOUT:
            return slow_start(spec)
        if isinstance(each, OSError):
            return _unstartable(spec, each)
        if code == CONNECTION_CLOSED and spec.transport == "stdio":
            return _server_error(
                spec,
                Text(
                    "exited while it was starting: the operator must run its command by hand to "
                    "find out why (its output is in the log)"
                ),
            )
    return not_speaking(spec)


def failed_list(spec: ServerSpec, error: Exception, trace: CallTrace) -> ToolServerError:
    """A server that was connected does not list its tools."""
    if trace.refusal is not None or trace.loss is not None or trace.error is None:
        return failed_start(spec, error, trace)
    return NoListError(
        Text(
            "The MCP server {server} answers with an error (code {code}) when asked for its tools: "
            "the operator must check its log, and restart it, or what it is a bridge to.",
            server=spec.name,
            code=trace.error.code,
        )
    )


def not_speaking(spec: ServerSpec) -> ToolServerError:
    """What it answers is not the protocol."""
    what = Text("its url") if spec.transport == "http" else Text("its command")
    return _server_error(
        spec, Text("does not answer like an MCP server: the operator must check {what} in the configuration", what=what)
    )


def died(spec: ServerSpec, trace: CallTrace | None = None) -> ToolServerError:
    """The connection ended in the middle of a request."""
    loss = Text("ended before it answered") if trace is None or trace.loss is None else trace.loss
    return _server_error(spec, Text("{loss}: if this continues, the operator must check its log", loss=loss))


def unanswered(spec: ServerSpec) -> ToolServerError:
    """No answer came in time."""
    return _server_error(
        spec,
        Text(
            "did not answer within {seconds:g} s: the operator must find out why, or give its "
            "calls more time in the configuration",
            seconds=spec.call_timeout,
        ),
    )


def in_doubt(spec: ServerSpec, said: str) -> Text:
    """An error that the server answered leaves open whether the call was carried out."""
    words = " ".join(said.split())
    if not words:
        return Text(
            "The MCP server {server} reports an error without a reason, so the call may have been carried out.",
            server=spec.name,
        )
    words = words if len(words) <= _MOST_SAID else f"{words[:_MOST_SAID]}…"
    return Text(
        "The MCP server {server} reports an error after which the call may have been carried out all the same: {said}",
        server=spec.name,
        said=words,
    )


def too_many_tools(spec: ServerSpec, most: int) -> ToolServerError:
    """The list of tools is too long to be of use."""
    return _server_error(
        spec,
        Text(
            "lists more than {most:,} tools: the operator must use a server, or a setting of it, that offers fewer",
            most=most,
        ),
    )


def endless_list(spec: ServerSpec) -> ToolServerError:
    """The list of tools never ends."""
    return _server_error(spec, Text("lists its tools without end: the operator must have this server fixed"))


def unsettled(spec: ServerSpec) -> ToolServerError:
    """Each time that it is started, it is another one."""
    return _server_error(
        spec,
        Text("changes while it starts: the operator must finish installing its program, or find out what writes to it"),
    )


def closing(spec: ServerSpec) -> ToolServerError:
    """We are stopping."""
    return _server_error(spec, Text("was not started, because this program is stopping"))


def unforeseen(spec: ServerSpec) -> ToolServerError:
    """The start failed in a way of which this program knows nothing."""
    return _server_error(spec, Text("could not be started, for an unknown reason: the operator must check the log"))


def _unreachable(spec: ServerSpec, trace: CallTrace) -> ToolServerError:
    if trace.obstacle is not None:
        return _server_error(spec, trace.obstacle)
    if trace.status is not None and trace.status in _HTTP_ADVICE:
        return _server_error(spec, Text(_HTTP_ADVICE[trace.status], credentials="auth" if spec.auth else "headers"))
    if trace.status is not None and trace.status < 400:
        return _server_error(
            spec,
            Text(
                "redirects to another address (HTTP {status}): "
                "the operator must put the final one in the configuration",
                status=trace.status,
            ),
        )
    if trace.status is not None:
        words = _server_error(
            spec, Text("answered HTTP {status}: the operator must check its log", status=trace.status)
        )
        return UnreachableError(words.text) if trace.status in AWAY else words
    where = address(spec.url)
    return UnreachableError(
        Text(
            "The MCP server {server} can't be reached at {where}: the operator must start it, or correct its url "
            "in the configuration.",
            server=spec.name,
            where=where,
        )
    )


def _unstartable(spec: ServerSpec, error: OSError) -> ToolServerError:
    if spec.cwd is not None and error.filename == spec.cwd:
        return _server_error(
            spec,
            Text(
                "can't start, because its folder does not exist: the operator must correct `cwd` in the configuration"
            ),
        )
    command = repr(spec.command) if spec.command in spec.identity else Text("its command")
    if isinstance(error, FileNotFoundError):
        return _server_error(
            spec,
            Text(
                "can't start, because there is no {command} here: "
                "the operator must install it, or correct the configuration",
                command=command,
            ),
        )
    return _server_error(
        spec,
        Text("can't start, because {command} may not be run: the operator must make it executable", command=command),
    )


def address(url: str) -> str:
    """The part of a URL that holds no secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def _server_error(spec: ServerSpec, text: Text) -> ToolServerError:
    return ToolServerError(Text("The MCP server {server} {text}.", server=spec.name, text=text))
