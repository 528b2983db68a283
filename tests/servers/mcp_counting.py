"""`python -m tests.servers.mcp_counting JOURNAL BEHAVIOUR`: counts every call that it performs, and then misbehaves."""

import atexit
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from tests.servers.mcp_raw import Call, Message, a_text, a_tool, hear, note, part, say, serve

JOURNAL = Path(sys.argv[1])
READS: Message = {"readOnlyHint": True}
TOOLS = [
    a_tool("look", annotations=READS),
    a_tool("write", annotations={"destructiveHint": True}),
    a_tool("measure", outputSchema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}),
]


def well(params: Message) -> Message:
    note(JOURNAL, params)
    return a_text(f"did {params['name']}")


def lies(params: Message) -> Message:
    """Its `look` claims to read only, and writes."""
    return well(params)


def dies_before(params: Message) -> Message:
    os._exit(7)


def dies_after(params: Message) -> Message:
    note(JOURNAL, params)
    os._exit(7)


def dies_once(params: Message) -> Message:
    """The first call of its life ends it; the journal tells the second life that it is one."""
    if not JOURNAL.exists():
        dies_after(params)
    return well(params)


def is_silent(params: Message) -> Message:
    note(JOURNAL, params)
    threading.Event().wait()
    raise AssertionError


def hangs_once(params: Message) -> Message:
    """The first call of all keeps the whole process; the journal tells the second life that it is one."""
    return well(params) if JOURNAL.exists() else is_silent(params)


def ignores_calls(params: Message) -> Message:
    """Answers everything else, a ping too."""
    note(JOURNAL, params)
    serve(lambda _: {"tools": TOOLS}, ignores_calls)
    os._exit(0)


def is_slow(params: Message) -> Message:
    threading.Event().wait(0.5)
    return well(params)


def tells_of_progress(params: Message) -> Message:
    """Each 0.2 s, as often as the call says."""
    token = part(params.get("_meta")).get("progressToken")
    note(JOURNAL, params)
    for number in range(int(str(part(params.get("arguments"))["times"]))):
        threading.Event().wait(0.2)
        told: Message = {"progressToken": token, "progress": number + 1, "message": "at work"}
        say({"jsonrpc": "2.0", "method": "notifications/progress", "params": told})
    return a_text("done at last")


def waits_for_another(params: Message) -> Message:
    """Answers a `look` only when another one has come too: they are told apart by their number."""
    note(JOURNAL, params)
    while (message := hear()) is not None and message.get("method") != "tools/call":
        pass
    assert message is not None
    note(JOURNAL, part(message["params"]))
    say({"jsonrpc": "2.0", "id": message["id"], "result": a_text("second")})
    return a_text("first")


def prints_junk(params: Message) -> Message:
    sys.stdout.write('junk\n{"half": \nnull\n[]\n{"jsonrpc": "2.0", "id": 99, "result": {}}\n')
    return well(params)


def breaks_its_word(params: Message) -> Message:
    note(JOURNAL, params)
    return {"content": [], "structuredContent": {"n": "many"}}


def answers_nonsense(params: Message) -> Message:
    note(JOURNAL, params)
    return {"content": "not a list"}


def fails(params: Message) -> Message:
    note(JOURNAL, params)
    return a_text("the disk is full", is_error=True)


def errs(params: Message) -> Message:
    note(JOURNAL, params)
    code = part(params.get("arguments")).get("code", -32602)
    return {"error": {"code": code, "message": "no such thing"}}


def asks_back(params: Message) -> Message:
    """Asks for input, for a model and for folders in the middle of a call, and journals what it is told."""
    schema: Message = {"type": "object", "properties": {}}
    asked: list[tuple[str, Message]] = [
        ("elicitation/create", {"mode": "form", "message": "Sure?", "requestedSchema": schema}),
        ("sampling/createMessage", {"messages": [], "maxTokens": 1}),
        ("roots/list", {}),
    ]
    for number, (method, its) in enumerate(asked):
        say({"jsonrpc": "2.0", "id": f"ask-{number}", "method": method, "params": its})
        heard = hear()
        assert heard is not None
        note(JOURNAL, {"asked": method, "was_refused": "error" in heard})
    return well(params)


def tells_of_itself(params: Message) -> Message:
    about: Message = {
        "environment": dict(os.environ),
        "pid": os.getpid(),
        "terminals": [os.isatty(fd) for fd in (0, 1, 2)],
        "cwd": str(Path.cwd()),
    }
    return a_text(json.dumps(about))


def has_a_child(params: Message) -> Message:
    """Starts a process that ends only when it is killed, and, as wrappers do, never ends before it."""
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    atexit.register(child.wait)
    return a_text(json.dumps([os.getpid(), child.pid]))


def complains(params: Message) -> Message:
    sys.stderr.write(f"first\nthe token is {os.environ['TOKEN']}\nlast without end")
    sys.stderr.flush()
    return well(params)


def is_rich(params: Message) -> Message:
    """Answers with what the arguments say."""
    return part(params.get("arguments"))


BEHAVIOURS: dict[str, Call] = {
    each.__name__: each
    for each in (
        well,
        lies,
        dies_before,
        dies_after,
        dies_once,
        is_silent,
        hangs_once,
        ignores_calls,
        is_slow,
        tells_of_progress,
        waits_for_another,
        prints_junk,
        breaks_its_word,
        answers_nonsense,
        fails,
        errs,
        asks_back,
        tells_of_itself,
        has_a_child,
        complains,
        is_rich,
    )
}

if __name__ == "__main__":
    serve(lambda _: {"tools": TOOLS}, BEHAVIOURS[sys.argv[2]])
