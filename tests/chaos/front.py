"""`python -m tests.chaos.front CHAT NAME`: a front end of a chat that is a folder, for chaos with more than one of them.

In CHAT, `cards` has a file for each message: its card, and in a second line the card with its buttons. `NAME` has what is
delivered to this front end, a file an event, which is removed once it is answered: whoever dies before gets it again.
"""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from typing_extensions import override

from bot.application import Overrides
from bot.chat.platform import ButtonIds, ChannelRef, MessageNotFound, MessageRef
from bot.chat.service_port import ChatService
from bot.chat_app import open_chat_service
from bot.message import Card
from bot.variables import Environment
from coordination.errors import CoordinationError
from tests.e2e.line_chat import CHANNEL, LinePlatform, rendered, request_in

MEMBERS: Mapping[str, Sequence[str]] = {"rita": (), "alice": ("ops",)}
LOOK = 0.05


class FolderChat(LinePlatform):
    """Messages are files, so that every process sees the same ones."""

    def __init__(self, folder: Path) -> None:
        super().__init__(MEMBERS)
        self._folder = folder

    @override
    async def post(self, place: ChannelRef, card: Card, ids: ButtonIds, *, idempotency_key: str = "") -> MessageRef:
        message = MessageRef(place=place, message=hashlib.sha256(idempotency_key.encode()).hexdigest()[:12])
        await self._write(message, card, ids)
        return message

    @override
    async def find(self, place: ChannelRef, *, idempotency_key: str, at: datetime) -> MessageRef | None:
        message = MessageRef(place=place, message=hashlib.sha256(idempotency_key.encode()).hexdigest()[:12])
        return message if await asyncio.to_thread(self._file(message).exists) else None

    @override
    async def edit(self, message_ref: MessageRef, card: Card, ids: ButtonIds) -> None:
        if not await asyncio.to_thread(self._file(message_ref).exists):
            raise MessageNotFound(message_ref.message)
        await self._write(message_ref, card, ids)

    @override
    async def _tell_all(self, line: str) -> None:
        """What is beside the cards is not looked at."""

    def _file(self, message: MessageRef) -> Path:
        return self._folder / message.message

    async def _write(self, message: MessageRef, card: Card, ids: ButtonIds) -> None:
        new = self._folder.parent / f"{message.message}-{os.getpid()}"
        await asyncio.to_thread(new.write_text, f"{rendered(card)}\n{rendered(card, ids)}\n", encoding="utf-8")
        await asyncio.to_thread(new.replace, self._file(message))


async def _answer(chat_service: ChatService, platform: FolderChat, event: Path) -> None:
    """One delivery, which stays if it could not be answered."""
    said: dict[str, str] = json.loads(await asyncio.to_thread(event.read_text, encoding="utf-8"))
    with suppress(CoordinationError):
        await chat_service.handle(request_in(said["line"], said["event_id"]), platform.person(said["who"]), CHANNEL)
        await asyncio.to_thread(event.unlink)


async def main(chat: Path, name: str) -> None:
    """Serve until killed."""
    platform = FolderChat(chat / "cards")
    async with open_chat_service(Environment(os.environ), Overrides(), [platform], works=False) as chat_service:
        while True:
            events = await asyncio.to_thread(lambda: sorted((chat / name).iterdir()))
            await asyncio.gather(*(_answer(chat_service, platform, event) for event in events))
            await asyncio.sleep(LOOK)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
