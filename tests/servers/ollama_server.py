"""Ollama on a real socket: its own ways to say what it has and shows, beside Chat Completions."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from tests.servers.chat_server import ChatDialect, ChatServer, Scripted


class OllamaServer:
    """One that has `model`, and shows it so many tokens.

    Attributes:
        window: what /api/ps says of it once it is loaded; None: an older one, which does not say.
        parameters: what /api/show says.
        chat: its Chat Completions.
    """

    def __init__(self, chat: ChatServer, models: Sequence[str], window: int | None, parameters: str) -> None:
        self.chat = chat
        self.base_url = ""
        self._models = models
        self._window = window
        self._parameters = parameters

    async def list_models(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"object": "list", "data": [{"id": each} for each in self._models]})

    async def list_loaded(self, request: web.Request) -> web.Response:
        del request
        known = {} if self._window is None else {"context_length": self._window}
        loaded = self._models if self.chat.requests else ()
        return web.json_response({"models": [{"name": each, "model": each, **known} for each in loaded]})

    async def show(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if asked["model"] not in self._models:
            return web.json_response({"error": "model not found"}, status=404)
        return web.json_response({"parameters": self._parameters, "model_info": {"qwen3.context_length": 40_960}})


@asynccontextmanager
async def ollama_server(
    *queue: Scripted, models: Sequence[str] = ("qwen3:8b",), window: int | None = None, parameters: str = ""
) -> AsyncGenerator[OllamaServer]:
    """The server, on a port of its own, while the context is open."""
    server = OllamaServer(ChatServer(dialect=ChatDialect(), queue=list(queue)), models, window, parameters)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.chat.handle)
    app.router.add_get("/v1/models", server.list_models)
    app.router.add_get("/api/ps", server.list_loaded)
    app.router.add_post("/api/show", server.show)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield server
    finally:
        await runner.cleanup()
