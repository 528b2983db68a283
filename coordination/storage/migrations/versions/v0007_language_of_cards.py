"""The language of the place that a card was asked for in, so that every process draws it in the same."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("cards", sa.Column("language", sa.Text, nullable=False, server_default=""))
