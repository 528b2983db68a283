"""The sections of MCP servers: which keys one may have, and what does not go together."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StrictFloat, ValidationInfo, WithJsonSchema
from typing_extensions import override

from coordination.config.diagnostics import Diagnostics, quoted
from coordination.config.headers import problems_of_headers
from coordination.config.key_types import (
    AsTyped,
    AsWritten,
    Flag,
    OneLine,
    OneLines,
    Secret,
    Secrets,
    SecretValues,
    String,
    ToolNames,
    WebAddress,
    is_web_address,
    items_of,
    usable,
)
from coordination.config.section_reader import Section, report_of
from coordination.config.yaml_tree import Listing, Node, Scalar, Table, is_absent, kind_of
from coordination.text import Text

_SERVER_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,48}[A-Za-z0-9])?")


def _server_name(text: str) -> str:
    if not _SERVER_NAME.fullmatch(text):
        raise ValueError(Text("1 to 50 letters, digits, - and _, beginning and ending with a letter or digit"))
    return text


def _named(value: object, info: ValidationInfo) -> object:
    """Servers in a list, or in a mapping by their names."""
    if isinstance(value, Table):
        return tuple(_with_name(item, name) for name, item in value.entries.items())
    if isinstance(value, Scalar):
        report_of(info).expect(value.place, kind_of(value), Text("a list or a mapping of servers"))
        return ()
    return items_of(value, info)


def _with_name(node: Node, name: str) -> Node:
    if not isinstance(node, Table) or "${" in node.source("name"):
        return node
    written = Scalar(line=node.line, place=node.place_of("name"), value=name, text=name, source=name)
    return replace(node, entries={**node.entries, "name": written})


def _secret(secret: SecretStr) -> SecretStr:
    """A line break at its end comes from the file that it was read from."""
    return SecretStr(secret.get_secret_value().strip())


def _pem(secret: SecretStr) -> SecretStr:
    """A key of many lines, which many a place that holds variables can write only as one."""
    text = secret.get_secret_value().strip()
    return SecretStr(text if "\n" in text else text.replace("\\n", "\n").strip())


def _switch(value: object) -> object:
    """YAML has other words for on and off."""
    if isinstance(value, Scalar):
        return {"true": "on", "false": "off"}.get(value.text, value.text)
    return value


class ServerAuthKeys(Section):
    """How the program gets tokens for one MCP server: by OAuth's grant for programs that act for themselves."""

    title = "mcp_servers[].auth"
    holds_in_part = False
    type: Annotated[Literal["client_credentials"], AsWritten]
    issuer: WebAddress | None = None
    token_url: WebAddress | None = None
    client_id: OneLine
    client_secret: Annotated[Secret, AfterValidator(_secret)] | None = None
    private_key: Annotated[Secret, AfterValidator(_pem)] | None = None
    signing_algorithm: Annotated[Literal["RS256", "PS256", "ES256", "EdDSA"], AsWritten] | None = None
    token_endpoint_auth_method: Annotated[Literal["client_secret_basic", "client_secret_post"], AsWritten] | None = None
    scopes: Annotated[tuple[OneLine, ...], Field(max_length=100), AsWritten] = ()

    @classmethod
    @override
    def prepared(cls, table: Table, report: Diagnostics) -> Table:
        """Secrets that stand in the file itself are complained of, whatever else is wrong."""
        for key in _spelt_out(table):
            expected = Text("a variable, such as ${{{name}}}", name=key.upper())
            report.expect(table.place_of(key), kind_of(table.entries[key]), expected)
        return table

    @override
    def is_coherent(self, report: Diagnostics) -> bool:
        problem = _auth_incoherence(self)
        if problem is not None:
            key, found, expected = problem
            report.expect(self.table.place_of(key), found, expected)
        return problem is None and not _spelt_out(self.table)


AUTH_SECRETS = ("client_secret", "private_key")


def _spelt_out(auth: Table) -> tuple[str, ...]:
    return tuple(key for key in AUTH_SECRETS if auth.writes(key) and "${" not in auth.source(key))


def _auth_incoherence(keys: ServerAuthKeys) -> tuple[str, Text, Text] | None:
    """What does not go together: the key, what was found, and what was expected."""
    if keys.issuer is not None and keys.token_url is not None:
        return "token_url", Text("both issuer and token_url"), Text("one of them")
    if keys.issuer is None and keys.token_url is None:
        return "issuer", Text("nothing"), Text("the authorization server's issuer, or its token_url")
    if keys.client_secret is not None and keys.private_key is not None:
        return "private_key", Text("both client_secret and private_key"), Text("one of them")
    if keys.client_secret is None and keys.private_key is None:
        return "client_secret", Text("nothing"), Text("a client_secret or a private_key")
    if keys.private_key is not None and keys.token_endpoint_auth_method is not None:
        return "token_endpoint_auth_method", Text("a key for a client_secret"), Text("none beside private_key")
    if keys.client_secret is not None and keys.signing_algorithm is not None:
        return "signing_algorithm", Text("a key for a private_key"), Text("none beside client_secret")
    return None


class ServerKeys(Section):
    """One MCP server. Whatever may hold a secret is one."""

    title = "mcp_servers[]"
    kind = Text("a mapping that describes one server")
    holds_in_part = False
    is_a_home = False
    name: Annotated[String, AfterValidator(_server_name)]
    type: Annotated[Literal["stdio", "streamable-http", "http", "sse"], AsWritten] | None = None
    command: (
        Annotated[
            Secret, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
        ]
        | None
    ) = None
    args: Secrets = ()
    env: SecretValues = Field(default_factory=dict)
    cwd: OneLine | None = None
    wrap: Secrets = ()
    url: Secret | None = None
    headers: SecretValues = Field(default_factory=dict)
    auth: ServerAuthKeys | None = None
    start_timeout: Annotated[StrictFloat, Field(gt=0, le=600), AsTyped] = 30.0
    call_timeout: Annotated[StrictFloat, Field(gt=0, le=3600), AsTyped] | None = None
    timeout: Annotated[StrictFloat, Field(gt=0, le=3600), AsTyped] | None = None
    elicitation: Annotated[Literal["decline", "defaults"], AsWritten] = "decline"
    rotates: OneLines = ()
    optional: Flag = False
    pinned: Flag = False
    previews: Annotated[Literal["on", "off"], BeforeValidator(_switch)] = "on"
    allowed_tools: ToolNames | None = None
    exclude_tools: ToolNames = ()

    @classmethod
    @override
    def prepared(cls, table: Table, report: Diagnostics) -> Table | None:
        """The server with one word as its command, and the others that MassGen lets follow it in there as arguments."""
        if "${" in table.source("name"):
            # Plans name servers, so a name must mean the same on every machine.
            report.expect(table.place_of("name"), Text("a variable in a name"), Text("the name itself"))
            return None
        auth = table.entries.get("auth")
        if isinstance(auth, Table) and (misfit := _misfit(table)):
            report.expect(auth.place_of("type"), *misfit)
        words = _words_of(table, report)
        if not words:
            return table
        return replace(table, entries={**table.entries, "command": words[0], **_arguments(table, words[1:])})

    @override
    def is_coherent(self, report: Diagnostics) -> bool:
        problems = list(_incoherence(self))
        for key, found, expected in problems:
            report.expect(self.table.place_of(key), found, expected)
        is_auth_broken = self.table.writes("auth") and (self.auth is None or _misfit(self.table) is not None)
        return not problems and not is_auth_broken


def _misfit(server: Table) -> tuple[Text, Text] | None:
    """What in the server itself leaves no room for auth."""
    if not server.writes("url"):
        return Text("a section for a server with a url"), Text("env instead")
    headers = server.entries.get("headers")
    if isinstance(headers, Table) and any(name.lower() == "authorization" for name in headers.entries):
        return Text("both auth and an Authorization header"), Text("one of them")
    return None


def _words_of(server: Table, report: Diagnostics) -> tuple[Scalar, ...]:
    """The words of a command that is written as several."""
    command = server.entries.get("command")
    if isinstance(command, Listing):
        wrong = [item for item in command.items if not isinstance(item, Scalar) or item.value is None]
        for item in wrong:
            report.expect(item.place, kind_of(item), Text("a text"))
        return tuple(item for item in command.items if isinstance(item, Scalar) and item.value is not None)
    if not isinstance(command, Scalar) or "args" in server.entries or " " not in command.source.strip():
        return ()
    try:
        texts, sources = shlex.split(command.text), shlex.split(command.source)
    except ValueError:
        report.expect(command.place, Text("a quote without its end"), Text("a command"))
        return ()
    if len(texts) != len(sources):
        found = Text("a command whose words can't be told apart once its variables are expanded")
        report.expect(command.place, found, Text("one word, and the others under args"))
        return ()
    pairs = zip(texts, sources, strict=True)
    return tuple(replace(command, text=text, value=text, source=source) for text, source in pairs)


def _arguments(server: Table, words: tuple[Scalar, ...]) -> dict[str, Node]:
    """The arguments after words of the command; as they are where they are no list, which is complained of later."""
    written = server.entries.get("args")
    if not words or not (written is None or isinstance(written, Listing) or is_absent(written)):
        return {}
    items = written.items if isinstance(written, Listing) else ()
    return {"args": Listing(items=(*words, *items), line=words[0].line, place=server.place_of("args"))}


def _incoherence(keys: ServerKeys) -> Iterator[tuple[str, Text, Text]]:
    """What does not go together in one server: the key, what was found, and what was expected."""
    for name in keys.env:
        if not name or "=" in name:
            yield "env", quoted(name), Text("the name of a variable")
    is_http = keys.type in ("streamable-http", "http", "sse") or (keys.type is None and keys.url is not None)
    if keys.command is not None and keys.url is not None:
        yield "url", Text("both command and url"), Text("one of them")
    elif is_http and keys.url is None:
        yield "type", Text("no url"), Text("the url of the server")
    elif not is_http and keys.command is None:
        yield "type", Text("neither command nor url"), Text("a command (stdio) or a url (streamable-http)")
    elif keys.url is not None and not is_web_address(keys.url.get_secret_value()):
        yield "url", Text("a text"), Text("an address that begins with http:// or https://")
    elif is_http and (keys.args or keys.env or keys.wrap):
        key = "args" if keys.args else "env" if keys.env else "wrap"
        yield key, Text("a key for a server with a command"), Text("none beside url")
    elif not is_http and keys.headers:
        yield "headers", Text("a key for a server with a url"), Text("env instead")
    elif any(each in value.get_secret_value() for value in keys.headers.values() for each in "\n\r"):
        yield "headers", Text("a line break in a header"), Text("headers of one line")
    else:
        yield from (("headers", found, expected) for _, found, expected in problems_of_headers(keys.headers))


Servers: TypeAlias = Annotated[tuple[ServerKeys, ...], BeforeValidator(_named), AfterValidator(usable)]
