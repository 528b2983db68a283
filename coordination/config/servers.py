"""MCP servers as a run needs them: how to authenticate to each, and which entries in the file are the same server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import SecretStr

from coordination.config.chat_tools import chat_of
from coordination.config.diagnostics import Diagnostics, Place, printable, quoted
from coordination.config.interpolation import variables_in
from coordination.config.key_types import is_web_address
from coordination.config.packages import unpinned_package
from coordination.config.server_sections import AUTH_SECRETS, ServerAuthKeys, ServerKeys
from coordination.config.yaml_tree import EMPTY, Plain, Scalar, Table
from coordination.domain.canonical_json import canonical
from coordination.ports import AUTH_ENTRY, ClientCredentials, ServerSpec
from coordination.redaction import names_secret
from coordination.text import Text

_DEFAULT_CALL_TIMEOUT = 60.0


def broken_names(place: Table, good: Sequence[ServerKeys]) -> frozenset[str]:
    """The names of the servers in one place of the file that can't be used, so that their users are not blamed."""
    servers = place.entries.get("mcp_servers")
    if isinstance(servers, Table):
        written = frozenset(servers.entries)
    else:
        written = frozenset(item.source("name") for item in place.items("mcp_servers") if isinstance(item, Table))
    return frozenset(name for name in written if name and "${" not in name) - {keys.name for keys in good}


@dataclass(frozen=True, kw_only=True)
class _Known:
    """A server that has a name in the run.

    Attributes:
        kind: what is written of it, save `values`.
        values: what it is told, unexpanded, in args, env, headers and auth.
    """

    spec: ServerSpec = field(repr=False)
    kind: str
    values: str = field(repr=False)
    line: int

    def is_like(self, other: "_Known") -> bool:
        """Whether both places of the file describe one kind of server, told other things."""
        return self.shape == other.shape

    @property
    def shape(self) -> tuple[object, ...]:
        """All that is written of it, save what it is told."""
        spec = self.spec
        return (self.kind, spec.start_timeout, spec.call_timeout, spec.rotates, spec.is_optional, spec.is_pinned)


class ServerBook:
    """Gives every server of the file one name in the run: the same server written twice is one.

    Two agents may write one kind of server with other values, such as a token or a folder of their own. Each such
    server keeps apart from the others under a name of its own, because a plan must say which of them is to act.

    Attributes:
        shared: the servers that every agent has, by name.
    """

    def __init__(self, report: Diagnostics, folder: Path, shared: Sequence[ServerKeys], names: frozenset[str]) -> None:
        """`names` are those of every server in the file: no other one is called so."""
        self._report = report
        self._folder = folder
        self._taken = set(names)
        self._known: dict[str, list[_Known]] = {}
        self._check_names(shared)
        for keys in shared:
            self._known[keys.name] = [self._read(keys)]
        self.shared: Mapping[str, ServerSpec] = {name: known[0].spec for name, known in self._known.items()}

    def entered(self, servers: Sequence[ServerKeys], agent: int) -> Mapping[str, ServerSpec]:
        """The servers of one agent's own, each by its name in the file, as they are in the run."""
        self._check_names(servers)
        return {keys.name: self._entered(keys, agent) for keys in servers}

    def _entered(self, keys: ServerKeys, agent: int) -> ServerSpec:
        server = self._read(keys)
        known = self._known.setdefault(keys.name, [])
        if not known:
            known.append(server)
        first = known[0]
        if not server.is_like(first) or (keys.name in self.shared and server.values != first.values):
            found = Text("a different server {name} than in line {line}", name=keys.name, line=first.line)
            self._report.expect(_place_of(keys), found, Text("the same server, or another name"))
            return server.spec
        same = next((each for each in known if each.values == server.values), None)
        return same.spec if same is not None else self._variant(keys, server, agent)

    def _variant(self, keys: ServerKeys, server: _Known, agent: int) -> ServerSpec:
        number = agent
        while f"{keys.name}_{number}" in self._taken:
            number += 1
        name = f"{keys.name}_{number}"
        self._taken.add(name)
        known = self._known[keys.name]
        variant = replace(server, spec=replace(server.spec, name=name))
        text = Text(
            "different values in args, env, headers or auth than in line {line}: each such agent gets its own server, "
            "which plans call {variant} and so on, by the agent's number; rules for {name} apply to it too",
            line=known[0].line,
            variant=name,
            name=keys.name,
        )
        known.append(variant)
        self._report.add_warning(_place_of(keys), text, once_for=f"servers called {keys.name}")
        return variant.spec

    def _read(self, keys: ServerKeys) -> _Known:
        table = keys.table
        auth = _table_in(table, "auth")
        who_we_are = {key: auth.source(key) for key in ("client_id", *AUTH_SECRETS)} if keys.auth else {}
        _warn_of_versions(keys, self._report)
        _warn_of_secrets(keys, self._report)
        told: list[Plain] = [
            _arguments(table),
            dict(table.sources("env")),
            dict(table.sources("headers")),
            dict(who_we_are),
        ]
        spec = replace(_spec(keys, self._folder), rotates=_rotating(keys, self._report))
        kind = canonical({key: value for key, value in _written(table).items() if key != "args"})
        return _Known(spec=spec, kind=kind, values=canonical(told), line=table.line)

    def _check_names(self, servers: Sequence[ServerKeys]) -> None:
        seen: dict[str, ServerKeys] = {}
        for keys in servers:
            first = seen.setdefault(keys.name, keys)
            if first is not keys:
                line = first.table.line
                found = Text("the server name {name} again (first used in line {line})", name=keys.name, line=line)
                self._report.expect(_place_of(keys), found, Text("a unique name"))


def _place_of(keys: ServerKeys) -> Place:
    return Place(keys.table.line, keys.table.place.path)


def _spec(keys: ServerKeys, folder: Path) -> ServerSpec:
    return ServerSpec(
        name=keys.name,
        transport="http" if keys.url is not None else "stdio",
        identity=_identity(keys.table),
        command=_command(_open(keys.command), folder),
        args=tuple(each.get_secret_value() for each in keys.args),
        env=_pairs(keys.env),
        cwd=str(folder / keys.cwd) if keys.cwd else None,
        wrap=tuple(each.get_secret_value() for each in keys.wrap),
        url=_open(keys.url),
        headers=_pairs(keys.headers),
        start_timeout=keys.start_timeout,
        call_timeout=keys.call_timeout or keys.timeout or _DEFAULT_CALL_TIMEOUT,
        auth=None if keys.auth is None else _credentials(keys.auth),
        takes_its_defaults=keys.elicitation == "defaults",
        is_optional=keys.optional,
        is_pinned=keys.pinned,
        is_ours=bool(chat_of(keys)),
    )


def _credentials(keys: ServerAuthKeys) -> ClientCredentials:
    return ClientCredentials(
        client_id=keys.client_id,
        secret=_open(keys.client_secret or keys.private_key),
        issuer=keys.issuer or "",
        token_url=keys.token_url or "",
        method="private_key_jwt" if keys.private_key else keys.token_endpoint_auth_method,
        algorithm=keys.signing_algorithm or "RS256",
        scopes=keys.scopes,
    )


def _command(text: str, folder: Path) -> str:
    """A command with a slash is a file beside the configuration; one without is looked up in PATH."""
    return str(folder / text) if "/" in text else text


def _arguments(table: Table) -> list[Plain]:
    return list[Plain](_listed(table, "args"))


def _identity(table: Table) -> str:
    """What the operator wrote, with the names in env and headers, and without their values."""
    return canonical(_written(table))


def _written(table: Table) -> dict[str, Plain]:
    auth = _table_in(table, "auth")
    trusts = ("type", "issuer", "token_url", "signing_algorithm", "token_endpoint_auth_method")
    written: dict[str, Plain] = {
        **{key: table.source(key) for key in ("command", "cwd", "url", "elicitation")},
        "args": _arguments(table),
        "wrap": list[Plain](_listed(table, "wrap")),
        **{key: list(table.sources(key)) for key in ("env", "headers")},
        "auth": _filled({**{key: auth.source(key) for key in trusts}, "scopes": list[Plain](_listed(auth, "scopes"))}),
    }
    return _filled(written)


def _warn_of_versions(keys: ServerKeys, report: Diagnostics) -> None:
    """Once for each server that is fetched in whatever version there is. Values of variables are not repeated."""
    table = keys.table
    found = unpinned_package(table.source("command"), _listed(table, "args"))
    if found is not None:
        package, pinned = (printable(each) for each in found)
        text = Text(
            "{package} is fetched in the version that is current when the server starts, so what "
            "runs may not be what people approved: pin an exact version, such as {pinned}",
            package=package,
            pinned=pinned,
        )
        place = Place(table.line_of("args"), table.place.path)
        report.add_warning(place, text, once_for=f"packages of {keys.name}")


LEAST_KEY = 16
"""Characters of a text that may be a key of somebody; servers on one's own machine are given shorter ones for form's
sake."""


def _warn_of_secrets(keys: ServerKeys, report: Diagnostics) -> None:
    """Once for each server of which the file tells a secret, instead of the variable that has it."""
    for section in ("env", "headers"):
        for name in secrets_in_the_file(keys.table, section):
            place = keys.table.place_of(section)
            report.add_warning(Place(place.line, (*place.path, name)), IN_THE_FILE, once_for=f"secrets of {keys.name}")


def secrets_in_the_file(table: Table, section: str) -> tuple[str, ...]:
    """The names in a mapping of which the file tells a secret."""
    return tuple(
        name
        for name, source in table.sources(section).items()
        if names_secret(name) and len(source) >= LEAST_KEY and "${" not in source and not is_web_address(source)
    )


IN_THE_FILE = Text(
    "looks like a secret, and anyone who can read this file can see it: put it in a variable, and write ${{NAME}} here"
)


def _rotating(keys: ServerKeys, report: Diagnostics) -> tuple[str, ...]:
    """The entries of env, headers and auth whose values may be others when a plan runs.

    Each is named by its own name, or by the variable that it is made of.
    """
    table, auth = keys.table, _table_in(keys.table, "auth")
    secrets = {key: auth.source(key) for key in AUTH_SECRETS if auth.writes(key)}
    entries = {**table.sources("env"), **table.sources("headers"), **secrets}
    named = frozenset(keys.rotates)
    found = [entry for entry, source in entries.items() if entry in named or _is_made_of(source, named)]
    known = {*found, *(variable for entry in found for variable in variables_in(entries[entry]))}
    for name in keys.rotates:
        if name not in known:
            wanted = Text("the name of a variable that alone makes up a value in env, headers or auth")
            report.expect(table.place_of("rotates"), quoted(name), wanted)
    return tuple(sorted(AUTH_ENTRY if entry in secrets else entry for entry in found))


def _is_made_of(source: str, variables: frozenset[str]) -> bool:
    """Whether a value has variables, and none but these: another beside them might be an account."""
    found = variables_in(source)
    return bool(found) and found <= variables


def _table_in(table: Table, key: str) -> Table:
    node = table.entries.get(key)
    return node if isinstance(node, Table) else EMPTY


def _listed(table: Table, key: str) -> list[str]:
    return [item.source for item in table.items(key) if isinstance(item, Scalar)]


def _filled(written: dict[str, Plain]) -> dict[str, Plain]:
    return {key: value for key, value in written.items() if value}


def _open(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def _pairs(values: Mapping[str, SecretStr]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value.get_secret_value()) for name, value in values.items())
