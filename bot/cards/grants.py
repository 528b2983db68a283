"""Standing grants as people see them: the menu and the window that give one, and which ones a plan was approved by."""

from collections.abc import Sequence
from datetime import timedelta

from bot.cards.parts import mention, target
from bot.cards.plan_edits import MOST_OPTIONS
from bot.cards.run_view import RunView
from bot.cards.text import one_line, visible
from bot.i18n import catalog, joined
from bot.message import Action, Menu, Option, RichText, StyledText, TextForm, Timestamp
from coordination.config.key_types import seconds
from coordination.domain.grants import Grant, GrantUse, Standing
from coordination.domain.plan import Plan, PlannedCall
from coordination.errors import RefusedError

_LABEL = 60
_DESCRIPTION = 100
_ARGUMENTS = 120
_PROPOSED = "24h 5"


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


def grant_form(number: str) -> TextForm:
    """The window for calls like the one of this number."""
    return TextForm(
        asks="grant", is_required=True, text=_PROPOSED, label=catalog.text("grant.window", number=visible(number))
    )


def grant_typed(text: str) -> tuple[timedelta, int, tuple[str, ...]]:
    """What `24h 5 subject` means: for how long, how many calls, and which arguments may be anything.

    Raises:
        RefusedError: nothing of the kind.
    """
    words = text.replace(",", " ").split()
    if len(words) < 2 or seconds(words[0]) <= 0 or not (words[1].isascii() and words[1].isdecimal()):
        raise RefusedError("grant_form", catalog.text("grant.form"))
    return timedelta(seconds=seconds(words[0])), int(words[1][:6]), tuple(words[2:])


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
