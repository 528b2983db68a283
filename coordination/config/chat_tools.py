"""Defaults for the built-in chat tools: a look-up of the ids in their calls, and the undo of a post.

Nobody writes these rules. They hold for servers of which the file says that this program is what runs, since what a
server says of its own tools lets nothing run; and a rule that denies `look_up` takes them back.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePath

from coordination.config.server_sections import ServerKeys
from coordination.domain.canonical_json import canonical
from coordination.domain.preview import Preview
from coordination.domain.tool_rules import Effect, Rule
from coordination.domain.undo import Undo

LOOK_UP = "look_up"
"""The tool of every chat server that says what ids are."""

BUILT_IN = "massgen-bot"
"""The source of the rules that no file has."""
_PROGRAMS = frozenset({"massgen-bot", "massgen_bot", "bot"})
_OF_A_MESSAGE = {"channel": "$.channel", "message": "$.message"}

LOOKED_UP: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "discord": {
        "send_message": {"channel": "$.channel", "users": "$.mention_users", "roles": "$.mention_roles"},
        "create_thread": _OF_A_MESSAGE,
        "create_post": {"channel": "$.channel"},
        "add_reaction": _OF_A_MESSAGE,
        "pin_message": _OF_A_MESSAGE,
        "delete_message": _OF_A_MESSAGE,
    },
    "slack": {
        "post_message": {"channel": "$.channel"},
        "reply_in_thread": {"channel": "$.channel", "message": "$.thread"},
        "add_reaction": _OF_A_MESSAGE,
        "pin_message": _OF_A_MESSAGE,
        "upload_snippet": {"channel": "$.channel", "message": "$.thread"},
        "delete_message": _OF_A_MESSAGE,
    },
}
"""By chat and tool: the arguments of `look_up`, and the argument of the call that each is."""

_DELETES = Undo(
    server="",
    tool="delete_message",
    arguments=canonical({"channel": "$result.channel", "message": "$result.message"}),
)
UNDONE: Mapping[str, Mapping[str, Undo]] = {
    "discord": {"send_message": _DELETES},
    "slack": {"post_message": _DELETES, "reply_in_thread": _DELETES},
}
"""By chat and tool: the call that takes one back."""


def look_up_rules(servers: Sequence[ServerKeys]) -> Iterator[Rule]:
    """The rules for those of the servers that lend a chat.

    They come last, so that whatever the file says of a tool holds.
    """
    for name, chat in dict.fromkeys((each.name, chat) for each in servers if (chat := chat_of(each))):
        yield Rule(match=f"{name}.{LOOK_UP}", effect=Effect.READ, source=BUILT_IN)
        for tool, arguments in LOOKED_UP[chat].items():
            preview = Preview(server="", tool=LOOK_UP, arguments=canonical(dict(arguments)), describes=True)
            yield Rule(
                match=f"{name}.{tool}",
                effect=Effect.READ,
                source=BUILT_IN,
                previews=(preview,),
                undo=UNDONE[chat].get(tool),
                only_adds=True,
            )


def unseen_rules(servers: Sequence[ServerKeys]) -> Iterator[Rule]:
    """The rules for those of the servers of whose calls nothing is to be shown but what the file asks for."""
    for name in dict.fromkeys(each.name for each in servers if each.previews == "off"):
        yield Rule(match=f"{name}.*", effect=Effect.READ, source=BUILT_IN, only_adds=True, has_own_view=True)


def chat_of(server: ServerKeys) -> str:
    """The chat that a server lends; empty: it is another program."""
    if server.command is None:
        return ""
    words = [each.get_secret_value() for each in (server.command, *server.args)]
    for program, command, chat in zip(words, words[1:], words[2:], strict=False):
        if PurePath(program).name in _PROGRAMS and command == "chat-tools" and chat in LOOKED_UP:
            return chat
    modules = {f"bot.tool_servers.{chat}_server": chat for chat in LOOKED_UP}
    return next((modules[name] for flag, name in pairwise(words) if flag == "-m" and name in modules), "")
