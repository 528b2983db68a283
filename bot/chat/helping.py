"""The first words that a newcomer gets."""

from dataclasses import dataclass

from bot.cards.people import approvers as approvers_line
from bot.chat.config_catalog import ConfigShelf
from bot.chat.platform import Place, Said
from bot.chat.refusing import DeskRefusal
from bot.chat.rules import rule_here
from bot.chat.sayings import noted
from bot.chat.store import DeskStore
from bot.i18n import Words
from bot.message import Line, Span


@dataclass(frozen=True, kw_only=True)
class Helping:
    """Says what this is."""

    store: DeskStore
    shelf: ConfigShelf
    words: Words

    async def help(self, place: Place) -> Said:
        """Two sentences, one example, which configuration holds here, and who may approve."""
        set_here = await self.store.settings(place.tenant, place.settings_channel)
        lines: list[Line] = [self.words.line("desk.help_example")]
        try:
            chosen = self.shelf.chosen(place.tenant, place.settings_channel, set_here)
        except DeskRefusal as error:
            lines.append((Span(error.sentence(self.words)),))
        else:
            lines.append(self.words.line(f"config.from_{chosen.source}", name=Span(chosen.name, "bold")))
            policy = await rule_here(chosen, place.settings_channel, set_here)
            if policy is not None:
                lines.append(approvers_line(policy, self.words))
        return Said(private=noted(self.words, self.words.line("desk.help"), *lines))
