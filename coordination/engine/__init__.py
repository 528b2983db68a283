"""Durable jobs over DBOS: queues in the log's own transactions, and workers that take over from dead ones."""
