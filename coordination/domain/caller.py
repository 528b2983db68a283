"""On whose behalf a tool is called.

That is a fact that a tool server can check, because no model and no other server can sign it.

A tool server that we start gets a key of its own in `KEY_VARIABLE`. With every call comes who asked, who approved and
where, under an HMAC of that key. So a server that has more rights than the people behind a run can lend them only
theirs.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from coordination.domain.canonical_json import JsonObject, canonical, parse
from coordination.errors import InvalidJsonError

KEY_VARIABLE: Final = "MASSGEN_BOT_CALLER_KEY"
CALLER: Final = "massgen-bot/caller"
"""The field of a call's `_meta` that has the fact."""

_PURPOSE = b"massgen-bot/caller\n"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The people behind a call.

    Attributes:
        tenant: the server, workspace or `console` that the run belongs to.
        requester: the account of who asked.
        approvers: the accounts of those who approved the call; none for a read.
        channel: where the run was asked for, and where everybody sees what it reads; a private thread counts as one.
    """

    tenant: str
    requester: str
    approvers: tuple[str, ...] = ()
    channel: str = ""

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody behind the call, each once."""
        return tuple(dict.fromkeys((self.requester, *self.approvers)))


def signed(caller: Caller, key: str, *, tool: str) -> JsonObject:
    """The fact for one call of a tool, as it travels."""
    fact = canonical(
        {
            "tenant": caller.tenant,
            "requester": caller.requester,
            "approvers": list(caller.approvers),
            "channel": caller.channel,
            "tool": tool,
        }
    )
    return {"fact": fact, "mac": _mac(key, fact)}


def verified(signed_fact: object, key: str, *, tool: str) -> Caller | None:
    """Who is behind a call of this tool; None: nobody vouches for it."""
    if not key or not isinstance(signed_fact, Mapping):
        return None
    told = cast("Mapping[str, object]", signed_fact)
    fact, mac = told.get("fact"), told.get("mac")
    if not isinstance(fact, str) or not isinstance(mac, str) or not hmac.compare_digest(_mac(key, fact), mac):
        return None
    try:
        fields = parse(fact)
    except InvalidJsonError:
        return None
    if not isinstance(fields, Mapping) or fields.get("tool") != tool:
        return None
    approvers = fields.get("approvers")
    return Caller(
        tenant=str(fields.get("tenant", "")),
        requester=str(fields.get("requester", "")),
        approvers=tuple(str(each) for each in approvers) if isinstance(approvers, list | tuple) else (),
        channel=str(fields.get("channel", "")),
    )


def _mac(key: str, fact: str) -> str:
    return hmac.new(key.encode(), _PURPOSE + fact.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
