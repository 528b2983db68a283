"""A server's `auth` as it is written: what proves who we are, and to whom."""

from coordination.config.auth_keys import ServerAuthKeys
from coordination.config.diagnostics import KeyPath, mismatch
from coordination.config.nodes import Listing, Plain, Scalar, Table, kind_of, source_of
from coordination.config.section_reader import Reader, writes
from coordination.config.sections_sections import SERVER_AUTH
from coordination.domain.canonical_json import canonical
from coordination.ports import ClientCredentials

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
        reader.report.complain(table.line_of(key), (*path, key), text)
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
        return {"type": mismatch("a section for a server with a url", "env instead")}
    headers = server.entries.get("headers")
    if isinstance(headers, Table) and any(name.lower() == "authorization" for name in headers.entries):
        return {"type": mismatch("both auth and an Authorization header", "one of them")}
    return {}


def _spelt_out(table: Table) -> dict[str, str]:
    """Secrets that stand in the file itself."""
    return {
        key: mismatch(kind_of(table.entries[key]), "a variable, such as ${" + key.upper() + "}")
        for key in _SECRETS
        if writes(table, key) and "${" not in source_of(table, key)
    }


def _auth_incoherence(keys: ServerAuthKeys) -> dict[str, str]:
    """What does not go together: the key, and the complaint."""
    if keys.issuer is not None and keys.token_url is not None:
        return {"token_url": mismatch("both issuer and token_url", "one of them")}
    if keys.issuer is None and keys.token_url is None:
        return {"issuer": mismatch("nothing", "the authorization server's issuer, or its token_url")}
    if keys.client_secret is not None and keys.private_key is not None:
        return {"private_key": mismatch("both client_secret and private_key", "one of them")}
    if keys.client_secret is None and keys.private_key is None:
        return {"client_secret": mismatch("nothing", "a client_secret or a private_key")}
    if keys.private_key is not None and keys.token_endpoint_auth_method is not None:
        return {"token_endpoint_auth_method": mismatch("a key for a client_secret", "none beside private_key")}
    if keys.client_secret is not None and keys.signing_algorithm is not None:
        return {"signing_algorithm": mismatch("a key for a private_key", "none beside client_secret")}
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
