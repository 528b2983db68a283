"""Alembic's environment for the tables of the log; `coordination.storage.schema` runs it."""
