"""What every card of a run shares: title, reference, calls, what agents wrote, and how people are named."""

from bot.cards.run_view import RunView
from bot.cards.text import arguments_of, one_line, visible
from bot.environment import account_name
from bot.i18n import Words, joined
from bot.message import CallItem, Line, Mark, Paragraph, Span, Target, Who
from coordination.domain.plan import Plan, PlannedCall, short
from coordination.domain.policy import Person, Policy

_NAME = 60


def who(person: Person) -> Who:
    """A person as a card names them."""
    return Who(person.id, one_line(person.name, _NAME))


def people(persons: tuple[Person, ...]) -> Line:
    """Several people, with commas."""
    return joined([(who(person),) for person in persons], ", ")


def approvers(policy: Policy, words: Words) -> Line:
    """Whom a plan needs: how many, of whom, and whether the one who asked is among them."""
    named = [(Who(role, one_line(role, _NAME), "role"),) for role in policy.roles]
    named += [(Who(user, one_line(account_name(user), _NAME)),) for user in policy.users]
    if named:
        needed = words.line("needs.named", number=policy.required, names=joined(named, ", "))
    else:
        needed = words.line("needs.anyone", count=policy.required)
    requester = () if policy.allow_requester else words.line("needs.not_requester")
    return joined([needed, requester], " · ")


_TITLE = 160
_TARGET = 300


def title(view: RunView, words: Words) -> Line:
    """What was asked, in quotes, shortened."""
    return words.line("card.title", prompt=one_line(view.request.prompt, _TITLE))


def reference(view: RunView, words: Words, plan: Plan | None = None) -> Line:
    """Run, plan, configuration and requester."""
    parts = [words.line("card.run", run=Span(visible(view.run), "bold"))]
    if plan is not None:
        parts.append(words.line("card.plan", plan=Span(short(plan.digest), "bold")))
    parts.append(words.line("card.config", config=visible(view.request.config)))
    parts.append(words.line("card.asked_by", who=who(view.request.requester)))
    return joined(parts, " · ")


def quoted(text: str) -> Paragraph:
    """Somebody's words, line by line, whole."""
    lines = text.replace("\r\n", "\n").strip("\n").split("\n")
    return Paragraph(lines=tuple((Span(visible(line)),) for line in lines), is_quoted=True)


def plain(*lines: Line) -> Paragraph:
    """Our own words."""
    return Paragraph(lines=tuple(line for line in lines if line))


def call_item(number: int, call: PlannedCall, words: Words, mark: Mark = Mark.WAITING, outcome: Line = ()) -> CallItem:
    """One call with everything that is sent, and what a person should know before a yes."""
    notes = [words.say("call.automatic")] if call.is_automatic else [words.say("call.writes")]
    if call.is_destructive:
        notes.append(words.say("call.destroys"))
    return CallItem(
        number=number,
        server=visible(call.server),
        tool=visible(call.tool),
        arguments=arguments_of(call.arguments),
        notes=tuple(notes),
        is_destructive=call.is_destructive,
        mark=mark,
        outcome=outcome,
    )


def call_items(plan: Plan, words: Words) -> tuple[CallItem, ...]:
    """Every call of a plan that waits."""
    return tuple(call_item(number, call, words) for number, call in enumerate(plan.calls, 1))


def targets_of(plan: Plan) -> list[tuple[str, str]]:
    """Each server of a plan's calls and where they go. Plans of earlier versions don't say."""
    return list(dict.fromkeys((call.server, call.target) for call in plan.calls if call.target))


def targets(plan: Plan, words: Words) -> list[Paragraph]:
    """Where the calls of a plan go: one line for each server."""
    lines = [
        words.line("plan.target", server=Span(visible(server), "bold"), target=Span(one_line(where, _TARGET), "code"))
        for server, where in targets_of(plan)
    ]
    return [plain(*lines)] if lines else []


def target(view: RunView, plan: Plan | None = None, index: int | None = None) -> Target:
    """What a click on this run's card is about."""
    return Target(run=view.run, digest=plan.digest if plan else "", index=index)


def author(label: str) -> str:
    """The agent in an answer's label: `agent2` of `agent2.final`."""
    return label.partition(".")[0]


def frozen(by: Person | None, words: Words) -> list[Line]:
    """That nothing starts, and who had it so; nothing where everything may start."""
    return [] if by is None else [words.line("now.frozen", who=who(by))]
