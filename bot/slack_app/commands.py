"""Commands in words: after a slash, in a mention, by a shortcut or in a direct message, and what each asks for."""

import re
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from bot.chat.platform import ChatReply, ChatService, MessageNotFound, MissingPermission
from bot.slack_app.errors import translated
from bot.slack_app.identity import People
from bot.slack_app.markup import escaped
from bot.slack_app.payloads import EventSource, readable
from bot.slack_app.render import Rendered
from bot.slack_app.replies import Replies
from coordination.domain.policy import Person

_RUN = re.compile(r"[A-Za-z0-9_-]{1,40}")
_SCOPES = {"channel": "channel", "server": "server", "workspace": "server"}
_CONFIG_VERBS = frozenset({"list", "show", "use", "reset", "check"})
_VALUE_VERBS = frozenset({"approvers", "limits", "freeze", "thaw", "audit"})
CONFIG_OPTION = re.compile(r"--config[ =](\S+)\s+(\S.*)", re.DOTALL)


@dataclass(frozen=True)
class StartRunCommand:
    """Begin a run."""

    prompt: str
    config: str = ""


@dataclass(frozen=True)
class HelpCommand:
    """Say what this is."""


@dataclass(frozen=True)
class ListRuns:
    """The newest runs; `is_mine`: of this person."""

    is_mine: bool


@dataclass(frozen=True)
class ShowRun:
    """One run."""

    run: str


@dataclass(frozen=True)
class CancelRun:
    """Stop a run; an empty one stands for a missing name."""

    run: str


@dataclass(frozen=True)
class RetryRun:
    """Ask the same again."""

    run: str


@dataclass(frozen=True, kw_only=True)
class AdminCommand:
    """One of the administrators' verbs."""

    action: str
    name: str = ""
    scope: str = ""
    value: str = ""


ParsedCommand: TypeAlias = StartRunCommand | HelpCommand | ListRuns | ShowRun | CancelRun | RetryRun


def parse_command(text: str) -> ParsedCommand:
    """The order in a text. A word with more behind it than one name is the beginning of a prompt."""
    words = text.split()
    if not words or words == ["help"]:
        return HelpCommand()
    name = words[1] if len(words) == 2 and _RUN.fullmatch(words[1]) else ""
    match words[0].lower(), len(words):
        case "status", 1:
            return ListRuns(is_mine=True)
        case "history", 1:
            return ListRuns(is_mine=False)
        case "status", 2 if name:
            return ShowRun(name)
        case "cancel", 1:
            return CancelRun("")
        case "cancel", 2 if name:
            return CancelRun(name)
        case "retry", 2 if name:
            return RetryRun(name)
        case _:
            named = CONFIG_OPTION.fullmatch(text.strip())
            return StartRunCommand(named[2], config=named[1]) if named else StartRunCommand(text.strip())


def parse_admin_command(text: str) -> AdminCommand | None:
    """The administrators' order in a text; None if there is none."""
    words = text.split()
    scope = ""
    if len(words) > 1 and words[-1].lower() in _SCOPES:
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


COMMAND = "/massgen"
ADMIN_COMMAND = "/massgen-admin"


@dataclass(frozen=True, kw_only=True)
class CommandHandlers:
    """Carries out what people say."""

    chat_service: ChatService
    people: People
    replies: Replies

    async def command(self, source: EventSource, text: str) -> None:
        """`/massgen …`: the bot may not be in the channel, so it says there first that it heard."""
        order = parse_command(readable(text))
        if isinstance(order, StartRunCommand) and not await self._is_heard(source):
            await self.replies.reply_text(source, self.replies.catalog.text("slack.ask.not_here"))
            return
        await self.carry_out(source, order)

    async def mention(self, source: EventSource, text: str) -> None:
        """A mention or a direct message."""
        await self.carry_out(source, parse_command(readable(text)))

    async def shortcut(self, source: EventSource, text: str) -> None:
        """A message that somebody wants a plan from: the card goes into its thread."""
        prompt = readable(text)
        if not prompt:
            await self.replies.reply_text(source, self.replies.catalog.text("slack.ask.no_text"))
            return
        below = replace(source, thread=source.thread or source.message)
        if not await self._is_heard(below):
            await self.replies.reply_text(source, self.replies.catalog.text("slack.ask.not_here"))
            return
        await self.carry_out(below, StartRunCommand(prompt))

    async def carry_out(self, source: EventSource, command: ParsedCommand) -> None:
        """One order."""
        by = await self.people.person(source.workspace, source.user, source.called)
        said = await self._said(by, source, command)
        if isinstance(said, str):
            await self.replies.reply_text(source, said)
        else:
            await self.replies.reply_card(source, said.private)

    async def admin(self, source: EventSource, text: str) -> None:
        """`/massgen-admin …`; the chat service looks whether they may."""
        command = parse_admin_command(readable(text))
        if command is None:
            await self.replies.reply_text(source, self.replies.catalog.text("slack.admin.usage"))
            return
        by = await self.people.person(source.workspace, source.user, source.called)
        reply = await self.chat_service.admin(
            by, source.place, command.action, name=command.name, scope=command.scope, value=command.value
        )
        await self.replies.reply_card(source, reply.private)

    async def stopped(self, source: EventSource) -> None:
        """Somebody pressed Slack's own Stop in the thread of a run."""
        run = await self.chat_service.run_of_thread(source.place)
        if run is not None:
            await self.carry_out(source, CancelRun(run))

    async def _said(self, by: Person, source: EventSource, command: ParsedCommand) -> ChatReply | str:
        place = source.place
        match command:
            case HelpCommand():
                return await self.chat_service.help(by, place)
            case ListRuns(is_mine=is_mine):
                return await self.chat_service.runs(by, place, mine=is_mine)
            case ShowRun(run=run):
                return await self.chat_service.show(by, place, run)
            case CancelRun(run=""):
                return self.replies.catalog.text("slack.cancel.which", command=COMMAND)
            case CancelRun(run=run):
                return await self.chat_service.cancel(by, place, run)
            case RetryRun(run=run):
                return await self.chat_service.retry(by, place, run, once=source.once)
            case StartRunCommand(prompt=prompt, config=config):
                follows = await self.chat_service.run_of_thread(place) if place.thread else None
                return await self.chat_service.start_run(
                    by, place, prompt, config=config, thread_of=follows or "", once=source.once
                )
            case _:
                assert_never(command)

    async def _is_heard(self, source: EventSource) -> bool:
        """Whether the bot can post where the card will go; the person sees that it begins."""
        try:
            with translated(self.replies.catalog):
                await self.replies.beside(
                    source, Rendered(text=escaped(self.replies.catalog.text("slack.ask.started")), blocks=[])
                )
        except (MessageNotFound, MissingPermission):
            return False
        return True
