"""The server that measurements rest on plays the part that they assume."""

import asyncio

import aiohttp
import pytest

from tests.bench.floor import CONTENDERS, REQUESTS_PER_RUN
from tests.bench.mock_model import mock_model


@pytest.mark.parametrize("contender", CONTENDERS)
async def test_every_contender_makes_the_same_requests(contender: str) -> None:
    with mock_model() as base_url:
        async with asyncio.timeout(30), CONTENDERS[contender](base_url) as run, aiohttp.ClientSession() as session:
            await run()
            async with session.get(f"{base_url}/counters") as response:
                counters = await response.json()
            async with session.post(f"{base_url}/reset") as response:
                await response.read()
            async with session.get(f"{base_url}/counters") as response:
                assert await response.json() == {"requests": 0, "bytes_in": 0, "bytes_out": 0}
    assert counters["requests"] == REQUESTS_PER_RUN
    assert counters["bytes_in"] > 6 * 2_000
    assert counters["bytes_out"] > 6 * 200 * 200
