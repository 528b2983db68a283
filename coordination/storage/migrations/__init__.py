"""Alembic's environment for the tables of the log; `coordination.adapters.sql_migrate` runs it."""
