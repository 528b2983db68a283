"""The rule of approval that a plan here would get: the configuration's, narrowed by what an administrator set."""

import asyncio
from collections.abc import Mapping

from bot.chat.approvers import approvers_here, by_id, narrowed, with_approvers
from bot.chat.config_catalog import Chosen
from bot.chat.name_pins import pins_in, with_pins
from bot.chat.store import Setting
from coordination.config import parse, read_text
from coordination.domain.policy import Policy
from coordination.errors import ConfigError


async def rule_here(chosen: Chosen, channel: str, set_here: Mapping[tuple[str, str], Setting]) -> Policy | None:
    """The rule; None if the configuration can't be read, for which there are better places to say so."""
    try:
        policy = await asyncio.to_thread(_policy_of, chosen)
    except ConfigError:
        return None
    approvers = approvers_here(channel, set_here)
    return policy if approvers is None else narrowed(policy, approvers)


def _policy_of(chosen: Chosen) -> Policy:
    """What the file says. Its variables stay as they are written: no secret is read for this."""
    settings = parse(read_text(chosen.path), origin=str(chosen.path), environ=None)
    return settings.profile(allow_requester_default=False).policy


def text_here(text: str, origin: str, channel: str, set_here: Mapping[tuple[str, str], Setting]) -> str:
    """A configuration's text with what was set here, and with the ids that its names are pinned to; nothing is looked up.

    Raises:
        ConfigError: the text can't be used.
    """
    approvers = approvers_here(channel, set_here)
    policy = parse(text, origin=origin, environ=None).profile(allow_requester_default=False).policy
    rule = policy if approvers is None else narrowed(policy, approvers)
    return with_approvers(text, by_id(approvers, with_pins(rule, pins_in(set_here)), rule))
