"""Refusals of the desk's own: each has a name, under which the catalogue has its sentence."""

from bot.i18n import ENGLISH, Words
from coordination.errors import RefusedError


class DeskRefusal(RefusedError):
    """What the desk will not do. `values` go into the sentence."""

    def __init__(self, name: str, values: dict[str, str | int]) -> None:
        super().__init__(name, ENGLISH.say(f"refuse.{name}", **values))
        self.values = values

    def sentence(self, words: Words) -> str:
        """The sentence in a language."""
        return words.say(f"refuse.{self.refusal}", **self.values)


def refused(name: str, /, **values: str | int) -> DeskRefusal:
    """A refusal to raise."""
    return DeskRefusal(name, values)
