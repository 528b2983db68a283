"""An index of the few events that are counted over many runs: standing grants, and the calls that start on them."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_COUNTED = sa.text("kind IN ('call_started', 'grant_given', 'grant_revoked')")


def upgrade() -> None:
    op.create_index("events_counted", "events", ["kind", "at"], sqlite_where=_COUNTED, postgresql_where=_COUNTED)
