"""What Alembic runs: the revisions on the connection that `sql_migrate` opened, in one transaction."""

from alembic import context

from coordination.storage.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
