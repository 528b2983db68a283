"""How much a model is to think: what each API takes of it, so that nothing starts that its provider would refuse."""

from collections.abc import Iterator, Mapping

from coordination.config.diagnostics import any_of, mismatch, quoted
from coordination.config.providers import Family
from coordination.config.sections import ModelOptions

_CLAUDE = ("low", "medium", "high", "xhigh", "max")

EFFORTS: Mapping[Family, tuple[str, ...]] = {
    "anthropic": _CLAUDE,
    "claude_code": _CLAUDE,
    "gemini": ("minimal", "low", "medium", "high", "xhigh"),
}
"""The efforts of those APIs that have a list of their own; the others leave it to the model."""

LEAST_BUDGET = 1_024


def problems_of(options: ModelOptions, family: Family) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each value that the API would refuse in every call: its keys below the backend, and the complaint."""
    efforts = EFFORTS.get(family)
    if efforts is not None and options.effort is not None and options.effort not in efforts:
        place = ("reasoning_effort",) if options.reasoning_effort is not None else ("reasoning", "effort")
        yield place, mismatch(quoted(options.effort), any_of(efforts))
    if family == "anthropic":
        yield from _problems_of_budget(options)


def _problems_of_budget(options: ModelOptions) -> Iterator[tuple[tuple[str, ...], str]]:
    kind, budget = options.thinking_ahead
    key = next((name for name in ("thinking", "reasoning") if getattr(options, name) is not None), "")
    place = (key, "budget_tokens") if key else ("max_thinking_tokens",)
    if kind == "enabled" and budget is None:
        yield place, mismatch("nothing", "a number of tokens, or adaptive as the type")
    if budget is None:
        return
    if kind in {"adaptive", "disabled"}:
        yield place, mismatch(f"a number of tokens beside {kind}", "none, or enabled as the type")
    if budget < LEAST_BUDGET:
        yield place, mismatch(str(budget), f"a number of at least {LEAST_BUDGET}")
    most = options.output_tokens
    if most is not None and budget >= most:
        yield place, mismatch(f"{budget} of {most} tokens", "fewer than a reply may have, which they are part of")
