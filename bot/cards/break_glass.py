"""Break-glass as people see it: the window, the notice in the channel, and the line that stays on the card."""

from collections.abc import Mapping, Sequence

from bot.cards.parts import asked_by, mention, names_of, people, places, plain, title
from bot.cards.run_view import BreakGlassUse, RunView
from bot.cards.text import one_line
from bot.i18n import catalog
from bot.message import Alert, Card, FormField, Option, Paragraph, RichText, Severity, StyledText, TextForm, Timestamp
from coordination.domain.break_glass import LONGEST_REASON
from coordination.domain.plan import Plan, short
from coordination.domain.policy import Policy
from coordination.errors import RefusedError

_CONFIRMED = "alone"
_MATCHES = 200


def may_break_glass(policy: Policy, barred: Sequence[str] = ()) -> list[RichText]:
    """Who may approve alone, and whether also what they asked for or shaped; nothing where the rules let nobody.

    `barred` are the patterns of calls that rules let nobody approve alone.
    """
    rule = policy.break_glass
    if rule is None:
        return []
    key = "needs.break_glass_own" if rule.allow_requester else "needs.break_glass"
    lines = [catalog.rich(key, names=names_of(rule.people))]
    if barred:
        lines.append(catalog.rich("needs.break_glass_barred", matches=one_line(", ".join(barred), _MATCHES)))
    return lines


def break_glass_form(plan: Plan) -> TextForm:
    """The window: why, and that they mean it."""
    confirm = Option(
        value=_CONFIRMED,
        label=catalog.text("break_glass.confirm", count=len(plan.calls)),
        description=catalog.text("break_glass.confirm_more"),
    )
    fields = (
        FormField(name="reason", sort="text", label=catalog.text("break_glass.field_reason"), most=LONGEST_REASON),
        FormField(name="confirm", sort="confirm", label=catalog.text("break_glass.field_confirm"), options=(confirm,)),
    )
    return TextForm(asks="break_glass", is_required=True, label=catalog.text("break_glass.window"), fields=fields)


def reason_in(fields: Mapping[str, str]) -> str:
    """The reason that was filled in.

    Raises:
        RefusedError: the box was not ticked.
    """
    if fields.get("confirm", "") != _CONFIRMED:
        raise RefusedError("not_confirmed", catalog.text("break_glass.not_confirmed"))
    return fields.get("reason", "")


def broken_glass(view: RunView, plan: Plan) -> tuple[Alert, ...]:
    """That a plan was approved so, by whom and why; nothing of any other plan."""
    use = view.broken_glass(plan)
    if use is None:
        return ()
    line = catalog.rich(
        "decided.break_glass", who=mention(use.by), at=Timestamp(use.at), reason=one_line(use.reason, LONGEST_REASON)
    )
    return (Alert(line=line),)


def break_glass_notice(view: RunView, use: BreakGlassUse) -> Card:
    """What is posted where everybody sees it."""
    line = catalog.rich(
        "break_glass.notice",
        who=mention(use.by),
        plan=StyledText(short(use.digest), "bold"),
        run=StyledText(view.run, "bold"),
        at=Timestamp(use.at),
    )
    reason = catalog.rich("break_glass.reason", reason=one_line(use.reason, LONGEST_REASON))
    return Card(
        severity=Severity.ATTENTION,
        status=catalog.text("break_glass.status"),
        title=title(view),
        reference=asked_by(view),
        sections=(Alert(line=line), plain(reason), Paragraph(lines=(_approvals(use),))),
    )


def _approvals(use: BreakGlassUse) -> RichText:
    needed = places(use.policy.places)
    if use.others:
        return catalog.rich("break_glass.others", who=people(use.others), places=needed)
    return catalog.rich("break_glass.nobody_else", places=needed)
