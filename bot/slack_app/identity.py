"""Who somebody in Slack is: their name, their groups, and whether they administer the workspace.

In doubt, they don't.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from slack_sdk.errors import SlackApiError

from bot.chat.platform import MessageNotFound, MissingPermission, RateLimited
from bot.chat.private_cards import refused
from bot.i18n import Catalog, catalog_in
from bot.slack_app.errors import code_of, translated
from bot.slack_app.installations import Clients, Workspace, Workspaces
from coordination.domain.policy import UNKNOWN_TEAM, Person

_log = logging.getLogger(__name__)

FRESH_SECONDS = 30.0
"""How long an answer about somebody counts: short, because people lose their rights too."""

NOBODY_THERE = frozenset({"user_not_found", "user_not_visible"})
"""https://docs.slack.dev/reference/methods/users.info"""

_MOST_KNOWN = 5_000
_SLACKBOT = "USLACKBOT"


@dataclass(frozen=True)
class _Account:
    name: str
    locale: str = ""
    is_admin: bool = False
    home_team: str = UNKNOWN_TEAM
    is_guest: bool = False
    is_bot: bool = False
    is_deleted: bool = False
    email: str = ""
    global_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Admins:
    """The people whom the operator named: `U…` where there is one workspace, `T…/U…` anywhere."""

    names: frozenset[str]

    def has(self, workspace: Workspace, user: str, *, is_single: bool) -> bool:
        """Whether somebody is among them. A bare id says nothing where there are several workspaces."""
        return f"{workspace.team}/{user}" in self.names or (is_single and user in self.names)


@dataclass
class People:
    """Asks Slack about people, and remembers the answers for a moment.

    Attributes:
        now: in seconds.
        records_email: what people do is kept with the address that Slack has confirmed.
    """

    workspaces: Workspaces
    clients: Clients
    admins: Admins
    now: Callable[[], float]
    records_email: bool = False
    _accounts: dict[tuple[str, str], tuple[float, _Account]] = field(
        default_factory=dict[tuple[str, str], tuple[float, _Account]]
    )
    _groups: dict[str, tuple[float, dict[str, tuple[str, ...]]]] = field(
        default_factory=dict[str, tuple[float, dict[str, tuple[str, ...]]]]
    )
    _asked_accounts: "dict[tuple[str, str], asyncio.Future[_Account | None]]" = field(
        default_factory=dict["tuple[str, str]", "asyncio.Future[_Account | None]"]
    )
    _asked_groups: "dict[str, asyncio.Future[dict[str, tuple[str, ...]] | None]]" = field(
        default_factory=dict["str", "asyncio.Future[dict[str, tuple[str, ...]] | None]"]
    )

    async def somebody(self, workspace: Workspace, user: str, called: str = "") -> Person:
        """Somebody who wants what not everybody may: nobody is told that they may not because Slack was silent.

        Raises:
            RefusedError: Slack does not tell who they are, or which groups they are in.
        """
        if await self._account(workspace, user) is None or await self._groups_in(workspace) is None:
            raise refused("not_told")
        return await self.person(workspace, user, called)

    async def person(self, workspace: Workspace, user: str, called: str = "") -> Person:
        """Somebody who just did something. `called` is their name if Slack tells nothing."""
        account = await self._account(workspace, user) or _Account("")
        groups = await self._groups_in(workspace) or {}
        is_named = self.admins.has(workspace, user, is_single=self.workspaces.is_single)
        return Person(
            tenant=workspace.tenant,
            id=user,
            name=_told_apart(account.name or called, user),
            roles=groups.get(user, ()),
            is_admin=is_named or account.is_admin,
            home_team=account.home_team,
            is_guest=account.is_guest,
            is_bot=account.is_bot,
            is_deleted=account.is_deleted,
            shown_as=account.name or called,
            email=account.email if self.records_email else "",
            global_id=account.global_id if account.global_id != user else "",
        )

    async def catalog(self, workspace: Workspace, user: str) -> Catalog:
        """What to speak to somebody alone: the language that they use Slack in, if we have it."""
        account = await self._account(workspace, user)
        return catalog_in(account.locale if account is not None else "")

    async def read_anew(self, workspace: Workspace, user: str) -> Person | None:
        """Somebody as Slack knows them now, whatever is remembered.

        None: their account is closed, or none of ours to see.

        Raises:
            MessageNotFound, MissingPermission, RateLimited: Slack does not tell.
        """
        client = self.clients.with_retries(workspace.token)
        with translated():
            try:
                found = (await client.users_info(user=user, include_locale=True)).get("user")
            except SlackApiError as error:
                if code_of(error) in NOBODY_THERE:
                    return None
                raise
        groups: dict[str, tuple[str, ...]] = {}
        with suppress(MissingPermission), translated():  # Without the scope for it, nobody is of any group.
            groups = members_in(
                (await client.usergroups_list(include_users=True, team_id=workspace.team or None)).get("usergroups")
            )
        if not isinstance(found, dict) or found.get("deleted"):
            return None
        account = _account_in(found, workspace)
        self._accounts[workspace.tenant, user] = (self.now(), account)
        self._groups[workspace.tenant] = (self.now(), groups)
        return await self.person(workspace, user)

    async def _account(self, workspace: Workspace, user: str) -> _Account | None:
        key = (workspace.tenant, user)
        known = self._accounts.get(key)
        if known is not None and self.now() - known[0] < FRESH_SECONDS:
            return known[1]
        return await _once(self._asked_accounts, key, self._ask_account(workspace, user))

    async def _ask_account(self, workspace: Workspace, user: str) -> _Account | None:
        key = (workspace.tenant, user)
        try:
            with translated():
                answer = await self.clients.with_retries(workspace.token).users_info(user=user, include_locale=True)
        except RateLimited as error:
            _log.warning("Slack tells nothing about a person now: %s", error)
            return None
        except (MessageNotFound, MissingPermission) as error:
            _log.warning("Slack tells nothing about a person: %s", error)
            return _Account("")
        account = _account_in(answer.get("user"), workspace)
        if len(self._accounts) >= _MOST_KNOWN:
            self._accounts.clear()
        self._accounts[key] = (self.now(), account)
        return account

    async def _groups_in(self, workspace: Workspace) -> dict[str, tuple[str, ...]] | None:
        """The ids of each person's groups: none without the scope for it. None: Slack doesn't tell now."""
        known = self._groups.get(workspace.tenant)
        if known is not None and self.now() - known[0] < FRESH_SECONDS:
            return known[1]
        return await _once(self._asked_groups, workspace.tenant, self._ask_groups(workspace))

    async def _ask_groups(self, workspace: Workspace) -> dict[str, tuple[str, ...]] | None:
        groups: dict[str, tuple[str, ...]] = {}
        try:
            with translated():
                answer = await self.clients.with_retries(workspace.token).usergroups_list(
                    include_users=True, team_id=workspace.team or None
                )
            groups = members_in(answer.get("usergroups"))
        except MissingPermission as error:
            _log.info("Slack tells nothing about groups: %s", error)
        except (MessageNotFound, RateLimited) as error:
            _log.warning("Slack tells nothing about groups now: %s", error)
            return None
        self._groups[workspace.tenant] = (self.now(), groups)
        return groups


_Key = TypeVar("_Key", bound=Hashable)
_Answer = TypeVar("_Answer")


async def _once(
    under_way: "dict[_Key, asyncio.Future[_Answer]]", key: _Key, asking: Coroutine[object, object, _Answer]
) -> _Answer:
    """The answer to a question; while one of the same key is under way, its answer is waited for."""
    answer = under_way.get(key)
    if answer is None:
        answer = under_way[key] = asyncio.ensure_future(asking)
        answer.add_done_callback(lambda _: under_way.pop(key))
    else:
        asking.close()
    return await asyncio.shield(answer)  # Whoever gives up waiting takes nobody else their answer.


def _told_apart(called: str, user: str) -> str:
    """A name that is nobody else's. In Slack anybody may call themselves as others do, even by another one's id."""
    return f"{called} ({user})" if called else user


def _account_in(user: object, workspace: Workspace) -> _Account:
    """An account as `users.info` describes it (https://docs.slack.dev/reference/objects/user-object)."""
    if not isinstance(user, dict):
        return _Account("")
    profile = user.get("profile")
    names = profile if isinstance(profile, dict) else {}
    name = names.get("display_name") or names.get("real_name") or user.get("real_name") or user.get("name") or ""
    home_team = _home_of(user, workspace)
    is_guest = bool(user.get("is_restricted") or user.get("is_ultra_restricted"))
    is_bot = is_bot_account(user)
    is_deleted = bool(user.get("deleted"))
    is_member = not (home_team or is_guest or is_bot or is_deleted)
    return _Account(
        str(name),
        locale=str(user.get("locale") or ""),
        is_admin=is_member and any(user.get(right) is True for right in ("is_admin", "is_owner", "is_primary_owner")),
        home_team=home_team,
        is_guest=is_guest,
        is_bot=is_bot,
        is_deleted=is_deleted,
        email=str(names.get("email") or "") if user.get("is_email_confirmed") is True else "",
        global_id=str(_in_organization(user, workspace).get("id") or ""),
    )


def is_bot_account(user: object) -> bool:
    """Whether an account as `users.info` describes it is a program's."""
    if not isinstance(user, dict):
        return False
    return bool(user.get("is_bot") or user.get("is_workflow_bot") or user.get("id") == _SLACKBOT)


def _home_of(user: Mapping[str, object], workspace: Workspace) -> str:
    """The team that an account belongs to, if that is not this workspace.

    In an Enterprise organization somebody's `team_id` is one of their workspaces, and `enterprise_user` lists them all.
    """
    home = str(user.get("team_id") or UNKNOWN_TEAM)
    teams = _in_organization(user, workspace).get("teams")
    home = workspace.team if isinstance(teams, list) and workspace.team in teams else home
    if home != workspace.team:
        return home
    return UNKNOWN_TEAM if user.get("is_stranger") else ""


def _in_organization(user: Mapping[str, object], workspace: Workspace) -> Mapping[str, object]:
    """What an account is in the Enterprise organization of this workspace; nothing: it is none of it.

    Accounts from before a workspace joined have an id there besides their own (https://docs.slack.dev/enterprise-grid).
    """
    found = user.get("enterprise_user")
    is_ours = isinstance(found, dict) and workspace.enterprise and found.get("enterprise_id") == workspace.enterprise
    return found if isinstance(found, dict) and is_ours else {}


def members_in(groups: object) -> dict[str, tuple[str, ...]]:
    """The groups of each account, as `usergroups.list` tells them."""
    members: dict[str, tuple[str, ...]] = {}
    for group in groups if isinstance(groups, list) else []:
        roles = (str(group["id"]),) if group.get("id") else ()
        for user in group.get("users") or ():
            members[str(user)] = (*members.get(str(user), ()), *roles)
    return members
