"""When a member of staff left, and sessions over video."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "20250423133244"
down_revision = "20250225151417"

MOMENT = TIMESTAMP(precision=3)


def upgrade() -> None:
    """Replace staff.active with the time of leaving; add video to appointments."""
    op.add_column("staff", sa.Column("deactivatedAt", MOMENT))
    op.execute('UPDATE staff SET "deactivatedAt" = "updatedAt" WHERE NOT active')
    op.drop_column("staff", "active")
    op.add_column(
        "appointments",
        sa.Column("isTelehealth", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column("appointments", sa.Column("meetingUrl", sa.Text()))


def downgrade() -> None:
    """Bring staff.active back, true for those who have not left."""
    op.drop_column("appointments", "meetingUrl")
    op.drop_column("appointments", "isTelehealth")
    op.add_column(
        "staff", sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    op.execute('UPDATE staff SET active = false WHERE "deactivatedAt" IS NOT NULL')
    op.drop_column("staff", "deactivatedAt")
