"""Commands in words: after a slash, in a mention, by a shortcut or in a direct message, and what each asks for."""

import re
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from bot.chat.platform import Desk, MessageGone, PlaceForbidden, Said
from bot.slack_app.errors import translated
from bot.slack_app.identity import People
from bot.slack_app.markup import escaped
from bot.slack_app.payloads import Source, readable
from bot.slack_app.render import Rendered
from bot.slack_app.replies import Answers
from coordination.domain.policy import Person

_RUN = re.compile(r"[A-Za-z0-9_-]{1,40}")
_SCOPES = {"channel": "channel", "server": "server", "workspace": "server"}
_CONFIG_VERBS = frozenset({"list", "show", "use", "reset", "check"})
_VALUE_VERBS = frozenset({"approvers", "limits", "freeze", "thaw", "audit"})
CONFIG_OPTION = re.compile(r"--config[ =](\S+)\s+(\S.*)", re.DOTALL)


@dataclass(frozen=True)
class AskFor:
    """Begin a run."""

    prompt: str
    config: str = ""


@dataclass(frozen=True)
class HelpMe:
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
class AdminOrder:
    """One of the administrators' verbs."""

    verb: str
    name: str = ""
    scope: str = ""
    value: str = ""


Order: TypeAlias = AskFor | HelpMe | ListRuns | ShowRun | CancelRun | RetryRun


def order_in(text: str) -> Order:
    """The order in a text. A word with more behind it than one name is the beginning of a prompt."""
    words = text.split()
    if not words or words == ["help"]:
        return HelpMe()
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
            return AskFor(named[2], config=named[1]) if named else AskFor(text.strip())


def admin_order_in(text: str) -> AdminOrder | None:
    """The administrators' order in a text; None if there is none."""
    words = text.split()
    scope = ""
    if len(words) > 1 and words[-1].lower() in _SCOPES:
        scope = _SCOPES[words.pop().lower()]
    match words:
        case ["config", "allow", *names]:
            return AdminOrder(verb="config-allow", name=" ".join(names), scope=scope)
        case ["config", verb] if verb in _CONFIG_VERBS:
            return AdminOrder(verb=f"config-{verb}", scope=scope)
        case ["config", verb, name] if verb in _CONFIG_VERBS:
            return AdminOrder(verb=f"config-{verb}", name=name, scope=scope)
        case [verb, *rest] if verb in _VALUE_VERBS:
            return AdminOrder(verb=verb, scope=scope, value=" ".join(rest))
        case _:
            return None


COMMAND = "/massgen"
ADMIN_COMMAND = "/massgen-admin"


@dataclass(frozen=True, kw_only=True)
class Orders:
    """Carries out what people say."""

    desk: Desk
    people: People
    answers: Answers

    async def command(self, source: Source, text: str) -> None:
        """`/massgen …`: the bot may not be in the channel, so it says there first that it heard."""
        order = order_in(readable(text))
        if isinstance(order, AskFor) and not await self._is_heard(source):
            await self.answers.tell(source, self.answers.words.say("slack.ask.not_here"))
            return
        await self.carry_out(source, order)

    async def mention(self, source: Source, text: str) -> None:
        """A mention or a direct message."""
        await self.carry_out(source, order_in(readable(text)))

    async def shortcut(self, source: Source, text: str) -> None:
        """A message that somebody wants a plan from: the card goes into its thread."""
        prompt = readable(text)
        if not prompt:
            await self.answers.tell(source, self.answers.words.say("slack.ask.no_text"))
            return
        below = replace(source, thread=source.thread or source.message)
        if not await self._is_heard(below):
            await self.answers.tell(source, self.answers.words.say("slack.ask.not_here"))
            return
        await self.carry_out(below, AskFor(prompt))

    async def carry_out(self, source: Source, order: Order) -> None:
        """One order."""
        by = await self.people.person(source.workspace, source.user, source.called)
        said = await self._said(by, source, order)
        if isinstance(said, str):
            await self.answers.tell(source, said)
        else:
            await self.answers.show(source, said.private)

    async def admin(self, source: Source, text: str) -> None:
        """`/massgen-admin …`; the desk looks whether they may."""
        order = admin_order_in(readable(text))
        if order is None:
            await self.answers.tell(source, self.answers.words.say("slack.admin.usage"))
            return
        by = await self.people.person(source.workspace, source.user, source.called)
        said = await self.desk.admin(
            by, source.place, order.verb, name=order.name, scope=order.scope, value=order.value
        )
        await self.answers.show(source, said.private)

    async def stopped(self, source: Source) -> None:
        """Somebody pressed Slack's own Stop in the thread of a run."""
        run = await self.desk.run_of_thread(source.place)
        if run is not None:
            await self.carry_out(source, CancelRun(run))

    async def _said(self, by: Person, source: Source, order: Order) -> Said | str:
        place = source.place
        match order:
            case HelpMe():
                return await self.desk.help(by, place)
            case ListRuns(is_mine=is_mine):
                return await self.desk.runs(by, place, mine=is_mine)
            case ShowRun(run=run):
                return await self.desk.show(by, place, run)
            case CancelRun(run=""):
                return self.answers.words.say("slack.cancel.which", command=COMMAND)
            case CancelRun(run=run):
                return await self.desk.cancel(by, place, run)
            case RetryRun(run=run):
                return await self.desk.retry(by, place, run, once=source.once)
            case AskFor(prompt=prompt, config=config):
                follows = await self.desk.run_of_thread(place) if place.thread else None
                return await self.desk.ask(by, place, prompt, config=config, thread_of=follows or "", once=source.once)
            case _:
                assert_never(order)

    async def _is_heard(self, source: Source) -> bool:
        """Whether the bot can post where the card will go; the person sees that it begins."""
        try:
            with translated(self.answers.words):
                await self.answers.beside(
                    source, Rendered(text=escaped(self.answers.words.say("slack.ask.started")), blocks=[])
                )
        except (MessageGone, PlaceForbidden):
            return False
        return True
