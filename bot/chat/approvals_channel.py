"""The channel in which a configuration has plans shown that wait: whether a card may stand there, and why it does not.

A plan that was asked for where not everybody can read is not shown there, unless the configuration says so: whoever writes a
rule of approval is not thereby let into private channels. What is in a private thread never leaves it.
"""

from bot.cards.text import one_line
from bot.chat.platform import CardTooLarge, ChannelRef, KnowsChannels, MessageNotFound, MissingPermission
from bot.i18n import catalog
from bot.message import Alert, Mention, RichText
from coordination.domain.policy import Policy

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


def is_elsewhere(policy: Policy, place: ChannelRef) -> bool:
    """Whether a plan has another channel to be shown in than the one that its card is in anyway."""
    return bool(policy.approvals_channel) and policy.approvals_channel not in (place.channel, place.within)


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


def routed(policy: Policy) -> RichText:
    """Where plans under a rule are shown besides; nothing where they are not."""
    if not policy.approvals_channel:
        return ()
    key = "approvals_channel.shows_all" if policy.shows_private else "approvals_channel.shows"
    return catalog.rich(key, channel=_mention(policy.approvals_channel))


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
