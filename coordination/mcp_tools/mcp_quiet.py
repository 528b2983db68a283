"""What the SDK says to Python's loggers, kept off the terminal and free of what servers and sessions hold."""

import logging

_NOWHERE = logging.NullHandler()


def hush() -> None:
    """Make the SDK's loggers fit for a program that people look at; the same again changes nothing."""
    # Without any handler Python writes warnings to stderr, which is our terminal.
    for name in ("mcp", "client"):
        logging.getLogger(name).addHandler(_NOWHERE)
    for name in ("client", "mcp.client.streamable_http", "mcp.shared.jsonrpc_dispatcher"):
        logging.getLogger(name).addFilter(_without_traceback)
    # At INFO it writes the ids of sessions, by which anyone could take them over.
    logging.getLogger("mcp.client.streamable_http").setLevel(logging.WARNING)


def _without_traceback(record: logging.LogRecord) -> bool:
    """A traceback of the SDK's parsers quotes what a server wrote."""
    record.exc_info = None
    return True
