"""How far a card has come with the notices that somebody approved a plan alone in an emergency."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("cards", sa.Column("announced", sa.Integer, nullable=False, server_default="0"))
