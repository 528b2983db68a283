"""Headers that a configuration adds to the requests of a model, and how long its server may be silent: over a real socket."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from coordination.clock import SystemClock
from coordination.config import PROVIDERS, parse
from coordination.config.providers import reserved_headers
from coordination.errors import ModelError, ModelFault
from coordination.llm.anthropic_messages import AnthropicClients
from coordination.llm.gemini_client import GeminiClients
from coordination.llm.openai_clients import OpenAIClients
from coordination.llm.registry import Models
from coordination.ports import Conversation, TurnContext, UserMessage
from coordination.redaction import EVERYTHING
from tests.contract import vendor_mix
from tests.contract.test_models import Act
from tests.contract.vendor_mix import VENDORS, Backend, canary, missing_extra, variable
from tests.servers.chat_server import Fails, Says, Sends, chat_server
from tests.servers.gemini_server import gemini_server

TURN_CONTEXT = TurnContext(purpose="turn", revision=1, turn=1, agent=1)
GO = (UserMessage(text="go"),)
TOKEN = "gw-canary-abcdefghijkl-42"
PLAIN_SECRET = "correct-horse-battery"
"""One that does not look like a secret."""
ENVIRON = {"GATEWAY_TOKEN": f"{TOKEN}\n", "ROUTE": PLAIN_SECRET} | {variable(name): canary(name) for name in VENDORS}
HEADERS = 'X-Gateway-Key: "Bearer ${GATEWAY_TOKEN}", X-Route: "${ROUTE}", X-Team: platform'
LIBRARYS_OWN = frozenset({"user-agent", "x-goog-api-client"})
"""What a library says of itself, which an operator may replace."""


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if missing_extra(name) is not None:
        pytest.skip(f"the library for {name} is not installed")
    return name


@asynccontextmanager
async def conversation_by(yaml: str, more: str = "") -> AsyncGenerator[Conversation]:
    """A conversation with the model of this backend, with `more` of its keys."""
    text = f"agent: {{backend: {yaml.removesuffix('}')}{more}}}}}\n"
    agents = parse(text, origin="x.yaml", environ=ENVIRON).agents
    models = Models(SystemClock())
    try:
        await models.load(agents)
        conversation = models.model(agents[0]).converse("be good", TURN_CONTEXT)
        try:
            yield conversation
        finally:
            await conversation.close()
    finally:
        await models.aclose()


async def said(backend: Backend, more: str = "") -> str:
    async with conversation_by(backend.yaml, more) as conversation, asyncio.timeout(120):
        return (await conversation.send(GO, ())).text


async def test_headers_of_a_configuration_go_with_every_request_whatever_the_api(vendor: str) -> None:
    async with VENDORS[vendor](Act(text="hi")) as backend:
        assert await said(backend, f", headers: {{{HEADERS}}}") == "hi"
    for sent in backend.callers:
        found = {name.lower(): value for name, value in sent.items()}
        assert (found["x-gateway-key"], found["x-route"]) == (f"Bearer {TOKEN}", PLAIN_SECRET)
        assert found["x-team"] == "platform"
        assert canary(vendor) in str(found)


async def test_a_provider_that_repeats_a_header_tells_nobody_what_was_in_it(
    vendor: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    words = f"wrong header: {TOKEN} of {PLAIN_SECRET} in the platform team"
    monkeypatch.setattr(vendor_mix, "told_off", lambda vendor: words)
    async with (
        VENDORS[vendor](Act(fails=ModelFault.AUTH), Act(text="hi")) as backend,
        conversation_by(backend.yaml, f", headers: {{{HEADERS}}}") as conversation,
        asyncio.timeout(120),
    ):
        with pytest.raises(ModelError) as caught:
            await conversation.send(GO, ())
        await conversation.send(GO, ())
    told = f"{caught.value!s} {caught.value!r} {caught.value.__cause__!r} {caplog.text}"
    assert "[hidden]" in str(caught.value)
    assert "in the platform team" in str(caught.value)
    assert not any(secret in told for secret in (TOKEN, PLAIN_SECRET))
    assert EVERYTHING.text(words) == "wrong header: [secret] of [secret] in the platform team"


async def test_every_header_that_we_send_is_one_that_a_configuration_can_not_replace(vendor: str) -> None:
    """But for what a library tells of itself."""
    async with VENDORS[vendor](Act(text="hi")) as backend:
        await said(backend)
    sent = {name.lower() for headers in backend.callers for name in headers}
    own = {name for name in sent if name not in LIBRARYS_OWN and not name.startswith("x-stainless-")}
    if vendor == "claude_code":
        own &= {"authorization", "x-api-key", "anthropic-version", "anthropic-beta", "content-type", "host"}
    assert {name for name, _, _ in reserved_headers(own, PROVIDERS[vendor])} == own


async def test_the_environment_adds_no_headers(vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendors' libraries read some, a key among them, and would send them to any server."""
    for name in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, "Authorization: Bearer of-somebody-else\nX-Other: of-somebody-else")
    monkeypatch.setenv("OPENAI_ORG_ID", "of-somebody-else")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "of-somebody-else")
    async with VENDORS[vendor](Act(text="hi"), Act(text="hi")) as backend:
        await said(backend)
        await said(backend, ", headers: {X-Team: platform}")
    assert "of-somebody-else" not in str(backend.callers)


async def test_agents_with_one_server_and_key_each_send_their_own_headers(vendor: str) -> None:
    turns = ("one", "two", "one")
    async with VENDORS[vendor](*(Act(text="hi") for _ in turns)) as backend:
        written = backend.yaml.removesuffix("}")
        text = "agents:\n" + "".join(
            f"  - {{id: {team}, backend: {written}, headers: {{X-Team: {team}}}}}}}\n" for team in ("one", "two")
        )
        agents = {agent.id: agent for agent in parse(text, origin="x.yaml", environ=ENVIRON).agents}
        models = Models(SystemClock())
        try:
            for team in turns:
                conversation = models.model(agents[team]).converse("be good", TURN_CONTEXT)
                await conversation.send(GO, ())
                await conversation.close()
        finally:
            await models.aclose()
    assert [{name.lower(): value for name, value in sent.items()}["x-team"] for sent in backend.callers] == list(turns)


@pytest.mark.parametrize("more", [", idle_timeout: 1", ', idle_timeout: "${LIMIT:-1}"'])
async def test_the_limit_of_silence_is_the_configured_one(more: str) -> None:
    hangs = Sends(writes=[b'data: {"choices": [{"delta": {"content": "half"}}]}\n\n'], ending="hang")
    async with chat_server(hangs) as server:
        yaml = f"{{type: chatcompletion, model: m, base_url: '{server.base_url}'}}"
        error = await silence_of(yaml, more)
    assert "or raise idle_timeout" in str(error)
    async with gemini_server(Sends(writes=[], ending="hang")) as gemini:
        await silence_of(f"{{type: gemini, model: m, api_key: k, base_url: '{gemini.base_url}'}}", more)


async def silence_of(yaml: str, more: str) -> ModelError:
    async with conversation_by(yaml, more) as conversation, asyncio.timeout(30):
        with pytest.raises(ModelError) as caught:
            await conversation.send(GO, ())
    assert (caught.value.fault, caught.value.is_retryable) == (ModelFault.TIMED_OUT, True)
    return caught.value


async def test_a_server_that_says_a_little_all_the_time_is_waited_for_however_long_it_takes() -> None:
    pieces = Says(text="a reply in many pieces", piece=1).events()

    async def slowly() -> str:
        async with chat_server(Sends(writes=pieces, pause=0.1)) as server:
            yaml = f"{{type: chatcompletion, model: m, base_url: '{server.base_url}'}}"
            async with conversation_by(yaml, ", idle_timeout: 1") as conversation:
                return (await conversation.send(GO, ())).text

    begun = asyncio.get_running_loop().time()
    assert await slowly() == "a reply in many pieces"
    assert asyncio.get_running_loop().time() - begun > 1.5


@pytest.mark.parametrize(
    ("headers", "is_shared"),
    [
        (("{X-Gateway-Key: one-of-them}", "{X-Gateway-Key: another-one}"), False),
        (("{X-Gateway-Key: one-of-them}", "{}"), False),
        (("{X-Team: one}", "{X-Team: two}"), True),
    ],
)
async def test_requests_count_together_only_where_their_keys_are_the_same(
    headers: tuple[str, str], is_shared: bool
) -> None:
    """One gateway's clients with keys of their own do not wait for each other when one of them is asked to."""
    busy, fine = Fails(status=429, headers={"Retry-After": "3600"}), Says(text="hi")
    async with chat_server(busy, fine) as server:
        written = f"{{type: chatcompletion, model: m, base_url: '{server.base_url}', api_key: k"
        text = "agents:\n" + "".join(f"  - {{backend: {written}, headers: {each}}}}}\n" for each in headers)
        first, second = parse(text, origin="x.yaml", environ=ENVIRON).agents
        models = Models(SystemClock())
        try:
            with pytest.raises(ModelError):
                await models.model(first).converse("", TURN_CONTEXT).send(GO, ())
            sending = models.model(second).converse("", TURN_CONTEXT).send(GO, ())
            if is_shared:
                with pytest.raises(ModelError, match="accepts no requests for another 60 minutes"):
                    await sending
            else:
                assert (await sending).text == "hi"
        finally:
            await models.aclose()


@pytest.mark.parametrize("clients", [OpenAIClients, AnthropicClients, GeminiClients])
async def test_a_client_for_other_headers_costs_next_to_nothing(
    clients: Callable[[], OpenAIClients | AnthropicClients | GeminiClients], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A header may name the tenant, of which there may be thousands; certificate authorities are a megabyte each time."""
    made = clients()
    made.client(base_url="https://a.example", api_key="k")

    def loads(*_: object, **__: object) -> None:
        raise AssertionError("the certificate authorities are loaded again")

    monkeypatch.setattr("ssl.SSLContext.load_verify_locations", loads)
    try:
        for tenant in range(3):
            made.client(base_url="https://a.example", api_key="k", headers=(("X-Tenant", str(tenant)),))
    finally:
        await made.aclose()
