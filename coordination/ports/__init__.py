"""What coordination needs of the outside world, as shapes. Adapters fit them; `bot.composition` joins both once.

Powers are kept apart on purpose. Deliberation gets ToolCatalogue and ReadTools, which cannot execute a deferred call.
Execution gets an Executor, and no model.
"""

from coordination.ports.models import (
    Conversation,
    InputMessage,
    Model,
    Reply,
    ToolCall,
    ToolResult,
    ToolSpec,
    TurnContext,
    Usage,
    UserMessage,
)
from coordination.ports.run_log import Clock, Engine, Job, NewId, Perform, RunLog, RunSummary, Spending, Spent
from coordination.ports.tools import (
    AUTH_ENTRY,
    CallNotSentError,
    CallOutcomeUnknownError,
    ClientCredentials,
    Executor,
    ListedTool,
    ProofMethod,
    ReadList,
    ReadLists,
    ReadTools,
    ServerSpec,
    ToolCatalogue,
    ToolDefinition,
    ToolHub,
    ToolOutput,
)

__all__ = [
    "AUTH_ENTRY",
    "CallNotSentError",
    "CallOutcomeUnknownError",
    "ClientCredentials",
    "Clock",
    "Conversation",
    "Engine",
    "Executor",
    "InputMessage",
    "Job",
    "ListedTool",
    "Model",
    "NewId",
    "Perform",
    "ProofMethod",
    "ReadList",
    "ReadLists",
    "ReadTools",
    "Reply",
    "RunLog",
    "RunSummary",
    "ServerSpec",
    "Spending",
    "Spent",
    "ToolCall",
    "ToolCatalogue",
    "ToolDefinition",
    "ToolHub",
    "ToolOutput",
    "ToolResult",
    "ToolSpec",
    "TurnContext",
    "Usage",
    "UserMessage",
]
