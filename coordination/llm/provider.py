"""What a provider's module gives, which is `build`, and what it is given: what all models of a process share."""

from collections.abc import Callable, Sequence
from typing import NotRequired, Protocol, TypedDict, TypeVar, cast

from coordination.config import BackendSettings
from coordination.llm.model_errors import Headers
from coordination.ports import Clock, InputMessage, Model, ToolResult, UserMessage
from coordination.redaction import secrets_in_headers


class Closable(Protocol):
    """Something that holds connections."""

    async def aclose(self) -> None:
        """Free them."""
        ...


ClosableT = TypeVar("ClosableT", bound=Closable)


class Shared:
    """What the models of one process share.

    Attributes:
        pace: how long the pauses of scripted models are, as a multiple of what is written.
    """

    def __init__(self, clock: Clock, *, pace: float = 1.0) -> None:
        self.clock = clock
        self.pace = pace
        self._pools: dict[tuple[object, ...], Closable] = {}

    def pool(self, make: Callable[..., ClosableT], *about: str) -> ClosableT:
        """What `make(*about)` made when it was first asked for."""
        key = (make, *about)
        if key not in self._pools:
            self._pools[key] = make(*about)
        return cast("ClosableT", self._pools[key])

    async def aclose(self) -> None:
        """Free all that is shared."""
        pools = list(self._pools.values())
        self._pools.clear()
        for each in pools:
            await each.aclose()


class Build(Protocol):
    """Makes a model of one agent."""

    def __call__(self, agent: str, backend: BackendSettings, shared: Shared) -> Model:
        """The model of the agent with this id.

        Raises:
            ConfigError: it can't be built; the text says what is missing.
        """
        ...


class Server(TypedDict):
    """Where a model is, and by which key; without `base_url`, it is where its vendor serves it.

    `headers` go with every request, and `secrets` are the values in them that must not be repeated to people.
    """

    model: str
    base_url: NotRequired[str | None]
    api_key: NotRequired[str]
    key_name: NotRequired[str]
    headers: NotRequired[Headers]
    secrets: NotRequired[tuple[str, ...]]


def server_of(backend: BackendSettings) -> Server:
    """What a backend says of the server, as models that are served take it."""
    server = Server(
        model=backend.model, base_url=backend.base_url or None, api_key=key_of(backend), key_name=backend.key_name
    )
    if backend.headers:
        headers = headers_of(backend)
        server["headers"] = headers
        server["secrets"] = secrets_in_headers(headers, from_variables=from_variables(backend))
    return server


def headers_of(backend: BackendSettings) -> Headers:
    """The headers that the configuration adds to every request."""
    return tuple((each.name, each.value.get_secret_value()) for each in backend.headers)


def from_variables(backend: BackendSettings) -> frozenset[str]:
    """The names of those headers whose values come from variables."""
    return frozenset(each.name for each in backend.headers if each.is_from_variable)


def key_of(backend: BackendSettings) -> str:
    """The key itself; empty where none is known."""
    return backend.api_key.get_secret_value() if backend.api_key is not None else ""


def results_in(inputs: Sequence[InputMessage]) -> list[ToolResult]:
    """The results of tools, which every provider wants first, right behind the calls."""
    return [each for each in inputs if isinstance(each, ToolResult)]


def told_in(inputs: Sequence[InputMessage]) -> str | None:
    """All that is told, as one text; None where nothing is."""
    told = [each.text for each in inputs if isinstance(each, UserMessage)]
    return "\n\n".join(told) if told else None
