"""The permissions that the app asks for, each with its reason."""

SCOPES = (
    "app_mentions:read",  # to be called in channels and threads
    "chat:write",  # cards and private answers
    "commands",  # /massgen, /massgen-admin and the shortcut
    "files:write",  # plan.md and plan.json, where a message is too small
    "im:history",  # to be talked to in the app's own tab
    "im:write",  # to reach somebody who is not in the channel
    "usergroups:read",  # approvers by group
    "users:read",  # names, and who administers the workspace
)
"""The bot's, each with its reason. Users give none."""

CHAT_TOOL_SCOPES = (
    "channels:history",
    "channels:read",
    "groups:history",
    "groups:read",
    "pins:write",
    "reactions:write",
)
"""What `massgen-bot chat-tools slack` needs besides."""

AGENT_SCOPE = "assistant:write"
"""What an app needs besides to be an agent of Slack's, with its Stop button."""
