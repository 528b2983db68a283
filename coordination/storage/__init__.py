"""The run log in SQLite or PostgreSQL, and what proves it: append-only, hash-chained, one commit for many runs."""
