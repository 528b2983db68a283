"""What holds now, read from the files, the settings of the place, and the chats that this process is connected to."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from bot.chat.approvers import without_approvers
from bot.chat.config_catalog import DEFAULT_VARIABLE, FOLDER_VARIABLE, ConfigShelf
from bot.chat.rules import text_here
from bot.chat.store import DeskStore
from bot.people import CONSOLE, console_account
from bot.settings import allowed_configs
from coordination.config import read_text
from coordination.domain.events import RunRequested
from coordination.domain.person import Person
from coordination.errors import ConfigError, PersonUnreadableError, RefusedError
from coordination.ports import RunLog
from coordination.preparation import Configure
from coordination.run_options import RunProfile


class RulesHere:
    """Fits `coordination.current_rules.CurrentRules`: a run's configuration as it stands now where the run was asked for."""

    def __init__(
        self, environ: Mapping[str, str], opened: Callable[[], Awaitable[DeskStore]], log: RunLog, configure: Configure
    ) -> None:
        """`opened` gives what administrators set, when the first run of a chat is looked at."""
        self._opened = opened
        self._log = log
        self._configure = configure
        self._shelf = ConfigShelf(
            folder=Path(environ.get(FOLDER_VARIABLE) or "configs"),
            default=environ.get(DEFAULT_VARIABLE, ""),
            allowed=allowed_configs(environ),
        )

    async def __call__(self, run: str, request: RunRequested) -> RunProfile | None:
        """The profile of now; None where nothing differs from what the run began with.

        Raises:
            ConfigError: what holds now is not there, or can't be used.
        """
        stored, origin = await self._log.load_config(request.config_digest)
        if request.tenant == CONSOLE:
            text = await asyncio.to_thread(_written, Path(origin)) or stored
        else:
            text, origin = await self._in_chat(run, request, stored, origin)
        return None if text == stored else self._configure(text, origin, request.tenant).profile

    async def _in_chat(self, run: str, request: RunRequested, stored: str, origin: str) -> tuple[str, str]:
        store = await self._opened()
        card = await store.card(run, request.tenant)
        if card is None:
            return stored, origin
        set_here = await store.settings(card.tenant, card.channel)
        if not self._shelf.folder.is_dir():
            return text_here(without_approvers(stored), origin, card.channel, set_here), origin
        named = request.config if request.config_is_named else ""
        try:
            chosen = self._shelf.chosen(card.tenant, card.channel, set_here, named)
        except RefusedError as error:
            raise ConfigError([str(error)]) from None
        written = await asyncio.to_thread(read_text, chosen.path)
        return text_here(written, str(chosen.path), card.channel, set_here), str(chosen.path)


def _written(path: Path) -> str:
    """What a file says now; nothing where there is none: then what was stored is all there is."""
    return read_text(path) if path.is_file() else ""


@runtime_checkable
class ReadsPeople(Protocol):
    """A chat that can be asked about people."""

    name: str

    async def person_now(self, person: Person) -> Person | None:
        """Somebody with the roles that they have now; None: they are not there any more."""
        ...


class PeopleHere:
    """Fits `coordination.current_rules.Directory`: this machine's accounts, and the chats that this process serves."""

    def __init__(self, surfaces: Sequence[object] = ()) -> None:
        """Of these, the ones that can be asked are."""
        self._readers = {each.name: each for each in surfaces if isinstance(each, ReadsPeople)}

    async def current(self, person: Person) -> Person | None:
        """The person as they are now.

        Raises:
            PersonUnreadableError: this process does not serve their chat, or the chat does not tell.
        """
        if person.tenant == CONSOLE:
            number = person.id.removeprefix("uid:")
            return console_account(int(number)) if number.isdecimal() else None
        reader = self._readers.get(person.tenant.partition(":")[0])
        if reader is None:
            raise PersonUnreadableError("this process does not serve that chat", is_elsewhere=True)
        try:
            return await reader.person_now(person)
        except Exception as error:
            raise PersonUnreadableError(f"{reader.name} does not tell about people now: {error}") from error
