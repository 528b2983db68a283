"""Each signed request counts once: what comes again within the five minutes that its signature is good does nothing.

Slack's own retries are signed anew. Several processes behind one address each see their share; beyond that the desk
knows each event by its id.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

GOOD_SECONDS = 600.0
"""Five minutes to either side: https://docs.slack.dev/authentication/verifying-requests-from-slack"""

_MOST = 100_000


class Replays:
    """Remembers signatures that were verified. `now` is in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Nothing was seen."""
        self._now = now
        self._seen: OrderedDict[str, float] = OrderedDict()

    async def middleware(
        self,
        req: AsyncBoltRequest,
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002  # bolt passes it by this name
    ) -> BoltResponse:
        """Runs behind the verification of the signature."""
        if req.mode == "http" and self._is_replay(req.headers.get("x-slack-signature", [""])[0]):
            return BoltResponse(status=200, body="")
        return await next()

    def _is_replay(self, signature: str) -> bool:
        now = self._now()
        while self._seen and (len(self._seen) >= _MOST or now - next(iter(self._seen.values())) > GOOD_SECONDS):
            self._seen.popitem(last=False)
        if signature in self._seen:
            return True
        self._seen[signature] = now
        return False
