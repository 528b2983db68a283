"""People and roles that a configuration calls by name.

Each is looked up once, pinned to one id, and matched by that alone.

Whoever can rename themselves or make a role could otherwise become an approver. A pin stays what it is when somebody
takes the name later; an administrator who selects or checks a configuration has its names looked up anew.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import cast

from bot.cards.text import one_line
from bot.chat.platform import (
    ChannelRef,
    CountsRoles,
    Kind,
    KnowsBots,
    MayHideRoles,
    MessageNotFound,
    MissingPermission,
    NameDirectory,
    RateLimited,
)
from bot.chat.private_cards import refused
from bot.chat.store import ChatSetting, ChatStore
from coordination.domain.policy import POLICY_ACTOR, Policy
from coordination.domain.quorums import Quorum
from coordination.ports import Clock

PINS_KEY = "names"
_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class NamePins:
    """Pins names to ids, tenant by tenant. Where a chat has no directory, names stay as they are and match nobody."""

    store: ChatStore
    clock: Clock
    directories: Mapping[str, NameDirectory]

    async def pinned(
        self,
        policy: Policy,
        place: ChannelRef,
        channel_settings: Mapping[tuple[str, str], ChatSetting],
        *,
        afresh: bool = False,
        is_strict: bool = False,
    ) -> Policy:
        """The rule with an id in the place of each name. A name that nobody has is left out.

        `afresh` looks up again what is pinned, as an administrator wants it. With `is_strict` a name that nobody has is
        refused, and nothing is remembered.

        Raises:
            RefusedError: a name is nobody's or more than one's, or the chat does not tell.
        """
        directory = self.directories.get(place.platform)
        own = [*(("role", each) for each in policy.roles), *(("user", each) for each in policy.users)]
        named = [*own, *_named_besides(policy)]
        if directory is None or not named:
            return policy
        before: Mapping[str, str] = {} if afresh else pins_in(channel_settings)
        pins = dict(before)
        for kind, name in cast("list[tuple[Kind, str]]", named):
            if not directory.is_id(kind, name) and f"{kind}:{name}" not in pins:
                pins[f"{kind}:{name}"] = await self._found(directory, place.tenant, kind, name)
        lost = [name for kind, name in named if pins.get(f"{kind}:{name}") == ""]
        if is_strict and lost:
            raise refused("names_nobody", names=", ".join(one_line(name, _SHOWN) for name in lost))
        if pins != before and not is_strict:
            await self._keep(place.tenant, {**pins_in(channel_settings), **pins})
        rule = with_pins(policy, pins)
        if own and not rule.roles and not rule.users:
            raise refused("names_nobody", names=", ".join(one_line(name, _SHOWN) for _, name in own))
        return rule

    async def check(self, policy: Policy, place: ChannelRef) -> None:
        """Hold a rule of ids against the place: everybody whom it names is there and can decide, and they are enough.

        Raises:
            RefusedError: somebody is not, they are not, or the chat does not tell.
        """
        directory = self.directories.get(place.platform)
        if directory is None:
            return
        named = [*(("role", each) for each in policy.roles), *(("user", each) for each in policy.users)]
        for kind, number in cast("list[tuple[Kind, str]]", named):
            try:
                name = await directory.name_of(place.tenant, kind, number)
                knows_bots = directory if kind == "user" and isinstance(directory, KnowsBots) else None
                is_bot = knows_bots is not None and name is not None and await knows_bots.is_bot(place.tenant, number)
            except MissingPermission as error:
                raise refused("name_hidden", name=one_line(number, _SHOWN), reason=str(error)) from None
            except (MessageNotFound, RateLimited):
                raise refused("name_unknown", name=one_line(number, _SHOWN)) from None
            if name is None:
                raise refused("names_nobody", names=one_line(number, _SHOWN))
            if is_bot:
                raise refused("no_person", name=one_line(name, _SHOWN))
        if policy.roles and isinstance(directory, CountsRoles):
            with suppress(
                MessageNotFound, MissingPermission, RateLimited
            ):  # Where it does not count, nothing is known.
                others = await directory.others_in(place.tenant, policy.roles, ())
                if others is not None and others + len(set(policy.users)) < policy.required:
                    raise refused("few_approvers", required=policy.required, count=others + len(set(policy.users)))

    async def why_hidden(self, policy: Policy, platform: str, tenant: str) -> str:
        """Why nobody can be seen to have a role that a rule names; empty: it names none, or nothing is in the way."""
        people = [*policy.places, *([] if policy.break_glass is None else [policy.break_glass.people])]
        chat: object = self.directories.get(platform)
        roles = list(dict.fromkeys(role for each in people for role in each.roles))
        return await chat.why_roles_hidden(tenant, roles) if isinstance(chat, MayHideRoles) and roles else ""

    async def _found(self, directory: NameDirectory, tenant: str, kind: Kind, name: str) -> str:
        """The one id that a name stands for; empty where nobody has it.

        Raises:
            RefusedError: it stands for several, or the chat does not tell.
        """
        try:
            found = list(dict.fromkeys(await directory.ids_of(tenant, kind, name)))
        except MissingPermission as error:
            raise refused("name_hidden", name=one_line(name, _SHOWN), reason=str(error)) from None
        except (MessageNotFound, RateLimited):
            raise refused("name_unknown", name=one_line(name, _SHOWN)) from None
        if len(found) > 1:
            raise refused("name_not_unique", name=one_line(name, _SHOWN), number=len(found))
        return found[0] if found else ""

    async def _keep(self, tenant: str, pins: Mapping[str, str]) -> None:
        """Remember what was found. What nobody has is looked up again next time: somebody may make that role."""
        value = json.dumps({name: number for name, number in pins.items() if number}, sort_keys=True)
        await self.store.set(
            ChatSetting(
                tenant=tenant,
                channel="",
                key=PINS_KEY,
                value=value,
                by=POLICY_ACTOR,
                by_name="massgen-bot",
                at=self.clock.now(),
            )
        )


def pins_in(channel_settings: Mapping[tuple[str, str], ChatSetting]) -> Mapping[str, str]:
    """What names of a tenant are pinned to, by kind and name."""
    setting = channel_settings.get(("", PINS_KEY))
    stored: dict[str, str] = json.loads(setting.value) if setting is not None else {}
    return stored


def _named_besides(policy: Policy) -> list[tuple[str, str]]:
    """Whom single rules for tools name."""
    roles = [("role", each) for quorum in policy.quorums for each in quorum.roles]
    return list(dict.fromkeys([*roles, *(("user", each) for quorum in policy.quorums for each in quorum.users)]))


def with_pins(policy: Policy, pins: Mapping[str, str]) -> Policy:
    """The rule with the ids that its names are pinned to; what is pinned to nothing is left out.

    In the place of a name that a single rule for tools has it stays, and matches nobody: else fewer would have to
    approve.
    """

    def pinned(each: Quorum) -> Quorum:
        roles = tuple(pins.get(f"role:{role}") or role for role in each.roles)
        return replace(each, roles=roles, users=tuple(pins.get(f"user:{user}") or user for user in each.users))

    return replace(
        policy,
        quorums=tuple(pinned(each) for each in policy.quorums),
        roles=tuple(dict.fromkeys(found for each in policy.roles if (found := pins.get(f"role:{each}", each)))),
        users=tuple(dict.fromkeys(found for each in policy.users if (found := pins.get(f"user:{each}", each)))),
    )
