"""Alembic's environment for the tables of the log; `coordination.storage.sql_migrate` runs it."""
