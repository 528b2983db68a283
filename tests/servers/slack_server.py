"""Slack on real sockets: its Web API, its Socket Mode, and the sender of its signed requests. Strict, and deterministic.

Whatever the documentation forbids is answered as Slack answers it, and remembered in `diagnostics`: a test ends with none
that it did not ask for. Tests act as people through `slack_people`.
"""

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import WSMsgType, web

from tests.servers.slack_blocks import MOST_VIEW_BLOCKS, diagnostics
from tests.servers.slack_history import history, history_scope, metadata_error, replies

UPDATE_SECONDS = 3.0
PATIENCE = 60.0
SCOPES = (
    "commands,chat:write,app_mentions:read,files:read,files:write,im:write,im:history,users:read,usergroups:read,channels:read,"
    "channels:history,reactions:write,pins:write"
)


_OF_ONE_WORKSPACE = frozenset({"usergroups.list", "users.list", "conversations.list"})
"""With the token of a whole organisation these want to know which: https://docs.slack.dev/enterprise"""


@dataclass
class Message:
    """A message as it stands, with every version that it had."""

    team: str
    channel: str
    ts: str
    thread: str
    versions: list[dict[str, Any]]
    user: str
    bot: str = ""
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def now(self) -> dict[str, Any]:
        return self.versions[-1]

    @property
    def text(self) -> str:
        return json.dumps(self.now.get("blocks") or self.now["text"], ensure_ascii=False)

    def element(self, action: str) -> dict[str, Any]:
        """The button or menu with this action id."""
        for block in self.now.get("blocks") or []:
            for element in block.get("elements", []) if block["type"] == "actions" else []:
                if element["action_id"] == action:
                    return dict(element)
        raise AssertionError(f"no {action} in {self.text}")

    def has_any(self) -> bool:
        """Whether anything on it can be pressed."""
        return any(block["type"] == "actions" for block in self.now.get("blocks") or [])

    def has(self, action: str) -> bool:
        try:
            return bool(self.element(action))
        except AssertionError:
            return False


@dataclass(kw_only=True)
class Fault:
    """What a method answers instead, so many times: after `silence`, if that is given.

    A `page` is one of somebody before Slack, a proxy or a gateway, whatever its status and `content_type`.
    """

    method: str
    error: str = ""
    status: int = 200
    retry_after: int | None = None
    needed: str = ""
    page: str = ""
    content_type: str = "text/html"
    times: int = 1
    is_done_first: bool = False
    silence: asyncio.Event | None = None


@dataclass
class Team:
    """One workspace."""

    id: str
    token: str
    enterprise: str | None = None
    users: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    groups: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    absent: set[str] = field(default_factory=set[str])
    conversations: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    lacks: set[str] = field(default_factory=set[str])
    has_groups: bool = True
    refresh_token: str = ""
    former: set[str] = field(default_factory=set[str])
    expired: set[str] = field(default_factory=set[str])
    tells_email: bool = False
    is_org_wide: bool = False
    sisters: tuple[str, ...] = ()

    @property
    def bot(self) -> str:
        return f"UBOT{self.id}"

    @property
    def bot_id(self) -> str:
        return f"B{self.id}"

    def conversation(self, channel: str) -> dict[str, Any]:
        """A channel as `conversations.info` shows one: https://docs.slack.dev/reference/objects/conversation-object."""
        plain = {
            "id": channel, "name": "general", "is_channel": True, "is_group": False, "is_im": False, "is_mpim": False,
            "is_private": False, "is_archived": False, "is_general": channel == "C1", "is_shared": False,
            "is_ext_shared": False, "is_org_shared": False, "is_pending_ext_shared": False, "is_member": True,
            "context_team_id": self.id, "topic": {"value": "all"}, "purpose": {"value": ""},
        }  # fmt: skip
        known = {name: value for name, value in self.conversations.get(channel, {}).items() if name != "members"}
        return {**plain, **known}

    def user_object(self, user: dict[str, Any]) -> dict[str, Any]:
        """A user as `users.info` shows one: a member of this workspace, where the test says nothing else.

        https://docs.slack.dev/reference/objects/user-object: a closed account has hardly more than `deleted`, and people
        of other organizations have the `team_id` of their own.
        """
        if user.get("deleted"):
            return {
                "id": user["id"],
                "team_id": self.id,
                "deleted": True,
                "is_bot": False,
                "is_app_user": False,
                **user,
            }
        flags = (
            "deleted",
            "is_admin",
            "is_owner",
            "is_primary_owner",
            "is_restricted",
            "is_ultra_restricted",
            "is_bot",
        )
        plain: dict[str, Any] = {**dict.fromkeys(flags, False), "is_app_user": False, "team_id": self.id, "updated": 1}
        if self.enterprise and user.get("team_id", self.id) == self.id:
            plain["enterprise_user"] = {
                "id": user["id"],
                "enterprise_id": self.enterprise,
                "teams": [self.id, *self.sisters],
            }
        shown = {**plain, **user}
        if not self.tells_email and "profile" in shown:
            # https://docs.slack.dev/reference/scopes/users.read.email: without that scope there is no address.
            shown["profile"] = {name: value for name, value in shown["profile"].items() if name != "email"}
        return shown

    @property
    def scopes(self) -> str:
        return ",".join(scope for scope in SCOPES.split(",") if scope not in self.lacks)


@dataclass
class SlackServer:
    """Everything that Slack knows."""

    teams: list[Team]
    app_token: str = "xapp-1-test"
    address: str = ""
    now: Callable[[], float] = time.monotonic
    has_socket_mode: bool = True
    watches_rate: bool = False
    messages: dict[tuple[str, str], Message] = field(default_factory=dict[tuple[str, str], Message])
    private_messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    views: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    homes: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    suggested: dict[str, list[dict[str, str]]] = field(default_factory=dict[str, list[dict[str, str]]])
    files: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    reactions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    pins: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    diagnostics: list[str] = field(default_factory=list[str])
    faults: list[Fault] = field(default_factory=list[Fault])
    triggers: dict[str, float] = field(default_factory=dict[str, float])
    clicked_in: dict[str, str] = field(default_factory=dict[str, str])
    answers_left: dict[str, int] = field(default_factory=lambda: defaultdict(lambda: 5))
    answers_expired: bool = False
    sockets: list[web.WebSocketResponse] = field(default_factory=list[web.WebSocketResponse])
    acks: dict[str, object] = field(default_factory=dict[str, object])
    last_update: dict[str, float] = field(default_factory=dict[str, float])
    used_codes: set[str] = field(default_factory=set[str])
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _count: int = 0
    _last_ts: int = 0
    _next_socket: deque[int] = field(default_factory=lambda: deque([0]))

    def number(self) -> int:
        self._count += 1
        return self._count

    def new_ts(self) -> str:
        """Slack's time, never the same twice."""
        self._last_ts = max(self._last_ts + 1, int(time.time() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def new_trigger(self) -> str:
        trigger = f"{self.number()}.trigger"
        self.triggers[trigger] = self.now()
        return trigger

    async def until(self, is_so: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait for something to be so."""
        try:
            async with asyncio.timeout(seconds), self.changed:
                await self.changed.wait_for(lambda: bool(is_so()))
        except TimeoutError:
            raise AssertionError(f"it never came; the last calls: {[name for name, _ in self.calls[-15:]]}") from None

    async def tell_change(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def cards(self, channel: str = "C1") -> list[Message]:
        """The messages in a channel that are in no thread."""
        return [each for each in self.messages.values() if each.channel == channel and not each.thread]

    def called(self, method: str) -> list[dict[str, Any]]:
        return [given for name, given in self.calls if name == method]

    # --- the Web API ---

    async def handle(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        given = await _given(request)
        bearer = request.headers.get("Authorization", "")
        token = bearer.removeprefix("Bearer ") if bearer.startswith("Bearer") else str(given.pop("token", ""))
        self.calls.append((method, given))
        try:
            return await self._answer(method, given, token)
        finally:
            await self.tell_change()

    async def _answer(self, method: str, given: dict[str, Any], token: str) -> web.Response:
        fault = next((each for each in self.faults if each.method == method and each.times > 0), None)
        if fault is not None:
            fault.times -= 1
            if fault.is_done_first:
                await self._act(method, given, token)
                await self.tell_change()
            if fault.silence is not None:
                await fault.silence.wait()
            return _failing(fault)
        team = self._team_of(token)
        return _said(await self._act(method, given, token), team.scopes if team else "")

    def _team_of(self, token: str, given: dict[str, Any] | None = None) -> Team | None:
        """The workspace that a call is about: of a token for a whole organisation the one that it names, or the first."""
        known = [each for each in self.teams if token == each.token or token in each.former]
        named = [each for each in known if given and given.get("team_id") == each.id]
        return next(iter([*named, *known]), None)

    async def _act(self, method: str, given: dict[str, Any], token: str) -> dict[str, Any]:
        if method == "apps.connections.open":
            if token != self.app_token:
                return _no("invalid_auth")
            # An app whose Socket Mode is off gets an address all the same, over which nothing comes.
            off = {"response_metadata": {"messages": ["[WARN] Socket Mode is not turned on."]}}
            address = f"{self.address.replace('http', 'ws')}/link"
            return {"ok": True, "url": address, **({} if self.has_socket_mode else off)}
        if method == "oauth.v2.access":
            return self._renew(given) if given.get("grant_type") == "refresh_token" else self._install(given)
        if any(token in each.expired for each in self.teams):
            return _no("token_expired")
        team = self._team_of(token, given)
        if team is None:
            return _no("invalid_auth")
        if team.is_org_wide and method in _OF_ONE_WORKSPACE and not given.get("team_id"):
            return _no("missing_argument")
        handler = getattr(self, f"_{method.replace('.', '_')}", None)
        if handler is None:
            self.diagnostics.append(f"no such method: {method}")
            return _no("unknown_method")
        answer = handler(team, given)
        return dict(answer)

    def _renew(self, given: dict[str, Any]) -> dict[str, Any]:
        """A refresh token is good once: https://docs.slack.dev/authentication/using-token-rotation."""
        team = next((each for each in self.teams if each.refresh_token == given["refresh_token"]), None)
        if team is None or not team.refresh_token:
            return _no("invalid_refresh_token")
        number = self.number()
        team.former.add(team.token)
        team.token, team.refresh_token = f"xoxe.xoxb-{team.id}-{number}", f"xoxe-{team.id}-{number}"
        return {"ok": True, "app_id": "A1", "scope": team.scopes, "bot_user_id": team.bot, **_rotating(team)}

    def _install(self, given: dict[str, Any]) -> dict[str, Any]:
        """A code is good once: `code-T1` installs the app in T1."""
        code = str(given.get("code", ""))
        team = next((each for each in self.teams if code in (f"code-{each.id}", f"code-{each.enterprise}")), None)
        if team is None or code in self.used_codes:
            return _no("invalid_code")
        self.used_codes.add(code)
        return {
            "ok": True,
            "app_id": "A1",
            **_rotating(team),
            "scope": team.scopes,
            "bot_user_id": team.bot,
            "team": None if team.is_org_wide else {"id": team.id, "name": f"Team {team.id}"},
            "enterprise": {"id": team.enterprise, "name": "Org"} if team.enterprise else None,
            "is_enterprise_install": team.is_org_wide,
            "authed_user": {"id": "UROOT"},
        }

    def _auth_test(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        return {
            "ok": True,
            "team_id": team.id,
            "team": f"Team {team.id}",
            "user_id": team.bot,
            "bot_id": team.bot_id,
            "enterprise_id": team.enterprise,
        }

    def _users_info(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        user = team.users.get(given["user"])
        if user is None:
            return _no("user_not_found")
        shown = {"locale": "en-US", **team.user_object(user)}
        if given.get("include_locale") not in ("1", "true"):
            del shown["locale"]
        return {"ok": True, "user": shown}

    def _users_list(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        """Everybody, in pages: closed accounts and bots too."""
        everybody = list(team.users.values())
        start, most = int(given.get("cursor") or 0), int(given.get("limit", 100))
        members = [team.user_object(each) for each in everybody[start : start + most]]
        following = str(start + most) if start + most < len(everybody) else ""
        return {"ok": True, "members": members, "response_metadata": {"next_cursor": following}}

    def _usergroups_list(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        """https://docs.slack.dev/reference/methods/usergroups.list."""
        if "usergroups:read" not in team.scopes.split(","):
            return _no("missing_scope", needed="usergroups:read", provided=team.scopes)
        if not team.has_groups:
            return _no("plan_upgrade_required")
        return {"ok": True, "usergroups": team.groups}

    def _checked(self, team: Team, given: dict[str, Any], *, longest: int = 40_000) -> dict[str, Any] | None:
        """What is wrong with a message."""
        if given.get("channel") in team.absent:
            return _no("not_in_channel")
        if not given.get("text"):
            self.diagnostics.append("a message without a text")
        if len(given.get("text", "")) > longest:
            return _no("msg_too_long")
        if "<!" in given.get("text", "") or "<@" in given.get("text", ""):
            self.diagnostics.append(f"a text that pings: {given['text']}")
        if str(given.get("link_names", "")).lower() not in {"0", "false", "none", ""}:
            self.diagnostics.append("link_names")
        found = diagnostics(given["blocks"]) if given.get("blocks") else []
        self.diagnostics += found
        if any("too_long" in each for each in found):
            return _no("msg_blocks_too_long")
        return _no("invalid_blocks") if found else None

    def _chat_postMessage(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  # Slack's name
        if (wrong := self._checked(team, given)) is not None:
            return wrong
        for name in ("unfurl_links", "unfurl_media"):
            if str(given.get(name)).lower() not in {"0", "false"}:
                self.diagnostics.append(f"{name} is on")
        metadata = given.get("metadata", {})
        if metadata and (error := metadata_error(metadata)):
            self.diagnostics.append(f"{error}: {metadata}")
            return _no(error)
        ts, thread = self.new_ts(), given.get("thread_ts") or ""
        message = Message(team.id, given["channel"], ts, thread, [given], team.bot, team.bot_id, metadata)
        self.messages[given["channel"], ts] = message
        return {"ok": True, "channel": given["channel"], "ts": ts, "message": {"text": given["text"]}}

    def _chat_update(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        message = self.messages.get((given["channel"], given["ts"]))
        if message is None or message.team != team.id:
            return _no("message_not_found")
        if (wrong := self._checked(team, given, longest=4_000)) is not None:
            return wrong
        last = self.last_update.get(message.ts)
        if self.watches_rate and last is not None and self.now() - last < UPDATE_SECONDS:
            self.diagnostics.append(f"{message.ts} was updated after {self.now() - last:.2f} s")
        self.last_update[message.ts] = self.now()
        if "metadata" in given:  # Otherwise it stays.
            message.metadata = given["metadata"]
        message.versions.append(given)
        return {"ok": True, "channel": given["channel"], "ts": given["ts"], "text": given["text"]}

    def _chat_getPermalink(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  # Slack's name
        message = self.messages.get((given["channel"], given["message_ts"]))
        if message is None or message.team != team.id:
            return _no("message_not_found")
        number = str(given["message_ts"]).replace(".", "")
        return {"ok": True, "permalink": f"https://{team.id.lower()}.slack.test/archives/{given['channel']}/p{number}"}

    def _chat_delete(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        if self.messages.pop((given["channel"], given["ts"]), None) is None:
            return _no("message_not_found")
        return {"ok": True}

    def _chat_postEphemeral(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  # Slack's name
        if (wrong := self._checked(team, given)) is not None:
            return wrong
        self.private_messages.append({**given, "team": team.id})
        return {"ok": True, "message_ts": f"1700000001.{self.number():06d}"}

    def _conversations_open(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "channel": {"id": f"D{given['users']}"}}

    def _views_open(self, team: Team, given: dict[str, Any], below: str = "") -> dict[str, Any]:
        if not below and given["trigger_id"] in self.clicked_in:
            return _no("a_modal_is_open")
        opened = self.triggers.get(given["trigger_id"])
        if opened is None:
            return _no("invalid_trigger_id")
        if opened < 0:
            return _no("exchanged_trigger_id")
        if self.now() - opened > 3:
            return _no("expired_trigger_id")
        self.triggers[given["trigger_id"]] = -1.0
        number = f"V{self.number()}"
        view = {**_parsed(given["view"]), "id": number, "root_view_id": below or number, "team": team.id}
        if (wrong := self._view_complaints(view)) is not None:
            return wrong
        self.views[view["id"]] = view
        return {"ok": True, "view": {"id": view["id"]}}

    def _views_push(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        """Over the window whose click gave the trigger; nothing else may be pushed."""
        below = self.clicked_in.get(given["trigger_id"])
        return _no("not_in_a_modal") if below is None else self._views_open(team, given, below)

    def _views_update(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        if given["view_id"] not in self.views:
            return _no("not_found")
        before = self.views[given["view_id"]]
        view = {**_parsed(given["view"]), **{name: before[name] for name in ("id", "root_view_id")}, "team": team.id}
        if (wrong := self._view_complaints(view)) is not None:
            return wrong
        self.views[view["id"]] = view
        return {"ok": True, "view": {"id": view["id"]}}

    def _views_publish(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        view = _parsed(given["view"])
        if (wrong := self._view_complaints(view)) is not None:
            return wrong
        self.homes[given["user_id"]] = view
        return {"ok": True}

    def _view_complaints(self, view: dict[str, Any]) -> dict[str, Any] | None:
        found = diagnostics(view["blocks"], most=MOST_VIEW_BLOCKS, counts_all=False)
        if view["type"] == "modal" and (
            len(view["title"]["text"]) > 24 or len(view.get("private_metadata", "")) > 3_000
        ):
            found.append("a modal's title or metadata")
        self.diagnostics += found
        return _no("invalid_arguments") if found else None

    def _files_getUploadURLExternal(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  # Slack's name
        file = f"F{self.number()}"
        self.files[file] = {"id": file, "name": given["filename"], "length": int(given["length"]), "team": team.id}
        return {"ok": True, "file_id": file, "upload_url": f"{self.address}/upload/{file}"}

    def _files_completeUploadExternal(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  # Slack's name
        done: list[dict[str, Any]] = []
        for each in json.loads(given["files"]):
            file = self.files[each["id"]]
            if len(file.get("content", b"")) != file["length"]:
                return _no("file_not_found")
            file |= {"channel": given.get("channel_id"), "thread": given.get("thread_ts"), "title": each.get("title")}
            done.append({"id": each["id"], "title": each.get("title"), "permalink": f"https://files.test/{each['id']}"})
        return {"ok": True, "files": done}

    def _conversations_list(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        kinds = given.get("types", "public_channel").split(",")
        names = {"public_channel": False, "private_channel": True}
        channels = [
            team.conversation(each)
            for each in ("C1", *team.conversations)
            if any(names.get(kind) == team.conversation(each)["is_private"] for kind in kinds)
        ]
        return {"ok": True, "channels": channels, "response_metadata": {"next_cursor": ""}}

    def _conversations_info(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        if given["channel"] != "C1" and given["channel"] not in team.conversations:
            return _no("channel_not_found")
        return {"ok": True, "channel": team.conversation(given["channel"])}

    def _conversations_members(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        """Who is in a channel, in pages."""
        if given["channel"] != "C1" and given["channel"] not in team.conversations:
            return _no("channel_not_found")
        everybody = [team.bot, *team.users]
        members = list(team.conversations.get(given["channel"], {}).get("members", everybody))
        start, most = int(given.get("cursor") or 0), int(given.get("limit", 100))
        following = str(start + most) if start + most < len(members) else ""
        return {"ok": True, "members": members[start : start + most], "response_metadata": {"next_cursor": following}}

    def _users_conversations(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "channels": [{"id": "C1", "name": "general"}], "response_metadata": {"next_cursor": ""}}

    def _conversations_history(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        return self._unreadable(team, given) or history(self._standing(team, given), given)

    def _conversations_replies(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        return self._unreadable(team, given) or replies(self._standing(team, given), given)

    def _unreadable(self, team: Team, given: dict[str, Any]) -> dict[str, Any] | None:
        scope = history_scope(given["channel"])
        if scope not in team.scopes.split(","):
            return _no("missing_scope", needed=scope, provided=team.scopes)
        return _no("not_in_channel") if given["channel"] in team.absent else None

    def _standing(self, team: Team, given: dict[str, Any]) -> list[Message]:
        return [each for each in self.messages.values() if (each.team, each.channel) == (team.id, given["channel"])]

    def _reactions_add(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        if any(each == given for each in self.reactions):
            return _no("already_reacted")
        self.reactions.append(given)
        return {"ok": True}

    def _agents_sessions_setStatus(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  # Slack's name
        return {"ok": True}

    def _assistant_threads_setSuggestedPrompts(  # noqa: N802  # Slack's name
        self, team: Team, given: dict[str, Any]
    ) -> dict[str, Any]:
        """https://docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts."""
        prompts = json.loads(given["prompts"]) if isinstance(given["prompts"], str) else given["prompts"]
        if not 1 <= len(prompts) <= 4 or any(not each.get("title") or not each.get("message") for each in prompts):
            return _no("invalid_arguments")
        self.suggested[given["channel_id"]] = prompts
        return {"ok": True}

    def _pins_add(self, team: Team, given: dict[str, Any]) -> dict[str, Any]:
        self.pins.append(given)
        return {"ok": True}

    async def take_upload(self, request: web.Request) -> web.Response:
        fault = next((each for each in self.faults if each.method == "upload" and each.times > 0), None)
        if fault is not None:
            fault.times -= 1
            await request.read()
            return _failing(fault)
        file = self.files[request.match_info["file"]]
        file["content"] = await request.read()
        return web.Response(text="OK")

    async def give_file(self, request: web.Request) -> web.Response:
        """A file's bytes for whoever shows a token with `files:read`; a page to log in for everybody else.

        https://docs.slack.dev/reference/objects/file-object
        """
        file = self.files[request.match_info["file"]]
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        team = self._team_of(token)
        if team is None or "files:read" not in team.scopes.split(","):
            return web.Response(text="<html>Sign in to Slack</html>", content_type="text/html")
        return web.Response(body=file["content"], content_type=file["mimetype"])

    def share(self, name: str, content: bytes, mimetype: str = "text/plain") -> dict[str, Any]:
        """A file that somebody shared, as it comes with a message."""
        file = f"F{self.number()}"
        self.files[file] = {"id": file, "name": name, "content": content, "mimetype": mimetype}
        address = f"{self.address}/private/{file}"
        return {
            "id": file,
            "name": name,
            "title": name,
            "mimetype": mimetype,
            "size": len(content),
            "url_private": address,
            "url_private_download": address,
        }

    async def take_answer(self, request: web.Request) -> web.Response:
        """A response_url: five times, for half an hour, no more."""
        key = request.match_info["key"]
        if self.answers_expired:
            return web.Response(status=404, text="expired_url")
        self.answers_left[key] -= 1
        if self.answers_left[key] < 0:
            self.diagnostics.append("a response_url was used six times")
            return web.Response(status=404, text="used_url")
        given = await request.json()
        if given.get("blocks"):
            self.diagnostics += diagnostics(given["blocks"])
        if given.get("response_type") == "in_channel":
            self.diagnostics.append("a private answer to everybody")
        self.private_messages.append({**given, "address": key})
        await self.tell_change()
        return web.Response(text="ok")

    # --- Socket Mode ---

    async def link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": len(self.sockets) + 1})
        self.sockets.append(socket)
        await self.tell_change()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    told = json.loads(message.data)
                    self.acks[told["envelope_id"]] = told.get("payload")
                    await self.tell_change()
        finally:
            self.sockets.remove(socket)
        return socket

    async def send(self, kind: str, payload: dict[str, Any], *, envelope: str = "", retry: int = 0) -> str:
        """An envelope to one of the connections, in turn; waits for its acknowledgement within three seconds."""
        name = envelope or f"envelope-{self.number()}"
        self.acks.pop(name, None)
        await self.until(lambda: self.sockets)
        socket = self.sockets[self._count % len(self.sockets)]
        told = {"type": kind, "envelope_id": name, "payload": payload, "accepts_response_payload": kind != "events_api"}
        if retry:
            told |= {"retry_attempt": retry, "retry_reason": "timeout"}
        await socket.send_json(told)
        await self.until(lambda: name in self.acks, 3.0)
        return name

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask for another connection, as Slack does every few hours."""
        for socket in list(self.sockets):
            await socket.send_json({"type": "disconnect", "reason": reason})

    async def drop(self) -> None:
        """Lose every connection without a word."""
        for socket in list(self.sockets):
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()


@asynccontextmanager
async def slack_serving(server: SlackServer) -> AsyncGenerator[SlackServer]:
    """Slack, on a port of its own, while the context is open."""
    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_route("*", "/api/{method}", server.handle)
    app.router.add_post("/upload/{file}", server.take_upload)
    app.router.add_get("/private/{file}", server.give_file)
    app.router.add_post("/answer/{key}", server.take_answer)
    app.router.add_get("/link", server.link)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


async def _given(request: web.Request) -> dict[str, Any]:
    body = await request.read()
    if request.content_type == "application/json":
        return dict(json.loads(body)) if body else {}
    if request.content_type == "multipart/form-data":
        return {}
    pairs = parse_qsl(body.decode(), keep_blank_values=True)
    given: dict[str, Any] = {**request.query, **dict(pairs)}
    for name in ("blocks", "view", "metadata"):
        if isinstance(given.get(name), str):
            given[name] = json.loads(given[name])
    return given


def _parsed(view: object) -> dict[str, Any]:
    return dict(json.loads(view)) if isinstance(view, str) else dict(view)  # type: ignore[call-overload]  # Slack takes both


def _rotating(team: Team) -> dict[str, Any]:
    """The token as an installation or a renewal gives it; without token rotation it does not expire."""
    ends = {"refresh_token": team.refresh_token, "expires_in": 43_200} if team.refresh_token else {}
    return {"access_token": team.token, "token_type": "bot", **ends}


def _no(error: str, **more: object) -> dict[str, Any]:
    return {"ok": False, "error": error, **more}


def _said(answer: dict[str, Any], scopes: str) -> web.Response:
    return web.json_response(answer, headers={"x-oauth-scopes": scopes})


def _failing(fault: Fault) -> web.Response:
    if fault.retry_after is not None:
        headers = {"Retry-After": str(fault.retry_after)}
        return web.json_response(_no("ratelimited"), status=429, headers=headers)
    if fault.page:
        return web.Response(status=fault.status, text=fault.page, content_type=fault.content_type)
    if fault.status != 200:
        return web.Response(status=fault.status, text="upstream error", content_type="text/html")
    return web.json_response(_no(fault.error, needed=fault.needed))
