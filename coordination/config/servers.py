"""MCP servers as they are written: shared or of one agent, how they know us, and which are the same one."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import SecretStr

from coordination.config.diagnostics import KeyPath, expected_but_found, printable, quoted
from coordination.config.packages import unpinned_package
from coordination.config.section_reader import Reader, is_absent, writes
from coordination.config.sections import SERVER, SERVER_AUTH, ServerAuthKeys, ServerKeys, is_web_address
from coordination.config.yaml_tree import Listing, Node, Plain, Scalar, Table, kind_of, source_of, variables_in
from coordination.domain.canonical_json import canonical
from coordination.ports import AUTH_ENTRY, ClientCredentials, ServerSpec

_SECRETS = ("client_secret", "private_key")
_OURS = ("client_id", *_SECRETS)
_THEIRS = ("type", "issuer", "token_url", "signing_algorithm", "token_endpoint_auth_method")


def credentials_of(reader: Reader, server: Table, path: KeyPath) -> ClientCredentials | None:
    """What is written under `auth`; None where there is nothing, or nothing of use, which was then complained of."""
    table = reader.table(server, "auth", path)
    if table is None:
        return None
    path = (*path, "auth")
    keys = reader.section(SERVER_AUTH, table, path)
    problems = {**_misfits(server), **_spelt_out(table), **({} if keys is None else _auth_incoherence(keys))}
    for key, text in problems.items():
        reader.report.add_error(table.line_of(key), (*path, key), text)
    return None if keys is None or problems else _credentials(keys)


def identity_of_auth(server: Table) -> dict[str, Plain]:
    """Whom we ask for tokens and for what, as it is written: part of what the server is."""
    table = server.entries.get("auth")
    if not isinstance(table, Table):
        return {}
    scopes = table.entries.get("scopes")
    items = scopes.items if isinstance(scopes, Listing) else ()
    written: dict[str, Plain] = {key: source_of(table, key) for key in _THEIRS}
    written["scopes"] = [item.source for item in items if isinstance(item, Scalar)]
    return {key: value for key, value in written.items() if value}


def secrets_of_auth(server: Table) -> dict[str, str]:
    """What proves who we are, by its key, unexpanded."""
    table = server.entries.get("auth")
    return {key: source_of(table, key) for key in _SECRETS if writes(table, key)} if isinstance(table, Table) else {}


def values_of_auth(server: Table) -> str:
    """Who we are to that server, unexpanded: two agents may be two clients of it."""
    table = server.entries.get("auth")
    return canonical({key: source_of(table, key) for key in _OURS}) if isinstance(table, Table) else ""


def _misfits(server: Table) -> dict[str, str]:
    """What in the server itself leaves no room for auth."""
    if not writes(server, "url"):
        return {"type": expected_but_found("a section for a server with a url", "env instead")}
    headers = server.entries.get("headers")
    if isinstance(headers, Table) and any(name.lower() == "authorization" for name in headers.entries):
        return {"type": expected_but_found("both auth and an Authorization header", "one of them")}
    return {}


def _spelt_out(table: Table) -> dict[str, str]:
    """Secrets that stand in the file itself."""
    return {
        key: expected_but_found(kind_of(table.entries[key]), "a variable, such as ${" + key.upper() + "}")
        for key in _SECRETS
        if writes(table, key) and "${" not in source_of(table, key)
    }


def _auth_incoherence(keys: ServerAuthKeys) -> dict[str, str]:
    """What does not go together: the key, and the complaint."""
    if keys.issuer is not None and keys.token_url is not None:
        return {"token_url": expected_but_found("both issuer and token_url", "one of them")}
    if keys.issuer is None and keys.token_url is None:
        return {"issuer": expected_but_found("nothing", "the authorization server's issuer, or its token_url")}
    if keys.client_secret is not None and keys.private_key is not None:
        return {"private_key": expected_but_found("both client_secret and private_key", "one of them")}
    if keys.client_secret is None and keys.private_key is None:
        return {"client_secret": expected_but_found("nothing", "a client_secret or a private_key")}
    if keys.private_key is not None and keys.token_endpoint_auth_method is not None:
        return {
            "token_endpoint_auth_method": expected_but_found("a key for a client_secret", "none beside private_key")
        }
    if keys.client_secret is not None and keys.signing_algorithm is not None:
        return {"signing_algorithm": expected_but_found("a key for a private_key", "none beside client_secret")}
    return {}


def _credentials(keys: ServerAuthKeys) -> ClientCredentials:
    secret = keys.client_secret or keys.private_key
    return ClientCredentials(
        client_id=keys.client_id,
        secret=secret.get_secret_value() if secret else "",
        issuer=keys.issuer or "",
        token_url=keys.token_url or "",
        method="private_key_jwt" if keys.private_key else keys.token_endpoint_auth_method,
        algorithm=keys.signing_algorithm or "RS256",
        scopes=keys.scopes,
    )


_DEFAULT_CALL_TIMEOUT = 60.0


@dataclass(frozen=True, kw_only=True)
class ToolEntry:
    """One name in a list of tools, and where it stands; `written` has its variables unexpanded."""

    text: str
    written: str
    line: int
    path: KeyPath


@dataclass(frozen=True, kw_only=True)
class WrittenServer:
    """One server as one place of the file has it.

    Attributes:
        values: what it is told in env, headers and auth, unexpanded: two servers that differ only in this are of one kind.
        allowed: the only tools of it that may be offered; None: all.
    """

    spec: ServerSpec = field(repr=False)
    values: str = field(repr=False)
    line: int
    path: KeyPath
    allowed: tuple[ToolEntry, ...] | None
    excluded: tuple[ToolEntry, ...]

    @property
    def name(self) -> str:
        """The name in the file."""
        return self.spec.name

    def is_same_as(self, other: "WrittenServer") -> bool:
        """Whether both places describe one server."""
        return self.is_like(other) and self.values == other.values

    def is_like(self, other: "WrittenServer") -> bool:
        """Whether both places describe one kind of server, told other things."""
        return self.shape == other.shape

    @property
    def shape(self) -> tuple[object, ...]:
        """All that is written of it, save values in env, headers and auth."""
        spec = self.spec
        return (spec.identity, spec.start_timeout, spec.call_timeout, spec.rotates)


class ServerReader:
    """Reads `mcp_servers`, as a list or as a map, anywhere in the file.

    Attributes:
        broken: the names of servers with complaints, so that nothing else is held against those who name them.
    """

    def __init__(self, reader: Reader, folder: Path) -> None:
        self._reader = reader
        self._folder = folder
        self.broken: set[str] = set()

    def servers(self, parent: Table, path: KeyPath) -> tuple[WrittenServer, ...]:
        """The servers under `mcp_servers`."""
        node = parent.entries.get("mcp_servers")
        path = (*path, "mcp_servers")
        match node:
            case None:
                return ()
            case Listing():
                found = [self._server(item, (*path, index), None) for index, item in enumerate(node.items)]
            case Table():
                found = [self._server(item, (*path, name), name) for name, item in node.entries.items()]
            case Scalar() if is_absent(node):
                return ()
            case _:
                self._add_error(node.line, path, expected_but_found(kind_of(node), "a list or a mapping of servers"))
                return ()
        servers = tuple(server for server in found if server is not None)
        self._check_names(servers)
        return servers

    def tool_entries(self, parent: Table, key: str, path: KeyPath) -> tuple[ToolEntry, ...] | None:
        """A list of tool names; None where there is no such key."""
        node = parent.entries.get(key)
        if node is None or is_absent(node):
            return None
        texts = self._reader.texts(parent, key, path)
        return tuple(
            ToolEntry(text=item.text, written=item.source, line=item.line, path=(*path, key, index))
            for index, item in texts
        )

    def _server(self, node: Node, path: KeyPath, name: str | None) -> WrittenServer | None:
        if not isinstance(node, Table):
            self._add_error(node.line, path, expected_but_found(kind_of(node), "a mapping that describes one server"))
            return None
        if "${" in source_of(node, "name"):
            # Plans name servers, so a name must mean the same on every machine.
            self._add_error(
                node.line_of("name"), (*path, "name"), expected_but_found("a variable in a name", "the name itself")
            )
            return None
        table, arguments = self._with_one_command(node, path)
        given = {} if name is None else {"name": name}
        keys = self._reader.section(SERVER, table, path, given)
        auth = credentials_of(self._reader, table, path)
        is_auth_broken = auth is None and writes(table, "auth")
        if keys is None or not self._is_coherent(keys, table, path) or is_auth_broken:
            self.broken.add(name or source_of(table, "name"))
            return None
        self._warn_of_versions(keys, table, arguments, path)
        return WrittenServer(
            spec=replace(self._spec(keys, table, arguments), auth=auth, rotates=self._rotating(keys, table, path)),
            values=canonical([_sources(table, "env"), _sources(table, "headers"), values_of_auth(table)]),
            line=table.line,
            path=path,
            allowed=self.tool_entries(table, "allowed_tools", path),
            excluded=self.tool_entries(table, "exclude_tools", path) or (),
        )

    def _with_one_command(self, table: Table, path: KeyPath) -> tuple[Table, tuple[Scalar, ...]]:
        """The table with one word as its command, and the words that MassGen lets follow it in there."""
        node = table.entries.get("command")
        words: tuple[Scalar, ...] = ()
        if isinstance(node, Listing):
            words = tuple(item for _, item in self._reader.texts(table, "command", path))
        elif isinstance(node, Scalar) and "args" not in table.entries and " " in node.source.strip():
            words = self._split(node, path)
        if not words:
            return table, ()
        entries = {**table.entries, "command": words[0]}
        return replace(table, entries=entries), words[1:]

    def _split(self, command: Scalar, path: KeyPath) -> tuple[Scalar, ...]:
        try:
            texts, sources = shlex.split(command.text), shlex.split(command.source)
        except ValueError:
            self._add_error(
                command.line, (*path, "command"), expected_but_found("a quote without its end", "a command")
            )
            return ()
        if len(texts) != len(sources):
            found = "a command whose words can't be told apart once its variables are put in"
            self._add_error(
                command.line, (*path, "command"), expected_but_found(found, "one word, and the others under args")
            )
            return ()
        return tuple(
            replace(command, text=text, value=text, source=source) for text, source in zip(texts, sources, strict=True)
        )

    def _is_coherent(self, keys: ServerKeys, table: Table, path: KeyPath) -> bool:
        problem = _incoherence(keys)
        if problem is not None:
            key, text = problem
            self._add_error(table.line_of(key), (*path, key), text)
        bad_names = [name for name in keys.env if not name or "=" in name]
        for name in bad_names:
            self._add_error(
                table.line_of("env"), (*path, "env"), expected_but_found(quoted(name), "the name of a variable")
            )
        return problem is None and not bad_names

    def _spec(self, keys: ServerKeys, table: Table, arguments: Sequence[Scalar]) -> ServerSpec:
        is_http = keys.url is not None
        return ServerSpec(
            name=keys.name,
            transport="http" if is_http else "stdio",
            identity=_identity(table, arguments),
            command=self._command(keys.command),
            args=(*(word.text for word in arguments), *(each.get_secret_value() for each in keys.args)),
            env=_pairs(keys.env),
            cwd=str(self._folder / keys.cwd) if keys.cwd else None,
            wrap=tuple(each.get_secret_value() for each in keys.wrap),
            url=keys.url.get_secret_value() if keys.url else "",
            headers=_pairs(keys.headers),
            start_timeout=keys.start_timeout,
            call_timeout=keys.call_timeout or keys.timeout or _DEFAULT_CALL_TIMEOUT,
            takes_its_defaults=keys.elicitation == "defaults",
        )

    def _warn_of_versions(self, keys: ServerKeys, table: Table, arguments: Sequence[Scalar], path: KeyPath) -> None:
        """Once for each server that is fetched in whatever version there is. Values of variables are not repeated."""
        words = [word.source for word in (*arguments, *_scalars(table, "args"))]
        found = unpinned_package(source_of(table, "command"), words)
        if found is not None:
            package, pinned = (printable(each) for each in found)
            text = (
                f"{package} is fetched in whatever version there is when the server starts, so what runs may be another "
                f"program than the one that people approved: write an exact version, like {pinned}"
            )
            self._reader.report.add_warning(table.line_of("args"), path, text, once_for=f"packages of {keys.name}")

    def _rotating(self, keys: ServerKeys, table: Table, path: KeyPath) -> tuple[str, ...]:
        """The entries of env, headers and auth whose values may be others when a plan runs.

        Each is named by its own name, or by the variable that it is made of.
        """
        secrets = secrets_of_auth(table)
        entries = {**_sources(table, "env"), **_sources(table, "headers"), **secrets}
        named = frozenset(keys.rotates)
        found = [entry for entry, source in entries.items() if entry in named or _is_made_of(source, named)]
        known = {*found, *(variable for entry in found for variable in variables_in(entries[entry]))}
        for name in keys.rotates:
            if name not in known:
                wanted = "the name of a variable that alone makes up a value in env, headers or auth"
                self._add_error(table.line_of("rotates"), (*path, "rotates"), expected_but_found(quoted(name), wanted))
        return tuple(sorted(AUTH_ENTRY if entry in secrets else entry for entry in found))

    def _command(self, command: SecretStr | None) -> str:
        """A command with a slash is a file beside the configuration; one without is looked up in PATH."""
        text = command.get_secret_value() if command else ""
        return str(self._folder / text) if "/" in text else text

    def _check_names(self, servers: Sequence[WrittenServer]) -> None:
        seen: dict[str, WrittenServer] = {}
        for server in servers:
            first = seen.setdefault(server.name, server)
            if first is not server:
                found = f"a second server of the name {server.name} (first in line {first.line})"
                self._add_error(server.line, server.path, expected_but_found(found, "each name once"))

    def _add_error(self, line: int, path: KeyPath, text: str) -> None:
        self._reader.report.add_error(line, path, text)


def _incoherence(keys: ServerKeys) -> tuple[str, str] | None:
    """What does not go together in one server: the key, and the complaint."""
    is_http = keys.type in ("streamable-http", "http") or (keys.type is None and keys.url is not None)
    if keys.command is not None and keys.url is not None:
        return "url", expected_but_found("both command and url", "one of them")
    if is_http and keys.url is None:
        return "type", expected_but_found("no url", "the url of the server")
    if not is_http and keys.command is None:
        return "type", expected_but_found("neither command nor url", "a command (stdio) or a url (streamable-http)")
    if keys.url is not None and not is_web_address(keys.url.get_secret_value()):
        return "url", expected_but_found("a text", "an address that begins with http:// or https://")
    if is_http and (keys.args or keys.env or keys.wrap):
        key = "args" if keys.args else "env" if keys.env else "wrap"
        return key, expected_but_found("a key for a server with a command", "none beside url")
    if not is_http and keys.headers:
        return "headers", expected_but_found("a key for a server with a url", "env instead")
    if any("\n" in value.get_secret_value() or "\r" in value.get_secret_value() for value in keys.headers.values()):
        return "headers", expected_but_found("a line break in a header", "headers of one line")
    return None


def _identity(table: Table, arguments: Sequence[Scalar]) -> str:
    """What the operator wrote, with the names in env and headers, and without their values."""
    written: dict[str, Plain] = {
        "command": source_of(table, "command"),
        "args": [*(word.source for word in arguments), *(item.source for item in _scalars(table, "args"))],
        "cwd": source_of(table, "cwd"),
        "wrap": [item.source for item in _scalars(table, "wrap")],
        "url": source_of(table, "url"),
        "env": list(_sources(table, "env")),
        "headers": list(_sources(table, "headers")),
        "auth": identity_of_auth(table),
        "elicitation": source_of(table, "elicitation"),
    }
    return canonical({key: value for key, value in written.items() if value})


def _is_made_of(source: str, variables: frozenset[str]) -> bool:
    """Whether a value has variables, and none but these: another beside them might be an account."""
    found = variables_in(source)
    return bool(found) and found <= variables


def _scalars(table: Table, key: str) -> tuple[Scalar, ...]:
    node = table.entries.get(key)
    return tuple(item for item in node.items if isinstance(item, Scalar)) if isinstance(node, Listing) else ()


def _sources(table: Table, key: str) -> dict[str, str]:
    node = table.entries.get(key)
    if not isinstance(node, Table):
        return {}
    return {name: value.source for name, value in sorted(node.entries.items()) if isinstance(value, Scalar)}


def _pairs(values: dict[str, SecretStr]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value.get_secret_value()) for name, value in values.items())


class ServerBook:
    """Gives every server of the file one name in the run: the same server written twice is one.

    Two agents may write one kind of server with other values, such as a token of their own. Each such server keeps
    apart from the others under a name of its own, because a plan must say which of them is to act.
    """

    def __init__(self, reader: Reader, shared: Sequence[WrittenServer], names: frozenset[str]) -> None:
        self._report = reader.report
        self._taken = set(names)
        self._shared = {server.name: server for server in shared}
        self._owned: dict[str, list[WrittenServer]] = {}

    def entered(self, server: WrittenServer, agent: int) -> WrittenServer:
        """The server under the name that it has in the run."""
        others = self._owned.setdefault(server.name, [])
        first = self._shared.get(server.name) or (others[0] if others else None)
        if first is None:
            others.append(server)
            return server
        if not server.is_like(first) or (server.name in self._shared and not server.is_same_as(first)):
            self._refuse(server, first)
            return server
        known = [first, *others]
        same = next((each for each in known if each.values == server.values), None)
        if same is not None:
            return replace(server, spec=same.spec)
        return self._variant(server, first, agent)

    def _variant(self, server: WrittenServer, first: WrittenServer, agent: int) -> WrittenServer:
        number = agent
        while f"{server.name}_{number}" in self._taken:
            number += 1
        name = f"{server.name}_{number}"
        self._taken.add(name)
        variant = replace(server, spec=replace(server.spec, name=name))
        self._owned[server.name].append(variant)
        text = (
            f"other values in env, headers or auth than in line {first.line}: each such agent gets a server of its own, "
            f"which plans call {name} and so on, by the agent's number; rules for {server.name} hold for it too"
        )
        self._report.add_warning(server.line, server.path, text, once_for=f"servers called {server.name}")
        return variant

    def _refuse(self, server: WrittenServer, first: WrittenServer) -> None:
        found = f"another server {server.name} than in line {first.line}"
        self._report.add_error(server.line, server.path, expected_but_found(found, "the same server, or another name"))
