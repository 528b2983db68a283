"""People in Slack: what their clients send when they type, click and submit, by socket or by signed request."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import aiohttp

from tests.servers.slack_server import Message, SlackServer, Team

KINDS = {"command": "slash_commands", "event": "events_api", "interaction": "interactive"}


class Line(Protocol):
    """How Slack reaches the app."""

    async def send(self, kind: str, payload: dict[str, Any], *, retry: int = 0) -> None:
        """`command`, `event` or `interaction`; comes back when the app acknowledged it."""
        ...


@dataclass
class SocketLine:
    """By Socket Mode. `again` sends the newest envelope once more."""

    server: SlackServer
    last: tuple[str, str, dict[str, Any]] = ("", "", {})  # replaced, never changed

    async def send(self, kind: str, payload: dict[str, Any], *, retry: int = 0) -> None:
        envelope = await self.server.send(KINDS[kind], payload, retry=retry)
        self.last = (envelope, KINDS[kind], payload)

    async def again(self) -> None:
        envelope, kind, payload = self.last
        await self.server.send(kind, payload, envelope=envelope, retry=1)


def signature(secret: str, at: int, body: bytes) -> str:
    digest = hmac.new(secret.encode(), b"v0:%d:" % at + body, hashlib.sha256).hexdigest()
    return f"v0={digest}"


@dataclass
class HttpLine:
    """By signed requests. The newest is kept, to be sent again as it was."""

    address: str
    secret: str
    last: tuple[bytes, dict[str, str]] = (b"", {})  # replaced, never changed

    async def send(self, kind: str, payload: dict[str, Any], *, retry: int = 0) -> None:
        status = await self.deliver(*self.signed(kind, payload, retry=retry))
        assert status == 200, status

    def signed(
        self, kind: str, payload: dict[str, Any], *, at: float | None = None, retry: int = 0, secret: str = ""
    ) -> tuple[bytes, dict[str, str]]:
        """A request as Slack signs it."""
        moment = int(time.time() if at is None else at)
        if kind == "event":
            body, content = json.dumps(payload).encode(), "application/json"
        else:
            form = payload if kind == "command" else {"payload": json.dumps(payload)}
            body, content = urlencode(form).encode(), "application/x-www-form-urlencoded"
        headers = {
            "Content-Type": content,
            "X-Slack-Request-Timestamp": str(moment),
            "X-Slack-Signature": signature(secret or self.secret, moment, body),
        }
        if retry:
            headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": "http_timeout"}
        self.last = (body, headers)
        return self.last

    async def deliver(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Send this request, whatever it is; returns the status."""
        async with aiohttp.ClientSession() as session, session.post(self.address, data=body, headers=headers) as answer:
            await answer.read()
            return answer.status


@dataclass
class Somebody:
    """One person in one workspace, or, with a `home`, of another one in a channel that both share."""

    server: SlackServer
    line: Line
    team: Team
    id: str
    name: str = ""
    last_view: str = ""
    home: tuple[str, str] = ("", "")

    def _team(self) -> dict[str, Any]:
        return {"id": self.team.id, "domain": "test", **self._enterprise("enterprise_id")}

    def _enterprise(self, key: str) -> dict[str, Any]:
        return {key: self.team.enterprise} if self.team.enterprise else {}

    def _answer(self) -> str:
        return f"{self.server.address}/answer/{self.server.number()}"

    async def command(self, text: str, *, name: str = "/massgen", channel: str = "C1") -> None:
        await self.line.send(
            "command",
            {
                "command": name,
                "text": text,
                "team_id": self.team.id,
                **self._enterprise("enterprise_id"),
                "channel_id": channel,
                "channel_name": "general",
                "user_id": self.id,
                "user_name": self.name,
                "api_app_id": "A1",
                "is_enterprise_install": str(self.team.is_org_wide).lower(),
                "response_url": self._answer(),
                "trigger_id": self.server.new_trigger(),
            },
        )

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "event_callback",
            "event_id": f"Ev{self.server.number()}",
            "team_id": self.team.id,
            **self._enterprise("enterprise_id"),
            "api_app_id": "A1",
            "authorizations": [
                {
                    "team_id": self.team.id,
                    "enterprise_id": self.team.enterprise,
                    "user_id": self.team.bot,
                    "is_bot": True,
                    "is_enterprise_install": self.team.is_org_wide,
                }
            ],
            "event": event,
        }

    def mention_event(self, text: str, *, channel: str = "C1", thread: str = "") -> dict[str, Any]:
        event: dict[str, Any] = {
            "type": "app_mention",
            "user": self.id,
            "text": f"<@{self.team.bot}> {text}",
            "ts": f"1700000002.{self.server.number():06d}",
            "channel": channel,
            **({"thread_ts": thread} if thread else {}),
        }
        return self.event(event)

    async def mention(self, text: str, *, channel: str = "C1", thread: str = "") -> dict[str, Any]:
        event = self.mention_event(text, channel=channel, thread=thread)
        await self.line.send("event", event)
        return event

    async def edits(self, mention: dict[str, Any], text: str) -> None:
        """Change a message that mentions the app: Slack tells of it as of a new one, in an event of its own."""
        edited = {"user": self.id, "ts": f"1700000002.{self.server.number():06d}"}
        event = {**mention["event"], "text": f"<@{self.team.bot}> {text}", "edited": edited}
        await self.line.send("event", self.event(event))

    async def direct(self, text: str, *files: dict[str, Any], **more: object) -> None:
        event: dict[str, Any] = {
            "type": "message",
            "channel_type": "im",
            "user": self.id,
            "text": text,
            "ts": f"1700000003.{self.server.number():06d}",
            "channel": f"D{self.id}",
            **({"subtype": "file_share", "files": list(files), "upload": False} if files else {}),
            **more,
        }
        await self.line.send("event", self.event(event))

    async def deletes(self, ts: str, *, channel: str, kind: str = "im") -> None:
        """A message is gone, of a conversation whose history the app is told of."""
        event = {
            "type": "message",
            "subtype": "message_deleted",
            "channel_type": kind,
            "hidden": True,
            "channel": channel,
            "deleted_ts": ts,
            "ts": f"1700000003.{self.server.number():06d}",
        }
        await self.line.send("event", self.event(event))

    async def opens_messages(self) -> None:
        """The app's own tab of messages."""
        opened = {"type": "app_home_opened", "user": self.id, "channel": f"D{self.id}", "tab": "messages"}
        await self.line.send("event", self.event(opened))

    async def opens_home(self) -> None:
        await self.line.send(
            "event", self.event({"type": "app_home_opened", "user": self.id, "channel": f"D{self.id}", "tab": "home"})
        )

    def _interaction(self, kind: str) -> dict[str, Any]:
        return {
            "type": kind,
            "api_app_id": "A1",
            # Where a whole organisation installed the app there is no team, but the one of the person.
            "team": None if self.team.is_org_wide else self._team(),
            "enterprise": {"id": self.team.enterprise} if self.team.enterprise else None,
            "is_enterprise_install": self.team.is_org_wide,
            "user": {"id": self.id, "name": self.name, "username": self.name, "team_id": self.team.id},
            "trigger_id": self.server.new_trigger(),
        }

    async def shortcut(self, text: str, *, ts: str, channel: str = "C1", **more: object) -> None:
        await self.line.send(
            "interaction",
            {
                **self._interaction("message_action"),
                "callback_id": "plan_from_message",
                "message_ts": ts,
                "channel": {"id": channel, "name": "general"},
                "message": {"type": "message", "text": text, "ts": ts, "user": "U9", **more},
                "response_url": self._answer(),
            },
        )

    def click_on(self, message: Message, element: dict[str, Any], *, option: str = "") -> dict[str, Any]:
        """What a click on an element of a message sends."""
        action: dict[str, Any] = {
            "type": element["type"],
            "action_id": element["action_id"],
            "block_id": "b1",
            "action_ts": "1700000004.000001",
        }
        if element["type"] == "button":
            action["value"] = element["value"]
        else:
            chosen = next(each for each in element["options"] if each["value"].endswith(f":{option}"))
            action["selected_option"] = chosen
        thread = {"thread_ts": message.thread} if message.thread else {}
        return {
            **self._interaction("block_actions"),
            "container": {"type": "message", "message_ts": message.ts, "channel_id": message.channel, **thread},
            "channel": {"id": message.channel, "name": "general"},
            "message": {"type": "message", "ts": message.ts, "text": message.now["text"], **thread},
            "response_url": self._answer(),
            "actions": [action],
        }

    async def click(self, message: Message, action: str, *, option: str = "") -> None:
        await self.line.send("interaction", self.click_on(message, message.element(action), option=option))

    async def presses(self, answer: dict[str, Any], action: str, *, channel: str = "C1", option: str = "") -> None:
        """A button, or an option of a menu, of an answer that they alone see, or, without a channel, of their Home."""
        (element,) = (
            each
            for block in answer["blocks"]
            if block["type"] == "actions"
            for each in block["elements"]
            if each["action_id"] == action
        )
        await self.line.send(
            "interaction",
            {
                **self._interaction("block_actions"),
                **(self._beside(channel) if channel else {"container": {"type": "view"}, "view": {"type": "home"}}),
                "actions": [
                    {"type": element["type"], "action_id": action, "block_id": "b", **_chosen(element, option)}
                ],
            },
        )

    def _beside(self, channel: str) -> dict[str, Any]:
        """Where an answer is that one person alone sees."""
        return {
            "container": {
                "type": "message",
                "message_ts": "1700000001.000001",
                "channel_id": channel,
                "is_ephemeral": True,
            },
            "channel": {"id": channel, "name": "general"},
            "response_url": self._answer(),
        }

    async def opened(self, before: int = 0) -> dict[str, Any]:
        """The view that opens."""
        await self.server.until(lambda: len(self.server.views) > before)
        return list(self.server.views.values())[-1]

    async def submit(self, view: dict[str, Any], text: str, *, ticked: Sequence[str] = ()) -> None:
        element = view["blocks"][0]["element"]
        value: dict[str, Any] = {"type": element["type"], "value": text or None}
        if ticked:
            chosen = [each for each in element["options"] if each["value"] in ticked]
            value = {"type": element["type"], "selected_options": chosen}
        await self.fills_in(view, {"text": {"text": value}})

    async def fills_in_fields(self, view: dict[str, Any], **given: str | Sequence[str]) -> None:
        """Submit a view of several inputs; those that are not given stay as they were."""
        inputs = {each["block_id"]: each["element"] for each in view["blocks"] if each["type"] == "input"}
        assert given.keys() <= inputs.keys()
        await self.fills_in(
            view,
            {
                name: {element["action_id"]: {"type": element["type"], **_filled(element, given.get(name))}}
                for name, element in inputs.items()
            },
        )

    async def fills_in(self, view: dict[str, Any], values: dict[str, Any]) -> None:
        """Submit a view with these values of its inputs.

        In a shared channel the organisation and the team are those of whoever submits, and the app's team is in the view:
        https://github.com/slackapi/bolt-js/issues/1614
        """
        enterprise, team = self.home
        own = {"id": team, "domain": "elsewhere", **({"enterprise_id": enterprise} if enterprise else {})}
        await self.line.send(
            "interaction",
            {
                **self._interaction("view_submission"),
                **({"team": own, "enterprise": {"id": enterprise} if enterprise else None} if team else {}),
                "view": {
                    "id": view["id"],
                    "root_view_id": view["root_view_id"],
                    "type": "modal",
                    "callback_id": view["callback_id"],
                    "private_metadata": view["private_metadata"],
                    "team_id": self.team.id,
                    "app_installed_team_id": self.team.id,
                    "state": {"values": values},
                },
                "response_urls": [],
            },
        )

    async def press_in(self, view: dict[str, Any], action: str) -> None:
        """A button within a view."""
        element = next(
            each
            for block in view["blocks"]
            if block["type"] == "actions"
            for each in block["elements"]
            if each["action_id"] == action
        )
        event = self._interaction("block_actions")
        self.server.clicked_in[event["trigger_id"]] = view["root_view_id"]
        await self.line.send(
            "interaction",
            {
                **event,
                "container": {"type": "view", "view_id": view["id"]},
                "view": {**view, "state": {"values": {}}},
                "actions": [{"type": "button", "action_id": action, "block_id": "b", "value": element["value"]}],
            },
        )


def _filled(element: dict[str, Any], given: str | Sequence[str] | None) -> dict[str, Any]:
    """What an input of a view holds, in the form that its kind has."""
    match element["type"]:
        case "static_select":
            named = next(each for each in element["options"] if each["value"] == given) if given else None
            return {"selected_option": named or element["initial_option"]}
        case "checkboxes" | "multi_static_select":
            ticked = [each for each in element["options"] if each["value"] in (given or ())]
            return {"selected_options": ticked}
        case _:
            return {"value": given or element.get("initial_value")}


def _chosen(element: dict[str, Any], option: str) -> dict[str, Any]:
    """What a button brings, or the option of a menu, which must be one of those that it has."""
    if "options" not in element:
        return {"value": element.get("value")}
    return {"selected_option": next(each for each in element["options"] if each["value"] == option)}
