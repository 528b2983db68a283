"""Messages of MCP servers, read as generously as is possible without guesses."""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import TypeAlias

import httpx2
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)
from typing_extensions import override

Raw: TypeAlias = "None | bool | int | float | str | list[Raw] | dict[str, Raw]"
"""JSON as it came, unchecked."""

ABOUT_THE_REQUEST = frozenset({INVALID_PARAMS, METHOD_NOT_FOUND})
"""Codes of errors that are about the request, whatever they come with: it was refused, and the session lives."""

BARE = "massgen-bot/bare"
"""Where a result stands that is no object: the protocol has no other place for it."""

_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\."
)


def read_message(data: bytes) -> JSONRPCMessage | None:
    """The message in some bytes, or None if it is none. What breaks the protocol around an answer does not spoil it."""
    text = data.decode(errors="replace").removeprefix("\ufeff")
    try:
        return jsonrpc_message_adapter.validate_json(text, by_name=False)
    except ValueError:
        pass
    try:
        value: Raw = json.loads(_ESCAPE.sub(_whole, text), parse_int=_number, strict=False)
    except (ValueError, RecursionError):
        return None
    return _read(value) if isinstance(value, dict) else None


def _read(value: dict[str, Raw]) -> JSONRPCMessage | None:
    """A message with everything that the protocol asks for; of answers alone, for nothing else is waited for."""
    number = value.get("id")
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if "method" in value or isinstance(number, bool) or not isinstance(number, int | str):
        try:
            return jsonrpc_message_adapter.validate_python({**value, "jsonrpc": "2.0"}, by_name=False)
        except ValueError:
            return None
    error, result = value.get("error"), value.get("result")
    if error is not None:
        return JSONRPCError(jsonrpc="2.0", id=number, error=_error(error))
    if "result" not in value:
        return None
    return JSONRPCResponse(
        jsonrpc="2.0", id=number, result=dict(result) if isinstance(result, dict) else {BARE: result}
    )


def _error(value: Raw) -> ErrorData:
    """An error in whatever form a server writes it."""
    if not isinstance(value, dict):
        return ErrorData(code=INTERNAL_ERROR, message=value if isinstance(value, str) else _text(value))
    code, message = value.get("code"), value.get("message")
    if isinstance(code, str) and re.fullmatch(r"-?\d{1,9}", code):
        code = int(code)
    return ErrorData(
        code=code if isinstance(code, int) and not isinstance(code, bool) else INTERNAL_ERROR,
        message=message if isinstance(message, str) else _text(value),
        data=value.get("data"),
    )


def _text(value: Raw) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(digits: str) -> int | str:
    """A whole number with every digit; as a text if it is longer than Python reads."""
    try:
        return int(digits)
    except ValueError:
        return digits


def _whole(escape: re.Match[str]) -> str:
    """An escape as it was, or the sign for a character that can't be read in place of half a pair."""
    return "\\ufffd" if escape["half"] else escape[0]


class EventsMended(httpx2.AsyncByteStream):
    """The body of an event stream with each event made a message that the SDK reads, where that can be done."""

    def __init__(self, response: httpx2.Response, *, limit: int, on_excess: Callable[[], None]) -> None:
        """Beyond `limit` bytes an event is passed on as it is, after `on_excess` is called; the SDK refuses it."""
        self._response = response
        self._limit = limit
        self._on_excess = on_excess

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for event in self._events():
            yield event

    @override
    async def aclose(self) -> None:
        await self._response.aclose()

    async def _events(self) -> AsyncGenerator[bytes]:
        lines: list[bytes] = []
        size = 0
        async for line in self._lines():
            lines.append(line)
            size += len(line)
            if size > self._limit:
                self._on_excess()
            if size > self._limit or not line.strip(b"\r\n"):
                yield b"".join(lines) if size > self._limit else _mended(lines)
                lines, size = [], 0
        yield b"".join(lines)

    async def _lines(self) -> AsyncGenerator[bytes]:
        """The lines with their ends. One that is beyond the limit comes in parts; no part is looked through twice."""
        rest: list[bytes] = []
        size = 0
        async for chunk in self._response.aiter_bytes():
            rest.append(chunk)
            size += len(chunk)
            if b"\n" not in chunk and b"\r" not in chunk and size <= self._limit:
                continue
            *whole, last = b"".join(rest).splitlines(keepends=True) or [b""]
            if last.endswith(b"\n") or size > self._limit:
                whole, last = [*whole, last], b""
            for line in whole:
                yield line
            rest, size = [last] if last else [], len(last)
        for each in rest:
            yield each


def _mended(lines: list[bytes]) -> bytes:
    """One event, whose message is replaced only if the SDK would not read it."""
    data = [line.rstrip(b"\r\n")[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
    payload = b"\n".join(data)
    text = proper(payload) if payload.strip() else payload
    if text is payload:
        return b"".join(lines)
    others = b"".join(line for line in lines if not line.startswith(b"data:"))
    return b"data: " + text + b"\n" + others


def proper(data: bytes) -> bytes:
    """The message in some bytes in a form that the SDK reads, or those bytes if they hold none."""
    message = None if _is_proper(data) else read_message(data)
    if isinstance(message, JSONRPCResponse):
        try:
            text = _response(message.id, message.result)
        except RecursionError:
            return data
        return text if _is_proper(text) else _response(message.id, _flat(message.result))
    return data if message is None else message.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _response(number: int | str, result: Mapping[str, Raw]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode()


def _flat(result: Mapping[str, Raw]) -> Mapping[str, Raw]:
    """A result that is nested deeper than the SDK reads, as one text."""
    return {"content": [{"type": "text", "text": _text(dict(result))}], "isError": result.get("isError")}


def _is_proper(data: bytes) -> bool:
    try:
        jsonrpc_message_adapter.validate_json(data, by_name=False)
    except ValueError:
        return False
    return True
