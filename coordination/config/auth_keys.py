"""The keys of a server's `auth`, as a pydantic model."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from coordination.config.sections import Keys, OneLine, WebAddress


def _secret(secret: SecretStr) -> SecretStr:
    """A line break at its end comes from the file that it was read from."""
    return SecretStr(secret.get_secret_value().strip())


def _pem(secret: SecretStr) -> SecretStr:
    """A key of many lines, which many a place that holds variables can write only as one."""
    text = secret.get_secret_value().strip()
    return SecretStr(text if "\n" in text else text.replace("\\n", "\n").strip())


class ServerAuthKeys(Keys):
    """How the program gets tokens for one MCP server: by OAuth's grant for programs that act for themselves."""

    type: Literal["client_credentials"]
    issuer: WebAddress | None = None
    token_url: WebAddress | None = None
    client_id: OneLine
    client_secret: Annotated[SecretStr, AfterValidator(_secret)] | None = None
    private_key: Annotated[SecretStr, AfterValidator(_pem)] | None = None
    signing_algorithm: Literal["RS256", "PS256", "ES256", "EdDSA"] | None = None
    token_endpoint_auth_method: Literal["client_secret_basic", "client_secret_post"] | None = None
    scopes: Annotated[tuple[OneLine, ...], Field(max_length=100)] = ()
