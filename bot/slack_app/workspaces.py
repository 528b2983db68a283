"""The workspaces where the app is installed, and the clients that speak for it there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from slack_sdk.http_retry.builtin_async_handlers import AsyncConnectionErrorRetryHandler, AsyncServerErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

SLACK_API = "https://slack.com/api/"
_TIMEOUT = 20


def tenant_of(enterprise: str, team: str) -> str:
    """How the rest of the program names a workspace."""
    return f"slack:{enterprise or '-'}:{team or '-'}"


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """One installation. Its token stays out of every text."""

    enterprise: str
    team: str
    name: str = ""
    bot_user: str = ""
    bot: str = ""
    scopes: tuple[str, ...] = ()
    token: str = field(repr=False)

    @property
    def tenant(self) -> str:
        """How the rest of the program names it."""
        return tenant_of(self.enterprise, self.team)


class Workspaces(Protocol):
    """Finds installations."""

    @property
    def is_single(self) -> bool:
        """Whether there is one workspace only, as the operator named it by its token."""
        ...

    async def of(self, enterprise: str, team: str) -> Workspace | None:
        """The installation in a workspace; None if there is none."""
        ...


@dataclass(frozen=True)
class KnownWorkspaces:
    """Installations that do not change while the program runs."""

    installed: Sequence[Workspace]

    @property
    def is_single(self) -> bool:
        """Whether there is one only."""
        return len(self.installed) == 1

    async def of(self, enterprise: str, team: str) -> Workspace | None:
        """The one of that team, and of that enterprise."""
        named = (enterprise, team)
        return next((each for each in self.installed if (each.enterprise, each.team) == named), None)


async def in_tenant(workspaces: Workspaces, tenant: str) -> Workspace | None:
    """The installation of a tenant."""
    surface, _, rest = tenant.partition(":")
    enterprise, _, team = rest.partition(":")
    if surface != "slack" or not team:
        return None
    return await workspaces.of("" if enterprise == "-" else enterprise, "" if team == "-" else team)


@dataclass(frozen=True)
class Clients:
    """Makes clients. None retries what must not happen twice."""

    address: str = SLACK_API

    def once(self, token: str | None) -> AsyncWebClient:
        """For calls that have an effect each time: posting, opening, sharing."""
        return AsyncWebClient(token=token, base_url=self.address, timeout=_TIMEOUT, retry_handlers=[])

    def steady(self, token: str | None) -> AsyncWebClient:
        """For calls that may be sent again: reading, and making a message show what it shall show."""
        handlers = [
            AsyncConnectionErrorRetryHandler(max_retry_count=2),
            AsyncServerErrorRetryHandler(max_retry_count=2),
        ]
        return AsyncWebClient(token=token, base_url=self.address, timeout=_TIMEOUT, retry_handlers=list(handlers))


async def workspace_of_token(clients: Clients, token: str) -> Workspace:
    """The workspace that a bot token belongs to, as Slack says.

    Raises:
        SlackApiError: Slack does not take the token.
    """
    answer = await clients.steady(token).auth_test()
    scopes = str(answer.headers.get("x-oauth-scopes", answer.headers.get("X-OAuth-Scopes", "")))
    return Workspace(
        enterprise=str(answer.get("enterprise_id") or ""),
        team=str(answer.get("team_id") or ""),
        name=str(answer.get("team") or ""),
        bot_user=str(answer.get("user_id") or ""),
        bot=str(answer.get("bot_id") or ""),
        scopes=tuple(scope for each in scopes.split(",") if (scope := each.strip())),
        token=token,
    )
