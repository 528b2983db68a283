"""OpenTelemetry traces and metrics, if the extra is installed and an endpoint is set; otherwise none, at no cost.

A run is one trace, in however many processes and days it happens: its id is made from the run's name. Spans of models
and tools are named as the semantic conventions for generative AI have it. No prompt, answer, argument or result is in
any.
"""

import hashlib
import importlib
import importlib.util
import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from bot.variables import Environment
from coordination.domain.transitions import Recorded
from coordination.ports import Job, Perform, Reply

_log = logging.getLogger(__name__)

_TOLD = frozenset(
    {
        "plan_proposed", "approval_given", "approval_withdrawn", "plan_rejected", "changes_requested", "plan_expired",
        "call_started",
        "call_succeeded", "call_failed", "call_outcome_unknown", "call_resolved", "calls_skipped", "run_answered",
        "run_cancelled", "run_finished", "run_failed",
    }
)  # fmt: skip
"""Kinds of events that are spans without a length: what happened to the plan, who decided being left out."""


class Span(Protocol):
    """What is said of one span while it lasts."""

    def set_attribute(self, key: str, value: str | int) -> object:
        """Say something of it."""
        ...


class _Nowhere:
    """Where nobody looks."""

    def set_attribute(self, key: str, value: str | int) -> None:
        """Nothing."""
        del key, value


_NOWHERE = _Nowhere()
_ids: ContextVar[tuple[int, int] | None] = ContextVar("span_ids", default=None)
_turn: ContextVar[Any] = ContextVar("turn_span", default=None)


def ids_of(run: str) -> tuple[int, int]:
    """The ids of a run's trace and of its first span, the same in every process."""
    digest = hashlib.sha256(f"massgen-bot/trace/{run}".encode()).digest()
    return int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big")


class Tracing:
    """OpenTelemetry's tracer and meter, as this program uses them."""

    def __init__(self, tracer: Any, meter: Any) -> None:  # noqa: ANN401 - the library is an extra
        """Both are of OpenTelemetry."""
        self.api = importlib.import_module("opentelemetry.trace")
        self._tracer = tracer
        self._seconds = meter.create_histogram("gen_ai.client.operation.duration", unit="s")
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", unit="{token}")

    def of_run(self, run: str) -> Any:  # noqa: ANN401 - likewise
        """The context in which spans belong to a run."""
        trace_id, span_id = ids_of(run)
        flags = self.api.TraceFlags(self.api.TraceFlags.SAMPLED)
        parent = self.api.SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)
        return self.api.set_span_in_context(self.api.NonRecordingSpan(parent))

    def begun(self, run: str) -> None:
        """The first span of a run: its prompt has arrived."""
        token = _ids.set(ids_of(run))
        try:
            context = importlib.import_module("opentelemetry.context").Context()
            attributes = {"gen_ai.operation.name": "invoke_workflow", "massgen_bot.run": run}
            self._tracer.start_span("invoke_workflow massgen-bot", context=context, attributes=attributes).end()
        finally:
            _ids.reset(token)

    def turn(self, agent: int, purpose: str) -> Any:  # noqa: ANN401 - likewise
        """A span that lasts until it is ended by hand; models and tools that this task uses meanwhile belong to it."""
        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": f"agent{agent}"}
        attributes["massgen_bot.purpose"] = purpose
        started = self._tracer.start_span(f"invoke_agent agent{agent}", attributes=attributes)
        _turn.set(started)
        return started

    @contextmanager
    def span(
        self,
        name: str,
        attributes: Mapping[str, str],
        *,
        within: Any = None,  # noqa: ANN401 - likewise
        is_client: bool = True,
    ) -> Generator[Span]:
        """A span with these attributes; an error is said of it by its type."""
        kind = self.api.SpanKind.CLIENT if is_client else self.api.SpanKind.INTERNAL
        with self._tracer.start_as_current_span(
            name,
            context=within,
            kind=kind,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as opened:
            try:
                yield opened
            except BaseException as error:
                opened.set_attribute("error.type", type(error).__name__)
                opened.set_status(self.api.StatusCode.ERROR)
                raise

    def within_turn(self) -> Any:  # noqa: ANN401 - likewise
        """The context of the task's turn, if there is one."""
        turn = _turn.get()
        return None if turn is None or not turn.is_recording() else self.api.set_span_in_context(turn)

    def used(self, about: Mapping[str, str], seconds: float, reply: Reply | None, error: str) -> None:
        """One call of the model that `about` tells of, for the histograms."""
        self._seconds.record(seconds, {**about, "error.type": error} if error else about)
        if reply is not None:
            self._tokens.record(reply.usage.input_tokens, {**about, "gen_ai.token.type": "input"})
            self._tokens.record(reply.usage.output_tokens, {**about, "gen_ai.token.type": "output"})


_tracing: list[Tracing] = []


def start_tracing(environment: Environment) -> None:
    """Send traces and metrics to the endpoint that the environment names, if it does.

    Without the extra, say so in the log.
    """
    if not environment.otlp_endpoint.strip() or _tracing:
        return
    if importlib.util.find_spec("opentelemetry") is None or importlib.util.find_spec("opentelemetry.sdk") is None:
        _log.warning("OTEL_EXPORTER_OTLP_ENDPOINT is set, and nothing is sent there: install massgen-bot[otel]")
        return
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    metrics = importlib.import_module("opentelemetry.sdk.metrics.export")
    spans_over_http = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    metrics_over_http = importlib.import_module("opentelemetry.exporter.otlp.proto.http.metric_exporter")
    trace_into(
        export.BatchSpanProcessor(spans_over_http.OTLPSpanExporter()),
        metrics.PeriodicExportingMetricReader(metrics_over_http.OTLPMetricExporter()),
    )


def trace_into(processor: Any, reader: Any) -> None:  # noqa: ANN401 - the library is an extra
    """Trace into this processor of spans and this reader of metrics of OpenTelemetry; both end with the process."""
    trace = importlib.import_module("opentelemetry.sdk.trace")
    ids = importlib.import_module("opentelemetry.sdk.trace.id_generator")
    metrics = importlib.import_module("opentelemetry.sdk.metrics")
    resource = importlib.import_module("opentelemetry.sdk.resources").Resource.create({"service.name": "massgen-bot"})

    def trace_id(_: object) -> int:
        fixed = _ids.get()
        return random_ids.generate_trace_id() if fixed is None else fixed[0]

    def span_id(_: object) -> int:
        fixed = _ids.get()
        return random_ids.generate_span_id() if fixed is None else fixed[1]

    random_ids = ids.RandomIdGenerator()
    fixed_ids = type("RunIds", (ids.IdGenerator,), {"generate_trace_id": trace_id, "generate_span_id": span_id})
    provider = trace.TracerProvider(resource=resource, id_generator=fixed_ids())
    provider.add_span_processor(processor)
    meters = metrics.MeterProvider([reader], resource=resource)
    _tracing[:] = [Tracing(provider.get_tracer("massgen-bot"), meters.get_meter("massgen-bot"))]


def stop_tracing() -> None:
    """Trace nothing any more."""
    _tracing.clear()


def traced_events(run: str, records: Sequence[Recorded]) -> None:
    """Put what was just written to a run's log into its trace."""
    if not _tracing:
        return
    (tracing,) = _tracing
    for recorded in records:
        kind = recorded.event.kind
        if kind == "run_requested":
            tracing.begun(run)
        elif kind in _TOLD:
            within = None if _job_of.get() == run else tracing.of_run(run)
            with tracing.span(kind, {"massgen_bot.run": run}, within=within, is_client=False):
                pass


_job_of: ContextVar[str] = ContextVar("job_of", default="")


def traced_jobs(perform: Perform) -> Perform:
    """What performs jobs, each as a span of its run's trace."""

    async def work(job: Job) -> None:
        if not _tracing:
            await perform(job)
            return
        (tracing,) = _tracing
        _job_of.set(job.run)
        said = {"massgen_bot.run": job.run, "massgen_bot.tenant": job.tenant}
        with tracing.span(job.task, said, within=tracing.of_run(job.run), is_client=False):
            await perform(job)

    return work


def begin_turn(agent: int, purpose: str) -> Any:  # noqa: ANN401 - likewise
    """The span of an agent's turn, or None."""
    return _tracing[0].turn(agent, purpose) if _tracing else None


@contextmanager
def model_span(model: str, provider: str, turn: Any) -> Generator[Callable[[Reply], None]]:  # noqa: ANN401 - likewise
    """One call of a model within a turn. Call what is given with its reply."""
    if not _tracing or turn is None:
        yield lambda reply: None  # noqa: ARG005 - nobody looks
        return
    (tracing,) = _tracing
    begun, replies, error = time.monotonic(), list[Reply](), ""
    within = tracing.api.set_span_in_context(turn)
    said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model, "gen_ai.provider.name": provider}
    try:
        with tracing.span(f"chat {model}", said, within=within) as opened:
            yield replies.append
            for reply in replies:
                opened.set_attribute("gen_ai.usage.input_tokens", reply.usage.input_tokens)
                opened.set_attribute("gen_ai.usage.output_tokens", reply.usage.output_tokens)
                opened.set_attribute("gen_ai.response.model", reply.model or model)
    except BaseException as raised:
        error = type(raised).__name__
        raise
    finally:
        tracing.used(said, time.monotonic() - begun, replies[0] if replies else None, error)


@contextmanager
def tool_span(server: str, tool: str, use: str) -> Generator[Span]:
    """One call of a tool: a read within an agent's turn, or an approved call."""
    if not _tracing:
        yield _NOWHERE
        return
    (tracing,) = _tracing
    within = tracing.within_turn() if use == "read" else None
    said = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
    with tracing.span(f"execute_tool {tool}", said, within=within) as opened:
        opened.set_attribute("massgen_bot.server", server)
        opened.set_attribute("massgen_bot.use", use)
        yield opened
