"""`auth` of an MCP server: read with its secrets from variables, refused in full sentences."""

import pytest

from coordination.config import parse
from coordination.errors import ConfigError
from coordination.ports import ClientCredentials, ServerSpec
from tests.german import english_in

AGENT = "agents: [{backend: {type: ollama, model: m}}]\n"
GOOD = "type: client_credentials, issuer: 'https://login.example', client_id: planner, client_secret: '${SECRET}'"
WHERE = "ops.yaml:2: mcp_servers.crm.auth"


def server(auth: str, rest: str = "url: 'https://crm.example/mcp'") -> str:
    return f"{AGENT}mcp_servers: {{crm: {{{rest}, auth: {{{auth}}}}}}}\n"


def only(text: str, **environ: str) -> ServerSpec:
    (spec,) = parse(text, origin="ops.yaml", environ=environ).servers
    return spec


def complaints_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, origin="ops.yaml", environ={"SECRET": "hunter2"})
    assert "hunter2" not in str(caught.value)
    assert {each: english for each in caught.value.diagnostics if (english := english_in(each))} == {}
    return list(caught.value.diagnostics)


def test_a_shared_secret_is_read_from_its_variable() -> None:
    spec = only(server(f"{GOOD}, scopes: [a, b], token_endpoint_auth_method: client_secret_post"), SECRET="hunter2\n")
    assert spec.auth == ClientCredentials(
        client_id="planner",
        secret="hunter2",
        issuer="https://login.example",
        method="client_secret_post",
        scopes=("a", "b"),
    )


def test_a_private_key_may_stand_on_one_line() -> None:
    written = "type: client_credentials, token_url: 'https://login.example/t', client_id: p, private_key: '${KEY}'"
    spec = only(server(f"{written}, signing_algorithm: ES256"), KEY="-----BEGIN-----\\nabc\\n-----END-----\\n")
    assert spec.auth == ClientCredentials(
        client_id="p",
        secret="-----BEGIN-----\nabc\n-----END-----",
        token_url="https://login.example/t",
        method="private_key_jwt",
        algorithm="ES256",
    )


def test_what_a_server_is_has_whom_it_trusts_and_what_it_may_do_but_not_who_we_are() -> None:
    spec = only(
        server(f"{GOOD}, scopes: [a]", "url: 'https://crm.example/mcp', elicitation: defaults"), SECRET="hunter2"
    )
    assert spec.takes_its_defaults
    assert '"issuer":"https://login.example","scopes":["a"]' in spec.identity
    assert '"elicitation":"defaults"' in spec.identity
    assert "planner" not in spec.identity
    for shown in (spec.identity, repr(spec)):
        assert "hunter2" not in shown
        assert "SECRET" not in shown


def test_what_a_server_without_auth_is_has_not_changed() -> None:
    spec = only(AGENT + "mcp_servers: {crm: {url: 'https://crm.example/mcp'}}\n")
    assert spec.identity == '{"url":"https://crm.example/mcp"}'
    assert spec.auth is None
    assert not spec.takes_its_defaults


def test_two_agents_may_be_two_clients_of_one_server() -> None:
    crm = "mcp_servers: {crm: {url: 'https://crm.example/mcp', auth: {%s}}}"
    other = GOOD.replace("planner", "writer").replace("SECRET", "OTHER")
    agents = "".join(f"  - backend: {{type: ollama, model: m, {crm % auth}}}\n" for auth in (GOOD, other))
    settings = parse(f"agents:\n{agents}", origin="ops.yaml", environ={"SECRET": "a", "OTHER": "b"})
    clients = {spec.name: (spec.auth and spec.auth.client_id) for agent in settings.agents for spec in agent.servers}
    assert clients == {"crm": "planner", "crm_2": "writer"}


@pytest.mark.parametrize(
    ("auth", "complaint"),
    [
        (
            GOOD.replace("'${SECRET}'", "hunter"),
            ".client_secret: found a text; expected a variable, such as ${CLIENT_SECRET}",
        ),
        (
            GOOD.replace("client_secret: '${SECRET}'", "private_key: abc"),
            ".private_key: found a text; expected a variable, such as ${PRIVATE_KEY}",
        ),
        (GOOD.replace("client_credentials", "password"), ".type: found 'password'; expected client_credentials"),
        (GOOD.replace("client_id: planner, ", ""), ".client_id: found nothing; expected a value for client_id"),
        (
            GOOD.replace("issuer: 'https://login.example', ", ""),
            ".issuer: found nothing; expected the authorization server's issuer, or its token_url",
        ),
        (
            GOOD + ", token_url: 'https://x.example'",
            ".token_url: found both issuer and token_url; expected one of them",
        ),
        (
            GOOD.replace("https://login", "ftp://login"),
            ".issuer: found 'ftp://login.example'; expected an address that begins with http:// or https://",
        ),
        (
            GOOD.replace(", client_secret: '${SECRET}'", ""),
            ".client_secret: found nothing; expected a client_secret or a private_key",
        ),
        (
            GOOD + ", private_key: '${SECRET}'",
            ".private_key: found both client_secret and private_key; expected one of them",
        ),
        (
            GOOD.replace("client_secret:", "token_endpoint_auth_method: client_secret_post, private_key:"),
            ".token_endpoint_auth_method: found a key for a client_secret; expected none beside private_key",
        ),
        (
            GOOD + ", signing_algorithm: ES256",
            ".signing_algorithm: found a key for a private_key; expected none beside client_secret",
        ),
        (GOOD + ", scopes: a b", ".scopes: found a text; expected a list"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(auth: str, complaint: str) -> None:
    assert complaints_of(server(auth)) == [WHERE + complaint]


def test_everything_wrong_with_auth_is_told_at_once() -> None:
    auth = "type: client_credentials, isuer: 'https://login.example', client_secret: hunter, scopes: 3"
    told = complaints_of(server(auth, "command: crm"))
    places = [each.removeprefix(WHERE).partition(":")[0] for each in told]
    assert sorted(places) == [".client_id", ".client_secret", ".isuer", ".scopes", ".type"]
    assert "did you mean issuer?" in "".join(told)


def test_auth_has_no_place_beside_a_header_that_does_the_same() -> None:
    headers = "url: 'https://crm.example/mcp', headers: {authorization: '${SECRET}'}"
    (complaint,) = complaints_of(server(GOOD, headers))
    assert complaint == f"{WHERE}.type: found both auth and an Authorization header; expected one of them"


def test_a_word_in_place_of_the_section_is_told() -> None:
    text = AGENT + "mcp_servers: {crm: {url: 'https://crm.example/mcp', auth: oauth}}\n"
    assert complaints_of(text) == [f"{WHERE}: found a text; expected a mapping"]
