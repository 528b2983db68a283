"""Which workspace an event comes from, looked up once: whoever is answered as installed is so to the end of the event."""

from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_bolt.context.async_context import AsyncBoltContext
from typing_extensions import override

from bot.slack_app.workspaces import Workspace, Workspaces

_KEY = "workspace"


class Authorize(AsyncAuthorize):
    """Which token an event is answered with; an unknown workspace has none, and is not listened to."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    @override
    async def __call__(
        self,
        *,
        context: AsyncBoltContext,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None,
        actor_enterprise_id: str | None = None,
        actor_team_id: str | None = None,
        actor_user_id: str | None = None,
    ) -> AuthorizeResult | None:
        workspace = await self._workspaces.of(enterprise_id or "", team_id or "")
        if workspace is None:
            return None
        context[_KEY] = workspace
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_user_id=workspace.bot_user,
            bot_id=workspace.bot,
            bot_token=workspace.token,
        )


def authorized_in(context: AsyncBoltContext) -> Workspace | None:
    """The workspace that an event was let in from; None where Bolt lets in what belongs to none."""
    workspace = context.get(_KEY)
    return workspace if isinstance(workspace, Workspace) else None
