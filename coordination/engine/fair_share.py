"""Which tenant's jobs start next: the one with the least work in progress, then the one that waited longest."""

import heapq
from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TaskLimits:
    """How many jobs of one task may be in hand at once; None: as many as the other limits let."""

    worker: int
    """In one worker."""

    tenant: int | None = None
    """Of one tenant, in all workers together."""

    everywhere: int | None = None
    """In all workers together."""

    @property
    def of_one_worker(self) -> int:
        """What one worker may have in hand."""
        return self.worker if self.everywhere is None else min(self.worker, self.everywhere)

    @property
    def of_one_tenant(self) -> int | None:
        """What one tenant may have in hand in all workers together."""
        if self.tenant is None or self.everywhere is None:
            return self.tenant
        return min(self.tenant, self.everywhere)

    @property
    def share(self) -> int:
        """What one tenant may have in hand in one worker: not all of it, unless the operator says so.

        The rest is there at once for whoever else comes, however long the jobs of the first one take.
        """
        if self.tenant is not None:
            return min(self.tenant, self.of_one_worker)
        return max(1, self.of_one_worker * 3 // 4)


class FairShare:
    """The turns of the tenants in one worker, for one task."""

    def __init__(self, most: int) -> None:
        """`most` is what one tenant may have in hand."""
        self._most = most
        self._turn = 0
        self._last_turns: dict[str, int] = {}

    def allot(self, waiting: Collection[str], in_hand: Mapping[str, int], room: int) -> Mapping[str, int]:
        """Divide `room` among tenants that have jobs waiting, one job a turn.

        How many each has waiting is not known: what one leaves over is there for the others at the next call.
        """
        self._last_turns = {tenant: turn for tenant, turn in self._last_turns.items() if tenant in waiting}
        turns = [(in_hand.get(tenant, 0), self._last_turns.get(tenant, 0), tenant) for tenant in waiting]
        heapq.heapify(turns)
        shares: dict[str, int] = {}
        for _ in range(room):
            if not turns or turns[0][0] >= self._most:
                break
            count, _last, tenant = turns[0]
            shares[tenant] = shares.get(tenant, 0) + 1
            self._turn += 1
            self._last_turns[tenant] = self._turn
            heapq.heapreplace(turns, (count + 1, self._turn, tenant))
        return shares
