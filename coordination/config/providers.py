"""Who serves models, with address, key variable, and how much each API may be told to think."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from coordination.config.diagnostics import expected_but_found, quoted
from coordination.config.sections import ModelOptions
from coordination.text import Text, either

Family = Literal["responses", "chat", "anthropic", "gemini", "claude_code", "scripted"]


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One backend type.

    Attributes:
        family: the API that it speaks, and so the adapter that serves it.
        base_url: where it is, unless the config says otherwise; empty: the adapter's own default, or none at all.
        key_variables: where the key is looked up, in this order, when the config has none.
        hosts: the ends of host names by which a bare `base_url` is recognised.
        searches_web: the provider itself can search the web, as a read.
    """

    type: str
    title: str
    family: Family
    base_url: str = ""
    key_variables: tuple[str, ...] = ()
    needs_key: bool = True
    hosts: tuple[str, ...] = ()
    searches_web: bool = False


def _searching(type_: str, title: str, family: Family, base_url: str, keys: str, hosts: str = "") -> Provider:
    return replace(_chat(type_, title, base_url, keys, hosts), family=family, searches_web=True)


def _chat(type_: str, title: str, base_url: str, keys: str = "", hosts: str = "") -> Provider:
    known = tuple(keys.split())
    return Provider(
        type=type_, title=title, family="chat", base_url=base_url, key_variables=known, hosts=tuple(hosts.split())
    )


def _local(type_: str, title: str, base_url: str, keys: str = "") -> Provider:
    return replace(_chat(type_, title, base_url, keys), needs_key=False)


_QWEN = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
_GEMINI = "https://generativelanguage.googleapis.com"
_ANTHROPIC = "https://api.anthropic.com"
_ALL = (
    _searching("openai", "OpenAI", "responses", "https://api.openai.com/v1", "OPENAI_API_KEY", "openai.com"),
    _searching("claude", "Anthropic", "anthropic", _ANTHROPIC, "ANTHROPIC_API_KEY", "anthropic.com"),
    _searching("gemini", "Google Gemini", "gemini", _GEMINI, "GOOGLE_API_KEY GEMINI_API_KEY", "googleapis.com"),
    _searching("claude_code", "Claude Code", "claude_code", _ANTHROPIC, "ANTHROPIC_API_KEY CLAUDE_CODE_OAUTH_TOKEN"),
    _chat("chatcompletion", "Chat Completions", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    _chat("grok", "xAI", "https://api.x.ai/v1", "XAI_API_KEY", "x.ai"),
    _chat("groq", "Groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", "groq.com"),
    _chat("together", "Together AI", "https://api.together.xyz/v1", "TOGETHER_API_KEY", "together.xyz together.ai"),
    _chat("fireworks", "Fireworks AI", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", "fireworks.ai"),
    _chat("cerebras", "Cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", "cerebras.ai"),
    _chat("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "openrouter.ai"),
    _chat(
        "moonshot",
        "Moonshot AI",
        "https://api.moonshot.ai/v1",
        "MOONSHOT_API_KEY KIMI_API_KEY",
        "moonshot.ai moonshot.cn",
    ),
    _chat("qwen", "Alibaba Model Studio", _QWEN, "QWEN_API_KEY DASHSCOPE_API_KEY", "aliyuncs.com"),
    _chat("nebius", "Nebius", "https://api.tokenfactory.nebius.com/v1", "NEBIUS_API_KEY", "nebius.com nebius.ai"),
    _chat("zai", "Z.AI", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY", "z.ai bigmodel.cn"),
    _chat("poe", "Poe", "https://api.poe.com/v1", "POE_API_KEY", "poe.com"),
    _chat("azure_openai", "Azure OpenAI", "", "AZURE_OPENAI_API_KEY", "openai.azure.com"),
    _local("lmstudio", "LM Studio", "http://localhost:1234/v1"),
    _local("vllm", "vLLM", "http://localhost:8000/v1", "VLLM_API_KEY"),
    _local("sglang", "SGLang", "http://localhost:30000/v1", "SGLANG_API_KEY"),
    _local("ollama", "Ollama", "http://localhost:11434/v1"),
    Provider(type="scripted", title="Script", family="scripted", needs_key=False),
)

PROVIDERS = {provider.type: provider for provider in _ALL}

_BY_PREFIX = (
    (("gpt-", "chatgpt-", "codex-", "o1", "o3", "o4"), "openai"),
    (("claude-",), "claude"),
    (("gemini-",), "gemini"),
    (("grok-",), "grok"),
    (("glm-",), "zai"),
    (("kimi-", "moonshot-"), "moonshot"),
)


def type_of_model(model: str) -> str | None:
    """The backend type that a model's name stands for, where its maker alone serves it under that name."""
    folded = model.casefold()
    for prefixes, type_ in _BY_PREFIX:
        if folded.startswith(prefixes):
            return type_
    return None


def provider_at(base_url: str) -> Provider | None:
    """The provider whose address this is."""
    host = urlsplit(base_url).hostname or ""
    for provider in _ALL:
        if any(host == known or host.endswith(f".{known}") for known in provider.hosts):
            return provider
    return None


_CLAUDE = ("low", "medium", "high", "xhigh", "max")

EFFORTS: Mapping[Family, tuple[str, ...]] = {
    "anthropic": _CLAUDE,
    "claude_code": _CLAUDE,
    "gemini": ("minimal", "low", "medium", "high", "xhigh"),
}
"""The efforts of those APIs that have a list of their own; the others leave it to the model."""

LEAST_BUDGET = 1_024


def problems_of(options: ModelOptions, family: Family) -> Iterator[tuple[tuple[str, ...], Text]]:
    """Each value that the API would refuse in every call: its keys below the backend, and the complaint."""
    efforts = EFFORTS.get(family)
    if efforts is not None and options.effort is not None and options.effort not in efforts:
        place = ("reasoning_effort",) if options.reasoning_effort is not None else ("reasoning", "effort")
        yield place, expected_but_found(quoted(options.effort), either(efforts))
    if family == "anthropic":
        yield from _problems_of_budget(options)


def _problems_of_budget(options: ModelOptions) -> Iterator[tuple[tuple[str, ...], Text]]:
    kind, budget = options.thinking_ahead
    key = next((name for name in ("thinking", "reasoning") if getattr(options, name) is not None), "")
    place = (key, "budget_tokens") if key else ("max_thinking_tokens",)
    if kind == "enabled" and budget is None:
        yield place, expected_but_found(Text("nothing"), Text("a number of tokens, or adaptive as the type"))
    if budget is None:
        return
    if kind in {"adaptive", "disabled"}:
        found = Text("a number of tokens beside {kind}", kind=kind)
        yield place, expected_but_found(found, Text("none, or enabled as the type"))
    if budget < LEAST_BUDGET:
        least = Text("a number of at least {bound}", bound=LEAST_BUDGET)
        yield place, expected_but_found(Text.verbatim(str(budget)), least)
    most = options.output_tokens
    if most is not None and budget >= most:
        found = Text("{budget} of {most} tokens", budget=budget, most=most)
        yield place, expected_but_found(found, Text("fewer tokens than the reply limit, which includes them"))


_OF_HTTP = frozenset(
    {
        "accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect",
        "host", "keep-alive", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_OF_THE_KEY: Mapping[Family, frozenset[str]] = {
    "chat": frozenset({"authorization"}),
    "responses": frozenset({"authorization"}),
    "anthropic": frozenset({"authorization"}),
    "gemini": frozenset({"x-goog-api-key"}),
    "claude_code": frozenset({"authorization", "x-api-key"}),
}
_OF_THE_API: Mapping[Family, frozenset[str]] = {
    "anthropic": frozenset({"anthropic-version"}),
    "claude_code": frozenset({"anthropic-version", "anthropic-beta"}),
}


def reserved_headers(names: Iterable[str], provider: Provider) -> Iterator[tuple[str, Text, Text]]:
    """Each of these headers that the program sets itself: its name, what was found, and what was expected."""
    of_azure = {"api-key"} if provider.type == "azure_openai" else frozenset[str]()
    of_the_key = _OF_THE_KEY.get(provider.family, frozenset()) | of_azure
    of_the_program = _OF_HTTP | _OF_THE_API.get(provider.family, frozenset())
    for name in names:
        if name.lower() in of_the_key:
            yield name, Text("the header {name}, which holds the key", name=quoted(name)), Text("the key in api_key")
        elif name.lower() in of_the_program:
            found = Text("the header {name}, which the program sets itself", name=quoted(name))
            yield name, found, Text("other headers only")
