"""`python -m tests.servers.mcp_http_oauth FOLDER`: MCP servers and the authorization servers that they trust, in one.

There is one of each under every name: `/NAME/mcp` and `/NAME`. The name begins with how they behave, up to a dot. Into a
file of that name go all requests for a token, all calls, and all requests that were turned away. Behaviours:
    brief: its tokens end at once; forgets: each list of tools voids all tokens; no-calls: calls are turned away;
    no-metadata: nothing is published; post-only: a secret must stand in the form; foreign: it trusts another server;
    elsewhere: its tokens are for another address; impostor: its metadata names another issuer; refuses, babbles, breaks:
    what is answered to a request for a token; closes: refuses after the first,
    and forgets; step-up: every list of tools demands more scopes.
"""

import base64
import json
import socket
import sys
from contextvars import ContextVar
from pathlib import Path
from urllib.parse import unquote

import jwt
import uvicorn
from mcp.server import MCPServer
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

FOLDER = Path(sys.argv[1])
CLIENT, SECRET = "planner", "hunter2: + ümlaut"
TOKENS: list[str] = []
VOID: set[str] = set()
SERVED: set[str] = set()
case: ContextVar[str] = ContextVar("case")

server = MCPServer("guarded")


@server.tool()
def look(where: str) -> str:
    """Look somewhere."""
    return f"nothing at {where}"


@server.tool()
def write(title: str) -> str:
    """Write something down."""
    note({"wrote": title})
    return f"wrote {title}"


def note(what: dict[str, object]) -> None:
    with (FOLDER / case.get()).open("a", encoding="utf-8") as writer:
        writer.write(json.dumps(what) + "\n")


def behaves(how: str) -> bool:
    return case.get().partition(".")[0] == how


def here(request: Request) -> str:
    return f"http://{request.headers['host']}/{case.get()}"


async def about_resource(request: Request) -> Response:
    """Protected resource metadata."""
    if behaves("no-metadata"):
        return PlainTextResponse("<html>", status_code=200)
    resource = "https://evil.example.com/mcp" if behaves("elsewhere") else here(request)
    issuer = "https://evil.example.com" if behaves("foreign") else here(request)
    return JSONResponse({"resource": resource, "authorization_servers": [issuer], "scopes_supported": ["all"]})


async def about_issuer(request: Request) -> Response:
    """Authorization server metadata, with no more in it than a server for programs needs."""
    if behaves("no-metadata"):
        return PlainTextResponse("not found", status_code=404)
    issuer = "https://evil.example.com" if behaves("impostor") else here(request)
    methods = ["client_secret_post"] if behaves("post-only") else ["client_secret_basic", "client_secret_post"]
    return JSONResponse(
        {
            "issuer": issuer,
            "token_endpoint": f"{here(request)}/token",
            "token_endpoint_auth_methods_supported": methods,
        }
    )


async def token(request: Request) -> Response:
    """Give out a token, or what the behaviour says in its place."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    how = proof(request, form)
    note(
        {"asked": how, "scope": form.get("scope"), "resource": form.get("resource", "").replace(here(request), "HERE")}
    )
    if behaves("babbles"):
        return JSONResponse({"access_token": f"{SECRET}\r\n", "token_type": "Bearer"})
    if behaves("breaks"):
        return PlainTextResponse(f"no entry in {SECRET}", status_code=500)
    if how == "wrong" or behaves("refuses") or (behaves("closes") and case.get() in SERVED):
        return JSONResponse({"error": "invalid_client", "error_description": SECRET}, status_code=401)
    SERVED.add(case.get())
    TOKENS.append(f"canary-token-{len(TOKENS)}")
    lifetime = 0 if behaves("brief") else 3600
    return JSONResponse({"access_token": TOKENS[-1], "token_type": "bearer", "expires_in": lifetime})


def proof(request: Request, form: dict[str, str]) -> str:
    """By which method the client proved who it is."""
    if "client_assertion" in form:
        claims = jwt.decode(
            form["client_assertion"],
            (FOLDER / "public.pem").read_bytes(),
            algorithms=["ES256"],
            audience=here(request),
        )
        return "private_key_jwt" if claims["iss"] == claims["sub"] == CLIENT else "wrong"
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    if kind == "Basic" and not behaves("post-only"):
        given = tuple(unquote(part) for part in base64.b64decode(encoded).decode().split(":"))
        return "client_secret_basic" if given == (CLIENT, SECRET) else "wrong"
    given = form.get("client_id", ""), form.get("client_secret", "")
    return "client_secret_post" if given == (CLIENT, SECRET) else "wrong"


async def check(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Let only those in who hold a good token."""
    parts = request.url.path.strip("/").split("/")
    if parts[0] == ".well-known":
        case.set(parts[2])
        return await call_next(request)
    case.set(parts[0])
    request.scope["path"] = f"/{parts[1]}"
    if parts[1] != "mcp":
        return await call_next(request)
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    message = json.loads(await request.body() or b"{}")
    method = message.get("method", "")
    if bearer not in TOKENS or bearer in VOID or (behaves("no-calls") and method == "tools/call"):
        note({"turned away": method})
        return PlainTextResponse("go away", status_code=401)
    if behaves("step-up") and method == "tools/list":
        challenge = 'Bearer error="insufficient_scope", scope="everything"'
        return PlainTextResponse("more", status_code=403, headers={"WWW-Authenticate": challenge})
    if (behaves("forgets") or behaves("closes")) and method == "tools/list":
        VOID.update(TOKENS)
    return await call_next(request)


def app() -> Starlette:
    made = server.streamable_http_app()
    made.add_route("/.well-known/oauth-protected-resource/{case}/mcp", about_resource)
    made.add_route("/.well-known/oauth-authorization-server/{case}", about_issuer)
    made.add_route("/token", token, methods=["POST"])
    made.add_middleware(BaseHTTPMiddleware, dispatch=check)
    return made


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)  # noqa: T201  # how the test learns the port
        uvicorn.Server(uvicorn.Config(app(), log_level="error")).run(sockets=[listener])


if __name__ == "__main__":
    main()
