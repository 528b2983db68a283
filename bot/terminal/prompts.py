"""What the terminal asks, made from the buttons of a card; and all that there is to know of a run, to answer it by."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rich.console import Group, RenderableType
from rich.text import Text

from bot.cards.parts import quoted
from bot.cards.plan_card import plan_file
from bot.cards.run_view import RunView
from bot.cards.table import coordination_table
from bot.cards.text import one_line, visible
from bot.i18n import catalog
from bot.message import Action, Button, Card, Menu, TextForm
from bot.terminal.output import Renderer, coordination, indented
from coordination.domain import events as e
from coordination.domain.transitions import Recorded


@dataclass(frozen=True, kw_only=True)
class Approve:
    """A yes to the plan on the card."""


@dataclass(frozen=True, kw_only=True)
class Reject:
    """A no, with or without a reason."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class BreakGlass:
    """A yes in an emergency, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """Words for the agents."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Choose:
    """Another agent's plan."""

    agent: int


@dataclass(frozen=True, kw_only=True)
class Select:
    """Only some of the plan's calls: their numbers."""

    numbers: str


@dataclass(frozen=True, kw_only=True)
class Resolve:
    """A word on a call of unknown outcome."""

    verdict: Literal["happened", "run_it", "abandon"]


@dataclass(frozen=True, kw_only=True)
class Stop:
    """An answer to Ctrl-C."""

    how: Literal["cancel", "leave", "stay"]


@dataclass(frozen=True, kw_only=True)
class Details:
    """Show everything."""


@dataclass(frozen=True, kw_only=True)
class Back:
    """Never mind."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Answer an agent's question."""

    text: str


Decision: TypeAlias = Approve | BreakGlass | Reject | Change | Reply | Choose | Select | Resolve | Stop
Answer: TypeAlias = "Decision | Details | Back | Question"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One key of a question: `word` is shown with the key in brackets; `answer` may be another question."""

    key: str
    word: str
    answer: Answer


@dataclass(frozen=True, kw_only=True)
class KeyQuestion:
    """A question that one key answers. `lines` are read first; a detour leads back to the question before it."""

    text: str
    choices: tuple[Choice, ...]
    lines: tuple[str, ...] = ()
    is_detour: bool = False

    @property
    def is_about_stopping(self) -> bool:
        """Whether it is what Ctrl-C asks."""
        return any(isinstance(choice.answer, Stop) for choice in self.choices)

    def answer(self, typed: str) -> Choice | None:
        """The choice that a key or a whole word means; None: it means nothing here."""
        said = typed.strip().lower()
        return next((choice for choice in self.choices if said in (choice.key, choice.word)), None)


@dataclass(frozen=True, kw_only=True)
class LineQuestion:
    """A question that a line answers."""

    text: str
    form: TextForm
    is_detour: bool = True

    def answer(self, typed: str) -> Answer:
        """What the line means; an empty one nothing, where words are required."""
        if self.form.is_required and not typed.strip():
            return Back()
        match self.form.asks:
            case "reason":
                return Reject(reason=typed)
            case "change":
                return Change(text=typed)
            case "answer":
                return Reply(text=typed)
            case "select":
                return Select(numbers=typed)
            case "break_glass":
                return BreakGlass(reason=typed)
            case "edit" | "grant":
                return Back()


Question: TypeAlias = KeyQuestion | LineQuestion


def question_for(card: Card) -> KeyQuestion | None:
    """The question that a card asks at a terminal; None: it asks nothing."""
    choices = [choice for button in card.buttons if (choice := _choice(button)) is not None]
    choices[-1:-1] = [_other_plan(menu) for menu in card.menus if menu.action is Action.CHOOSE]
    if all(isinstance(choice.answer, Details) for choice in choices):
        return None
    approve = next((button for button in card.buttons if button.action is Action.APPROVE), None)
    if any(button.action is Action.ANSWER for button in card.buttons):
        choices.append(_keyed(catalog.text("key.cancel"), stop_question(may_leave=True)))
        return KeyQuestion(text=catalog.text("ask.question"), choices=tuple(choices))
    text = catalog.text("ask.decide", approve=approve.label) if approve else catalog.text("ask.resolve")
    return KeyQuestion(text=text, choices=tuple(choices))


def stop_question(*, may_leave: bool) -> KeyQuestion:
    """What Ctrl-C asks. While calls run the run can't be left: the one under way would end in doubt."""
    choices = [_keyed(catalog.text("key.stop_yes"), Stop(how="cancel"))]
    if may_leave:
        choices.append(_keyed(catalog.text("key.stop_leave"), Stop(how="leave")))
    choices.append(_keyed(catalog.text("key.stop_no"), Stop(how="stay")))
    return KeyQuestion(text=catalog.text("ask.stop"), choices=tuple(choices))


def _choice(button: Button) -> Choice | None:
    if button.form is not None:
        question = LineQuestion(text=catalog.text(f"ask.{button.form.asks}"), form=button.form)
        return _keyed(catalog.text(f"key.{button.action}"), question)
    answers: dict[Action, Answer] = {
        Action.APPROVE: _approval(button),
        Action.DETAILS: Details(),
        Action.HAPPENED: Resolve(verdict="happened"),
        Action.RUN_IT: Resolve(verdict="run_it"),
        Action.ABANDON: Resolve(verdict="abandon"),
    }
    if button.action not in answers:
        return None
    return _keyed(catalog.text(f"key.{button.action}"), answers[button.action])


def _approval(button: Button) -> Answer:
    """The yes itself, or first a second question that names the calls."""
    confirmation = button.confirmation
    if confirmation is None:
        return Approve()
    lines = tuple("".join(getattr(inline, "text", "") for inline in line) for line in confirmation.lines)
    return KeyQuestion(
        text=catalog.text("ask.confirm", title=confirmation.title, yes=confirmation.yes),
        choices=(
            _keyed(catalog.text("key.yes"), Approve()),
            _keyed(catalog.text("key.no"), Back()),
        ),
        lines=lines,
        is_detour=True,
    )


def _other_plan(menu: Menu) -> Choice:
    options = menu.options
    numbered = tuple(Choice(key=each.value, word=each.value, answer=Choose(agent=int(each.value))) for each in options)
    question = KeyQuestion(
        text=catalog.text("ask.other_plan"),
        choices=(*numbered, _keyed(catalog.text("key.none"), Back())),
        lines=tuple(f"{each.value}  {each.label}: {each.description}" for each in options),
        is_detour=True,
    )
    return _keyed(catalog.text("key.other_plan"), question)


def _keyed(word: str, answer: Answer) -> Choice:
    """Its first letter is its key."""
    return Choice(key=word[0], word=word, answer=answer)


def explanation(view: RunView, log: Sequence[Recorded], renderer: Renderer) -> Group:
    """The parts that a card leaves out."""
    parts: list[RenderableType] = [
        _heading(catalog.text("explain.request")),
        renderer.section(quoted(view.request.prompt)),
    ]
    agents = [f"agent{agent.number} {visible(agent.name)}" for agent in view.agents]
    for part in coordination_table(log):
        parts += [Text(), _heading(catalog.text("explain.coordination"), part.note)]
        parts.append(indented(coordination(part, agents)))
    parts += _answers(log, renderer)
    parts += _votes(log, renderer)
    if view.plan is not None:
        lines = json.dumps(plan_file(view.plan), indent=2).split("\n")
        # In ASCII nothing hides; the marks of folds tell where a line goes on.
        parts += [Text(), _heading("plan.json"), *(renderer.hang("  ", Text(line)) for line in lines)]
    return Group(*parts)


def _heading(text: str, note: str = "") -> Text:
    return Text.assemble("  ", (text, "bold"), ("  " + note if note else "", "bright_black"))


def _answers(log: Sequence[Recorded], renderer: Renderer) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for recorded in log:
        event = recorded.event
        if isinstance(event, e.AnswerAccepted):
            tools = ", ".join(visible(f"{call.server}.{call.tool}") for call in event.calls)
            note = catalog.text("explain.plans", tools=tools) if tools else ""
            parts += [
                _heading(f"agent{event.agent}.{event.number}", note),
                renderer.section(quoted(event.text)),
                Text(),
            ]
    return [Text(), *parts] if parts else []


def _votes(log: Sequence[Recorded], renderer: Renderer) -> list[RenderableType]:
    lines = [
        renderer.hang(
            f"  agent{event.agent}  ",
            renderer.line(
                catalog.rich("timeline.voted", choice=f"agent{event.choice}", reason=one_line(event.reason, 500))
            ),
        )
        for event in (recorded.event for recorded in log)
        if isinstance(event, e.VoteCast)
    ]
    return [_heading(catalog.text("explain.votes")), *lines] if lines else []
