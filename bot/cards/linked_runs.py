"""What cards say of runs that follow from others.

They say that one can be had, that there is one, and what such a run begins with.
"""

from collections.abc import Mapping

from bot.cards.parts import mention, target
from bot.cards.run_view import RunView
from bot.cards.text import visible
from bot.i18n import catalog
from bot.message import Action, Button, RichText, StyledText
from coordination.domain import states as s
from coordination.domain.linked_runs import Linkable, offered
from coordination.domain.preset_plan import PresetPlan, Purpose

LINK_ACTIONS: Mapping[Action, Purpose] = {Action.TRY_REST: "rest", Action.PLAN_UNDO: "undo"}
"""The buttons that have a run begin with a plan, and what that plan is for."""

_ACTIONS = {purpose: action for action, purpose in LINK_ACTIONS.items()}


def _run(name: str) -> StyledText:
    return StyledText(visible(name), "bold")


def link_buttons(view: RunView) -> tuple[Button, ...]:
    """What may be planned after a run that has ended, and nobody has had planned yet."""
    return tuple(
        Button(action=_ACTIONS[each], label=catalog.text(f"button.{_ACTIONS[each]}"), target=target(view))
        for each in offered(view.state)
    )


def link_lines(view: RunView) -> tuple[RichText, ...]:
    """The runs that follow from this one, and who had them planned."""
    state = view.state
    if not isinstance(state, Linkable):
        return ()
    return tuple(
        catalog.rich(f"linked.{each.purpose}", who=mention(each.by), run=_run(each.run)) for each in state.linked
    )


def how_to_link(view: RunView) -> str | None:
    """The commands that have such a run begin; None: nothing is left to be planned."""
    run = visible(view.run)
    return "\n".join(catalog.text(f"next.{each}", run=run) for each in offered(view.state)) or None


def preset_of(view: RunView) -> PresetPlan | None:
    """What a run began with, as long as no agent has planned anything in its place; None: agents planned."""
    state = view.state
    is_agents = isinstance(state, s.AwaitingDecision) and bool(state.election.voters or state.election.winner.text)
    return None if is_agents else view.request.preset


def beginning(preset: PresetPlan) -> RichText:
    """Where the plan that a run began with comes from."""
    return catalog.rich(f"won.{preset.purpose}", run=_run(preset.run))


def not_undone(view: RunView) -> list[RichText]:
    """Which calls of the run that is taken back stay as they are."""
    preset = preset_of(view)
    if preset is None or not preset.left_out:
        return []
    numbers = ", ".join(str(index + 1) for index in preset.left_out)
    return [catalog.rich("warn.not_undone", count=len(preset.left_out), numbers=numbers, run=_run(preset.run))]


def without_links(buttons: tuple[Button, ...]) -> tuple[Button, ...]:
    """The buttons that begin no other run."""
    begins = {Action.ASK_AGAIN, *LINK_ACTIONS}
    return tuple(each for each in buttons if each.action not in begins)
