"""The address of a model's server, checked before anything is sent there."""

import httpx2

from coordination.errors import ConfigError


def check_address(base_url: str, model: str) -> None:
    """Complain of an address that names no server, or that holds a secret.

    Raises:
        ConfigError: the operator must correct base_url.
    """
    try:
        address = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        address = httpx2.URL("")
    if address.scheme not in {"http", "https"} or not address.host:
        raise ConfigError([f"The base_url of {model} must begin with http:// or https:// and name a server."])
    if address.userinfo:
        raise ConfigError([f"The base_url of {model} must not hold a name or password; a key belongs into api_key."])
