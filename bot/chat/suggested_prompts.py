"""What people are suggested to ask, channel by channel, as administrators set it.

It is shown on help, and where a chat suggests prompts.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.cards.text import one_line
from bot.chat.platform import ChannelRef
from bot.chat.private_cards import refused
from bot.chat.store import ChatSetting, ChatStore
from bot.i18n import catalog
from bot.message import RichText, StyledText

PROMPTS_KEY = "prompts"
MOST_PROMPTS = 4
"""As many as Slack shows: https://docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts"""

_LONGEST = 200
_BETWEEN = "|"


def prompts_typed(text: str) -> tuple[str, ...]:
    """What a person typed: prompts with a bar between them.

    Raises:
        RefusedError: there are none or too many, or one is too long.
    """
    prompts = tuple(dict.fromkeys(" ".join(each.split()) for each in text.split(_BETWEEN) if each.strip()))
    if not 1 <= len(prompts) <= MOST_PROMPTS or any(len(each) > _LONGEST for each in prompts):
        raise refused("bad_prompts", most=MOST_PROMPTS, longest=_LONGEST)
    return prompts


def prompts_as_text(prompts: Sequence[str]) -> str:
    """As they are stored."""
    return json.dumps(list(prompts))


def prompts_here(channel: str, channel_settings: Mapping[tuple[str, str], ChatSetting]) -> tuple[str, ...]:
    """What was set for a channel, else for the whole server; nothing where nothing was."""
    setting = channel_settings.get((channel, PROMPTS_KEY)) or channel_settings.get(("", PROMPTS_KEY))
    stored: list[str] = json.loads(setting.value) if setting is not None else []
    return tuple(stored)


@dataclass(frozen=True, kw_only=True)
class SuggestedPrompts:
    """What is suggested, place by place."""

    store: ChatStore

    async def at(self, place: ChannelRef) -> tuple[str, ...]:
        """In a place, by the settings that hold in its channel."""
        return prompts_here(place.settings_channel, await self.store.settings(place.tenant, place.settings_channel))


def example_lines(prompts: Sequence[str]) -> list[RichText]:
    """The prompts for people to read, each on a line; an example of ours where none were set."""
    if not prompts:
        return [catalog.rich("chat.help_example")]
    told: list[RichText] = [(StyledText(one_line(each, _LONGEST), "code"),) for each in prompts]
    return [catalog.rich("prompts.here"), *told]
