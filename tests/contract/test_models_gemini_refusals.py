"""Every refusal of Gemini's API, over a real socket, and what people are told of it."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from coordination.errors import ModelFault
from coordination.ports import ToolSpec

pytest.importorskip("google.genai", reason="the extra `gemini` is not installed")

from coordination.llm.gemini import GeminiOptions
from tests.contract.gemini_harness import KEY
from tests.contract.gemini_harness import gemini_harness as harness
from tests.servers.gemini_server import Fails

TOOLS = tuple(ToolSpec(name=name, description="Does.", input_schema={"type": "object"}) for name in ("first", "second"))


@pytest.fixture(autouse=True)
def no_key_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever the SDK logs, at whatever level, the key is not in it."""
    caplog.set_level(logging.DEBUG)
    yield
    assert KEY not in caplog.text


def failing(code: int, **error: object) -> Fails:
    return Fails(status=code, error={"message": f"API key not valid: {KEY}.", **error})


def detail(kind: str, **values: object) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **values}


RETRY = detail("RetryInfo", retryDelay="34.5s")
DAILY = detail("QuotaFailure", violations=[{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}])
MINUTE = detail("QuotaFailure", violations=[{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}])
TOKENS = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
NO_MIX = "Tool use with function calling is unsupported: google_search"
BAD_SCHEMA = "Invalid value at 'tools[0].function_declarations[1].parameters_json_schema': no such reference"

REFUSALS: list[tuple[Fails, ModelFault, bool, str]] = [
    (failing(401, status="UNAUTHENTICATED"), ModelFault.AUTH, False, "rejected the key GEMINI_API_KEY; the operator must"),
    (failing(403, status="PERMISSION_DENIED"), ModelFault.AUTH, False, "rejected the key GEMINI_API_KEY"),
    (failing(400, status="INVALID_ARGUMENT", details=[detail("ErrorInfo", reason="API_KEY_INVALID")]),
     ModelFault.AUTH, False, "rejected the key GEMINI_API_KEY"),
    (failing(400, status="FAILED_PRECONDITION"), ModelFault.AUTH, False, "that may use this model"),
    (failing(429, status="RESOURCE_EXHAUSTED"), ModelFault.RATE_LIMITED, True, "too many requests"),
    (failing(429, status="RESOURCE_EXHAUSTED", details=[MINUTE, RETRY]), ModelFault.RATE_LIMITED, True, "too many"),
    (failing(429, status="RESOURCE_EXHAUSTED", details=[DAILY, RETRY]), ModelFault.OUT_OF_BUDGET, False, "out of credit"),
    (failing(429, message="Your prepayment credits are depleted."), ModelFault.OUT_OF_BUDGET, False, "out of credit"),
    (failing(500, status="INTERNAL"), ModelFault.OVERLOADED, True, "overloaded or failing"),
    (Fails(status=502, error="<html>Bad gateway</html>"), ModelFault.OVERLOADED, True, "overloaded or failing"),
    (failing(503, status="UNAVAILABLE"), ModelFault.OVERLOADED, True, "overloaded or failing"),
    (failing(504, status="DEADLINE_EXCEEDED"), ModelFault.TIMED_OUT, True, "took too long"),
    (Fails(status=400, error={"message": TOKENS, "status": "INVALID_ARGUMENT"}), ModelFault.CONTEXT_TOO_LONG, False,
     "can't process that much text"),
    (failing(404, status="NOT_FOUND"), ModelFault.MISCONFIGURED, False, "must check model and base_url"),
    (Fails(status=404, error="<html>nothing</html>"), ModelFault.MISCONFIGURED, False, "must check model and base_url"),
    (Fails(status=307, headers={"Location": "/elsewhere"}), ModelFault.MISCONFIGURED, False, "base_url"),
    (Fails(status=400, error={"message": "max_output_tokens must be less"}), ModelFault.BAD_REQUEST, False,
     "must check max_output_tokens"),
    (Fails(status=400, error={"message": "Unknown name maxOutputTokens"}), ModelFault.BAD_REQUEST, False,
     "must check max_output_tokens"),
    (Fails(status=400, error={"message": BAD_SCHEMA}), ModelFault.BAD_REQUEST, False,
     "must check the tool second, whose input schema it does not accept"),
    (failing(400, status="INVALID_ARGUMENT"), ModelFault.BAD_REQUEST, False, "the options of this model"),
    (Fails(status=400, error={"message": NO_MIX}), ModelFault.MISCONFIGURED, False, "must turn off enable_web_search"),
    (Fails(status=400, error="[7]"), ModelFault.BAD_REQUEST, False, "the options of this model"),
    (Fails(status=400, error='{"error": {"message": 7, "details": {"a": [null]}, "status": []}}'),
     ModelFault.BAD_REQUEST, False, "the options of this model"),
]  # fmt: skip


@pytest.mark.parametrize(("fails", "fault", "is_retryable", "words"), REFUSALS)
async def test_a_refusal_says_who_must_do_what(fails: Fails, fault: ModelFault, is_retryable: bool, words: str) -> None:
    options = GeminiOptions(temperature=0.5, max_output_tokens=10, enable_web_search=True)
    async with harness(fails, options=options) as opened:
        error = await opened.failure(TOOLS)
    assert (error.fault, error.is_retryable) == (fault, is_retryable)
    assert words in str(error)
    assert str(error).startswith("The provider of gemini-x (127.0.0.1:")


@pytest.mark.parametrize(
    ("fails", "seconds"),
    [
        (failing(429), None),
        (failing(429, details=[RETRY]), 34.5),
        (failing(429, details=[detail("RetryInfo", retryDelay="86400s")]), 3600.0),
        (failing(429, details=[detail("RetryInfo", retryDelay="soon")]), None),
        (failing(429, details=[7, detail("RetryInfo", retryDelay={})]), None),
        (Fails(status=503, error="busy", headers={"Retry-After": "7"}), 7.0),
    ],
)
async def test_the_wait_that_the_provider_asks_for_is_passed_on(fails: Fails, seconds: float | None) -> None:
    async with harness(fails) as opened:
        error = await opened.failure(TOOLS)
        assert len(opened.server.requests) == 1
    assert error.retry_after == seconds
