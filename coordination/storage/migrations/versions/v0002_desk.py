"""The chats' front office: cards, buttons, settings, seen events, audit; and the runs by their newest event."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _cards()
    op.create_table(
        "buttons",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("verb", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("call", sa.Integer),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("issued_at", sa.Text, nullable=False),
    )
    op.create_index("buttons_by_run", "buttons", ["run", "attempt"])
    op.create_table(
        "scopes",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("by_name", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_table(
        "seen",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("event", sa.Text, primary_key=True),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_index("seen_by_time", "seen", ["at"])
    _deeds()
    op.create_index("runs_by_update", "runs", ["updated_at"])


def _cards() -> None:
    op.create_table(
        "cards",
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("surface", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("thread", sa.Text, nullable=False),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("requester_name", sa.Text, nullable=False),
        sa.Column("asked_at", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("posted_at", sa.Text),
        sa.Column("shown", sa.Text, nullable=False),
        sa.Column("story", sa.Text, nullable=False),
        sa.Column("told", sa.Integer, nullable=False),
        sa.Column("reminded", sa.Text, nullable=False),
        sa.Column("is_outcome_told", sa.Boolean, nullable=False),
        sa.Column("is_trouble_told", sa.Boolean, nullable=False),
        sa.Column("stale", sa.Text, nullable=False),
        sa.Column("wake_at", sa.Text),
    )
    op.create_index("cards_by_state", "cards", ["surface", "state"])
    op.create_index("cards_by_tenant", "cards", ["tenant", "state", "asked_at"])
    op.create_index("cards_by_requester", "cards", ["tenant", "requester", "asked_at"])
    op.create_index("cards_by_message", "cards", ["tenant", "channel", "message"])
    op.create_index("cards_by_story", "cards", ["tenant", "channel", "story"])
    op.create_index("cards_to_wake", "cards", ["wake_at"])


def _deeds() -> None:
    op.create_table(
        "deeds",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("by_name", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("deeds_by_tenant", "deeds", ["tenant", "number"])


def downgrade() -> None:
    op.drop_index("runs_by_update", "runs")
    for table in ("deeds", "seen", "scopes", "buttons", "cards"):
        op.drop_table(table)
