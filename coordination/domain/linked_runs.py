"""Runs that follow from one that has ended: what they may begin with, and that there is one of each purpose."""

from dataclasses import replace
from typing import TypeAlias

from coordination.domain import states as s
from coordination.domain.events import RunLinked, RunRequested
from coordination.domain.policy import RULES_VERSION, Authors
from coordination.domain.preset_plan import PresetPlan, Purpose, preset_plan
from coordination.errors import IllegalTransition

PURPOSES: tuple[Purpose, ...] = ("rest", "undo")

Linkable: TypeAlias = s.Finished | s.Rejected | s.Expired | s.Cancelled | s.RunBroken
"""The ends of a run that another one may follow."""


def preset_after(state: s.RunState, purpose: Purpose) -> PresetPlan | None:
    """The plan that another run may begin with after this one; None: there is none to this end.

    A run that began with such a plan itself, and ended before any of it could start, leaves it for another run.
    """
    match state:
        case s.Finished():
            return preset_plan(purpose, state.plan, state.receipts, is_stopped=state.stopped_by is not None)
        case s.Rejected() | s.Expired() | s.Cancelled() | s.RunBroken():
            preset = state.request.preset
            return None if preset is None or preset.purpose != purpose else preset
        case _:
            return None


def link_of(state: s.RunState, purpose: Purpose) -> RunLinked | None:
    """The run that was made to this end after this one; None: nobody has had one made."""
    found = state.linked if isinstance(state, Linkable) else ()
    return next((each for each in found if each.purpose == purpose), None)


def offered(state: s.RunState) -> tuple[Purpose, ...]:
    """What people may have planned after this run, and nobody has yet."""
    return tuple(each for each in PURPOSES if link_of(state, each) is None and preset_after(state, each) is not None)


def request_after(state: s.RunState, made: RunLinked, authors: Authors) -> RunRequested:
    """The event by which the run begins that was linked to this one. `authors` are all whose words it is made of.

    It is asked for where this one was, under the configuration that this one began with.
    """
    return replace(
        state.request,
        requester=made.by,
        earlier_requesters=authors.earlier,
        earlier_shapers=authors.shapers,
        rules_version=RULES_VERSION,
        preset=preset_after(state, made.purpose),
    )


def linked(state: Linkable, event: RunLinked) -> s.RunState:
    """The state after somebody had another run made.

    Raises:
        IllegalTransition: there is nothing to plan to this end, or there is a run for it; or it is another tenant's
            person.
    """
    if event.by.tenant != state.request.tenant:
        raise IllegalTransition(f"{event.by.name} is of another tenant")
    if event.purpose not in offered(state):
        raise IllegalTransition(f"nothing is left to be planned for: {event.purpose}")
    return replace(state, linked=(*state.linked, event))
