"""Somebody who installs the app with their browser."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import aiohttp


@dataclass
class Browser:
    """Goes to the install page, to Slack, and back."""

    address: str

    async def begin(self) -> tuple[str, str]:
        """The state and the cookie that the install page gives."""
        asked, cookie = await self._asked()
        return asked["state"][0], cookie

    async def asked_for(self) -> list[str]:
        """The scopes that Slack would ask the person for."""
        asked, _ = await self._asked()
        return asked["scope"][0].split(",")

    async def _asked(self) -> tuple[dict[str, list[str]], str]:
        async with aiohttp.ClientSession() as session, session.get(f"{self.address}/slack/install") as answer:
            page, cookie = await answer.text(), answer.headers["Set-Cookie"]
        match = re.search(r'href="([^"]*/authorize[^"]*)"', page)
        assert match is not None
        asked = parse_qs(urlsplit(match[1].replace("&amp;", "&")).query)
        assert "HttpOnly" in cookie
        assert "Secure" in cookie
        assert set(asked["scope"][0].split(",")) >= {"commands", "chat:write"}
        return asked, cookie.partition(";")[0]

    async def come_back(self, code: str, state: str, cookie: str) -> int:
        """The status of the page that Slack sends people back to."""
        headers = {"Cookie": cookie} if cookie else {}
        address = f"{self.address}/slack/oauth_redirect"
        async with (
            aiohttp.ClientSession() as session,
            session.get(address, params={"code": code, "state": state}, headers=headers) as answer,
        ):
            return answer.status

    async def install(self, code: str) -> None:
        state, cookie = await self.begin()
        assert await self.come_back(code, state, cookie) == 200
