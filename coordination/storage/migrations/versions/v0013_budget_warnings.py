"""Budgets of a day of which most is used, and whether administrators were told."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "budget_warnings",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("limit_key", sa.Text, primary_key=True),
        sa.Column("whose", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("spent", sa.Double, nullable=False),
        sa.Column("most", sa.Double, nullable=False),
        sa.Column("told_at", sa.Text, nullable=False, server_default=""),
    )
