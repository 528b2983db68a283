"""Standing grants as people see them: the menu and the window that give one, and which ones a plan was approved by."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.cards.parts import mention, target
from bot.cards.plan_edits import MOST_OPTIONS
from bot.cards.run_view import RunView
from bot.cards.text import one_line, shown_name, visible
from bot.i18n import catalog, joined
from bot.message import Action, FormField, Menu, Option, RichText, StyledText, TextForm, Timestamp
from coordination.config.key_types import seconds
from coordination.domain.canonical_json import Json, parse
from coordination.domain.grants import LONGEST, MOST_CALLS, Grant, GrantUse, Standing
from coordination.domain.plan import Plan, PlannedCall
from coordination.errors import RefusedError

_LABEL = 60
_DESCRIPTION = 100
_ARGUMENTS = 120
_PERIODS = ("1h", "8h", "24h", "7d", "30d")
_PERIOD = "24h"
_PROPOSED = "5"
_WRITTEN = 40


def grant_menus(view: RunView, plan: Plan) -> tuple[Menu, ...]:
    """The calls of a plan of which more may be allowed; nothing where the rules have no grants."""
    if not plan.policy.allow_grants:
        return ()
    options = tuple(
        Option(
            value=str(number),
            label=one_line(_named(number, call), _LABEL),
            description=one_line(call.arguments, _DESCRIPTION),
        )
        for number, call in enumerate(plan.calls[:MOST_OPTIONS], 1)
        if not call.references
    )
    menu = Menu(action=Action.GRANT, label=catalog.text("grant.label"), target=target(view, plan), options=options)
    return (menu,) if options else ()


def _named(number: int, call: PlannedCall) -> str:
    return f"{number}. {visible(call.server)} · {visible(call.tool)}"


def grant_form(plan: Plan, choice: str) -> TextForm:
    """The window for calls like the one that was chosen in the menu: how long, how many, and what may differ.

    Raises:
        RefusedError: there is no such call.
    """
    call = _chosen(plan, choice)
    periods = tuple(Option(value=each, label=catalog.text(f"grant.lasts_{each}")) for each in _PERIODS)
    fields: tuple[FormField, ...] = (
        FormField(name="lasts", sort="choice", label=_label("lasts"), options=periods, text=_PERIOD),
        FormField(name="most", sort="number", label=_label("most"), text=_PROPOSED, most=MOST_CALLS),
    )
    if free := _ticks(call):
        fields = (*fields, FormField(name="free", sort="ticks", label=_label("free"), options=free))
    return TextForm(asks="grant", is_required=True, label=catalog.text("grant.window", number=choice), fields=fields)


def _label(name: str) -> str:
    return catalog.text(f"grant.field_{name}")


def _ticks(call: PlannedCall) -> tuple[Option, ...]:
    """An entry for each argument that may differ, by its position."""
    return tuple(
        Option(
            value=str(position),
            label=one_line(shown_name(name), _LABEL),
            description=one_line(
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _DESCRIPTION
            ),
        )
        for position, (name, value) in enumerate([*_may_differ(call).items()][:MOST_OPTIONS])
    )


@dataclass(frozen=True, kw_only=True)
class GrantTerms:
    """For how long, for how many calls like one of a plan, counted from 0, and which arguments may be anything."""

    index: int
    lasts: timedelta
    most: int
    free: tuple[str, ...]


def grant_terms(plan: Plan, choice: str, fields: Mapping[str, str]) -> GrantTerms:
    """What was filled into the window for the call that was chosen.

    Raises:
        RefusedError: there is no such call, or a field can't be read.
    """
    names = [*_may_differ(_chosen(plan, choice))]
    ticked = [each for each in fields.get("free", "").split(",") if each]
    if any(not _is_number(each) or int(each) >= len(names) for each in ticked):
        raise RefusedError("no_argument", catalog.text("grant.no_argument"))
    return GrantTerms(
        index=int(choice) - 1,
        lasts=period(fields.get("lasts", "")),
        most=_number_of_calls(fields.get("most", "")),
        free=tuple(names[int(each)] for each in ticked),
    )


def period(text: str) -> timedelta:
    """How long `24h` or `7d` is.

    Raises:
        RefusedError: it is no duration.
    """
    found = seconds(text.strip())
    if found <= 0:
        written = catalog.text("grant.no_period", text=one_line(text, _WRITTEN), days=LONGEST.days)
        raise RefusedError("grant_period", written)
    return timedelta(seconds=found)


def _number_of_calls(text: str) -> int:
    if not _is_number(text.strip()):
        written = catalog.text("grant.no_number", text=one_line(text, _WRITTEN), most=MOST_CALLS)
        raise RefusedError("grant_number", written)
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 7


def _chosen(plan: Plan, choice: str) -> PlannedCall:
    """The call of the menu's entry.

    Raises:
        RefusedError: there is none.
    """
    if not _is_number(choice) or not 1 <= int(choice) <= len(plan.calls):
        raise RefusedError("no_call", catalog.text("grant.no_call", number=one_line(choice, _WRITTEN)))
    return plan.calls[int(choice) - 1]


def _may_differ(call: PlannedCall) -> Mapping[str, Json]:
    """The arguments of a call that a grant may leave open.

    None where it destroys, or where agents had read something of it.
    """
    value = parse(call.arguments)
    return value if isinstance(value, Mapping) and not call.is_destructive and call.origins == () else {}


def grant_line(standing: Standing) -> RichText:
    """A grant in a list: what it allows, whose it is, until when, and how much of it was used."""
    grant = standing.grant
    return catalog.rich(
        "grant.line",
        grant=StyledText(visible(grant.id), "bold"),
        who=mention(grant.by),
        tool=StyledText(visible(f"{grant.server}.{grant.tool}"), "code"),
        arguments=StyledText(_arguments(grant), "code"),
        config=visible(grant.config),
        until=Timestamp(grant.until),
        used=standing.used,
        most=grant.most,
        run=visible(standing.run),
    )


def given_line(grant: Grant) -> RichText:
    """What somebody is told who has just given a grant."""
    return catalog.rich(
        "grant.given",
        grant=StyledText(visible(grant.id), "bold"),
        tool=StyledText(visible(f"{grant.server}.{grant.tool}"), "code"),
        arguments=StyledText(_arguments(grant), "code"),
        until=Timestamp(grant.until),
        most=grant.most,
    )


def _arguments(grant: Grant) -> str:
    free = ", ".join(f"{visible(each)}: *" for each in grant.free)
    return one_line(", ".join(filter(None, [grant.arguments, free])), _ARGUMENTS)


def on_grants(uses: Sequence[GrantUse]) -> RichText:
    """On whose grants a plan was approved, and how much of each was used before."""
    lines = [
        catalog.rich(
            "grant.use",
            who=mention(each.grant.by),
            tool=StyledText(visible(f"{each.grant.server}.{each.grant.tool}"), "code"),
            grant=visible(each.grant.id),
            used=each.used,
            most=each.grant.most,
        )
        for each in uses
    ]
    return joined(lines, ", ")
