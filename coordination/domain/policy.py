"""Who may decide on a plan, and as whom: default deny, and every refusal has a name."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from coordination.domain.break_glass import BreakGlass
from coordination.domain.canonical_json import Json
from coordination.domain.quorums import Needs, Quorum, seated, union

POLICY_ACTOR = "massgen-bot:policy"
"""The account of the actor in whose name rules approve: nobody's."""

UNKNOWN_TEAM = "?"
"""The home of an account about which its product tells nothing: nobody may take it for a member."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person as their platform vouches for them.

    Attributes:
        tenant: the server (Discord), workspace (Slack) or `console` they act in.
        id: stable within the tenant; never a display name.
        name: for people to read.
        roles: the ids or names of their roles at the moment they act.
        is_admin: whether the platform says that they administer this tenant.
        home_team: where the account belongs, if that is not this tenant; `UNKNOWN_TEAM` where the product does not say.
        is_guest: whether they see only what they were invited to, or have not passed the tenant's screening.
        is_bot: whether a program acts.
        is_deleted: whether the account was closed, or has left the tenant.
        shown_as: the name that others see when they act, which anybody may change to any; of a console, none.
        email: the address that the platform has confirmed, if the operator has it recorded.
        host: the machine at whose terminal they act; of a chat, none.
        global_id: the account's id in the whole organization, where the platform has one besides `id`.
    """

    tenant: str
    id: str
    name: str
    roles: tuple[str, ...] = ()
    is_admin: bool = False
    home_team: str = ""
    is_guest: bool = False
    is_bot: bool = False
    is_deleted: bool = False
    shown_as: str = field(default="", compare=False)
    email: str = field(default="", compare=False)
    host: str = field(default="", compare=False)
    global_id: str = field(default="", compare=False)

    @property
    def is_external(self) -> bool:
        """Whether they are anything but a full member: such people ask and decide only where that was allowed."""
        return bool(self.home_team) or self.is_guest or self.is_bot or self.is_deleted

    def is_same_as(self, other: "Person") -> bool:
        """Whether both are one account, whatever their names and roles are now."""
        return (self.tenant, self.id) == (other.tenant, other.id)


def policy_actor(tenant: str) -> Person:
    """The actor in whose name a plan of only `auto` calls is approved: the operator's own rule."""
    return Person(tenant=tenant, id=POLICY_ACTOR, name="the operator's rules")


class Refusal(StrEnum):
    """Why a person's action changes nothing."""

    EXPIRED = "expired"
    STALE_PLAN = "stale_plan"
    ALREADY_DECIDED = "already_decided"
    ALREADY_APPROVED = "already_approved"
    NOT_NEEDED = "not_needed"
    NOT_AN_APPROVER = "not_an_approver"
    OWN_REQUEST = "own_request"
    OWN_WORDS = "own_words"
    NOBODY_LEFT = "nobody_left"
    OTHER_TENANT = "other_tenant"
    NOTHING_TO_DECIDE = "nothing_to_decide"
    NOTHING_TO_CANCEL = "nothing_to_cancel"
    NOTHING_TO_RESOLVE = "nothing_to_resolve"
    STILL_UNDER_WAY = "still_under_way"
    ALREADY_SAID = "already_said"
    NOT_YOURS = "not_yours"
    EXTERNAL = "external"
    DENIED_NOW = "denied_now"
    NOT_AT_THIS_HOUR = "not_at_this_hour"
    NONE_LEFT_TODAY = "none_left_today"
    STRICTER_NOW = "stricter_now"
    RULES_UNREADABLE = "rules_unreadable"
    STORED_CONFIG_CHANGED = "stored_config_changed"
    APPROVERS_UNREADABLE = "approvers_unreadable"
    NOTHING_TO_ANSWER = "nothing_to_answer"
    NOT_ASKED = "not_asked"
    NOT_APPROVED = "not_approved"
    NO_GRANTS = "no_grants"
    NO_BREAK_GLASS = "no_break_glass"
    NOT_FOR_BREAK_GLASS = "not_for_break_glass"
    OWN_BREAK_GLASS = "own_break_glass"


class RunAction(StrEnum):
    """What a person asks of a plan."""

    APPROVE = "approve"
    BREAK_GLASS = "break_glass"
    REJECT = "reject"
    CHANGE = "change"
    WITHDRAW = "withdraw"
    GRANT = "grant"
    CANCEL = "cancel"
    RESOLVE = "resolve"
    ANSWER = "answer"


RULES_VERSION = 3
"""What a run that begins now is judged by, now and on every later replay of its log.

Logs of version 1 were written by programs that knew no authors, those of version 2 by programs that let one approver
have a call in doubt run again. Both are replayed by what those programs asked for.
"""


@dataclass(frozen=True, kw_only=True)
class Authors:
    """Whose words a plan was made of.

    Attributes:
        requester: who asked for this run.
        earlier: who asked for the runs that this one repeats or goes on from: their prompt is in it too.
        shapers: who asked for a change, or chose another agent's plan, in this run or in one that it goes on from.
    """

    requester: Person
    earlier: tuple[Person, ...] = ()
    shapers: tuple[Person, ...] = ()

    def asked(self, person: Person) -> bool:
        """Whether the person wrote the prompt, or one that it goes on from."""
        return any(person.is_same_as(each) for each in (self.requester, *self.earlier))

    def shaped(self, person: Person) -> bool:
        """Whether the plan is as it is because of the person's words."""
        return any(person.is_same_as(each) for each in self.shapers)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The approval rule of one plan, fixed when the plan is proposed.

    With neither `roles` nor `users`, any full member of the tenant may decide.

    Attributes:
        roles: ids of roles, any of which makes an approver.
        users: ids of accounts that are approvers by themselves. Names are nobody's for good, and match nothing.
        required: how many different people must approve.
        allow_requester: whether the one who asked may be among them, whatever else they said of the plan.
        allow_author: whether others who shaped the plan may be.
        expires_after: seconds from proposal to expiry.
        allow_external: whether guests, bots and people of other organizations may decide like members.
        binds_automatic: whether it holds for plans of `auto` calls alone, too; else they need nobody.
        is_quiet: whether a plan waits without a line that notifies the roles.
        quorums: who must approve besides, because of single calls; different people for each.
        operator: stands for the operator's own rules, under which the plan was made; empty where there were none.
        approvals_channel: the id of the channel in a chat where plans that wait are shown besides; empty: in none.
        shows_private: whether also those are that were asked for where not everybody can read.
        allow_grants: whether standing grants count as their grantors' approvals.
        break_glass: who may approve alone in an emergency; None: nobody.
    """

    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    required: int = 1
    allow_requester: bool = False
    expires_after: int = 86_400
    allow_author: bool = False
    allow_external: bool = False
    binds_automatic: bool = False
    is_quiet: bool = False
    quorums: tuple[Quorum, ...] = ()
    operator: str = ""
    approvals_channel: str = ""
    shows_private: bool = False
    allow_grants: bool = False
    break_glass: BreakGlass | None = None

    @property
    def places(self) -> tuple[Quorum, ...]:
        """All whose approval is needed, different people for each.

        Where the rule itself names nobody, whoever approves because of a call counts for it as well.
        """
        own = Quorum(roles=self.roles, users=self.users, required=self.required)
        if not own.is_open:
            return union((own,), self.quorums)
        rest = self.required - sum(each.required for each in self.quorums)
        return (*self.quorums, Quorum(required=rest)) if rest > 0 else self.quorums

    @property
    def needed(self) -> int:
        """How many different people must approve."""
        return sum(each.required for each in self.places)

    def channels(self, approvals: Sequence[Person] = ()) -> tuple[str, ...]:
        """Where a plan is also shown after these approvals: its own channel, and those of the places that are left."""
        left = seated(self.places, approvals).waiting
        named = [channel for each in left for channel in each.channels]
        return tuple(dict.fromkeys(filter(None, (self.approvals_channel, *named))))

    def names(self, person: Person) -> bool:
        """Whether the person has a say, self-approval aside."""
        if self.excludes(person):
            return False
        own = Quorum(roles=self.roles, users=self.users)
        return any(each.names(person) for each in (own, *self.quorums))

    def counts(self, person: Person, given: Sequence[Person] = ()) -> bool:
        """Whether the person's approval brings the plan further, beside those that were given."""
        return not self.excludes(person) and seated(self.places, given).seat(person)

    def only(self, quorum: Quorum) -> "Policy":
        """This rule with no other place than these."""
        return replace(self, roles=quorum.roles, users=quorum.users, required=quorum.required, quorums=())

    @property
    def alone(self) -> "Policy":
        """This rule for whoever approves alone in an emergency, if there is anybody."""
        rule = self.break_glass
        return self if rule is None else self.only(rule.people)

    def with_needs(self, needs: Needs) -> "Policy":
        """This rule for a plan with calls that need this besides."""
        everybody = max((each.required for each in needs.quorums if each.is_open), default=0)
        expiry = self.expires_after if needs.expires_after is None else min(self.expires_after, needs.expires_after)
        return replace(
            self,
            required=max(self.required, everybody),
            allow_requester=self.allow_requester and not needs.bars_requester,
            allow_author=self.allow_author and not needs.bars_author,
            expires_after=expiry,
            allow_grants=self.allow_grants and not needs.bars_grants,
            break_glass=None if self.break_glass is None else self.break_glass.with_needs(needs),
            quorums=union(self.quorums, [each for each in needs.quorums if not each.is_open]),
        )

    def excludes(self, person: Person) -> bool:
        """Whether the person decides nothing, whoever is named: a stranger, or an account that is closed."""
        return person.is_deleted or (person.is_external and not self.allow_external)

    def stricter(self, now: "Policy") -> "Policy":
        """This rule, made as strict as another that holds now; the same rule where nothing of that is stricter.

        Whoever is named now replaces whom this rule names, unless everybody of this rule is named there too.
        """
        is_open = not self.roles and not self.users
        keeps = set(self.roles) <= set(now.roles) and set(self.users) <= set(now.users)
        replaces = bool(now.roles or now.users) and (is_open or not keeps)
        return replace(
            self,
            roles=now.roles if replaces else self.roles,
            users=now.users if replaces else self.users,
            required=max(self.required, now.required),
            allow_requester=self.allow_requester and now.allow_requester,
            allow_author=self.allow_author and now.allow_author,
            allow_external=self.allow_external and now.allow_external,
            allow_grants=self.allow_grants and now.allow_grants,
            break_glass=None if self.break_glass is None else self.break_glass.stricter(now.break_glass),
            expires_after=min(self.expires_after, now.expires_after),
            binds_automatic=self.binds_automatic or now.binds_automatic,
            quorums=union(self.quorums, now.quorums),
        )

    def as_json(self) -> Json:
        """The policy as it enters a plan's digest; what plans did not have once is there only where it is set."""
        fields: dict[str, Json] = {
            "roles": list(self.roles),
            "users": list(self.users),
            "required": self.required,
            "allow_requester": self.allow_requester,
            "expires_after": self.expires_after,
        }
        later: dict[str, Json] = {
            "allow_author": self.allow_author,
            "allow_external": self.allow_external,
            "binds_automatic": self.binds_automatic,
            "is_quiet": self.is_quiet,
            "quorums": [each.as_json() for each in self.quorums],
            "operator": self.operator,
            "approvals_channel": self.approvals_channel,
            "shows_private": self.shows_private,
            "allow_grants": self.allow_grants,
            "break_glass": None if self.break_glass is None else self.break_glass.as_json(),
        }
        return fields | {name: value for name, value in later.items() if value}


def judge(
    policy: Policy,
    action: RunAction,
    *,
    by: Person,
    authors: Authors,
    approvals: Sequence[Person],
    at: datetime,
    expires_at: datetime,
    version: int = RULES_VERSION,
) -> Refusal | None:
    """Whether a person may decide on a plan; None means that they may. Who may stop a run is `judge_stop`'s question.

    `version` is that of the rules which the run began under.
    """
    if by.tenant != authors.requester.tenant:
        return Refusal.OTHER_TENANT
    if at >= expires_at and action is not RunAction.RESOLVE:
        return Refusal.EXPIRED
    if action in (RunAction.REJECT, RunAction.CHANGE) and by.is_same_as(authors.requester):
        return None
    if policy.excludes(by):
        return Refusal.EXTERNAL
    if action is RunAction.BREAK_GLASS:
        return _judge_break_glass(policy.break_glass, by, authors)
    if not policy.names(by) and not _was_named(policy, by, version):
        return Refusal.NOT_AN_APPROVER
    if action in (RunAction.APPROVE, RunAction.RESOLVE):
        return judge_own(policy, by, authors, version) or _judge_count(policy, action, by, approvals)
    return None


def _judge_break_glass(rule: BreakGlass | None, by: Person, authors: Authors) -> Refusal | None:
    if rule is None:
        return Refusal.NO_BREAK_GLASS
    if not rule.names(by):
        return Refusal.NOT_FOR_BREAK_GLASS
    is_own = authors.asked(by) or authors.shaped(by)
    return Refusal.OWN_BREAK_GLASS if is_own and not rule.allow_requester else None


def judge_stop(policy: Policy | None, *, by: Person, requester: Person, approvals: Sequence[Person]) -> Refusal | None:
    """Whether a person may stop a run, at any time; None means that they may.

    `policy` is the rule of the newest plan, None where there was none yet. Whoever approved may take that back, though
    the rule names them no longer.
    """
    if by.tenant != requester.tenant:
        return Refusal.OTHER_TENANT
    has_approved = any(by.is_same_as(person) for person in approvals)
    is_named = policy is not None and policy.names(by)
    return None if by.is_same_as(requester) or by.is_admin or has_approved or is_named else Refusal.NOT_YOURS


def leaves_nobody(policy: Policy, authors: Authors, *, others: int | None = None) -> bool:
    """Whether no plan of these authors could be approved, as far as can be told.

    `others` is how many people, at most, have a role of the rule, those `apart_from` it aside; None: nobody knows. What
    calls need besides is looked at as far as it names people by their accounts.
    """
    if _lacks_people(policy, authors):
        return True
    if (policy.roles and others is None) or not (policy.roles or policy.users):
        return False
    people = [Person(tenant=authors.requester.tenant, id=user, name="") for user in dict.fromkeys(policy.users)]
    named = sum(judge_own(policy, person, authors) is None for person in people)
    return named + (others or 0) < policy.required


def _lacks_people(policy: Policy, authors: Authors) -> bool:
    """Whether there are too few accounts for the places that name nothing but accounts."""
    places = [each for each in policy.places if policy.quorums and each.users and not each.roles]
    accounts = dict.fromkeys(user for each in places for user in each.users)
    people = [Person(tenant=authors.requester.tenant, id=user, name="") for user in accounts]
    return not seated(places, [each for each in people if judge_own(policy, each, authors) is None]).are_full


def apart_from(policy: Policy, authors: Authors) -> tuple[str, ...]:
    """The accounts that do not count among those who have a role.

    They are named themselves, or their words are in the plan.
    """
    people = (authors.requester, *authors.earlier, *authors.shapers)
    barred = (person.id for person in people if judge_own(policy, person, authors) is not None)
    return tuple(dict.fromkeys((*policy.users, *barred)))


def judge_own(policy: Policy, by: Person, authors: Authors, version: int = RULES_VERSION) -> Refusal | None:
    """Whether a person's own words are in the plan, so that their yes does not count; None: it does.

    What `allow_requester` allows who asked, it allows them whatever else they said.
    """
    is_asker = authors.asked(by) if version > 1 else by.is_same_as(authors.requester)
    if is_asker:
        return None if policy.allow_requester else Refusal.OWN_REQUEST
    return Refusal.OWN_WORDS if version > 1 and authors.shaped(by) and not policy.allow_author else None


def _was_named(policy: Policy, by: Person, version: int) -> bool:
    """Whether the rule called this person by name, when names counted: logs of that time are replayed as they were."""
    return version == 1 and by.name in policy.users


def _judge_count(policy: Policy, action: RunAction, by: Person, approvals: Sequence[Person]) -> Refusal | None:
    """Whether a yes adds nothing: its person gave one before, none of theirs is needed, or no more of theirs."""
    is_approval = action is RunAction.APPROVE
    if is_approval and any(by.is_same_as(person) for person in approvals):
        return Refusal.ALREADY_APPROVED
    if not policy.quorums:
        return None
    if not policy.counts(by):
        return Refusal.NOT_AN_APPROVER
    return None if not is_approval or policy.counts(by, approvals) else Refusal.NOT_NEEDED
