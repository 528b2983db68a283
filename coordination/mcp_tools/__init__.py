"""Tools of MCP servers: sessions, transports, and what guards each call."""
