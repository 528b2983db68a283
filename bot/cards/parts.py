"""What every card of a run shares: title, names, calls, what agents wrote, and how people are named."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.cards.known_ids import Known, known_of, with_known
from bot.cards.run_view import RunView
from bot.cards.text import arguments_in, concealed, head_of, money, one_line, shown_name, tokens, visible, visible_part
from bot.i18n import catalog, joined
from bot.machine import account_name
from bot.message import CallItem, Mention, Paragraph, RichText, Status, StyledText, Target
from coordination.domain.plan import Plan, PlannedCall, Receipt, short
from coordination.domain.policy import Person, Policy
from coordination.domain.quorums import Quorum, seated

_NAME = 60


def mention(person: Person) -> Mention:
    """A person as a card names them."""
    return Mention(person.id, one_line(person.name, _NAME))


def people(persons: tuple[Person, ...]) -> RichText:
    """Several people, with commas."""
    return joined([(mention(person),) for person in persons], ", ")


def approvers(policy: Policy) -> RichText:
    """Whom a plan needs: how many, of whom, and whether the one who asked is among them."""
    if policy.quorums or policy.roles or policy.users:
        needed = catalog.rich("needs.of", places=places(policy.places))
    else:
        needed = catalog.rich("needs.anyone", count=policy.required)
    requester = () if policy.allow_requester else catalog.rich("needs.not_requester")
    return joined([needed, requester], " · ")


def places(quorums: Sequence[Quorum]) -> RichText:
    """So many of these, and so many of those."""
    told = [catalog.rich("needs.place", number=each.required, names=names_of(each)) for each in quorums]
    return joined(told, catalog.text("needs.and"))


def names_of(quorum: Quorum) -> RichText:
    """Whose approval counts for a place."""
    named = [(Mention(role, one_line(role, _NAME), "role"),) for role in quorum.roles]
    named += [(Mention(user, one_line(account_name(user), _NAME)),) for user in quorum.users]
    return joined(named, ", ") if named else catalog.rich("refusal.anyone")


def given(policy: Policy, approvals: tuple[Person, ...]) -> RichText:
    """How many have approved, and who; where different people must, who of them for whom."""
    numbers = {"given": len(approvals), "required": policy.needed}
    if not policy.quorums:
        return catalog.rich("needs.given", **numbers, who=people(approvals))
    seats = seated(policy.places, approvals)
    told = [
        catalog.rich("needs.given_place", names=names_of(each), who=people(who))
        for index, each in enumerate(policy.places)
        if (who := seats.of(index))
    ]
    return catalog.rich("needs.given", **numbers, who=joined(told, "; "))


def missing(policy: Policy, approvals: tuple[Person, ...]) -> RichText:
    """Whose approval is still needed."""
    seats = seated(policy.places, approvals)
    left = [(each, each.required - len(seats.of(index))) for index, each in enumerate(policy.places)]
    return places([replace(each, required=rest) for each, rest in left if rest > 0])


_TITLE = 160
_TARGET = 300


def title(view: RunView) -> RichText:
    """What was asked, in quotes, shortened."""
    preset, prompt = view.request.preset, one_line(view.request.prompt, _TITLE)
    return catalog.rich("card.title" if preset is None else f"card.title_{preset.purpose}", prompt=prompt)


def asked_by(view: RunView, *, is_linked: bool = False) -> RichText:
    """Who asked.

    A product that notifies whom a new message links is given a link only in what is an edit, nearly always.
    """
    return catalog.rich("card.asked_by", who=replace(mention(view.request.requester), is_linked=is_linked))


def identified(view: RunView, plan: Plan | None, *before: RichText) -> RichText:
    """A footer: what is worth a look, then the names of run, plan and configuration, for people and logs."""
    parts = [*before, catalog.rich("card.run", run=StyledText(visible(view.run), "bold"))]
    if plan is not None:
        parts.append(catalog.rich("card.plan", plan=StyledText(short(plan.digest), "bold")))
    parts.append(catalog.rich("card.config", config=visible(view.request.config)))
    return joined(parts, " · ")


def spending(view: RunView) -> list[RichText]:
    """Tokens and cost, as far as they are known and there are any."""
    if not view.spent.tokens:
        return []
    parts: list[RichText] = [(StyledText(tokens(view.spent.tokens)),)]
    if view.spent.cost:
        parts.append((StyledText(money(view.spent.cost)),))
    return parts


def quoted(text: str) -> Paragraph:
    """Somebody's words, line by line, whole."""
    lines = concealed(text).replace("\r\n", "\n").strip("\n").split("\n")
    return Paragraph(lines=tuple((StyledText(visible_part(line)),) for line in lines), is_quoted=True)


def plain(*lines: RichText) -> Paragraph:
    """Our own words."""
    return Paragraph(lines=tuple(line for line in lines if line))


_WORDS_OF_A_NAME = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

EFFECTS: Mapping[str, str] = {
    word: effect
    for effect, words in {
        "sends": "send post reply notify message dm mail email publish announce forward share tweet comment say",
        "pays": "pay transfer charge refund wire buy purchase order donate payout",
        "deletes": "delete remove drop purge destroy erase unlink rm wipe truncate clear trash prune",
        "creates": "create add insert append make open new upload register start schedule book mkdir init import push",
        "changes": (
            "update edit set change modify patch write rename replace move save put assign label pin unpin mark "
            "configure enable disable lock unlock tag apply"
        ),
        "runs": "run exec execute eval call invoke trigger launch deploy install restart",
        "invites": "invite",
        "bans": "ban kick suspend revoke block",
        "grants": "grant approve accept allow permit",
        "merges": "merge commit rebase",
        "closes": "close cancel archive stop kill dismiss end terminate shutdown",
    }.items()
    for word in words.split()
}
"""The first word of a tool's name that is in here decides."""


def effect_of(call: PlannedCall) -> str:
    """What a call does, in a person's word; "writes" where its tool's name, which alone says it, has none."""
    if call.says:
        return _filled(call)
    for word in _WORDS_OF_A_NAME.findall(call.tool):
        if (effect := EFFECTS.get(word.lower())) is not None:
            return catalog.text(f"effect.{effect}")
    return catalog.text("effect.writes")


_VALUE = 60
_PLACE = re.compile(r"\{([^{}]+)\}")


def _filled(call: PlannedCall) -> str:
    """What the operator's rule says of a call, with its arguments; they stand whole below, so these are shortened."""
    values = {argument.name: argument.text for argument in arguments_in(call)}

    def value(found: "re.Match[str]") -> str:
        text = " ".join(values.get(found[1], "…").split())
        return text if len(text) <= _VALUE else f"{head_of(text, _VALUE - 1)}…"

    return _PLACE.sub(value, one_line(call.says, 200))


def call_item(
    number: int,
    call: PlannedCall,
    status: Status = Status.WAITING,
    outcome: RichText = (),
    *,
    known: Mapping[str, Known] | None = None,
    receipts: Sequence[Receipt] = (),
) -> CallItem:
    """One call with everything that is sent, and what a person should know before a yes; `receipts` of those before it.

    `known` has what a look-up said of its ids, which stands beside them.
    """
    notes = [effect_of(call)]
    if told := [each.words for each in (known or {}).values() if each.is_notified]:
        notes.append(catalog.text("call.notifies", names=", ".join(told)))
    if call.is_automatic:
        notes.append(catalog.text("call.automatic"))
    if call.is_destructive:
        notes.append(catalog.text("call.destroys"))
    notes += _sources(call)
    return CallItem(
        number=number,
        server=visible(call.server),
        tool=visible(call.tool),
        arguments=with_known(arguments_in(call, receipts), known or {}),
        notes=tuple(notes),
        is_destructive=call.is_destructive,
        status=status,
        outcome=outcome,
    )


def _sources(call: PlannedCall) -> list[str]:
    """Which arguments have something that a tool gave to read, by the tool."""
    by_tool: dict[str, dict[str, None]] = {}
    for each in call.origins or ():
        by_tool.setdefault(visible(each.tool), {})[shown_name(each.argument)] = None
    told = list(by_tool.items())[:_MOST_SOURCES]
    return [catalog.text("call.origin", names=" + ".join(names), tool=tool) for tool, names in told]


_MOST_SOURCES = 3


def call_items(plan: Plan) -> tuple[CallItem, ...]:
    """Every call of a plan that waits."""
    return tuple(call_item(number, call, known=known_of(plan, call)) for number, call in enumerate(plan.calls, 1))


def targets_of(plan: Plan) -> list[tuple[str, str]]:
    """Each server of a plan's calls and where they go. Plans of earlier versions don't say."""
    return list(dict.fromkeys((call.server, call.target) for call in plan.calls if call.target))


def targets(plan: Plan) -> list[Paragraph]:
    """Where the calls of a plan go: one line for each server."""
    lines = [
        catalog.rich(
            "plan.target",
            server=StyledText(visible(server), "bold"),
            target=StyledText(one_line(where, _TARGET), "code"),
        )
        for server, where in targets_of(plan)
    ]
    return [plain(*lines)] if lines else []


def target(view: RunView, plan: Plan | None = None, index: int | None = None) -> Target:
    """What a click on this run's card is about."""
    return Target(run=view.run, digest=plan.digest if plan else "", index=index)


def author(label: str) -> str:
    """The agent in an answer's label: `agent2` of `agent2.final`."""
    return label.partition(".")[0]


def frozen(by: Person | None) -> list[RichText]:
    """That nothing starts, and who had it so; nothing where everything may start."""
    return [] if by is None else [catalog.rich("now.frozen", who=mention(by))]
