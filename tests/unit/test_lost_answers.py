"""What bridges and servers write where an answer was lost further on, and what they write of a call that was refused."""

import pytest

from coordination.mcp_tools.server_errors import tells_of_lost_answer

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
]

REFUSED = [
    "",
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
    f"{'the log of a build ' * 100} Connection closed",
]


@pytest.mark.parametrize("text", LOST)
def test_an_error_that_says_that_an_answer_was_lost_is_known(text: str) -> None:
    assert tells_of_lost_answer(text)


@pytest.mark.parametrize("text", REFUSED)
def test_a_refusal_is_not_taken_for_a_lost_answer(text: str) -> None:
    assert not tells_of_lost_answer(text)
