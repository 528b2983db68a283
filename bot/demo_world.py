"""The demo's world: `massgen-bot demo-board FILE` is a town's notice board, an MCP server on stdio over a JSON file.

Its reads and writes are real: the board is FILE, and FILE.journal gets one line for each write that was performed.
The protocol is spoken by hand because the demo starts this process while somebody waits: the SDK's server needs most
of a second to import, this needs the standard library's few milliseconds.
"""

import fcntl
import json
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeAlias, cast

_Json: TypeAlias = "None | bool | int | float | str | list[_Json] | dict[str, _Json]"
_Object: TypeAlias = dict[str, _Json]

PROTOCOLS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")

FIRST_NOTICES = {
    "Welcome": "This board belongs to the town. Anyone may read it. New notices need a clear title and a date.",
    "Water works": "The water in Mill Lane is off on Tuesday from 9:00 to 12:00. Please fill a kettle before.",
    "Market moved": "The Saturday market is on the church square until the bridge is mended.",
}

METHOD_NOT_FOUND = -32601
PARSE_ERROR = -32700


class RefusedError(Exception):
    """The board does not do this; the text says why."""


@dataclass(frozen=True)
class Board:
    """Notices in a file, in the order in which they were posted. Several processes may share it."""

    path: Path

    def notices(self) -> dict[str, str]:
        """Title to body; the town's first notices where there is no board yet."""
        try:
            return cast("dict[str, str]", json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return dict(FIRST_NOTICES)

    def create(self) -> None:
        """Put the board up, unless it hangs already."""
        with self._alone():
            if not self.path.exists():
                self._write(self.notices())

    def list_titles(self) -> str:
        """One title a line."""
        return "\n".join(self.notices()) or "The board is empty."

    def read(self, title: str) -> str:
        """A notice's body."""
        notices = self.notices()
        if title not in notices:
            raise RefusedError(f"There is no notice {title!r}. There are: {', '.join(notices) or 'none'}.")
        return notices[title]

    def post(self, title: str, body: str, arguments: _Object, key: _Json) -> str:
        """Add a notice."""
        with self._alone():
            notices = self.notices()
            if title in notices:
                raise RefusedError(f"A notice {title!r} hangs here already. Remove it first, or choose another title.")
            self._write({**notices, title: body})
            self._remember("post_notice", arguments, key)
        return f"Posted {title!r}."

    def remove(self, title: str, arguments: _Object, key: _Json) -> str:
        """Take a notice down, for good."""
        with self._alone():
            notices = self.notices()
            if title not in notices:
                raise RefusedError(f"There is no notice {title!r} to remove.")
            del notices[title]
            self._write(notices)
            self._remember("remove_notice", arguments, key)
        return f"Removed {title!r}."

    @contextmanager
    def _alone(self) -> Generator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._beside("lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, notices: Mapping[str, str]) -> None:
        """Replace the whole file at once, so that no reader ever sees half of it."""
        new = self._beside("new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(notices, file, ensure_ascii=False, indent=2)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)

    def _remember(self, tool: str, arguments: _Object, key: _Json) -> None:
        with self._beside("journal").open("a", encoding="utf-8") as writer:
            writer.write(json.dumps({"tool": tool, "arguments": arguments, "key": key}) + "\n")

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{suffix}")


def _tool(name: str, description: str, *, parameters: Mapping[str, str], hints: Mapping[str, bool]) -> _Object:
    properties: _Object = {each: {"type": "string", "description": what} for each, what in parameters.items()}
    return {
        "name": name,
        "description": description,
        "inputSchema": {
            "type": "object",
            "properties": properties,
            "required": list(parameters),
            "additionalProperties": False,
        },
        "annotations": {**hints, "openWorldHint": False},
    }


_READS = {"readOnlyHint": True}
_ADDS = {"readOnlyHint": False, "destructiveHint": False, "idempotentHint": False}
_DESTROYS = {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False}

TOOLS = (
    _tool("list_notices", "List the titles of all notices on the board.", parameters={}, hints=_READS),
    _tool("read_notice", "Read one notice.", parameters={"title": "The notice's exact title."}, hints=_READS),
    _tool(
        "post_notice",
        "Post a new notice for the whole town to see.",
        parameters={"title": "A short title that no notice has yet.", "body": "What people should know."},
        hints=_ADDS,
    ),
    _tool(
        "remove_notice",
        "Remove a notice for good.",
        parameters={"title": "The notice's exact title."},
        hints=_DESTROYS,
    ),
)


def call(board: Board, params: _Object) -> _Object:
    """What `tools/call` answers; a refusal is an answer too."""
    arguments = _object(params.get("arguments"))
    key = _object(params.get("_meta")).get("massgen-bot/idempotency-key")
    try:
        text, is_error = _perform(board, str(params.get("name")), arguments, key), False
    except (RefusedError, OSError, ValueError) as error:
        text, is_error = str(error), True
    return {"content": [{"type": "text", "text": text}], "isError": is_error}


def _perform(board: Board, tool: str, arguments: _Object, key: _Json) -> str:
    match tool:
        case "list_notices":
            return board.list_titles()
        case "read_notice":
            return board.read(_text(arguments, "title"))
        case "post_notice":
            return board.post(_text(arguments, "title"), _text(arguments, "body"), arguments, key)
        case "remove_notice":
            return board.remove(_text(arguments, "title"), arguments, key)
        case _:
            raise RefusedError(f"The board has no tool {tool!r}.")


def answer(board: Board, message: _Object) -> _Object | None:
    """The reply to one JSON-RPC message; None for a notification, which gets none."""
    if "id" not in message:
        return None
    params = _object(message.get("params"))
    reply: _Object = {"jsonrpc": "2.0", "id": message["id"]}
    match message.get("method"):
        case "initialize":
            return {**reply, "result": _greeting(params)}
        case "ping":
            return {**reply, "result": {}}
        case "tools/list":
            return {**reply, "result": {"tools": list(TOOLS)}}
        case "tools/call":
            return {**reply, "result": call(board, params)}
        case method:
            return {**reply, "error": {"code": METHOD_NOT_FOUND, "message": f"{method} is not known here"}}


def _greeting(params: _Object) -> _Object:
    wanted = params.get("protocolVersion")
    return {
        "protocolVersion": wanted if wanted in PROTOCOLS else PROTOCOLS[0],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "notice-board", "version": "1"},
    }


def _object(value: _Json) -> _Object:
    return value if isinstance(value, dict) else {}


def _text(arguments: _Object, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value.strip():
        raise RefusedError(f"`{name}` must be a text that is not empty.")
    return value


def serve(board: Board, lines: TextIO, out: TextIO) -> None:
    """Answer line by line until there are no more."""
    for line in lines:
        reply: _Object | None
        try:
            reply = answer(board, _object(json.loads(line)))
        except ValueError:
            reply = {"jsonrpc": "2.0", "id": None, "error": {"code": PARSE_ERROR, "message": "not JSON"}}
        if reply is not None:
            out.write(json.dumps(reply, ensure_ascii=False) + "\n")
            out.flush()


def main(arguments: Sequence[str]) -> None:
    """Serve the board in the file that the command line names."""
    if len(arguments) != 1:
        sys.exit("usage: massgen-bot demo-board FILE")
    board = Board(Path(arguments[0]))
    board.create()
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # it is a real file here
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # likewise
    serve(board, sys.stdin, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])  # `python -m bot.demo_world FILE`: so the configurations of earlier runs in the log start it
