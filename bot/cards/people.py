"""People and roles, as cards name them."""

from bot.cards.text import one_line
from bot.i18n import Words, joined
from bot.message import Line, Who
from bot.people import account_name
from coordination.domain.person import Person
from coordination.domain.policy import Policy

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
