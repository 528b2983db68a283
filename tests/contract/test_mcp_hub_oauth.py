"""MCP servers that want OAuth's tokens: got by our own credentials, from the named server only, and never shown."""

import asyncio
import itertools
import logging
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from coordination import redaction
from coordination.domain.canonical_json import canonical
from coordination.domain.plan import PlannedCall
from coordination.errors import ToolServerError
from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.mcp_tools.oauth import NoTokenError, request_token
from coordination.ports import CallNotSentError, ClientCredentials, ServerSpec
from coordination.redaction import Redactor
from tests import forked
from tests.servers.mcp_programs import ROOT, approving, http, writer
from tests.servers.mcp_raw import Message

SECRET = "hunter2: + ümlaut"
GOOD = ClientCredentials(client_id="planner", secret=SECRET, issuer="HERE", scopes=("deals.read", "deals.write"))
LOOK = frozenset({("world", "look")})
WRITE = PlannedCall(server="world", tool="write", arguments=canonical({"title": "Fête"}), definition="")


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(60), McpHub(Patience(first=0.01)) as hub:
        yield hub


@dataclass(frozen=True)
class OAuthServers:
    """The program that all these tests share: a server of its own for each test, which behaves as it is told to."""

    port: int
    folder: Path
    numbers: Iterator[int]

    def opens(self, behaviour: str = "well", auth: ClientCredentials = GOOD) -> "Place":
        """A server, which is told of these credentials for it, in whose addresses HERE is its own."""
        name = f"{behaviour}.{next(self.numbers)}"
        here = f"http://127.0.0.1:{self.port}/{name}"
        told = replace(auth, issuer=auth.issuer.replace("HERE", here), token_url=auth.token_url.replace("HERE", here))
        spec = replace(http(self.port, path=f"/{name}/mcp"), auth=told)
        return Place(spec, self.folder / name)


@dataclass(frozen=True)
class Place:
    """One server of the program, and what it wrote down."""

    spec: ServerSpec
    file: Path

    @property
    def seen(self) -> Sequence[Message]:
        """All of it, in order."""
        return writer(self.file)

    @property
    def asked(self) -> Sequence[object]:
        """How each token was asked for."""
        return [each["asked"] for each in self.seen if "asked" in each]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OAuthServers]:
    folder = tmp_path_factory.mktemp("servers")
    command = [forked.python(), "-m", "tests.servers.mcp_http_oauth", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield OAuthServers(int(process.stdout.readline()), folder, itertools.count())
        finally:
            process.kill()


async def test_one_token_serves_reads_side_by_side_and_a_call_and_is_asked_for_before_anything_else(
    hub: McpHub, servers: OAuthServers
) -> None:
    place = servers.opens()
    reader = hub.reader([place.spec], LOOK)
    answers = await asyncio.gather(*(reader.read("world", "look", {"where": str(n)}) for n in range(10)))
    wrote = await approving(hub, [place.spec]).call(WRITE, "key")
    assert [each.text for each in answers] == [f"nothing at {n}" for n in range(10)]
    assert wrote.text == "wrote Fête"
    # The scopes are the operator's, whatever the server says that it supports; the resource is in the server's words.
    request = {"asked": "client_secret_basic", "scope": "deals.read deals.write", "resource": "HERE"}
    assert place.seen == [request, {"wrote": "Fête"}]


async def test_a_private_key_proves_who_we_are(hub: McpHub, servers: OAuthServers) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (servers.folder / "public.pem").write_bytes(public)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    place = servers.opens(auth=replace(GOOD, secret=pem, method="private_key_jwt", algorithm="ES256"))
    assert [each.tool for each in await hub.definitions([place.spec])] == ["look", "write"]
    assert place.asked == ["private_key_jwt"]


@pytest.mark.parametrize(
    ("behaviour", "auth"),
    [
        ("post-only", GOOD),
        ("no-metadata", replace(GOOD, issuer="", token_url="HERE/token", method="client_secret_post")),
    ],
    ids=["the metadata says so", "the operator says so"],
)
async def test_a_secret_stands_in_the_form_where_it_must(
    hub: McpHub, servers: OAuthServers, behaviour: str, auth: ClientCredentials
) -> None:
    place = servers.opens(behaviour, auth)
    await hub.definitions([place.spec])
    assert place.asked == ["client_secret_post"]


async def test_a_token_that_the_server_forgot_is_replaced_and_the_request_sent_again(
    hub: McpHub, servers: OAuthServers
) -> None:
    place = servers.opens("forgets")
    executor = approving(hub, [place.spec])
    first = await executor.definition_digest("world", "write")
    assert first is not None
    assert await executor.definition_digest("world", "write") == first
    assert {"turned away": "tools/list"} in place.seen
    assert len(place.asked) >= 2


async def test_a_call_that_is_turned_away_is_not_sent_again_but_the_next_request_has_a_new_token(
    hub: McpHub, servers: OAuthServers
) -> None:
    place = servers.opens("no-calls")
    executor = approving(hub, [place.spec])
    assert await executor.definition_digest("world", "write") is not None
    with pytest.raises(CallNotSentError, match="answered HTTP 401"):
        await executor.call(WRITE, "key")
    assert [each for each in place.seen if "asked" not in each] == [{"turned away": "tools/call"}]
    assert await executor.definition_digest("world", "write") is not None
    assert len(place.asked) == 2


async def test_a_token_near_its_end_is_renewed_before_it_is_refused(hub: McpHub, servers: OAuthServers) -> None:
    place = servers.opens("brief")
    await hub.definitions([place.spec])
    before = len(place.asked)
    await approving(hub, [place.spec]).call(WRITE, "key")
    assert len(place.asked) > before
    assert not [each for each in place.seen if "turned away" in each]


async def test_of_thousands_of_tokens_the_last_two_are_kept_from_people(
    hub: McpHub, servers: OAuthServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is looked for in every line of the log and every text of a card, so they must not become ever more."""
    place = servers.opens("brief")
    monkeypatch.setattr(redaction, "CERTAIN", [])
    monkeypatch.setattr(redaction, "EVERYTHING", Redactor())
    for _ in range(5):
        await hub.definitions([place.spec], fresh=True)
    assert len(place.asked) > 4
    kept = [each for each in redaction.CERTAIN if each.startswith("canary-token-")]
    assert len(kept) == 2
    number = min(int(each.rpartition("-")[2]) for each in kept)
    told = [redaction.EVERYTHING.text(f"canary-token-{each}") for each in (number - 1, number, number + 1)]
    assert told == [f"canary-token-{number - 1}", "[secret]", "[secret]"]


async def test_a_server_that_demands_more_scopes_than_the_operator_gave_does_not_get_them(
    hub: McpHub, servers: OAuthServers
) -> None:
    place = servers.opens("step-up")
    with pytest.raises(ToolServerError, match=r"HTTP 403\): the operator must correct its auth in the configuration"):
        await hub.definitions([place.spec])
    scopes = [each["scope"] for each in place.seen if "scope" in each]
    assert scopes == ["deals.read deals.write"] * len(scopes) != []


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("refuses", "needs a token, and ADDRESS refuses to issue one (invalid_client): the operator must correct auth"),
        ("breaks", "needs a token, and ADDRESS answered HTTP 500: the operator must fix it, or correct auth"),
        ("babbles", "needs a token, and ADDRESS answers with something else: the operator must correct auth"),
    ],
)
async def test_a_refused_token_is_complained_of_in_words_of_ours(
    hub: McpHub, servers: OAuthServers, caplog: pytest.LogCaptureFixture, behaviour: str, sentence: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ToolServerError) as caught:
        await hub.definitions([servers.opens(behaviour).spec])
    said = sentence.replace("ADDRESS", f"http://127.0.0.1:{servers.port}")
    assert str(caught.value) == f"The MCP server world {said} in the configuration."
    assert "hunter2" not in caplog.text + str(caught.value)


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("elsewhere", "says that tokens for it are for another address: the operator must correct its url in the"),
        (
            "foreign",
            "accepts tokens of another issuer than the one under its auth: the operator must correct that in the",
        ),
        (
            "impostor",
            "needs a token, and ADDRESS does not say where it issues them, or can't be reached: the operator must "
            "fix it, or correct the issuer or set token_url under auth in the",
        ),
    ],
)
async def test_where_the_servers_disagree_on_who_is_who_no_secret_is_shown_to_anyone(
    hub: McpHub, servers: OAuthServers, behaviour: str, sentence: str
) -> None:
    place = servers.opens(behaviour)
    with pytest.raises(ToolServerError) as caught:
        await hub.definitions([place.spec])
    said = sentence.replace("ADDRESS", f"http://127.0.0.1:{servers.port}")
    assert str(caught.value) == f"The MCP server world {said} configuration."
    assert place.seen == []


@pytest.mark.parametrize(
    "auth", [replace(GOOD, issuer="http://127.0.0.1:9"), replace(GOOD, issuer="", token_url="http://127.0.0.1:9")]
)
async def test_an_authorization_server_that_is_away_is_complained_of(
    hub: McpHub, servers: OAuthServers, auth: ClientCredentials
) -> None:
    place = servers.opens("no-metadata", auth)
    away = r"http://127\.0\.0\.1:9 .*can't be reached: the operator must fix it"
    with pytest.raises(ToolServerError, match=away):
        await hub.definitions([place.spec])


async def test_a_token_that_fails_to_be_renewed_is_no_death_of_the_server(hub: McpHub, servers: OAuthServers) -> None:
    place = servers.opens("closes")
    executor = approving(hub, [place.spec])
    assert len(await hub.definitions([place.spec])) == 2
    refusal = r"needs a token, and .* refuses to issue one \(invalid_client\)"
    with pytest.raises(ToolServerError, match=refusal):
        await executor.definition_digest("world", "write")
    with pytest.raises(CallNotSentError, match=refusal):
        await executor.call(WRITE, "key")


async def test_a_private_key_that_is_none_is_complained_of_without_showing_it(
    hub: McpHub, servers: OAuthServers
) -> None:
    place = servers.opens(auth=replace(GOOD, method="private_key_jwt"))
    with pytest.raises(ToolServerError) as caught:
        await hub.definitions([place.spec])
    assert str(caught.value) == (
        "The MCP server world needs a token, and the private key under its auth can't sign with RS256: "
        "the operator must correct private_key or signing_algorithm in the configuration."
    )


async def test_no_secret_and_no_token_is_in_any_log_or_in_what_a_server_is_called(
    hub: McpHub, servers: OAuthServers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place = servers.opens("forgets")
    await hub.definitions([place.spec])
    await approving(hub, [place.spec]).definition_digest("world", "write")
    await hub.aclose()
    assert caplog.text
    for canary in ("hunter2", "canary-token"):
        assert canary not in caplog.text + repr(place.spec)


async def test_an_authorization_server_that_never_answers_does_not_hold_up_who_waits() -> None:
    asked = asyncio.Event()

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with (
        asyncio.timeout(60),
        await asyncio.start_server(keep_silent, "127.0.0.1", 0) as listener,
        httpx2.AsyncClient() as client,
    ):
        here = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        with pytest.raises(NoTokenError, match=rf"needs a token, and {here} did not answer in time"):
            await request_token(client, f"{here}/mcp", replace(GOOD, issuer=here), patience=0.2)
    assert asked.is_set()


def test_nothing_of_oauth_is_loaded_until_a_server_wants_it() -> None:
    told = (
        "import sys; import coordination.mcp_tools.hub; "
        "print([name for name in sys.modules if name == 'jwt' or name.startswith('mcp.client.auth')])"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"
