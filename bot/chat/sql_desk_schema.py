"""The tables of the chats' front office, beside those of the log."""

import sqlalchemy as sa

desk_metadata = sa.MetaData()

# Times are texts of one width, as in the log.
cards = sa.Table(
    "cards",
    desk_metadata,
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
    sa.Index("cards_by_state", "surface", "state"),
    sa.Index("cards_by_tenant", "tenant", "state", "asked_at"),
    sa.Index("cards_by_requester", "tenant", "requester", "asked_at"),
    sa.Index("cards_by_message", "tenant", "channel", "message"),
    sa.Index("cards_by_story", "tenant", "channel", "story"),
    sa.Index("cards_to_wake", "wake_at"),
)

buttons = sa.Table(
    "buttons",
    desk_metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("call", sa.Integer),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("issued_at", sa.Text, nullable=False),
    sa.Index("buttons_by_run", "run", "attempt"),
)

scopes = sa.Table(
    "scopes",
    desk_metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("by_name", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)

seen = sa.Table(
    "seen",
    desk_metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("event", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Index("seen_by_time", "at"),
)

deeds = sa.Table(
    "deeds",
    desk_metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("by_name", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Index("deeds_by_tenant", "tenant", "number"),
)
