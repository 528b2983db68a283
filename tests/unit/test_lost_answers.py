"""What bridges and servers write where an answer was lost further on, and what they write of a call that was refused."""

import time

import pytest

from coordination.mcp_tools.lost_answers import gives_no_reason, leaves_open, tells_of_lost_answer

LOST = [
    "Connection closed",
    "MCP error -32000: Connection closed",
    "Error calling tool 'write': Connection closed",
    "MCP server process failed",
    "Request timed out",
    "Request 'tools/call' timed out",
    "MCP error -32001: Request timed out",
    "Maximum total timeout exceeded",
    "Timed out while waiting for response to ClientRequest. Waited 5.0 seconds.",
    "Upstream request timed out, please retry",
    "Tool 'write' execution timed out after 5s",
    "HTTP request timed out (ReadTimeout)",
    "timeout of 30000ms exceeded",
    "locator.click: Timeout 5000ms exceeded.",
    "mcp-remote: fetch failed",
    "Error calling tool 'write': Server disconnected without sending a response.",
    "Error calling tool 'write': SSE stream ended without a response",
    "socket hang up",
    "read ECONNRESET",
    "write EPIPE",
    "Request failed with status code 504",
    "502 Server Error: Bad Gateway for url: https://api.example/v1/pages",
    "Server error '503 Service Unavailable' for url 'https://api.example/v1/pages'",
    "('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
    'Post "https://api.example/issues": EOF',
    'Post "https://api.example/issues": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    "server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally",
    "This operation was aborted",
    "Network Error",
    "The upstream server did not respond in time",
    "No response received from the vendor",
    "TypeError: terminated",
    "Request failed with status code 500",
    "500 Server Error: Internal Server Error for url: https://api.example/v1/pages",
    "error code: 524",
    '{"status":503,"message":"try later"}',
    "upstream returned HTTP 502",
    "An API error occurred: internal_error",
    "slack: fatal_error",
    "service_unavailable",
    "The user aborted a request.",
    "signal is aborted without reason",
    "SocketError: other side closed",
    "UND_ERR_HEADERS_TIMEOUT",
    "Timeout on reading data from socket",
    "Response payload is not completed: <ContentLengthError: 400>",
    "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol",
    'Post "https://api.example": read tcp 10.0.0.2:443: i/o timeout',
    'Post "https://api.example": net/http: timeout awaiting response headers',
    'Post "https://api.example": http: server closed idle connection',
    "http2: server sent GOAWAY and closed the connection",
    "rpc error: code = Unavailable desc = transport is closing",
    "14 UNAVAILABLE: read ECONNRESET",
    "13 INTERNAL: Received RST_STREAM with code 2",
    "java.util.concurrent.TimeoutException: Did not observe any item or terminal signal within 20000ms",
    "api.example:443 failed to respond",
    "HTTP/1.1 header parser received no bytes",
    "unexpected end of stream on https://api.example/...",
    "A task was canceled.",
    "The response ended prematurely. (ResponseEnded)",
    "An error occurred while sending the request.",
    "An existing connection was forcibly closed by the remote host.",
    "error sending request for url (https://api.example/v1/pages)",
    "Lost connection to MySQL server during query",
    "MySQL server has gone away",
    "ORA-03113: end-of-file on communication channel",
    "connection 7 to 10.0.0.5:27017 closed",
    "请求超时",
    f"Traceback (most recent call last):\n{'  File x.py, line 1, in f' * 60}\nhttpx.ReadTimeout: The read operation timed out",
]

OF_THE_RESULT = [
    "MCP error -32602: Output validation error: Tool pay has an output schema but no structured content was provided",
    "MCP error -32602: Output validation error: Invalid structured content for tool pay: [ … ]",
    "Output validation error: outputSchema defined but no structured output returned",
    "Output validation error: 'id' is a required property",
    "Tool pay has an output schema but did not return structured content",
    "Structured content does not match the tool's output schema: data/id must be string",
    "Invalid structured content returned by tool pay: 'id' is a required property",
    "Error executing tool pay: Object of type Decimal is not JSON serializable",
    "Converting circular structure to JSON",
    'MCP error -32602: Invalid tools/call result: [{"code": "invalid_union"}]',
    "Error: Response size exceeds the limit of 1 MB",
]

WITHOUT_REASON = [
    "",
    " \n",
    "Error",
    "Error: undefined",
    "[object Object]",
    "Error executing tool pay",
    "Error executing tool pay: ",
    "Error executing tool pay: Error executing tool inner",
    "Error calling tool 'pay'",
    "Error calling tool 'pay': ",
    "MCP error -32603: Internal error",
    "An unexpected error occurred.",
    "Failed to execute tool: Unknown error",
    "Tool execution failed",
    "Something went wrong. Please try again later.",
]

REFUSED = [
    "The channel is archived",
    "the disk is full",
    "Not connected",
    "Session not found",
    "Session terminated",
    "All connection attempts failed",
    "connect ECONNREFUSED 127.0.0.1:5432",
    "getaddrinfo ENOTFOUND api.example",
    "HTTP 404: no such page",
    "Request failed with status code 400",
    "error 5030: quota of pages",
    "1 validation error for call[write]\ntimeout\n  Input should be a valid number",
    "Invalid params: timeout must be at most 60",
    "There is no answer to this ticket to delete",
    "The vote is closed",
    "Issue 504 is locked",
    f"{'the log of a build ' * 100} Connection closed {'in one of its many tests ' * 100}",
    "HTTP 501: this board has no such function",
    "Error executing tool pay: the account is closed",
    "Error calling tool 'pay': insufficient funds",
    "Tool pay not found",
    "canceling statement due to statement timeout",
    "failed to connect to all addresses",
    "The end of the page is not reached",
    "500 is more than the limit of 300",
    "HTTP error 429: too many requests",
    "error 400: there are 500 items in the list",
    "is_error: no such column",
]


@pytest.mark.parametrize("text", LOST)
def test_an_error_that_says_that_an_answer_was_lost_is_known(text: str) -> None:
    assert tells_of_lost_answer(text)


@pytest.mark.parametrize("text", OF_THE_RESULT)
def test_an_error_about_the_result_leaves_open_whether_the_call_was_carried_out(text: str) -> None:
    assert leaves_open(text)


@pytest.mark.parametrize("text", REFUSED)
def test_a_refusal_is_not_taken_for_anything_else(text: str) -> None:
    assert not leaves_open(text)


@pytest.mark.parametrize("text", WITHOUT_REASON)
def test_an_error_that_gives_no_reason_is_known(text: str) -> None:
    assert gives_no_reason(text)
    assert leaves_open(text)


@pytest.mark.parametrize("text", [*LOST, *REFUSED])
def test_an_error_that_gives_one_is_not_taken_for_that(text: str) -> None:
    assert not gives_no_reason(text)


def test_long_errors_of_the_words_that_say_nothing_are_judged_at_once() -> None:
    for text in ("error: " * 42 + "x", "tool failed " * 24 + "x", "an unknown " * 27 + "x", "connection to " * 10_000):
        began = time.perf_counter()
        assert not leaves_open(text)
        assert time.perf_counter() - began < 0.1
