"""LangGraph: both agents answer in parallel nodes, then both vote, each with the read tool at hand."""

import operator
from typing import Annotated, TypedDict

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

from tests.bench.peers.case import NOTICE, OPENING, system
from tests.bench.peers.timing import report


@tool
def read_notice(title: str) -> str:
    """Read one notice from the board."""
    return NOTICE


@tool
def new_answer(content: str) -> str:
    """End your turn with a new answer."""
    return content


@tool
def vote(agent_id: str, reason: str) -> str:
    """End your turn with a vote."""
    return agent_id


class State(TypedDict):
    """What the agents said."""

    answers: Annotated[list[str], operator.add]
    votes: Annotated[list[str], operator.add]


async def turn(bound, number: int) -> dict[str, str]:
    """Talk until the model answers or votes; its last call's arguments."""
    messages = [SystemMessage(system(number)), HumanMessage(OPENING)]
    while True:
        reply = await bound.ainvoke(messages)
        call = reply.tool_calls[0]
        if call["name"] != "read_notice":
            return call["args"]
        messages += [reply, ToolMessage(read_notice.invoke(call["args"]), tool_call_id=call["id"])]


def answering(bound, number: int):
    """A node in which one agent answers."""

    async def node(state: State):
        return {"answers": [(await turn(bound, number))["content"]]}

    return node


def voting(bound, number: int):
    """A node in which one agent votes."""

    async def node(state: State):
        return {"votes": [(await turn(bound, number))["agent_id"]]}

    return node


def make(base_url: str):
    """One compiled graph for all runs."""
    model = ChatOpenAI(model="mock", base_url=base_url, api_key="k", streaming=True, stream_usage=True, max_retries=0)
    first, last = model.bind_tools([read_notice, new_answer]), model.bind_tools([read_notice, new_answer, vote])
    graph = StateGraph(State)
    for number in (1, 2):
        graph.add_node(f"answer{number}", answering(first, number))
        graph.add_node(f"vote{number}", voting(last, number))
    for number in (1, 2):
        graph.add_edge(START, f"answer{number}")
        graph.add_edge(["answer1", "answer2"], f"vote{number}")
        graph.add_edge(f"vote{number}", END)
    compiled = graph.compile()

    async def run() -> None:
        state = await compiled.ainvoke({"answers": [], "votes": []})
        assert len(state["votes"]) == 2

    return run


if __name__ == "__main__":
    report(make)
