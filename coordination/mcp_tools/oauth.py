"""OAuth's client credentials grant: one token, cached, of the one authorization server that the operator named."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlsplit

import httpx2
from mcp.client.auth.utils import (
    build_oauth_authorization_server_metadata_discovery_urls,
    build_protected_resource_metadata_discovery_urls,
    issuers_match,
)
from mcp.shared.auth_utils import check_resource_allowed, resource_url_from_server_url
from pydantic import BaseModel, ValidationError, field_validator
from typing_extensions import override

from coordination.mcp_tools.call_guard import CALL, CallTrace, call_trace, stand_in
from coordination.mcp_tools.server_errors import address
from coordination.ports import ClientCredentials, ProofMethod
from coordination.redaction import Redactor, renew_token
from coordination.text import Text

MAX_ANSWER = 1_000_000
"""Bytes of one answer that are read."""

_METADATA_SECONDS = 5.0
_PATIENCE = 20.0
"""Seconds for all that is asked on the way to one token: whoever drips its answers must not hold up everybody."""

_REFUSALS = frozenset(
    {
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
"""What an authorization server may say of a request by OAuth's rules; other words of it are not repeated."""


class NoTokenError(Exception):
    """There is no token.

    The text goes on from the server's name, says what the operator must do, and holds no secret.
    """

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.text = text


class _Resource(BaseModel):
    resource: str
    authorization_servers: list[str] = []


class _AuthorizationServer(BaseModel):
    issuer: str
    token_endpoint: str
    token_endpoint_auth_methods_supported: list[str] | None = None


class Granted(BaseModel):
    """A token, and for how many seconds it is good, if that was said."""

    access_token: str
    token_type: str
    expires_in: float | None = None

    @field_validator("token_type")
    @classmethod
    def _is_bearer(cls, kind: str) -> str:
        if kind.lower() != "bearer":
            raise ValueError("not a bearer token")
        return kind

    @field_validator("access_token")
    @classmethod
    def _fits_a_header(cls, token: str) -> str:
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("not a token")
        return token


class _Refused(BaseModel):
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class _Endpoint:
    """Where the token is asked for; `audience` is whom a signed proof is for."""

    url: str
    audience: str
    method: ProofMethod


async def request_token(
    client: httpx2.AsyncClient, server_url: str, credentials: ClientCredentials, *, patience: float = _PATIENCE
) -> Granted:
    """A new token for the MCP server at this address.

    Raises:
        NoTokenError: there is none; nothing was sent to the MCP server but a question for its metadata.
    """
    try:
        async with asyncio.timeout(patience):
            return await _granted(client, server_url, credentials)
    except TimeoutError:
        where = credentials.token_url or credentials.issuer
        raise _none_from(
            where, Text("did not answer in time"), Text("fix it, or correct auth in the configuration")
        ) from None


async def _granted(client: httpx2.AsyncClient, server_url: str, credentials: ClientCredentials) -> Granted:
    resource = await _resource(client, server_url, credentials)
    endpoint = await _endpoint(client, credentials)
    form = {"grant_type": "client_credentials", "resource": resource}
    if credentials.scopes:
        form["scope"] = " ".join(credentials.scopes)
    proof, headers = await _proof(endpoint, credentials)
    status, body = await _answer(client.build_request("POST", endpoint.url, data=form | proof, headers=headers), client)
    granted = _parsed(Granted, body) if status == 200 else None
    if granted is None:
        raise _refused(endpoint.url, status, body)
    return granted


async def _resource(client: httpx2.AsyncClient, server_url: str, credentials: ClientCredentials) -> str:
    """What the token is to be good for: the MCP server itself, in the words of its own metadata where it has any."""
    ours = resource_url_from_server_url(server_url)
    for url in build_protected_resource_metadata_discovery_urls(None, server_url):
        found = await _metadata(_Resource, url, client)
        if found is None:
            continue
        if not check_resource_allowed(requested_resource=ours, configured_resource=found.resource):
            raise NoTokenError(
                Text(
                    "says that tokens for it are for another address: "
                    "the operator must correct its url in the configuration"
                )
            )
        servers = found.authorization_servers
        if credentials.issuer and servers and not any(issuers_match(each, credentials.issuer) for each in servers):
            raise NoTokenError(
                Text(
                    "accepts tokens of another issuer than the one under its auth: the operator "
                    "must correct that in the configuration"
                )
            )
        return found.resource
    return ours


async def _endpoint(client: httpx2.AsyncClient, credentials: ClientCredentials) -> _Endpoint:
    if credentials.token_url:
        method = credentials.method or "client_secret_basic"
        return _Endpoint(url=credentials.token_url, audience=credentials.token_url, method=method)
    issuer = credentials.issuer
    for url in build_oauth_authorization_server_metadata_discovery_urls(issuer, issuer):
        found = await _metadata(_AuthorizationServer, url, client)
        if found is None or not issuers_match(found.issuer, issuer):
            continue
        scheme = urlsplit(found.token_endpoint).scheme
        if scheme != "https" and scheme != urlsplit(issuer).scheme:
            break
        method = credentials.method or _preferred(found.token_endpoint_auth_methods_supported)
        return _Endpoint(url=found.token_endpoint, audience=found.issuer, method=method)
    raise _none_from(
        issuer,
        Text("does not say where it issues them, or can't be reached"),
        Text("fix it, or correct the issuer or set token_url under auth in the configuration"),
    )


def _preferred(methods: list[str] | None) -> ProofMethod:
    """Of the two ways to show a secret, the one that every server must know if it says nothing, or knows either."""
    if methods is not None and "client_secret_basic" not in methods and "client_secret_post" in methods:
        return "client_secret_post"
    return "client_secret_basic"


async def _proof(endpoint: _Endpoint, credentials: ClientCredentials) -> tuple[dict[str, str], dict[str, str]]:
    """What goes into the form, and into the headers, to show who we are."""
    match endpoint.method:
        case "client_secret_basic":
            # OAuth wants both parts encoded for a URL, so that a colon in them does no harm.
            pair = f"{quote(credentials.client_id, safe='')}:{quote(credentials.secret, safe='')}"
            return {}, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        case "client_secret_post":
            return {"client_id": credentials.client_id, "client_secret": credentials.secret}, {}
        case "private_key_jwt":
            return {
                "client_id": credentials.client_id,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": await _signed(endpoint.audience, credentials),
            }, {}


async def _signed(audience: str, credentials: ClientCredentials) -> str:
    from jwt import PyJWTError  # noqa: PLC0415  # cryptography is slow to load, and shared secrets don't need it
    from mcp.client.auth.extensions.client_credentials import SignedJWTParameters  # noqa: PLC0415  # likewise

    claims = SignedJWTParameters(
        issuer=credentials.client_id,
        subject=credentials.client_id,
        signing_key=credentials.secret,
        signing_algorithm=credentials.algorithm,
    )
    try:
        return await claims.create_assertion_provider()(audience)
    except (PyJWTError, ValueError, TypeError):
        raise NoTokenError(
            Text(
                "needs a token, and the private key under its auth can't sign with {algorithm}: the operator must "
                "correct private_key or signing_algorithm in the configuration",
                algorithm=credentials.algorithm,
            )
        ) from None


_Kind = TypeVar("_Kind", bound=BaseModel)


async def _metadata(kind: type[_Kind], url: str, client: httpx2.AsyncClient) -> _Kind | None:
    """A document at a well-known address; None where there is none that can be read."""
    try:
        status, body = await _answer(client.build_request("GET", url, timeout=_METADATA_SECONDS), client)
    except NoTokenError:
        return None
    return _parsed(kind, body) if status == 200 else None


async def _answer(request: httpx2.Request, client: httpx2.AsyncClient) -> tuple[int, bytes]:
    """Follows no redirect: what is sent along is for this address only."""
    where = str(request.url)
    body = bytearray()
    try:
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise _none_from(
                        where,
                        Text("sent an answer that never ends"),
                        Text("fix it, or correct auth in the configuration"),
                    )
        finally:
            await response.aclose()
    except (httpx2.HTTPError, httpx2.InvalidURL):
        raise _none_from(
            where, Text("can't be reached"), Text("fix it, or correct auth in the configuration")
        ) from None
    return response.status_code, bytes(body)


def _parsed(kind: type[_Kind], body: bytes) -> _Kind | None:
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        return None


def _refused(where: str, status: int, body: bytes) -> NoTokenError:
    if status == 200:
        return _none_from(where, Text("answers with something else"), Text("correct auth in the configuration"))
    said = _parsed(_Refused, body)
    if said is not None and said.error in _REFUSALS:
        return _none_from(
            where, Text("refuses to issue one ({why})", why=said.error), Text("correct auth in the configuration")
        )
    return _none_from(
        where, Text("answered HTTP {status}", status=status), Text("fix it, or correct auth in the configuration")
    )


def _none_from(where: str, why: Text, remedy: Text) -> NoTokenError:
    return NoTokenError(
        Text(
            "needs a token, and {place} {why}: the operator must {remedy}", place=address(where), why=why, remedy=remedy
        )
    )


_TIMES = httpx2.Timeout(10.0)
_UNAUTHORIZED = 401
_MARGIN = 30.0
"""Seconds before its end at which a token is renewed; half its life for one that lives less than a minute."""


@asynccontextmanager
async def authorized(
    inner: httpx2.AsyncBaseTransport, server_url: str, credentials: ClientCredentials, redactor: Redactor
) -> AsyncGenerator[httpx2.AsyncBaseTransport]:
    """A transport that sends all requests with tokens, and asks for these by a client of its own."""
    async with httpx2.AsyncClient(timeout=_TIMES) as client:
        yield _Authorized(inner, _TokenCache(client, server_url, credentials, redactor))


@dataclass(frozen=True)
class _Token:
    text: str
    until: float | None


class _Message(BaseModel):
    method: str = ""


class _TokenCache:
    """Holds the one token that is in use, in memory only. All who find none share the wait for it."""

    def __init__(
        self, client: httpx2.AsyncClient, server_url: str, credentials: ClientCredentials, redactor: Redactor
    ) -> None:
        self._client = client
        self._server_url = server_url
        self._credentials = credentials
        self._redactor = redactor
        self._token: _Token | None = None
        self._lock = asyncio.Lock()

    async def token(self, *, instead_of: _Token | None = None) -> _Token:
        """A token that should be good, and is another than the one which was refused.

        Raises:
            NoTokenError: there is none; says why.
        """
        async with self._lock:
            now = asyncio.get_running_loop().time()
            known = self._token
            if known is None or known is instead_of or (known.until is not None and now >= known.until):
                self._token = None
                known = self._token = await self._new(now)
            return known

    def drop(self, token: _Token) -> None:
        """The server does not take it any more."""
        if self._token is token:
            self._token = None

    async def _new(self, now: float) -> _Token:
        granted = await request_token(self._client, self._server_url, self._credentials)
        renew_token(self._redactor, granted.access_token)
        life = granted.expires_in
        return _Token(granted.access_token, None if life is None else now + life - min(_MARGIN, life / 2))


class _Authorized(httpx2.AsyncBaseTransport):
    """A tool call leaves once, whatever is answered; other requests are sent again if a token turns out to be void."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, token_cache: _TokenCache) -> None:
        self._inner = inner
        self._token_cache = token_cache

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await self._send(request)
        except NoTokenError as error:
            trace = call_trace.get() or CallTrace()
            trace.refusal = trace.obstacle = error.text
            return stand_in("no token")

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        token = await self._token_cache.token()
        response = await self._send_with(token, request)
        if response.status_code != _UNAUTHORIZED:
            return response
        self._token_cache.drop(token)
        if _is_call(request):
            return response
        await response.aclose()
        return await self._send_with(await self._token_cache.token(instead_of=token), request)

    async def _send_with(self, token: _Token, request: httpx2.Request) -> httpx2.Response:
        request.headers["Authorization"] = f"Bearer {token.text}"
        return await self._inner.handle_async_request(request)

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


def _is_call(request: httpx2.Request) -> bool:
    """Whether a request may be a tool call; one that can't be read may."""
    if request.method != "POST":
        return False
    try:
        return _Message.model_validate_json(request.content).method == CALL
    except (ValueError, httpx2.RequestNotRead):
        return True
