"""The OpenAI Agents SDK: two agents in parallel answer, then both vote; streamed, tracing off."""

import asyncio

from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from agents.agent import StopAtTools
from openai import AsyncOpenAI

from tests.bench.peers.case import NOTICE, OPENING, system
from tests.bench.peers.timing import report


@function_tool
def read_notice(title: str) -> str:
    """Read one notice from the board."""
    return NOTICE


@function_tool
def new_answer(content: str) -> str:
    """End your turn with a new answer."""
    return content


@function_tool
def vote(agent_id: str, reason: str) -> str:
    """End your turn with a vote."""
    return agent_id


def make(base_url: str):
    """One client and two agents per round for all runs."""
    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=base_url, api_key="k", max_retries=0, timeout=600)
    model = OpenAIChatCompletionsModel(model="mock", openai_client=client)
    stop = StopAtTools(stop_at_tool_names=["new_answer", "vote"])

    def agent(number: int, *tools):
        return Agent(
            name=f"agent{number}",
            instructions=system(number),
            model=model,
            tools=[read_notice, new_answer, *tools],
            tool_use_behavior=stop,
        )

    answering = [agent(1), agent(2)]
    voting = [agent(1, vote), agent(2, vote)]

    async def turn(who) -> str:
        result = Runner.run_streamed(who, OPENING)
        async for _ in result.stream_events():
            pass
        return result.final_output

    async def run() -> None:
        await asyncio.gather(*(turn(each) for each in answering))
        votes = await asyncio.gather(*(turn(each) for each in voting))
        assert votes == ["agent1", "agent1"]

    return run


if __name__ == "__main__":
    report(make)
