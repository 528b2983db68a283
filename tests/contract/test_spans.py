"""A run is one trace: from the prompt over turns, calls of models and reads to the plan, the decision and its calls."""

from collections.abc import Generator, Mapping
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bot.application import Overrides
from bot.composition import open_application
from bot.machine import CONFIGS, console_person
from bot.telemetry.instrumentation import provider_name
from bot.telemetry.spans import ids_of, stop_tracing, trace_into
from bot.variables import Environment
from coordination.config import parse, read_text
from coordination.domain import states as s
from coordination.run_request import RunRequest


@pytest.fixture
def exported() -> Generator[tuple[InMemorySpanExporter, InMemoryMetricReader]]:
    spans, metrics = InMemorySpanExporter(), InMemoryMetricReader()
    trace_into(SimpleSpanProcessor(spans), metrics)
    yield spans, metrics
    stop_tracing()


def span_id(span: ReadableSpan | None) -> int:
    assert span is not None
    assert span.context is not None
    return span.context.span_id


async def a_whole_run(folder: Path) -> str:
    environment = Environment({"MASSGEN_BOT_STATE": str(folder), "MASSGEN_BOT_DEMO_PACE": "0"})
    path = CONFIGS / "demo.yaml"
    async with open_application(environment, Overrides()) as application, application.working():
        me = console_person()
        run = await application.coordinator.start(
            RunRequest(
                prompt="Announce it", requester=me, config_name="demo", config_text=read_text(path), origin=str(path)
            )
        )
        async for recorded in application.log.follow(run):
            if recorded.event.kind == "plan_proposed":
                state = await application.coordinator.state(run)
                assert isinstance(state, s.AwaitingDecision)
                await application.coordinator.approve(run, state.plan.digest, me)
            if recorded.event.kind in ("run_finished", "run_failed"):
                break
    return run


async def test_a_run_is_one_trace_whose_spans_belong_to_each_other(
    tmp_path: Path, exported: tuple[InMemorySpanExporter, InMemoryMetricReader]
) -> None:
    run = await a_whole_run(tmp_path)
    spans = exported[0].get_finished_spans()
    trace, first = ids_of(run)
    assert {span.context.trace_id for span in spans if span.context is not None} == {trace}
    by_name: Mapping[str, list[ReadableSpan]] = {
        name: [span for span in spans if span.name == name] for name in {span.name for span in spans}
    }
    (root,) = by_name["invoke_workflow massgen-bot"]
    assert (span_id(root), root.parent) == (first, None)
    (planned,), (done,) = by_name["deliberate"], by_name["execute"]
    for job in (planned, done):
        assert job.parent is not None
        assert job.parent.span_id == first
    turns = [span for span in spans if span.name.startswith("invoke_agent agent")]
    chats = [span for span in spans if span.name.startswith("chat ")]
    assert {span.parent.span_id for span in chats if span.parent} <= {span_id(span) for span in turns}
    assert all((span.attributes or {})["gen_ai.operation.name"] == "chat" for span in chats)
    assert {str((span.attributes or {})["gen_ai.provider.name"]) for span in chats} == {"scripted"}
    calls = [span for span in spans if (span.attributes or {}).get("massgen_bot.use") == "call"]
    reads = [span for span in spans if (span.attributes or {}).get("massgen_bot.use") == "read"]
    assert len(calls) == 2
    assert {span.parent.span_id for span in calls if span.parent} == {span_id(done)}
    assert {span.parent.span_id for span in reads if span.parent} <= {span_id(span) for span in turns}
    assert by_name.keys() >= {"plan_proposed", "approval_given", "call_succeeded", "run_finished"}
    assert "Announce it" not in "".join(span.to_json() for span in spans)
    data = exported[1].get_metrics_data()
    assert data is not None
    metrics = [metric for each in data.resource_metrics for scope in each.scope_metrics for metric in scope.metrics]
    names = {metric.name for metric in metrics}
    assert names == {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"}
    told = {
        str((point.attributes or {})["gen_ai.provider.name"]) for metric in metrics for point in metric.data.data_points
    }
    assert told == {"scripted"}


@pytest.mark.parametrize(
    ("backend", "name"),
    [
        ("type: openai", "openai"),
        ("type: claude", "anthropic"),
        ("type: claude_code", "anthropic"),
        ("type: gemini", "gcp.gemini"),
        ("type: grok", "x_ai"),
        ("type: groq", "groq"),
        ("type: azure_openai, base_url: https://me.openai.azure.com", "azure.ai.openai"),
        ("type: chatcompletion", "openai"),
        ("type: chatcompletion, base_url: https://api.groq.com/openai/v1", "groq"),
    ],
)
def test_providers_have_the_names_of_the_conventions(backend: str, name: str) -> None:
    text = f"agent: {{backend: {{{backend}, model: m}}}}\n"
    (agent,) = parse(text, origin="ops.yaml", environ=None).agents
    assert provider_name(agent.backend) == name


def test_a_provider_that_the_conventions_do_not_have_is_called_by_its_type() -> None:
    text = "agent: {backend: {type: chatcompletion, model: m, base_url: 'http://10.0.0.1/v1'}}\n"
    (agent,) = parse(text, origin="ops.yaml", environ=None).agents
    assert provider_name(agent.backend) == "chatcompletion"
