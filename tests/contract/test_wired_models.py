"""Models as a configuration's text makes them: their address, their price, their second model, and nothing left out."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from bot.composition import Configurations
from coordination.clock import SystemClock
from coordination.errors import ConfigError, ModelError
from coordination.llm.registry import Models
from coordination.ports import Model, Reply, TurnContext, UserMessage
from coordination.retry import RetryBudget, send_with_retry
from tests.servers.chat_server import Fails, Says, chat_server
from tests.servers.messages_server import Says as MessagesSays
from tests.servers.messages_server import messages_server

KEY = "sk-canary-0123456789"
TURN_CONTEXT = TurnContext(purpose="turn", revision=1, turn=1, agent=1)


@dataclass
class Seen:
    """What an address was asked for."""

    address: str = ""
    requests: list[tuple[str, str, str, str]] = field(default_factory=list[tuple[str, str, str, str]])

    async def handle(self, request: web.Request) -> web.Response:
        headers = request.headers
        self.requests.append(
            (request.path, request.query_string, headers.get("api-key", ""), headers.get("authorization", ""))
        )
        return web.json_response({"error": {"code": "invalid_api_key", "message": "no"}}, status=401)


@asynccontextmanager
async def anywhere() -> AsyncGenerator[Seen]:
    seen = Seen()
    app = web.Application()
    app.router.add_post("/{path:.*}", seen.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        seen.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield seen
    finally:
        await runner.cleanup()


@asynccontextmanager
async def wired(backend: str, limits: str = "{}") -> AsyncGenerator[Model]:
    build = Models(SystemClock())
    configure = Configurations(environ={}, build=build, adapt=lambda models: models)
    text = f"agents:\n  - id: one\n    backend: {backend}\nlimits: {limits}\n"
    try:
        (model,) = configure(text, "x.yaml", "console").models()
        yield model
    finally:
        await build.aclose()


async def asked(model: Model) -> tuple[Reply, list[str]]:
    words: list[str] = []

    async def on_retry(error: ModelError, wait: float) -> None:
        words.append(str(error))

    conversation = model.converse("be good", TURN_CONTEXT)
    async with asyncio.timeout(60):
        reply = await send_with_retry(
            conversation, [UserMessage(text="go")], (), clock=SystemClock(), budget=RetryBudget(), on_retry=on_retry
        )
    await conversation.close()
    return reply, words


@pytest.mark.parametrize(
    ("base", "more", "path", "query"),
    [
        ("", "", "/openai/v1/chat/completions", ""),
        ("/openai/v1", "", "/openai/v1/chat/completions", ""),
        (
            "",
            ", api_version: 2024-10-21",
            "/openai/deployments/mini/chat/completions",
            "api-version=2024-10-21",
        ),
    ],
)
async def test_azure_is_asked_at_its_own_paths(base: str, more: str, path: str, query: str) -> None:
    async with anywhere() as seen:
        backend = f"{{type: azure_openai, model: mini, api_key: {KEY}, base_url: '{seen.address}{base}'{more}}}"
        async with wired(backend) as model:
            with pytest.raises(ModelError) as refused:
                await asked(model)
    ((asked_path, asked_query, api_key, authorization),) = seen.requests
    assert (asked_path, asked_query) == (path, query)
    assert KEY in f"{api_key} {authorization}"
    assert KEY not in str(refused.value)


async def test_what_a_configuration_says_of_sampling_is_where_gemini_looks_for_it() -> None:
    pytest.importorskip("google.genai", reason="the extra `gemini` is not installed")
    from tests.servers.gemini_server import Says as GeminiSays  # noqa: PLC0415 (it needs the extra)
    from tests.servers.gemini_server import gemini_server  # noqa: PLC0415 (likewise)

    async with gemini_server(GeminiSays(text="hi")) as server:
        backend = (
            f"{{type: gemini, model: gemini-x, api_key: k, base_url: '{server.base_url}', top_p: 0.5, top_k: 3, seed: 7, "
            "extra_body: {generationConfig: {seed: 8}}}"
        )
        async with wired(backend) as model:
            await asked(model)
    (body,) = server.requests
    config = body["generationConfig"]
    assert (config["topP"], config["topK"], config["seed"]) == (0.5, 3, 8)


async def test_a_price_in_the_configuration_is_what_a_reply_costs() -> None:
    async with chat_server(Says(text="hi")) as server:
        backend = f"{{type: chatcompletion, model: m, base_url: '{server.base_url}', price: {{input: 2, output: 10}}}}"
        async with wired(backend, "{money_per_run: 1, requests_at_once: 1, requests_per_minute: 60}") as model:
            reply, _ = await asked(model)
    usage = reply.usage
    assert usage.cost == pytest.approx((usage.input_tokens * 2 + usage.output_tokens * 10) / 1e6)
    assert usage.cost


async def test_a_server_that_is_nobodys_has_no_price() -> None:
    async with chat_server(Says(text="hi")) as server:
        backend = f"{{type: chatcompletion, model: gpt-5-mini, base_url: '{server.base_url}'}}"
        async with wired(backend) as model:
            assert (await asked(model))[0].usage.cost is None


async def test_a_limit_in_money_without_a_price_is_refused_before_anything_starts() -> None:
    build = Models(SystemClock())
    configure = Configurations(environ={}, build=build, adapt=lambda models: models)
    text = """
agents:
  - {id: one, backend: {type: openai, model: gpt-5-mini, api_key: k, fallback: {type: ollama, model: m}}}
  - {id: two, backend: {type: openai, model: no-such-model, api_key: k}}
limits: {money_per_run: 1}
"""
    with pytest.raises(ConfigError) as refused:
        configure(text, "x.yaml", "console")
    assert [complaint[:35] for complaint in refused.value.diagnostics] == [
        "agent one: the price of m is not kn",
        "agent two: the price of no-such-mod",
    ]
    assert configure(text.replace("money_per_run: 1", "tokens_per_run: 1"), "x.yaml", "console").profile
    await build.aclose()


async def test_the_fallback_of_a_configuration_answers_when_the_first_provider_refuses_the_key() -> None:
    async with chat_server(Fails(status=401)) as first, messages_server(MessagesSays(text="here")) as second:
        backend = (
            f"{{type: chatcompletion, model: m, api_key: {KEY}, base_url: '{first.base_url}', "
            f"fallback: {{type: claude, model: claude-x, api_key: k, base_url: '{second.address}'}}}}"
        )
        async with wired(backend) as model:
            reply, words = await asked(model)
    assert (reply.text, reply.model, model.name) == ("here", "claude-x", "m")
    (told,) = words
    assert told.endswith("Its fallback claude-x is asked instead.")
    assert KEY not in told
