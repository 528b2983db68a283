"""A model behind an HTTP API: the vendor's SDK sends each request, and its streamed answer is read raw.

The objects that an SDK builds for every event of a stream cost several times more than all the rest of a call.
"""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import ClassVar, Generic, Protocol, TypeAlias, TypeVar

import httpx2
from typing_extensions import override

from coordination.config import ModelOptions
from coordination.errors import ConfigError
from coordination.llm.http import BROKEN_CONNECTION, check_address, read_events, read_whole
from coordination.llm.model_errors import (
    Headers,
    Problem,
    Provider,
    Raw,
    broken,
    refused,
    retry_after,
    said_in,
    silent,
    too_large,
    whole_text,
)
from coordination.ports import Conversation, InputMessage, Reply, ToolResult, ToolSpec, TurnContext
from coordination.text import Text

CONNECT_SECONDS = 10.0

SEARCHES_PER_REPLY = 10
"""Web searches that one reply may make; each costs money beside its tokens."""

MOST_LEFT_OUT = 4
"""Refusals of one request after each of which it is sent again with something left out."""

_UNKNOWN = re.compile(
    r"\b(?:unrecogni|unknown|unsupported|unexpected|extra|(?:not|n't) (?:support|permit|allow|accept|know))"
)

CONNECTION_LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=30)

Item: TypeAlias = dict[str, Raw]
"""One item of a history, as the provider gave it and wants it back."""


@dataclass(frozen=True, kw_only=True)
class ServedOptions:
    """What is asked of the server in each call, beside the conversation.

    Attributes:
        read_timeout: seconds without a sign of it after which a call is given up.
        max_reply_characters: a longer reply is stopped.
    """

    read_timeout: float = 120.0
    max_reply_characters: int = 12_000_000

    def diagnostics(self, model: str) -> list[Text]:
        """What would be refused in every call."""
        del model
        return []


@dataclass(frozen=True, kw_only=True)
class HttpOptions(ServedOptions, ABC):
    """What is asked of the server in each call, beside the conversation.

    Attributes:
        extra_body: sent as it is; wins over everything else that is sent.
    """

    temperature: float | None = None
    extra_body: Mapping[str, Raw] = field(default_factory=dict[str, Raw])

    def body(self) -> dict[str, Raw]:
        """The options that are set, as the request has them."""
        return those_set({"temperature": self.temperature, **self.own()}) | dict(self.extra_body)

    @abstractmethod
    def own(self) -> dict[str, Raw]:
        """Those of this provider alone, as the request has them; None: not set."""
        ...


ServedOptionsT = TypeVar("ServedOptionsT", bound=ServedOptions)
HttpOptionsT = TypeVar("HttpOptionsT", bound=HttpOptions)


def with_idle_timeout(own: ServedOptionsT, configured: ModelOptions) -> ServedOptionsT:
    """The options with the operator's limit of silence, where there is one."""
    return own if configured.idle_timeout is None else replace(own, read_timeout=configured.idle_timeout)


class ServedModel(ABC, Generic[ServedOptionsT]):
    """A model at an address. `key_name` is what people know its key by, such as OPENAI_API_KEY.

    `headers` go with every request; those of their values that are in `secrets` are not repeated to people.

    Attributes:
        default_base_url: where its vendor serves it.
    """

    default_base_url: ClassVar[str]
    default_options: ServedOptionsT

    def __init__(
        self,
        *,
        model: str,
        base_url: str | None = None,
        api_key: str = "",
        key_name: str = "",
        headers: Headers = (),
        secrets: tuple[str, ...] = (),
        options: ServedOptionsT | None = None,
    ) -> None:
        address = self.default_base_url if base_url is None else base_url
        check_address(address, model)
        self._provider = Provider(
            model=model, base_url=address, key_name=key_name, key=api_key, headers=headers, secrets=secrets
        )
        self._options = self.default_options if options is None else options
        if diagnostics := self._options.diagnostics(model):
            raise ConfigError(diagnostics)

    @property
    def name(self) -> str:
        """The model's name at the server."""
        return self._provider.model

    @abstractmethod
    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        """Begin a fresh conversation; what it is for makes no difference to a real model."""
        ...


class Refusal(Exception):
    """A server's answer with a failing status.

    Attributes:
        words: what the server says, for finding out what happened.
        place: the part of the request that it is about, where the server names one.
    """

    def __init__(
        self,
        response: httpx2.Response,
        *,
        body: object,
        message: str,
        codes: Sequence[object] = (),
        place: object = None,
    ) -> None:
        super().__init__(f"HTTP {response.status_code}")
        self.status = response.status_code
        self._said = said_in(body)
        self.words = message if isinstance(body, Mapping) else str(body)
        self.place = str(place or "")
        self._codes = tuple(str(code).lower() for code in codes if code)
        self._retry_after = retry_after(response.headers, self.words)

    def problem(self, option: str) -> Problem:
        """What is wrong; `option` is the one of ours that it is about, or nothing."""
        return Problem(
            status=self.status,
            codes=self._codes,
            words=self.words,
            said=self._said,
            option=option,
            retry_after=self._retry_after,
        )

    def is_unknown(self, name: str) -> bool:
        """Whether the server refuses this part of a request because it does not know it, not because of its value."""
        is_named = re.search(rf"\b{name}\b", self.words) is not None
        return self.status in {400, 422} and is_named and _UNKNOWN.search(self.words.lower()) is not None


class ConnectionFailedError(Exception):
    """No answer came; the cause says why."""


class SdkClient(Protocol):
    """What is used of an SDK's client.

    Its own overloads promise a stream of events; at run time `cast_to` wins, as the SDKs' guides to raw responses say.
    """

    async def post(
        self,
        path: str,
        *,
        cast_to: type[httpx2.Response],
        body: Mapping[str, Raw],
        options: Mapping[str, object],
        stream: bool,
    ) -> httpx2.Response:
        """Send a request; with `stream`, the answer is not read."""
        ...

    def is_closed(self) -> bool:
        """Whether it can't be used any more."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class HttpClients(ABC):
    """One SDK client, and so one pool of connections, per server, key and headers.

    The headers are the client's own: what comes with a single request, an SDK writes to its log. They should run over
    aiohttp, which costs about half of the SDKs' own transport for a streamed reply.
    """

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str, Headers], SdkClient] = {}

    def client(self, *, base_url: str, api_key: str, headers: Headers = ()) -> SdkClient:
        """The client of this server, key and headers; made on first use."""
        client = self._clients.get((base_url, api_key, headers))
        if client is None:
            # Without a key an SDK would look for one in the environment, and on the disk.
            client = self.new_client(base_url, api_key or "none", dict(headers))
            self._clients[base_url, api_key, headers] = client
        return client

    async def post(
        self, path: str, body: Mapping[str, Raw], provider: Provider, *, read_timeout: float
    ) -> httpx2.Response:
        """Send a request, and give back its streamed answer unread; seconds of silence end it.

        Raises:
            Refusal: the server answered with a failing status.
            ConnectionFailedError: it did not answer.
        """
        timeout = httpx2.Timeout(read_timeout, connect=CONNECT_SECONDS, pool=None)
        client = self.client(base_url=provider.base_url, api_key=provider.key, headers=provider.headers)
        with self.translated():
            return await client.post(
                path,
                cast_to=httpx2.Response,
                body=body,
                options={"timeout": timeout, "follow_redirects": False},
                stream=True,
            )

    async def aclose(self) -> None:
        """Close all connections."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.close()

    @abstractmethod
    def new_client(self, base_url: str, api_key: str, headers: Mapping[str, str]) -> SdkClient:
        """A client of this server and key that sends these headers, and no others of the environment's.

        It never retries.
        """
        ...

    @abstractmethod
    def translated(self) -> AbstractContextManager[None]:
        """A context that turns the SDK's errors into those of `post`."""
        ...


class ReplyParts(ABC):
    """What has come of one reply so far."""

    def __init__(self, provider: Provider, *, limit: int) -> None:
        """`limit` bounds the characters of the reply."""
        self.is_finished = False
        self._provider = provider
        self._limit = limit
        self._size = 0
        self._has_begun = False

    @abstractmethod
    def take(self, payload: bytes) -> None:
        """Add one event.

        Raises:
            ModelError: it is not readable, reports a failure, or the reply is too large.
        """
        ...

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._limit:
            raise too_large(self._provider, self._limit)


class HttpModel(ServedModel[HttpOptionsT]):
    """A model whose calls are requests to one path of its server."""

    path: ClassVar[str]

    def __init__(
        self,
        *,
        clients: HttpClients,
        model: str,
        base_url: str | None = None,
        api_key: str = "",
        key_name: str = "",
        headers: Headers = (),
        secrets: tuple[str, ...] = (),
        options: HttpOptionsT | None = None,
    ) -> None:
        super().__init__(
            model=model,
            base_url=base_url,
            api_key=api_key,
            key_name=key_name,
            headers=headers,
            secrets=secrets,
            options=options,
        )
        self._clients = clients
        self._limit = self._options.max_reply_characters

    @override
    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        return HttpConversation(self, system)

    @abstractmethod
    async def reply(
        self, system: str, history: Sequence[Item], tools: Sequence[ToolSpec]
    ) -> tuple[Reply, Sequence[Item]]:
        """The whole reply, and what the history gains by it.

        Raises:
            ModelError: the call failed.
        """
        ...

    @abstractmethod
    def items_of(self, inputs: Sequence[InputMessage]) -> list[Item]:
        """What we say, as the history has it: first every result of a tool, then all that is told."""
        ...

    @abstractmethod
    def option_in(self, refusal: Refusal, body: Item) -> str:
        """Which of the options that the operator can set is refused; empty where none is."""
        ...

    def asks_for_less(self, refusal: Refusal, body: Item) -> bool:
        """Take out of a request what this server does not know, if it is not needed; whether there was such a thing."""
        del refusal, body
        return False

    async def call(self, body: Item, parts: ReplyParts) -> None:
        """Call the server once, and hand on its reply to the end."""
        await self.read(await self._respond(body), parts)

    async def read(self, response: httpx2.Response, parts: ReplyParts) -> None:
        """Hand on all that comes. A server or gateway that does not stream answers with one object."""
        if "json" in response.headers.get("content-type", ""):
            await read_whole(response, parts, self._provider, limit=self._limit)
        else:
            await read_events(response, parts, self._provider, limit=self._limit)

    async def _respond(self, body: Item) -> httpx2.Response:
        try:
            async with asyncio.timeout(CONNECT_SECONDS + self._options.read_timeout):
                return await self._post(body)
        except TimeoutError:
            raise silent(self._provider) from None
        except Refusal as refusal:
            raise refused(refusal.problem(self.option_in(refusal, body)), self._provider) from None
        except (ConnectionFailedError, *BROKEN_CONNECTION) as error:
            raise broken(error, self._provider) from None

    async def _post(self, body: Item) -> httpx2.Response:
        timeout = self._options.read_timeout
        for _ in range(MOST_LEFT_OUT):
            try:
                return await self._clients.post(self.path, body, self._provider, read_timeout=timeout)
            except Refusal as refusal:
                if not self.asks_for_less(refusal, body):
                    raise
        return await self._clients.post(self.path, body, self._provider, read_timeout=timeout)


class HttpConversation(Generic[HttpOptionsT]):
    """The history as the server wants it; it grows only when a call succeeds."""

    def __init__(self, model: HttpModel[HttpOptionsT], system: str) -> None:
        self._model = model
        self._system = whole_text(system)
        self._history: list[Item] = []

    async def send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
        """Say it, and wait for the whole reply."""
        items = [*self._history, *self._model.items_of(inputs)]
        reply, gained = await self._reply(items, tools)
        self._history = [*items, *gained]
        return reply

    async def close(self) -> None:
        """Forget the history."""
        self._history = []

    async def _reply(self, history: Sequence[Item], tools: Sequence[ToolSpec]) -> tuple[Reply, Sequence[Item]]:
        return await self._model.reply(self._system, history, tools)


def loosen(body: Mapping[str, Raw], key: str) -> bool:
    """Leave a key out of every tool of a request, and of its function; false where none had it."""
    tools = body.get("tools")
    offered = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    functions = [function for tool in offered if isinstance(function := tool.get("function"), dict)]
    asking = [each for each in (*offered, *functions) if key in each]
    for each in asking:
        del each[key]
    return bool(asking)


def result_text(result: ToolResult) -> str:
    """A tool's result for a provider that knows no failed ones."""
    return whole_text(f"Error: {result.text}" if result.is_error else result.text)


def those_set(options: Mapping[str, Raw]) -> dict[str, Raw]:
    """The options that have a value."""
    return {name: value for name, value in options.items() if value is not None}
