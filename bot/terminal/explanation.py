"""Everything there is to know of a run: the request, the table of the coordination, every answer, every vote."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from bot.cards.parts import quoted
from bot.cards.run_view import RunView
from bot.cards.table import coordination_table
from bot.cards.text import one_line, visible
from bot.i18n import Words
from bot.terminal.output import Renderer
from bot.terminal.tables import coordination, indented
from coordination.domain import events as e
from coordination.domain.transitions import Recorded


def explanation(view: RunView, log: Sequence[Recorded], renderer: Renderer, words: Words) -> Group:
    """The parts that a card leaves out."""
    parts: list[RenderableType] = [
        _heading(words.say("explain.request")),
        renderer.section(quoted(view.request.prompt)),
    ]
    agents = [f"agent{agent.number} {visible(agent.name)}" for agent in view.agents]
    for part in coordination_table(log, words):
        parts += [Text(), _heading(words.say("explain.coordination"), part.note)]
        parts.append(indented(coordination(part, agents, words)))
    parts += _answers(log, renderer, words)
    parts += _votes(log, renderer, words)
    return Group(*parts)


def _heading(text: str, note: str = "") -> Text:
    return Text.assemble("  ", (text, "bold"), ("  " + note if note else "", "bright_black"))


def _answers(log: Sequence[Recorded], renderer: Renderer, words: Words) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for recorded in log:
        event = recorded.event
        if isinstance(event, e.AnswerAccepted):
            tools = ", ".join(visible(f"{call.server}.{call.tool}") for call in event.calls)
            note = words.say("explain.plans", tools=tools) if tools else ""
            parts += [
                _heading(f"agent{event.agent}.{event.number}", note),
                renderer.section(quoted(event.text)),
                Text(),
            ]
    return [Text(), *parts] if parts else []


def _votes(log: Sequence[Recorded], renderer: Renderer, words: Words) -> list[RenderableType]:
    lines = [
        renderer.hang(
            f"  agent{event.agent}  ",
            renderer.line(words.line("story.voted", choice=f"agent{event.choice}", reason=one_line(event.reason, 500))),
        )
        for event in (recorded.event for recorded in log)
        if isinstance(event, e.VoteCast)
    ]
    return [_heading(words.say("explain.votes")), *lines] if lines else []
