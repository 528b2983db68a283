"""Who may approve, where an administrator said so: it narrows a configuration, and is stored with each run's copy.

The stored text of a configuration gets one more line, a comment to YAML. So the digest of the configuration covers it,
and whoever takes the run up, in whatever process, reads the same rule.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from bot.chat.config_catalog import Chosen
from bot.chat.name_pins import pins_in, with_pins
from bot.chat.private_cards import refused
from bot.chat.service_port import MOST_REQUIRED
from bot.chat.store import ChatSetting
from coordination.config import parse, read_text
from coordination.domain.policy import Policy
from coordination.domain.quorums import Needs, Quorum, side_by_side
from coordination.domain.tool_rules import Rule
from coordination.errors import ConfigError
from coordination.run_options import RunProfile

APPROVERS_KEY = "approvers"
_MOST_NAMED = 50
_MARK = "# massgen-bot approvers: "
_TOKEN = re.compile(
    r"""\s*(?:
        <@&(?P<role>\d{1,25})>
      | <!subteam\^(?P<group>[A-Z0-9]{1,25})(?:\|[^>]*)?>
      | <@!?(?P<user>[A-Z0-9]{1,25})(?:\|[^>]*)?>
      | @[^\s(@,]+\s+\((?P<named_user>[UW][A-Z0-9]{2,24})\)
      | @(?P<bare_user>[UW][A-Z0-9]{6,24})(?=[\s,]|\Z)
      | required\s*=\s*(?P<required>\d{1,3})(?=[\s,]|\Z)
      | requester\s*=\s*(?P<requester>yes|no)(?=[\s,]|\Z)
      | "@?(?P<quoted>[^"\n]{1,100})"
      | @?(?P<name>[^\s,"<>=]{1,100})
    )(?:\s*,\s*|\s+|\Z)""",
    re.VERBOSE,
)


@dataclass(frozen=True, kw_only=True)
class Approvers:
    """What was set. Without roles and users those of the configuration stay.

    With `is_pinned` the roles and users are those of the configuration itself, by their ids: nobody set them here.
    `names` has the ids of names in single rules for tools: (`role:finance`, `123`).
    """

    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    required: int | None = None
    allow_requester: bool | None = None
    is_pinned: bool = False
    names: tuple[tuple[str, str], ...] = ()

    def as_text(self) -> str:
        """As it is stored."""
        stored: dict[str, object] = {
            "roles": self.roles,
            "users": self.users,
            "required": self.required,
            "allow_requester": self.allow_requester,
        }
        stored |= {"is_pinned": True} if self.is_pinned else {}
        return json.dumps(stored | ({"names": dict(self.names)} if self.names else {}))


def approvers_from(text: str) -> Approvers:
    """What was stored."""
    stored: dict[str, object] = json.loads(text)
    required, allows = stored["required"], stored["allow_requester"]
    return Approvers(
        roles=_texts(stored["roles"]),
        users=_texts(stored["users"]),
        required=required if isinstance(required, int) else None,
        allow_requester=allows if isinstance(allows, bool) else None,
        is_pinned=stored.get("is_pinned") is True,
        names=tuple(cast("dict[str, str]", stored.get("names", {})).items()),
    )


def _texts(stored: object) -> tuple[str, ...]:
    return tuple(str(each) for each in cast("list[object]", stored)) if isinstance(stored, list) else ()


def approvers_typed(text: str) -> Approvers:
    """What a person typed: roles and people as the chat writes them, `required=2`, `requester=no`.

    Raises:
        RefusedError: it can't be understood, or nobody could ever approve.
    """
    found: dict[str, list[str]] = {"role": [], "user": [], "required": [], "requester": []}
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise refused("bad_approvers", text=text[position : position + 40])
        kind = match.lastgroup or ""
        of = {"role": "role", "group": "role", "quoted": "role", "name": "role"}.get(kind, kind)
        found["user" if of.endswith("user") else of].append(match[kind])
        position = match.end()
    return _checked(
        Approvers(
            roles=tuple(dict.fromkeys(found["role"])),
            users=tuple(dict.fromkeys(found["user"])),
            required=int(found["required"][-1]) if found["required"] else None,
            allow_requester=found["requester"][-1] == "yes" if found["requester"] else None,
        )
    )


def _checked(approvers: Approvers) -> Approvers:
    required = 1 if approvers.required is None else approvers.required
    if approvers == Approvers() or not 1 <= required <= MOST_REQUIRED:
        raise refused("bad_approvers", text=f"required={required}" if approvers.required is not None else "")
    if len(approvers.roles) + len(approvers.users) > _MOST_NAMED:
        raise refused("many_approvers", most=_MOST_NAMED)
    satisfiable(Policy(roles=approvers.roles, users=approvers.users, required=required))
    return approvers


def narrowed(policy: Policy, approvers: Approvers) -> Policy:
    """The rule of a plan: who was named replaces who the operator named; everything else only gets stricter.

    Where people or their number were set, plans of `auto` calls wait for them as well.
    """
    names_somebody = bool(approvers.roles or approvers.users)
    return replace(
        policy,
        roles=approvers.roles if names_somebody else policy.roles,
        users=approvers.users if names_somebody else policy.users,
        required=max(policy.required, approvers.required or 1),
        allow_requester=policy.allow_requester and approvers.allow_requester is not False,
        binds_automatic=policy.binds_automatic
        or (names_somebody and not approvers.is_pinned)
        or approvers.required is not None,
    )


def satisfiable(policy: Policy) -> Policy:
    """The same rule, if enough people are named to fulfil it.

    Raises:
        RefusedError: there are not.
    """
    if policy.users and not policy.roles and policy.required > len(set(policy.users)):
        raise refused("few_approvers", required=policy.required, count=len(set(policy.users)))
    return policy


def by_id(approvers: Approvers | None, rule: Policy, by_name: Policy) -> Approvers | None:
    """What was set, with the ids that a rule has in the place of names; the same where it has no names."""
    given = approvers or Approvers()
    names = {
        f"{kind}:{name}": number
        for written, pinned in zip(by_name.quorums, rule.quorums, strict=True)
        for kind, before, after in (("role", written.roles, pinned.roles), ("user", written.users, pinned.users))
        for name, number in zip(before, after, strict=True)
        if name != number
    }
    given = replace(given, names=tuple(sorted(names.items())))
    if (rule.roles, rule.users) != (by_name.roles, by_name.users):
        is_pinned = not (given.roles or given.users)
        given = replace(given, roles=rule.roles, users=rule.users, is_pinned=is_pinned)
    return approvers if given == (approvers or Approvers()) else given


def approvers_here(channel: str, channel_settings: Mapping[tuple[str, str], ChatSetting]) -> Approvers | None:
    """What was set for a channel, else for the whole server; the two are not mixed."""
    setting = channel_settings.get((channel, APPROVERS_KEY)) or channel_settings.get(("", APPROVERS_KEY))
    return None if setting is None else approvers_from(setting.value)


def with_approvers(config_text: str, approvers: Approvers | None) -> str:
    """A configuration's text, with the rule in its last line."""
    if approvers is None:
        return config_text
    end = "" if config_text.endswith("\n") or not config_text else "\n"
    return f"{config_text}{end}{_MARK}{approvers.as_text()}\n"


def without_approvers(config_text: str) -> str:
    """A configuration's text as its file has it."""
    head, _, last = config_text.rstrip("\n").rpartition("\n")
    return f"{head}\n" if last.startswith(_MARK) else config_text


def approvers_in(config_text: str) -> Approvers | None:
    """The rule in a text's last line."""
    last = config_text.rstrip("\n").rpartition("\n")[2]
    return approvers_from(last.removeprefix(_MARK)) if last.startswith(_MARK) else None


async def rule_here(
    chosen: Chosen, channel: str, channel_settings: Mapping[tuple[str, str], ChatSetting]
) -> Policy | None:
    """The rule; None if the configuration can't be read, for which there are better places to say so."""
    try:
        policy = await asyncio.to_thread(_policy_of, chosen)
    except ConfigError:
        return None
    approvers = approvers_here(channel, channel_settings)
    return policy if approvers is None else narrowed(policy, approvers)


async def names_here(
    chosen: Chosen, channel: str, channel_settings: Mapping[tuple[str, str], ChatSetting]
) -> Policy | None:
    """The same with everybody whom single rules for tools and break-glass name, whose names have to become ids."""
    rule = await rule_here(chosen, channel, channel_settings)
    return None if rule is None else replace(rule, quorums=named_in(await asyncio.to_thread(_profile_of, chosen)))


def quorums_in(profile: RunProfile) -> tuple[Quorum, ...]:
    """Everybody whom the rules for tools name, each set of people once."""
    rules = [rule for agent in profile.agents for rule in agent.rules]
    return tuple(
        dict.fromkeys(
            each for rule in rules for needs in (rule.needs, rule.if_from_read.needs) for each in needs.quorums
        )
    )


def named_in(profile: RunProfile) -> tuple[Quorum, ...]:
    """Everybody who is named besides the approvers of any plan: by the rules for tools, and for break-glass."""
    rule = profile.policy.break_glass
    return quorums_in(profile) if rule is None else (*quorums_in(profile), rule.people)


def renamed(profile: RunProfile, name: Callable[[str, str], str]) -> RunProfile:
    """The same with what `name` makes, by (kind, name), of roles and users in its rules for tools and break-glass."""

    def of(each: Quorum) -> Quorum:
        roles, users = (name("role", role) for role in each.roles), (name("user", user) for user in each.users)
        return replace(each, roles=tuple(roles), users=tuple(users))

    def needed(needs: Needs) -> Needs:
        return replace(needs, quorums=side_by_side(of(each) for each in needs.quorums))

    def by_rule(rule: Rule) -> Rule:
        if not rule.needs.quorums and not rule.if_from_read.needs.quorums:
            return rule
        more = replace(rule.if_from_read, needs=needed(rule.if_from_read.needs))
        return replace(rule, needs=needed(rule.needs), if_from_read=more)

    agents = tuple(replace(agent, rules=tuple(by_rule(rule) for rule in agent.rules)) for agent in profile.agents)
    alone = profile.policy.break_glass
    policy = replace(profile.policy, break_glass=None if alone is None else alone.renamed(name))
    return replace(profile, agents=agents, policy=policy)


def check_readable(path: Path) -> None:
    """Whether a run could begin with this configuration, as far as its text tells.

    Raises:
        ConfigError: it can't be read, or has no meaning.
    """
    parse(read_text(path), origin=str(path), environ=None).profile(allow_requester_default=False)


def _policy_of(chosen: Chosen) -> Policy:
    """What the file says. Its variables stay as they are written: no secret is read for this."""
    return _profile_of(chosen).policy


def _profile_of(chosen: Chosen) -> RunProfile:
    settings = parse(read_text(chosen.path), origin=str(chosen.path), environ=None)
    return settings.profile(allow_requester_default=False)


def text_here(text: str, origin: str, channel: str, channel_settings: Mapping[tuple[str, str], ChatSetting]) -> str:
    """A configuration's text with what was set here, and with the ids that its names are pinned to.

    Nothing is looked up.

    Raises:
        ConfigError: the text can't be used.
    """
    approvers = approvers_here(channel, channel_settings)
    profile = parse(text, origin=origin, environ=None).profile(allow_requester_default=False)
    rule = profile.policy if approvers is None else narrowed(profile.policy, approvers)
    rule = replace(rule, quorums=named_in(profile))
    return with_approvers(text, by_id(approvers, with_pins(rule, pins_in(channel_settings)), rule))
