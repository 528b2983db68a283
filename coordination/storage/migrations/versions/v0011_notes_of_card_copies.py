"""Why a copy of a card does not stand in its channel."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("card_copies", sa.Column("note", sa.Text, nullable=False, server_default=""))
