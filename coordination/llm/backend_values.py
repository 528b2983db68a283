"""What several vendors' builders take out of a configuration's backend in the same way."""

from collections.abc import Mapping
from typing import cast

from coordination.config import BackendSettings, ModelOptions
from coordination.llm.model_errors import Raw


def key_of(backend: BackendSettings) -> str:
    """The key itself; empty where none is known."""
    return backend.api_key.get_secret_value() if backend.api_key is not None else ""


def extra_body(options: ModelOptions, *as_they_are: str) -> Mapping[str, Raw]:
    """What goes into the request as it is written: the named options that are set, and `extra_body`, which wins."""
    extra: dict[str, Raw] = {name: value for name in as_they_are if (value := getattr(options, name)) is not None}
    return extra | cast("dict[str, Raw]", options.extra_body or {})
