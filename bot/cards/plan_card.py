"""A plan that waits for people, as a card and as files: everything that a yes would do, and who may say it."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Literal

from bot.attached_files import files_in
from bot.cards.break_glass import may_break_glass
from bot.cards.error_messages import plain_text
from bot.cards.grants import grant_menus
from bot.cards.linked_runs import beginning, not_undone, preset_of
from bot.cards.lookalikes import lookalikes_in
from bot.cards.parts import (
    approvers,
    asked_by,
    author,
    call_items,
    frozen,
    given,
    identified,
    mention,
    people,
    places,
    plain,
    quoted,
    spending,
    target,
    targets,
    targets_of,
    title,
)
from bot.cards.plan_diff import differences
from bot.cards.plan_edits import MOST_OPTIONS, edit_options
from bot.cards.preview_diff import preview_sections, previews_json, previews_of
from bot.cards.run_view import RunView, origins_of
from bot.cards.text import concealed, head_of, one_line, rounded_by_others, shown_name, visible, visible_lines
from bot.i18n import catalog, joined
from bot.message import (
    Action,
    Alert,
    Attachment,
    Button,
    CallItem,
    CallList,
    Card,
    Confirmation,
    Menu,
    Option,
    Paragraph,
    RichText,
    Section,
    Severity,
    StyledText,
    Timestamp,
)
from coordination.domain import states as s
from coordination.domain.ballot import Election
from coordination.domain.canonical_json import Json, canonical, parse
from coordination.domain.day_caps import match_of
from coordination.domain.plan import Plan, short
from coordination.domain.policy import Person, judge_own
from coordination.domain.quorums import Quorum
from coordination.domain.references import Reference
from coordination.secret_marks import secrets_in


def attachments(view: RunView, plan: Plan) -> tuple[Attachment, ...]:
    """Both files of a plan."""
    name = short(plan.digest)
    return (
        Attachment(
            name="plan.md",
            media_type="text/markdown",
            text=plan_markdown(view, plan),
            description=catalog.text("file.markdown", count=len(plan.calls), plan=name),
        ),
        Attachment(
            name="plan.json",
            media_type="application/json",
            text=json.dumps(plan_file(plan), indent=2) + "\n",
            description=catalog.text("file.json", plan=name),
        ),
    )


def plan_json(plan: Plan) -> Json:
    """The plan with parsed arguments beside the exact text that is sent, and its digest.

    Written in ASCII, it shows every character that hides, and loses none.
    """
    return {
        "run": plan.run,
        "tenant": plan.tenant,
        "revision": plan.revision,
        "digest": plan.digest,
        "short_digest": short(plan.digest),
        "author": plan.author,
        "text": plan.text,
        "calls": [
            {
                "index": index,
                "server": call.server,
                "tool": call.tool,
                "arguments": parse(call.arguments),
                "arguments_text": call.arguments,
                "definition": call.definition,
                "is_automatic": call.is_automatic,
                "is_destructive": call.is_destructive,
                **({"says": call.says} if call.says else {}),
                **({"needs": call.needs.as_json()} if call.needs else {}),
                **({"previews": previews_json(plan, call)} if call.previews else {}),
                **({"origins": [each.as_json() for each in call.origins]} if call.origins else {}),
                **({"references": [each.as_json() for each in call.references]} if call.references else {}),
                **({} if call.undo is None else {"undo": call.undo.as_json()}),
                **({"settings": call.settings, "target": call.target} if call.settings else {}),
            }
            for index, call in enumerate(plan.calls)
        ],
        "policy": plan.policy.as_json(),
        "expires_at": plan.expires_at.isoformat(),
    }


def plan_file(plan: Plan) -> Json:
    """`plan_json` for people, with marks for secrets.

    Where there are any, or what looks like one, `is_exact` is false.
    """
    exact = plan_json(plan)
    hidden = _hidden(exact)
    return hidden if hidden == exact or not isinstance(hidden, dict) else {**hidden, "is_exact": False}


def _hidden(value: Json) -> Json:
    match value:
        case str():
            return concealed(value)
        case dict():
            return {concealed(name): _hidden(item) for name, item in value.items()}
        case list():
            return [_hidden(item) for item in value]
        case _:
            return value


def hides_secrets(plan: Plan) -> bool:
    """Whether a mark stands for something in a plan."""
    return bool(secrets_in(canonical(plan_json(plan))))


def plan_markdown(view: RunView, plan: Plan) -> str:
    """The plan for reading: every text stands in a fence that nothing inside can close."""
    parts = [
        catalog.text("file.heading", plan=short(plan.digest), run=visible(view.run)),
        _fenced(visible_lines(view.request.prompt)),
        catalog.text("file.author", author=plan.author, until=f"{plan.expires_at:%Y-%m-%d %H:%M %Z}"),
        *([_fenced(visible_lines(plan.text))] if plan.text else []),
    ]
    if where := [f"{visible(server)}: {visible(target)}" for server, target in targets_of(plan)]:
        parts += [catalog.text("file.targets"), _fenced("\n".join(where))]
    if view.plan_before is not None and plan == view.plan and (changed := differences(view.plan_before, plan)):
        before = view.plan_before.revision
        told = "\n".join(plain_text(line) for line in changed)
        parts += [catalog.text("revision.differs", revision=plan.revision, before=before), _fenced(told)]
    for item in call_items(plan):
        parts += _call(item)
    for shown in previews_of(plan):
        parts.append(_fenced("\n".join((plain_text(shown.headline), *shown.lines))))
    parts.append(catalog.text("file.digest", digest=plan.digest))
    return "\n\n".join(parts) + "\n"


def _call(item: CallItem) -> list[str]:
    parts = [f"## {item.number}. `{item.server}` · `{item.tool}`", ", ".join(item.notes)]
    for argument in item.arguments:
        parts += [f"**`{argument.name}`**", _fenced(argument.text)]
    return parts


def _fenced(text: str) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


_CHANGE = 300
MANY_CALLS = 5
"""An approval of more calls than this is asked for twice."""


def decision_card(view: RunView, state: s.AwaitingDecision) -> Card:
    """The plan, whole, with its buttons."""
    plan = state.plan
    calls = call_items(plan)
    sections: list[Section] = [*_revised(view, plan), CallList(calls=calls), *preview_sections(plan), *targets(plan)]
    now = (*frozen(state.frozen_by), *_rules_now(view, state))
    sections += [Alert(line=line) for line in (*now, *_warnings(view, state), *_echoes(view, plan))]
    words = (quoted(plan.text),) if plan.text else ()  # Nobody wrote any where the run began with its plan.
    sections += [plain(_choice(view, state)), *words, *_files(view), plain(*_needs(state))]
    return Card(
        severity=Severity.DECIDE,
        status=catalog.text("status.decide"),
        title=title(view),
        reference=asked_by(view, is_linked=True),
        sections=tuple(sections),
        buttons=_buttons(view, state, calls),
        menus=_menus(view, state),
        footer=joined(
            [
                identified(view, plan, *spending(view)),
                catalog.rich("decide.digest", digest=StyledText(plan.digest, "code")),
            ],
            " · ",
        ),
        attachments=attachments(view, plan),
    )


def _revised(view: RunView, plan: Plan) -> list[Section]:
    """Which revision this is, who wanted it so, and what differs from the one before."""
    before, change = view.plan_before, view.change
    if before is None or before.digest == plan.digest:
        return []
    known = {"revision": plan.revision, "before": before.revision}
    if view.chosen_by is not None:
        first = catalog.rich(f"revision.{view.revised or 'chosen'}", **known, who=mention(view.chosen_by))
    elif change is not None:
        first = catalog.rich("revision.changed", **known, who=mention(change.by), text=one_line(change.text, _CHANGE))
    else:
        first = catalog.rich("revision.plain", **known)
    lines = differences(before, plan)
    return [plain(first, catalog.rich("revision.differs" if lines else "revision.same", **known), *lines)]


def _files(view: RunView) -> tuple[Section, ...]:
    """The text files that came with the request, each with the hash of what the agents were given."""
    lines = tuple(
        catalog.rich(
            "files.on_card",
            name=visible(each.name),
            size=catalog.number(each.size),
            digest=StyledText(each.digest, "code"),
        )
        for each in files_in(view.request.prompt)
    )
    return (Paragraph(lines=lines),) if lines else ()


def outcome_of(election: Election, what: Literal["plan", "answer"] = "plan") -> RichText:
    """How the vote on a plan, or on an answer without one, went."""
    return catalog.rich(
        f"won.{election.ending}",
        winner=f"agent{election.winner.agent}",
        what=catalog.text(f"won.{what}"),
        votes=election.votes,
        voters=election.voters,
    )


def _choice(view: RunView, state: s.AwaitingDecision) -> RichText:
    if view.because:
        return catalog.rich(f"again.{view.because}")
    preset = preset_of(view)
    if view.chosen_by is None:
        return outcome_of(state.election) if preset is None else beginning(preset)
    if view.revised and preset is not None:
        return catalog.rich(f"won.preset_{view.revised}", who=mention(view.chosen_by))
    if view.revised:
        return catalog.rich(f"won.{view.revised}", who=mention(view.chosen_by))
    return catalog.rich("won.chosen", who=mention(view.chosen_by), author=author(state.plan.author))


def _rules_now(view: RunView, state: s.AwaitingDecision) -> list[RichText]:
    """That other rules hold by now; of a plan that is asked again for that, its first line says so."""
    is_said = not state.rules_now or (state.rules_now == "changed" and view.because == "rules")
    return [] if is_said else [catalog.rich(f"now.{state.rules_now}")]


def _warnings(view: RunView, state: s.AwaitingDecision) -> list[RichText]:
    lines: list[RichText] = []
    if state.written_after_vote:
        lines.append(catalog.rich("warn.after_vote", author=author(state.plan.author)))
    if not state.election.is_consensus and preset_of(view) is None:
        lines.append(catalog.rich("warn.no_consensus"))
    lines += not_undone(view)
    if any(call.is_destructive for call in state.plan.calls):
        lines.append(catalog.rich("warn.destroys"))
    if left_out := _left_out(view, state):
        lines.append(catalog.rich("warn.left_out", count=left_out, agent=author(state.plan.author)))
    if referring := [str(number) for number, call in enumerate(state.plan.calls, 1) if call.references]:
        lines.append(catalog.rich("warn.reference", count=len(referring), numbers=", ".join(referring)))
    lines += _twice(state.plan)
    if hides_secrets(state.plan):
        lines.append(catalog.rich("warn.secret"))
    return lines + _first_few(_large_numbers(state.plan)) + _first_few(_alike(state.plan))


def _left_out(view: RunView, state: s.AwaitingDecision) -> int:
    """How many calls the plan's agent wanted besides, for which a plan has no room."""
    if view.chosen_by is None or view.revised:
        return state.election.winner.left_out
    chosen = (each for each in state.ballot.newest().values() if f"agent{each.agent}" == author(state.plan.author))
    return next((each.left_out for each in chosen), 0)


def _twice(plan: Plan) -> list[RichText]:
    """Which calls are the same to the letter: an agent that answered once more may have planned everything twice."""
    alike: dict[tuple[str, str, str, tuple[Reference, ...]], list[str]] = {}
    for number, call in enumerate(plan.calls, 1):
        alike.setdefault((call.server, call.tool, call.arguments, call.references), []).append(str(number))
    groups = [numbers for numbers in alike.values() if len(numbers) > 1]
    return _first_few([catalog.rich("warn.twice", numbers=", ".join(numbers)) for numbers in groups])


_MOST_WARNED = 3


def _first_few(lines: list[RichText]) -> list[RichText]:
    """A few warnings of a kind, and how many more there are: sixty of them would leave no room for the calls."""
    rest = len(lines) - _MOST_WARNED
    return lines if rest < 2 else [*lines[:_MOST_WARNED], catalog.rich("warn.more", count=rest)]


def _large_numbers(plan: Plan) -> list[RichText]:
    return [
        catalog.rich("warn.large_number", number=number, names=", ".join(names))
        for number, call in enumerate(plan.calls, 1)
        if (names := rounded_by_others(call.arguments))
    ]


def _alike(plan: Plan) -> list[RichText]:
    return [
        catalog.rich(
            "warn.lookalike",
            number=number,
            names=", ".join(shown_name(name) for name in alike),
            characters=_described(alike),
        )
        for number, call in enumerate(plan.calls, 1)
        if (alike := lookalikes_in(call.arguments))
    ]


_MOST_DESCRIBED = 3


def _described(alike: Mapping[str, tuple[str, ...]]) -> str:
    """The first few of the characters, as Unicode calls them."""
    characters = list(dict.fromkeys(character for each in alike.values() for character in each))
    told = [f"U+{ord(each):04X} {unicodedata.name(each, '')}".strip() for each in characters[:_MOST_DESCRIBED]]
    return ", ".join([*told, *(["…"] if len(characters) > _MOST_DESCRIBED else [])])


def _echoes(view: RunView, plan: Plan) -> list[RichText]:
    """Whose words the calls repeat: of text that a tool read, nobody here is the author."""
    lines: list[RichText] = []
    for number, origins in enumerate(origins_of(plan, view.sources, view.request.prompt), 1):
        told = [each for each in origins if each.is_in_text]
        if told:
            names = ", ".join(dict.fromkeys(shown_name(each.argument) for each in told))
            tools = ", ".join(dict.fromkeys(visible(each.tool) for each in told))
            lines.append(catalog.rich("warn.echo", number=number, names=names, tools=StyledText(tools, "code")))
    return _first_few(lines)


def _needs(state: s.AwaitingDecision) -> list[RichText]:
    until = catalog.rich("needs.until", until=Timestamp(state.plan.expires_at, is_countdown=True))
    lines = [joined([approvers(state.plan.policy), until], " · ")]
    authors = _barred(state)
    if authors:
        lines.append(catalog.rich("needs.not_authors", who=people(authors)))
    if state.approvals:
        lines.append(given(state.plan.policy, state.approvals))
    lines += may_break_glass(state.plan.policy)
    return lines + _first_few(_by_day(state)) + _first_few(_by_call(state.plan))


def _by_day(state: s.AwaitingDecision) -> list[RichText]:
    """Which of the day's calls these would be, where rules have a cap, as of the moment that the plan was made."""
    started, own = (
        dict(state.started_today),
        Counter(name for call in state.plan.calls for name, _ in call.needs.per_day),
    )
    return [
        catalog.rich(
            "needs.per_day",
            match=StyledText(match_of(name), "code"),
            number=started.get(name, 0) + own[name],
            most=most,
        )
        for name, most in state.plan.needs.per_day
    ]


def _by_call(plan: Plan) -> list[RichText]:
    """Which calls need whose approval, where a rule says so of single ones."""
    numbers: dict[tuple[Quorum, ...], list[str]] = {}
    for number, call in enumerate(plan.calls, 1):
        if call.needs.quorums:
            numbers.setdefault(call.needs.quorums, []).append(str(number))
    return [
        catalog.rich("needs.call", count=len(calls), numbers=", ".join(calls), places=places(quorums))
        for quorums, calls in numbers.items()
    ]


def _barred(state: s.AwaitingDecision) -> tuple[Person, ...]:
    """Who may not approve because of their own words, the requester aside, of whom the rule speaks itself."""
    authors = s.authors_of(state)
    others: tuple[Person, ...] = ()
    for person in (*authors.earlier, *authors.shapers):
        if not person.is_same_as(authors.requester) and judge_own(state.plan.policy, person, authors) is not None:
            others = s.with_person(others, person)
    return others


def _buttons(view: RunView, state: s.AwaitingDecision, calls: tuple[CallItem, ...]) -> tuple[Button, ...]:
    here, break_glass = target(view, state.plan), catalog.text("button.break_glass")
    return (
        Button(
            action=Action.APPROVE,
            label=catalog.text("button.approve", count=len(calls)),
            target=here,
            weight="main",
            confirmation=_confirmation(calls),
            needs_whole_plan=True,
        ),
        Button(action=Action.REJECT, label=catalog.text("button.reject"), target=here, weight="danger"),
        Button(action=Action.CHANGE, label=catalog.text("button.change"), target=here),
        *(
            [Button(action=Action.SELECT, label=catalog.text("button.select"), target=here)]
            if 1 < len(calls) <= MOST_OPTIONS
            else []
        ),
        *(
            [Button(action=Action.WITHDRAW, label=catalog.text("button.withdraw"), target=here)]
            if state.approvals
            else []
        ),
        *(
            [Button(action=Action.BREAK_GLASS, label=break_glass, target=here, weight="danger", needs_whole_plan=True)]
            if state.plan.policy.break_glass is not None
            else []
        ),
        Button(action=Action.DETAILS, label=catalog.text("button.details"), target=here),
    )


def _confirmation(calls: tuple[CallItem, ...]) -> Confirmation | None:
    """Destructive or many calls are named once more."""
    risky = tuple(call for call in calls if call.is_destructive)
    if not risky and len(calls) <= MANY_CALLS:
        return None
    lines = tuple(
        catalog.rich("confirm.call", number=call.number, server=call.server, tool=call.tool, arguments=_gist(call))
        for call in calls
    )
    key = "confirm.destroys" if risky else "confirm.many"
    return Confirmation(
        title=catalog.text(key, count=len(risky) or len(calls)),
        lines=lines,
        notes=tuple(", ".join(call.notes) for call in calls),
        yes=catalog.text("button.approve", count=len(calls)),
    )


_GIST = 160


def _gist(call: CallItem) -> str:
    """The beginning of a call's arguments."""
    text = ", ".join(f"{argument.name} {argument.text}" for argument in call.arguments)
    words = " ".join(text.split())
    return words if len(words) <= _GIST else f"{head_of(words, _GIST - 1)}…"


def _menus(view: RunView, state: s.AwaitingDecision) -> tuple[Menu, ...]:
    """The other agents' newest plans, for a person who prefers one; and what may be edited in this one."""
    here = target(view, state.plan)
    options = tuple(
        Option(
            value=str(answer.agent),
            label=catalog.text(
                "choose.option", agent=f"agent{answer.agent}", calls=catalog.text("calls", count=len(answer.calls))
            ),
            description=one_line(answer.text, 100),
        )
        for answer in state.ballot.newest().values()
        if answer.calls and f"agent{answer.agent}" != author(state.plan.author)
    )
    menus = (
        Menu(action=Action.CHOOSE, label=catalog.text("choose.label"), target=here, options=options),
        Menu(action=Action.EDIT, label=catalog.text("edit.label"), target=here, options=edit_options(state.plan)),
    )
    return (*(menu for menu in menus if menu.options), *grant_menus(view, state.plan))
