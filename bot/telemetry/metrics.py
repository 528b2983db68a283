"""Metrics in the Prometheus text format: counted by this process, or read from the database for all processes."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, TypeAlias

from coordination.storage.overview import Overview

Labels: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One name, what it says, and the names of its labels. A summary has `_sum` and `_count`."""

    name: str
    kind: Literal["counter", "gauge", "summary"]
    meaning: str
    labels: Labels = ()


READY = Metric(
    name="massgen_bot_ready", kind="gauge", meaning="Whether a part of this process is well.", labels=("check",)
)
RUNS = Metric(name="massgen_bot_runs", kind="gauge", meaning="Runs in the database by state.", labels=("state",))
QUEUED = Metric(
    name="massgen_bot_queued_seconds",
    kind="gauge",
    meaning="How long the oldest run that waits for a worker has waited.",
)
WORKERS = Metric(name="massgen_bot_workers", kind="gauge", meaning="Workers that gave a sign of life of late.")
CARD_LAG = Metric(
    name="massgen_bot_card_lag_seconds",
    kind="gauge",
    meaning="How long the card that is furthest behind its log has been so.",
    labels=("platform",),
)
EVENTS = Metric(
    name="massgen_bot_events_total", kind="counter", meaning="Events that this process wrote.", labels=("kind",)
)
BREAK_GLASS = Metric(
    name="massgen_bot_break_glass_total",
    kind="counter",
    meaning="Plans that somebody approved alone with break-glass in this process.",
)
TOKENS = Metric(
    name="massgen_bot_tokens_total",
    kind="counter",
    meaning="Tokens that models used in this process.",
    labels=("model", "direction"),
)
MODEL_SECONDS = Metric(
    name="massgen_bot_model_call_seconds",
    kind="summary",
    meaning="Calls of models, and how long they took.",
    labels=("model", "outcome"),
)
TOOL_SECONDS = Metric(
    name="massgen_bot_tool_call_seconds",
    kind="summary",
    meaning="Calls of tools: reads while agents plan, and approved calls.",
    labels=("server", "use", "outcome"),
)
BUILD = Metric(name="massgen_bot_build_info", kind="gauge", meaning="The version that runs here.", labels=("version",))

ALL = (READY, RUNS, QUEUED, WORKERS, CARD_LAG, EVENTS, BREAK_GLASS, TOKENS, MODEL_SECONDS, TOOL_SECONDS, BUILD)
"""Every metric that is served."""


class Counters:
    """What a process counts. Any thread may add to it."""

    def __init__(self) -> None:
        """Nothing was counted."""
        self._sums: dict[tuple[Metric, Labels], float] = {}
        self._counts: dict[tuple[Metric, Labels], int] = {}
        self._lock = threading.Lock()

    def add(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Count, or, for a summary, add one observation of `by`."""
        with self._lock:
            self._sums[metric, labels] = self._sums.get((metric, labels), 0.0) + by
            self._counts[metric, labels] = self._counts.get((metric, labels), 0) + 1

    def value(self, metric: Metric, *labels: str) -> float:
        """The sum so far."""
        return self._sums.get((metric, labels), 0.0)

    def samples(self, metric: Metric) -> Iterator[tuple[str, Labels, float]]:
        """Ending of the name, labels and value of each sample of a metric."""
        with self._lock:
            found = [(key[1], total, self._counts[key]) for key, total in self._sums.items() if key[0] == metric]
        for labels, total, count in sorted(found):
            if metric.kind == "summary":
                yield "_sum", labels, total
                yield "_count", labels, float(count)
            else:
                yield "", labels, total


PROCESS = Counters()
"""What this process counts."""
PROCESS.add(BREAK_GLASS, by=0.0)  # An increase is only seen of what was there before.


def metrics_page(counters: Counters, problems: Mapping[str, str], overview: Overview | None) -> str:
    """All of it in Prometheus' text format.

    Without an overview the database does not answer, and nothing is said of it.
    """
    given: dict[Metric, Sequence[tuple[str, Labels, float]]] = {
        READY: [("", (name,), 0.0 if problem else 1.0) for name, problem in problems.items()],
        BUILD: [("", (_version(),), 1.0)],
    }
    if overview is not None:
        given[RUNS] = [("", (state,), float(count)) for state, count in sorted(overview.runs.items())]
        given[QUEUED] = [("", (), overview.queued_seconds)]
        given[WORKERS] = [("", (), float(overview.workers))]
        given[CARD_LAG] = [("", (name,), lag) for name, lag in sorted(overview.card_lag_seconds.items())]
    return "".join(_described(metric, given.get(metric) or counters.samples(metric)) for metric in ALL)


def _described(metric: Metric, samples: Iterable[tuple[str, Labels, float]]) -> str:
    lines = [f"# HELP {metric.name} {metric.meaning}\n", f"# TYPE {metric.name} {metric.kind}\n"]
    for ending, labels, value in samples:
        pairs = ",".join(f'{name}="{_escaped(label)}"' for name, label in zip(metric.labels, labels, strict=True))
        lines.append(f"{metric.name}{ending}{f'{{{pairs}}}' if pairs else ''} {value:.10g}\n")
    return "".join(lines)


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _version() -> str:
    try:
        return version("massgen-bot")
    except PackageNotFoundError:
        return "unknown"
