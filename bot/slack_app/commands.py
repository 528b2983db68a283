"""Commands in words: after a slash, in a mention, by a shortcut or in a direct message, and what each asks for."""

import re
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.attached_files import AttachedFile, with_files
from bot.chat.platform import MessageNotFound, MissingPermission
from bot.chat.service_port import (
    AdminCommand,
    CancelRun,
    CancelThread,
    ChatService,
    ListGrants,
    ListRuns,
    Nothing,
    Private,
    Request,
    RetryRun,
    ShowHelp,
    ShowRun,
    Started,
    StartRun,
)
from bot.i18n import catalog
from bot.slack_app.errors import NotInChannel, translated
from bot.slack_app.identity import People
from bot.slack_app.interactions import with_config_menu, with_pick_button
from bot.slack_app.markup import escaped
from bot.slack_app.payloads import EventSource, readable
from bot.slack_app.render import Rendered
from bot.slack_app.replies import Replies

# A run's name has no vowels, so that it can't be a word: "cancel subscriptions" is something to plan.
_RUN = re.compile(r"[0-9b-df-hj-np-tv-z]{2,12}", re.IGNORECASE)
_SCOPES = {"channel": "channel", "server": "server", "workspace": "server"}
_CONFIG_VERBS = frozenset({"list", "show", "use", "reset", "check"})
_VALUE_VERBS = frozenset({"approvers", "limits", "prompts", "freeze", "thaw", "grants", "audit"})
_BAR = "|"
# Keyboards of phones and Macs turn two hyphens into a dash.
CONFIG_OPTION = re.compile(r"(?:--|[\u2013\u2014])config[ =](\S+)\s+(\S.*)", re.DOTALL)


def parse_command(text: str, event_id: str = "") -> Request | None:
    """The request in a text; None if it names no run to cancel.

    A word with more behind it than one name begins a prompt.
    """
    words = text.split()
    if not words or words == ["help"]:
        return ShowHelp()
    name = words[1] if len(words) == 2 and _RUN.fullmatch(words[1]) else ""
    match words[0].lower(), len(words):
        case "status" | "history" as which, 1:
            return ListRuns(is_mine=which == "status")
        case "grants", 1 | 3 if (asked := _grants(words[1:])) is not None:
            return asked
        case "status", 2 if name:
            return ShowRun(run=name)
        case "cancel", 1:
            return None
        case "cancel", 2 if name:
            return CancelRun(run=name)
        case "retry", 2 if name:
            return RetryRun(run=name, event_id=event_id)
        case _:
            named = CONFIG_OPTION.fullmatch(text.strip())
            prompt, config = (named[2], named[1]) if named else (text.strip(), "")
            return StartRun(prompt=prompt, config=config, follows_thread=True, event_id=event_id)


def _grants(words: Sequence[str]) -> ListGrants | None:
    """The request in what stands behind `grants`; None: it is something to plan."""
    match words:
        case []:
            return ListGrants()
        case ["revoke", name] if _RUN.fullmatch(name):
            return ListGrants(revoke=name)
        case _:
            return None


def parse_admin_command(text: str) -> AdminCommand | None:
    """The administrators' command in a text; None if there is none."""
    words = text.split()
    scope = ""
    # A prompt may end in such a word: there it says where only behind a bar of its own.
    is_about_place = len(words) > 1 and (words[0] != "prompts" or words[-2] in ("prompts", "reset", _BAR))
    if is_about_place and words[-1].lower() in _SCOPES:
        scope = _SCOPES[words.pop().lower()]
    match words:
        case ["config", "allow", *names]:
            return AdminCommand(action="config-allow", name=" ".join(names), scope=scope)
        case ["config", action] if action in _CONFIG_VERBS:
            return AdminCommand(action=f"config-{action}", scope=scope)
        case ["config", action, name] if action in _CONFIG_VERBS:
            return AdminCommand(action=f"config-{action}", name=name, scope=scope)
        case [action, *rest] if action in _VALUE_VERBS:
            return AdminCommand(action=action, scope=scope, value=" ".join(rest))
        case _:
            return None


_FOR_SOME = AdminCommand | CancelRun | CancelThread | ListGrants
"""What not everybody may."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """A message, as it is read: its words, and its files, which nobody has looked into yet."""

    text: str
    files: Sequence[AttachedFile] = ()


_PROMPTS = ("help", "runs", "try")


def default_prompts() -> list[dict[str, str]]:
    """What Slack suggests to say first; each is sent as it is, and none does anything before people approve."""
    return [
        {"title": catalog.text(f"slack.prompt.{each}_title"), "message": catalog.text(f"slack.prompt.{each}_message")}
        for each in _PROMPTS
    ]


COMMAND = "/massgen"
ADMIN_COMMAND = "/massgen-admin"


@dataclass(frozen=True, kw_only=True)
class CommandHandlers:
    """Carries out what people say."""

    chat_service: ChatService
    people: People
    replies: Replies

    async def carry_out(
        self, source: EventSource, request: Request | None, usage: str = "", *, is_heard: bool = True
    ) -> None:
        """One request.

        Without one `usage` is said. Where it is not sure to be heard, a run begins only if a card can come.
        """
        if request is None:
            await self.replies.reply_text(source, usage)
            return
        if not is_heard and isinstance(request, StartRun) and (why_not := await self._why_unheard(source)):
            await self.replies.reply_text(source, why_not)
            return
        known = self.people.somebody if isinstance(request, _FOR_SOME) else self.people.person
        by = await known(source.workspace, source.user, source.called)
        reply = await self.chat_service.handle(request, by, source.place)
        await self.replies.reply(source, reply, self.chat_service)
        if source.is_edited and (isinstance(reply, Nothing) or (isinstance(reply, Started) and reply.is_repeated)):
            await self.replies.reply_text(source, catalog.text("slack.ask.edited"))

    def slash(self, source: EventSource, text: str) -> Coroutine[Any, Any, None]:
        """A slash command. The bot need not be in the channel where it was typed."""
        request = parse_command(readable(text), source.event_id)
        return self.carry_out(source, request, self._usage(), is_heard=False)

    async def message(self, source: EventSource, said: Said) -> None:
        """A mention or a direct message.

        Orders are words alone; a file that agents can't have is said before they begin.
        """
        request = parse_command(said.text, source.event_id)
        if isinstance(request, StartRun):
            request = replace(request, asks_which=True)
        if isinstance(request, ShowHelp) and said.files and not said.text:
            request = StartRun(prompt="", follows_thread=True, event_id=source.event_id)
        if isinstance(request, StartRun) and said.files:
            prompt, refused = await with_files(request.prompt, said.files)
            if refused:
                await self.replies.reply_text(source, " ".join([*refused, catalog.text("files.again")]))
                return
            request = replace(request, prompt=prompt)
        await self.carry_out(source, request, self._usage())

    async def shortcut(self, source: EventSource, said: Said) -> None:
        """A message that somebody wants a plan from: the card goes into its thread.

        Whoever asks can't change its files.
        """
        below = replace(source, thread=source.thread or source.message)
        prompt, refused = await with_files(said.text, said.files)
        if not prompt:
            await self.replies.reply_text(source, " ".join(refused) or catalog.text("slack.ask.no_text"))
            return
        if refused:
            await self.replies.reply_text(below, " ".join(refused))
        request = StartRun(
            prompt="\n".join([prompt, *(f"[{each}]" for each in refused)]),
            follows_thread=True,
            event_id=source.event_id,
        )
        await self.carry_out(below, request, is_heard=False)

    def _usage(self) -> str:
        return catalog.text("slack.cancel.which", command=COMMAND)

    async def admin(self, source: EventSource, text: str) -> None:
        """`/massgen-admin …`; the chat service looks whether they may."""
        command = parse_admin_command(readable(text))
        is_approvers = command is not None and command.action == "approvers" and not command.value
        is_configs = command is not None and command.action in {"config-list", "config-show"}
        if command is None or not (is_approvers or is_configs):
            await self.carry_out(source, command, catalog.text("slack.admin.usage"))
            return
        by = await self.people.somebody(source.workspace, source.user, source.called)
        reply = await self.chat_service.handle(command, by, source.place)
        if not isinstance(reply, Private):
            return
        if is_approvers:
            await self.replies.reply_message(source, with_pick_button(reply.card))
            return
        names = await self.chat_service.config_names(source.place, "", by=by)
        await self.replies.reply_message(source, with_config_menu(reply.card, names))

    def use_config(self, source: EventSource, name: str) -> Coroutine[Any, Any, None]:
        """What was picked from the menu below the configurations."""
        return self.carry_out(source, AdminCommand(action="config-use", name=name, scope="channel"))

    def stopped(self, source: EventSource) -> Coroutine[Any, Any, None]:
        """Somebody pressed Slack's own Stop in the thread of a run."""
        return self.carry_out(source, CancelThread())

    async def _why_unheard(self, source: EventSource) -> str:
        """Why the bot can't post where the card will go; empty where it can, and the person sees that it begins."""
        try:
            with translated():
                await self.replies.beside(source, Rendered(text=escaped(catalog.text("slack.ask.started")), blocks=[]))
        except NotInChannel:
            return catalog.text("slack.ask.not_here")
        except MissingPermission as error:
            return str(error)
        except MessageNotFound:
            return catalog.text("slack.ask.not_here")
        return ""
