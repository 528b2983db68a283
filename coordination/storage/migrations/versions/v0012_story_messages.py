"""The message that tells a run's story, and after which event it begins: it is edited as the run goes on."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("cards", sa.Column("story_message", sa.Text, nullable=False, server_default=""))
    op.add_column("cards", sa.Column("story_from", sa.Integer, nullable=False, server_default="0"))
