"""Discord on a loopback socket: REST and gateway, as strict as the real one, for the real client library."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import BodyPartReader, WSMsgType, web

from tests.servers.discord_limits import complaints_of, schema_complaints
from tests.servers.discord_world import (
    APPLICATION,
    BOT,
    EPHEMERAL,
    HOUR,
    Guild,
    Interaction,
    Message,
    Payload,
    Refused,
    World,
)

TOKEN = "token.of.tests"
_MOST_GUILDS = 200
_ANNOUNCEMENTS, _MEDIA, _POSTS_ONLY = 5, 16, frozenset({15, 16})
_ANNOUNCEMENT_THREAD, _PUBLIC_THREAD = 10, 11
_VIEW, _SEND, _IN_THREADS = 1 << 10, 1 << 11, 1 << 38


@dataclass
class Fault:
    """What goes wrong with the next requests of one kind. Without a status the answer is lost after the deed.

    A body that is a text comes as a page, as from a gateway before Discord, or as `content_type` says.
    """

    method: str
    path: str
    status: int = 0
    body: Payload | str | None = None
    headers: dict[str, str] | None = None
    times: int = 1
    content_type: str = "text/html"


@dataclass
class Session:
    """One gateway session, which a client may resume."""

    id: str
    sent: list[Payload]
    socket: web.WebSocketResponse | None = None


class DiscordServer(World):
    """The world, and its two doors."""

    def __init__(self) -> None:
        """Not yet open."""
        super().__init__()
        self.url = ""
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.sessions: dict[str, Session] = {}
        self.identified: list[Payload] = []
        self.resumed = 0
        self.keeps_sessions = False
        self.delivers_again = 0
        self.old_edits_left = 1_000_000
        self.refuses_gateway = 0
        self.advertised_gateway = ""
        self.takes_files = True
        self.application_flags = 0

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator["DiscordServer"]:
        """Open both doors on a free port."""
        application = web.Application(middlewares=[self._middleware], client_max_size=64 * 1024 * 1024)
        application.add_routes(self._routes())
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            await self.drop_gateway()
            await runner.cleanup()

    @property
    def api(self) -> str:
        """What DISCORD_API_URL is to be."""
        return f"{self.url}/api/v10"

    async def until(self, is_so: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait until something holds; it is looked at whenever something changed here, and now and then."""
        async with asyncio.timeout(seconds):
            while not is_so():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.02), self.changed:
                        await self.changed.wait()

    async def tell_changed(self) -> None:
        """Wake whoever waits."""
        async with self.changed:
            self.changed.notify_all()

    # --- gateway ------------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> list[Session]:
        """The sessions that have a connection. With `keeps_sessions` there may be several, and each hears of everything."""
        return [each for each in self.sessions.values() if each.socket is not None and not each.socket.closed]

    async def dispatch(self, event: str, data: Payload) -> None:
        """Send an event to every session; one without a connection gets it when it resumes."""
        for session in self.sessions.values():
            frame = {"op": 0, "t": event, "s": len(session.sent) + 1, "d": data}
            session.sent.append(frame)
            if session.socket is not None and not session.socket.closed:
                with contextlib.suppress(ConnectionError):  # It gets it when it resumes.
                    await session.socket.send_str(json.dumps(frame))

    async def drop_gateway(self, code: int = 4000) -> None:
        """Hang up on every client."""
        for session in self.sessions.values():
            if session.socket is not None and not session.socket.closed:
                await session.socket.close(code=code)

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(json.dumps({"op": 10, "d": {"heartbeat_interval": 41_250}}))
        async for frame in socket:
            if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                await self._hear(socket, json.loads(frame.data))
        return socket

    async def _hear(self, socket: web.WebSocketResponse, frame: Payload) -> None:
        match frame["op"]:
            case 1:
                await socket.send_str(json.dumps({"op": 11}))
            case 2:
                await self._identify(socket, frame["d"])
            case 6:
                await self._resume(socket, frame["d"])
            case _:
                pass

    async def _identify(self, socket: web.WebSocketResponse, data: Payload) -> None:
        if data["token"] != TOKEN or self.refuses_gateway:
            await socket.close(code=self.refuses_gateway or 4004)
            return
        self.identified.append(data)
        session = Session(f"session{len(self.identified)}", [], socket)
        kept = self.connected if self.keeps_sessions else []
        self.sessions = {each.id: each for each in (*kept, session)}
        ready = {
            "v": 10, "user": BOT, "session_id": session.id, "resume_gateway_url": self._gateway_url(),
            "guilds": [{"id": each, "unavailable": True} for each in self.guilds], "shard": data.get("shard", [0, 1]),
            "application": {"id": APPLICATION, "flags": 0},
        }  # fmt: skip
        await self.dispatch("READY", ready)
        for guild in self.guilds.values():
            await self.dispatch("GUILD_CREATE", self.guild_json(guild))
        await self.tell_changed()

    def _gateway_url(self) -> str:
        return self.advertised_gateway or self.url.replace("http", "ws") + "/gw"

    async def _resume(self, socket: web.WebSocketResponse, data: Payload) -> None:
        session = self.sessions.get(data["session_id"])
        if session is None:
            await socket.send_str(json.dumps({"op": 9, "d": False}))
            return
        for frame in session.sent[max(0, data["seq"] - self.delivers_again) :]:
            await socket.send_str(json.dumps(frame))
        session.socket = socket
        self.resumed += 1
        await self.dispatch("RESUMED", {})
        await self.tell_changed()

    # --- REST ---------------------------------------------------------------------------------------------------------

    @web.middleware
    async def _middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.startswith(("/gw", "/cdn")):
            return await handler(request)
        self.requests.append((request.method, request.path))
        fault = self._fault(request)
        if fault is not None and isinstance(fault.body, str):
            return web.Response(
                text=fault.body, status=fault.status, headers=fault.headers, content_type=fault.content_type
            )
        if fault is not None and fault.status:
            return _json(fault.body or {"message": "fault", "code": 0}, fault.status, fault.headers)
        is_open = "/interactions/" in request.path or "/webhooks/" in request.path
        if not is_open and request.headers.get("Authorization") != f"Bot {TOKEN}":
            return _json({"message": "401: Unauthorized", "code": 0}, 401)
        try:
            response = await handler(request)
        except Refused as refused:
            response = _refusal(refused)
        await self.tell_changed()
        if fault is not None and request.transport is not None:
            request.transport.close()
        return response

    def _fault(self, request: web.Request) -> Fault | None:
        for fault in self.faults:
            if fault.method == request.method and re.search(fault.path, request.path) and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    def _routes(self) -> list[web.RouteDef]:
        def route(
            method: str, path: str, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.RouteDef:
            return web.route(method, f"/api/v10{path}", handler)

        return [
            web.get("/gw", self._gateway),
            web.get("/cdn/{message}/{name}", self._cdn),
            web.get("/gw/", self._gateway),
            route("GET", "/users/@me", self._me),
            route("GET", "/users/@me/guilds", self._my_guilds),
            route("GET", "/oauth2/applications/@me", self._application),
            route("GET", "/applications/@me", self._application),
            route("GET", "/gateway/bot", self._gateway_bot),
            route("GET", "/guilds/{guild}/channels", self._channels),
            route("GET", "/guilds/{guild}", self._guild),
            route("GET", "/guilds/{guild}/roles", self._roles),
            route("GET", "/guilds/{guild}/roles/member-counts", self._member_counts),
            route("GET", "/guilds/{guild}/members", self._members),
            route("GET", "/guilds/{guild}/members/search", self._search_members),
            route("GET", "/guilds/{guild}/members/{user}", self._member),
            route("GET", "/channels/{channel}", self._channel),
            route("GET", "/channels/{channel}/thread-members/{user}", self._thread_member),
            route("GET", "/applications/{app}/commands", self._get_commands),
            route("PUT", "/applications/{app}/commands", self._put_commands),
            route("GET", "/applications/{app}/guilds/{guild}/commands", self._get_commands),
            route("PUT", "/applications/{app}/guilds/{guild}/commands", self._put_commands),
            route("POST", "/users/@me/channels", self._open_private),
            route("GET", "/channels/{channel}/messages", self._list_messages),
            route("POST", "/channels/{channel}/messages", self._create),
            route("GET", "/channels/{channel}/messages/{message}", self._get_message),
            route("PATCH", "/channels/{channel}/messages/{message}", self._patch),
            route("DELETE", "/channels/{channel}/messages/{message}", self._delete),
            route("POST", "/channels/{channel}/messages/{message}/threads", self._thread),
            route("POST", "/channels/{channel}/threads", self._loose_thread),
            route("GET", "/guilds/{guild}/threads/active", self._active_threads),
            route("GET", "/channels/{channel}/threads/archived/public", self._archived_threads),
            route("PUT", "/channels/{channel}/messages/{message}/reactions/{emoji}/@me", self._react),
            route("PUT", "/channels/{channel}/messages/pins/{message}", self._pin),
            route("POST", "/interactions/{id}/{token}/callback", self._callback),
            route("POST", "/webhooks/{app}/{token}", self._follow_up),
            route("PATCH", "/webhooks/{app}/{token}/messages/@original", self._edit_original),
            route("DELETE", "/webhooks/{app}/{token}/messages/@original", self._delete_original),
        ]

    async def _cdn(self, request: web.Request) -> web.Response:
        """Files lie on another host, whose addresses are secrets enough."""
        return web.Response(text=self.messages[request.match_info["message"]].files[request.match_info["name"]])

    async def _me(self, request: web.Request) -> web.Response:
        return _json(BOT)

    async def _my_guilds(self, request: web.Request) -> web.Response:
        """In pages of at most 200: https://discord.com/developers/docs/resources/user#get-current-user-guilds."""
        most, after = int(request.query.get("limit", 200)), int(request.query.get("after", 0))
        if not 1 <= most <= _MOST_GUILDS:
            raise Refused(400, 50035, "Invalid Form Body")
        rows = [{"id": each.id, "name": each.name} for each in self.guilds.values() if int(each.id) > after]
        return _json(sorted(rows, key=lambda each: int(each["id"]))[:most])

    async def _application(self, request: web.Request) -> web.Response:
        return _json({"id": APPLICATION, "name": "massgen", "description": "", "icon": None, "bot_public": True,
                      "bot_require_code_grant": False, "verify_key": "k", "team": None, "flags": self.application_flags,
                      "owner": {**BOT, "id": "1"}})  # fmt: skip

    async def _gateway_bot(self, request: web.Request) -> web.Response:
        limit = {"total": 1000, "remaining": 999, "reset_after": 1, "max_concurrency": 1}
        return _json({"url": self._gateway_url(), "shards": 1, "session_start_limit": limit})

    async def _channels(self, request: web.Request) -> web.Response:
        guild = self._guild_in(request)
        return _json([self.channel_json(guild, channel) for channel in guild.channels])

    async def _guild(self, request: web.Request) -> web.Response:
        return _json(self.guild_json(self._guild_in(request)))

    async def _roles(self, request: web.Request) -> web.Response:
        return _json(self.guild_json(self._guild_in(request))["roles"])

    async def _member_counts(self, request: web.Request) -> web.Response:
        guild = self._guild_in(request)
        members = [each["roles"] for each in guild.members.values()]
        return _json({role: sum(role in roles for roles in members) for role in guild.roles if role != guild.id})

    async def _member(self, request: web.Request) -> web.Response:
        guild, user = self._guild_in(request), request.match_info["user"]
        if user == APPLICATION:
            return _json({"user": BOT, "roles": [], "joined_at": "2026-01-01T00:00:00+00:00", "flags": 0})
        if user not in guild.members:
            raise Refused(404, 10007, "Unknown Member")
        return _json(guild.members[user])

    async def _members(self, request: web.Request) -> web.Response:
        """In pages, by number: https://discord.com/developers/docs/resources/guild#list-guild-members."""
        if not self.application_flags & (1 << 14 | 1 << 15):
            raise Refused(403, 50001, "Missing Access")
        most, after = int(request.query.get("limit", 1)), int(request.query.get("after", 0))
        if not 1 <= most <= 1000:
            raise Refused(400, 50035, "Invalid Form Body")
        members = sorted(self._guild_in(request).members.items(), key=lambda each: int(each[0]))
        return _json([each for number, each in members if int(number) > after][:most])

    async def _search_members(self, request: web.Request) -> web.Response:
        """Those whose username or nickname begins so, letter case aside."""
        query, most = request.query["query"].lower(), int(request.query.get("limit", 1))
        members = self._guild_in(request).members.values()
        names = [(each, (each["user"]["username"], each.get("nick") or "")) for each in members]
        return _json([each for each, own in names if any(name.lower().startswith(query) for name in own)][:most])

    async def _thread_member(self, request: web.Request) -> web.Response:
        thread, user = request.match_info["channel"], request.match_info["user"]
        if user not in self.invited.get(thread, ()):
            raise Refused(404, 10007, "Unknown Member")
        return _json({"id": thread, "user_id": user, "join_timestamp": "2026-01-01T00:00:00+00:00", "flags": 0})

    async def _channel(self, request: web.Request) -> web.Response:
        channel = request.match_info["channel"]
        return _json(self.channel_json(self.guild_of(channel), channel))

    def _guild_in(self, request: web.Request) -> Guild:
        try:
            return self.guilds[request.match_info["guild"]]
        except KeyError:
            raise Refused(404, 10004, "Unknown Guild") from None

    async def _get_commands(self, request: web.Request) -> web.Response:
        self._check_place(request)
        commands = self.commands.get(request.match_info.get("guild", ""), [])
        return _json(commands if request.query.get("with_localizations") == "true" else _unlocalized(commands))

    async def _put_commands(self, request: web.Request) -> web.Response:
        self._check_place(request)
        commands = await request.json()
        self._check([c for each in commands for c in schema_complaints(each, "ApplicationCommandUpdateRequest")])
        scope = {"application_id": APPLICATION, "version": "1"}
        guild = request.match_info.get("guild", "")
        self.commands[guild] = made = [
            {"description": "", **each, **scope, **_as_discord(each), "id": self.number()} for each in commands
        ]
        for each in made if guild else ():
            # Both are "only for globally-scoped commands":
            # https://discord.com/developers/docs/interactions/application-commands#application-command-object
            each.update(contexts=None, integration_types=[0], guild_id=guild)
        return _json(made)

    def _check_place(self, request: web.Request) -> None:
        """Commands of a server that the bot is not on are missing access, as for one that does not exist."""
        if request.match_info.get("guild", "") not in {"", *self.guilds}:
            raise Refused(403, 50001, "Missing Access")

    async def _open_private(self, request: web.Request) -> web.Response:
        body = await request.json()
        # discord.py sends the number as a number, which Discord takes.
        self._check(
            schema_complaints({**body, "recipient_id": str(body["recipient_id"])}, "CreatePrivateChannelRequest")
        )
        user = str(body["recipient_id"])
        channel = self.private_channels.setdefault(user, self.number())
        recipient = {"id": user, "username": "someone", "discriminator": "0", "avatar": None}
        return _json({"id": channel, "type": 1, "recipients": [recipient], "last_message_id": None, "flags": 0})

    async def _list_messages(self, request: web.Request) -> web.Response:
        self._allow(request.match_info["channel"], 0)
        self._refuse_posts_only(request.match_info["channel"])
        found, most = self.in_channel(request.match_info["channel"]), int(request.query.get("limit", 50))
        if after := int(request.query.get("after", 0)):
            found = [each for each in found if int(each.id) > after][:most]
        return _json([self.as_json(each) for each in found[::-1][:most]])

    async def _create(self, request: web.Request) -> web.Response:
        channel = request.match_info["channel"]
        self._refuse_posts_only(channel)
        self._allow(channel, _IN_THREADS if channel in self.threads else _SEND)
        payload, files = await self._message_body(request)
        self._check(complaints_of(payload))
        return _json(self.as_json(self.add_message(channel, payload, BOT, files)))

    def _refuse_posts_only(self, channel: str) -> None:
        """There are no messages by themselves in a forum: 50008, "non-text channel"."""
        if channel not in self.private_channels.values() and self.guild_of(channel).kinds.get(channel) in _POSTS_ONLY:
            raise Refused(400, 50008, "Cannot send messages in a non-text channel")

    async def _message_body(self, request: web.Request) -> tuple[Payload, dict[str, str]]:
        payload, files = await _body(request)
        if files and not self.takes_files:
            raise Refused(413, 40005, "Request entity too large")
        return payload, files

    async def _get_message(self, request: web.Request) -> web.Response:
        return _json(self.as_json(self._message_in(request)))

    async def _patch(self, request: web.Request) -> web.Response:
        message = self._message_in(request)
        self._allow(message.channel, 0)
        if self.now() - message.at > HOUR:
            if self.old_edits_left <= 0:
                raise Refused(
                    429, 30046, "Maximum number of edits to messages older than 1 hour reached.", retry_after=90
                )
            self.old_edits_left -= 1
        payload, files = await self._message_body(request)
        self._check(complaints_of(payload, "MessageEditRequestPartial"))
        self.edit(message, payload, files)
        self.edited.append((self.now(), message.id))
        return _json(self.as_json(message))

    async def deletes(self, message: Message) -> None:
        """Somebody deletes a message, and every client hears of it."""
        del self.messages[message.id]
        guild = self.guild_of(message.channel).id
        await self.dispatch("MESSAGE_DELETE", {"id": message.id, "channel_id": message.channel, "guild_id": guild})

    async def _delete(self, request: web.Request) -> web.Response:
        del self.messages[self._message_in(request).id]
        return web.Response(status=204)

    async def _thread(self, request: web.Request) -> web.Response:
        message = self._message_in(request)
        self._allow(message.channel, 1 << 35)
        body = await request.json()
        self._check(schema_complaints(body, "CreateTextThreadWithMessageRequest"))
        if message.id in self.threads:
            raise Refused(400, 160004, "A thread has already been created for this message")
        self.threads[message.id] = message.channel
        made = self.channel_json(self.guild_of(message.channel), message.id)
        await self.dispatch("THREAD_CREATE", {**made, "newly_created": True})
        return _json(made, 201)

    async def _loose_thread(self, request: web.Request) -> web.Response:
        """A thread without a message, or a post in a forum. The channel's kind says what it takes.

        https://discord.com/developers/docs/resources/channel#start-thread-without-message
        https://discord.com/developers/docs/resources/channel#start-thread-in-forum-or-media-channel
        """
        channel, body = request.match_info["channel"], await request.json()
        guild = self.guild_of(channel)
        kind = guild.kinds.get(channel, 0)
        number = self.number()
        if kind in _POSTS_ONLY:
            self._allow(channel, _SEND)
            self._check([*schema_complaints(body, "CreateForumThreadRequest"), *complaints_of(body.get("message", {}))])
            self._check_post(guild, channel, body)
            self.add_message(number, body["message"], BOT, {}, number=number)
            self.thread_tags[number] = body.get("applied_tags") or []
        else:
            self._allow(channel, 1 << 35)
            self._check(schema_complaints(body, "CreateTextThreadWithoutMessageRequest"))
            if body.get("type") != (_ANNOUNCEMENT_THREAD if kind == _ANNOUNCEMENTS else _PUBLIC_THREAD):
                raise Refused(400, 50024, "Cannot execute action on this channel type")
        self.threads[number], self.thread_names[number] = channel, body["name"]
        return _json(self.channel_json(guild, number), 201)

    def _check_post(self, guild: Guild, channel: str, body: Payload) -> None:
        if guild.kinds[channel] == _MEDIA:
            raise Refused(400, 50035, "Invalid Form Body: a media channel needs an attachment")
        tags = body.get("applied_tags") or []
        if channel in guild.needs_tag and not tags:
            raise Refused(400, 40067, "A tag is required to create a forum post in this channel")
        self._check([f"unknown tag {each}" for each in tags if each not in {tag["id"] for tag in guild.tags[channel]}])

    async def _active_threads(self, request: web.Request) -> web.Response:
        guild = self._guild_in(request)
        found = [each for each in self.threads if each not in self.archived and self.guild_of(each) is guild]
        return _json({"threads": [self.channel_json(guild, each) for each in found], "members": []})

    async def _archived_threads(self, request: web.Request) -> web.Response:
        channel, most = request.match_info["channel"], int(request.query.get("limit", 50))
        if not 2 <= most <= 100:
            raise Refused(400, 50035, "Invalid Form Body")
        found = [each for each in self.threads if each in self.archived and self.threads[each] == channel]
        guild = self.guild_of(channel)
        return _json({"threads": [self.channel_json(guild, each) for each in found], "members": [], "has_more": False})

    async def _react(self, request: web.Request) -> web.Response:
        self.reactions.append((self._message_in(request).id, request.match_info["emoji"]))
        return web.Response(status=204)

    async def _pin(self, request: web.Request) -> web.Response:
        self.pinned.append(self._message_in(request).id)
        return web.Response(status=204)

    def _message_in(self, request: web.Request) -> Message:
        self._allow(request.match_info["channel"], 0)
        return self.message(request.match_info["channel"], request.match_info["message"])

    def _allow(self, channel: str, needed: int) -> None:
        """Refuse what the bot may not do in a channel."""
        if channel in self.private_channels.values():
            if any(self.private_channels[user] == channel for user in self.closed_doors & set(self.private_channels)):
                raise Refused(403, 50007, "Cannot send messages to this user")
            return
        denied = self.guild_of(channel).denied.get(self.threads.get(channel, channel), 0)
        if denied & _VIEW:
            raise Refused(403, 50001, "Missing Access")
        if denied & needed:
            raise Refused(403, 50013, "Missing Permissions")

    def _check(self, diagnostics: list[str]) -> None:
        if diagnostics:
            self.diagnostics += diagnostics
            raise Refused(400, 50035, "Invalid Form Body: " + "; ".join(diagnostics)[:400])

    # --- interactions -------------------------------------------------------------------------------------------------

    async def _callback(self, request: web.Request) -> web.Response:
        response, files = await _body(request)
        data = response.get("data") or {}
        if response["type"] in (4, 7):
            self._check(complaints_of(data, "IncomingWebhookInteractionRequest"))
        elif response["type"] == 9:
            self._check(schema_complaints(response, "ModalInteractionCallbackRequest"))
        elif response["type"] == 8:
            self._check(schema_complaints(response, "ApplicationCommandAutocompleteCallbackRequest"))
        found = self.answer(request.match_info["token"], response)
        if response["type"] == 4:
            self._deliver(found, data, files, is_private=bool(data.get("flags", 0) & EPHEMERAL))
        elif response["type"] == 6:
            found.original = found.message
        made: Payload = {"interaction": {"id": found.id, "type": found.sort}}
        if response["type"] not in (8, 9):
            shown = found.original or Message(self.number(), found.channel, BOT, {}, self.now(), is_private=True)
            made["resource"] = {"type": response["type"], "message": self.as_json(shown)}
            made["interaction"]["response_message_id"] = shown.id
        return _json(made)

    async def _follow_up(self, request: web.Request) -> web.Response:
        found = self.interaction(request.match_info["token"])
        payload, files = await _body(request)
        self._check(complaints_of(payload))
        message = self._deliver(found, payload, files, is_private=bool(payload.get("flags", 0) & EPHEMERAL))
        return _json(self.as_json(message))

    async def _edit_original(self, request: web.Request) -> web.Response:
        found = self.interaction(request.match_info["token"])
        payload, files = await _body(request)
        self._check(complaints_of(payload, "IncomingWebhookUpdateRequestPartial"))
        if found.original is None:
            is_private = bool((found.response or {}).get("data", {}).get("flags", 0) & EPHEMERAL)
            found.original = self._deliver(found, payload, files, is_private=is_private)
        else:
            self._check_shown(found.original)
            self.edit(found.original, payload, files)
        return _json(self.as_json(found.original))

    async def _delete_original(self, request: web.Request) -> web.Response:
        found = self.interaction(request.match_info["token"])
        if found.original is None:
            raise Refused(404, 10008, "Unknown Message")
        self._check_shown(found.original)
        self.messages.pop(found.original.id, None)
        found.original.payload = {}
        return web.Response(status=204)

    def _check_shown(self, message: Message) -> None:
        """What somebody was told in private is gone once they dismiss it."""
        if message.is_dismissed:
            raise Refused(404, 10008, "Unknown Message")

    def _deliver(self, found: Interaction, payload: Payload, files: dict[str, str], *, is_private: bool) -> Message:
        message = Message(self.number(), found.channel, BOT, payload, self.now(), files, is_private=is_private)
        found.original = found.original or message
        if is_private:
            found.private.append(message)
        else:
            self.messages[message.id] = message
        return message


def _refusal(refused: Refused) -> web.Response:
    """What asks for patience comes from Discord itself, and says so in the header that a gateway's own answers lack."""
    body: Payload = {"message": refused.message, "code": refused.code}
    if not refused.retry_after:
        return _json(body, refused.status)
    seconds = refused.retry_after
    headers = {"Via": "1.1 google", "Retry-After": f"{seconds:g}"}
    return _json({**body, "retry_after": seconds, "global": False}, refused.status, headers)


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    # discord.py compares the whole header, so that a charset would make it take the body for text.
    return web.Response(body=json.dumps(body).encode(), status=status, content_type="application/json", headers=headers)


async def _body(request: web.Request) -> tuple[Payload, dict[str, str]]:
    """The JSON of a request, and its files by name."""
    if not request.content_type.startswith("multipart/"):
        return await request.json(), {}
    payload: Payload = {}
    files: dict[str, str] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        if part.name == "payload_json":
            payload = json.loads(await part.text())
        else:
            files[part.filename or ""] = (await part.read()).decode("utf-8")
    return payload, files


def _unlocalized(part: object) -> object:
    """Commands without the dictionaries of languages, which Discord shows only on request."""
    if isinstance(part, list):
        return [_unlocalized(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {name: _unlocalized(value) for name, value in part.items() if not name.endswith("_localizations")}


def _as_discord(command: Payload) -> Payload:
    """Permissions come back as text."""
    needed = command.get("default_member_permissions")
    return {"default_member_permissions": None if needed is None else str(needed)}
