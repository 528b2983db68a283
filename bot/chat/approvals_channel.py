"""The channels in which a configuration has plans shown that wait: whether a card may stand there, and why it does not.

One is the whole configuration's (`approval.channel`); the others are of those whose approval single calls need, and
have the card while their places are not filled (`tools[].approvers[].channel`).

A plan that was asked for where not everybody can read is not shown there, unless the configuration says so: whoever
writes a rule of approval is not thereby let into private channels. What is in a private thread never leaves it.
"""

from collections.abc import Sequence

from bot.cards.parts import places
from bot.cards.text import one_line
from bot.chat.platform import CardTooLarge, ChannelRef, KnowsChannels, MessageNotFound, MissingPermission
from bot.i18n import catalog
from bot.message import Alert, Mention, RichText
from coordination.domain.policy import Policy
from coordination.domain.states import AwaitingDecision, NeedsHuman

_NAME = "channel:"
_REASON = 300
KEPT_PRIVATE = "private"
"""The note of a copy that is not shown since its plan was asked for in private. Every other note is a sentence."""


class KeptPrivate(MissingPermission):
    """The plan was asked for where not everybody of the channel can read."""


def name_of_copy(channel: str) -> str:
    """What the copy in a channel is called among the copies of its run."""
    return f"{_NAME}{channel}"


def channel_named(copy: str) -> str:
    """The channel of a copy of this name."""
    return copy.removeprefix(_NAME)


def channels_of(state: AwaitingDecision | NeedsHuman, place: ChannelRef) -> Sequence[str]:
    """The channels where a plan is to be shown now, besides the one that its card is in anyway."""
    policy = state.plan.policy
    # A call in doubt is nobody's place: what stands stays, and only the configuration's channel may get the card yet.
    named = policy.channels(state.approvals) if isinstance(state, AwaitingDecision) else (policy.approvals_channel,)
    return [each for each in named if each and each not in (place.channel, place.within)]


async def check_open(chat: KnowsChannels, policy: Policy, place: ChannelRef, channel: str) -> None:
    """Find out whether the plan of a run that was asked for at a place can be shown in a channel.

    Raises:
        KeptPrivate: it was asked for in private.
        MessageNotFound, MissingPermission, RateLimited: the chat would not, or does not tell.
    """
    if place.is_private_thread or not (policy.shows_private or await chat.is_public(place.tenant, place.channel)):
        raise KeptPrivate(KEPT_PRIVATE)
    await chat.check_channel(place.tenant, channel)


def note_of(error: Exception) -> str:
    """What is remembered of a refusal."""
    if isinstance(error, KeptPrivate):
        return KEPT_PRIVATE
    if isinstance(error, MessageNotFound | CardTooLarge):
        return catalog.text(f"approvals_channel.{'none' if isinstance(error, MessageNotFound) else 'too_large'}")
    return one_line(str(error), _REASON)


def alert_of(channel: str, note: str) -> Alert:
    """What the card says where nothing stands in the channel."""
    if note == KEPT_PRIVATE:
        return Alert(line=catalog.rich("approvals_channel.private", channel=_mention(channel)))
    return Alert(line=catalog.rich("approvals_channel.refused", channel=_mention(channel), reason=note))


def routed(policy: Policy) -> Sequence[RichText]:
    """Where plans under a rule are also shown, and where those are that need certain people because of single calls."""
    key = "approvals_channel.shows_all" if policy.shows_private else "approvals_channel.shows"
    lines = [catalog.rich(key, channel=_mention(policy.approvals_channel))] if policy.approvals_channel else []
    named = [(channel, each) for each in policy.quorums for channel in each.channels]
    return [
        *lines,
        *(
            catalog.rich("approvals_channel.shows_place", channel=_mention(channel), places=places((each,)))
            for channel, each in named
        ),
    ]


async def trouble_in(chat: object, tenant: str, channel: str) -> str:
    """Why no card can stand in a channel of a tenant, in words; empty: it can, or the chat knows no channels.

    Raises:
        RateLimited: the chat asks for patience.
    """
    if not isinstance(chat, KnowsChannels):
        return ""
    try:
        await chat.check_channel(tenant, channel)
    except (MessageNotFound, MissingPermission) as error:
        return note_of(error)
    return ""


def _mention(channel: str) -> Mention:
    return Mention(channel, channel, "channel")
