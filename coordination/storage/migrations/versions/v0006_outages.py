"""When workers could not reach the database, so that people are told why an outcome is unknown."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("worker_slots", sa.Column("beat_at", sa.DateTime(timezone=True)))
    op.create_table(
        "outages",
        sa.Column("since", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("until", sa.DateTime(timezone=True), primary_key=True),
    )
