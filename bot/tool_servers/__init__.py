"""MCP servers on stdio that lend agents a chat product's reads and writes, within one server or workspace."""
