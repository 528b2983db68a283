"""Where each worker runs, and since when, for whoever lists them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("worker_slots", sa.Column("host", sa.Text))
    op.add_column("worker_slots", sa.Column("since", sa.DateTime(timezone=True)))
