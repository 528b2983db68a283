"""Model servers on one's own machine: whether one listens, its models, and how much text Ollama shows them."""

import re
from typing import TypeVar

import httpx2
from pydantic import BaseModel

from coordination.llm.http import BROKEN_CONNECTION

_SECONDS = 3.0
_WINDOW = re.compile(r"^num_ctx\s+(\d{1,9})\s*$", re.MULTILINE)


class _Named(BaseModel):
    id: str


class _Models(BaseModel):
    """What every server of the OpenAI kind answers at /models."""

    data: tuple[_Named, ...]


class _Loaded(BaseModel):
    name: str = ""
    model: str = ""
    context_length: int | None = None


class _Running(BaseModel):
    """What Ollama answers at /api/ps."""

    models: tuple[_Loaded, ...] = ()


class _Shown(BaseModel):
    """What Ollama answers at /api/show: `parameters` is a text of lines."""

    parameters: str = ""


_Answer = TypeVar("_Answer", bound=BaseModel)


async def listens(base_url: str) -> bool:
    """Whether anything takes connections at this address, whatever it answers."""
    try:
        async with httpx2.AsyncClient(timeout=_SECONDS) as client:
            await client.get(f"{base_url.rstrip('/')}/models")
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.InvalidURL):
        return False
    except BROKEN_CONNECTION:
        pass
    return True


async def models_at(base_url: str) -> tuple[str, ...] | None:
    """The models that a server says it has; None where it does not answer as a server of models."""
    found = await _asked(_Models, "GET", f"{base_url.rstrip('/')}/models")
    return None if found is None else tuple(each.id for each in found.data)


async def ollama_window(base_url: str, model: str) -> int | None:
    """How many tokens Ollama lets a model see, once it is loaded; None where nothing says so.

    It is no matter of the model's own limit: what is longer loses its beginning, and nobody is told.
    """
    root = base_url.rstrip("/").removesuffix("/v1")
    running = await _asked(_Running, "GET", f"{root}/api/ps")
    for each in running.models if running is not None else ():
        if model in (each.name, each.model, each.name.removesuffix(":latest")) and each.context_length is not None:
            return each.context_length
    shown = await _asked(_Shown, "POST", f"{root}/api/show", {"model": model})
    found = _WINDOW.search(shown.parameters) if shown is not None else None
    return None if found is None else int(found[1])


async def _asked(kind: type[_Answer], method: str, url: str, body: dict[str, str] | None = None) -> _Answer | None:
    """What is there, if it is of that kind."""
    try:
        async with httpx2.AsyncClient(timeout=_SECONDS) as client:
            response = await client.request(method, url, json=body)
            return kind.model_validate_json(response.content) if response.is_success else None
    except (*BROKEN_CONNECTION, ValueError):
        return None
